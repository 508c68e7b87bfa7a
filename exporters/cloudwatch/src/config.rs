//! The settings of a CloudWatch target.

use meterkit_otlp::{
    Compression, EndpointError, OtlpConfig, Protocol, TemporalityPreference, Transport,
};

use crate::credentials::AwsCredentials;
use crate::settings::TRANSPORT;

/// The settings of a CloudWatch target.
#[derive(Clone, Debug)]
pub struct CloudWatchConfig {
    region: String,
    otlp: OtlpConfig,
}

/// Maximum size of a request, in bytes. AWS states no limit for metrics, so this is less than its limits for other OTLP
/// endpoints.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;

impl CloudWatchConfig {
    /// Creates settings that send metrics to the endpoint of `region`, such as `eu-west-1`.
    ///
    /// # Errors
    ///
    /// Returns an error if `region` cannot be the name of a region.
    pub fn new(region: &str) -> Result<Self, RegionError> {
        let error = || RegionError { region: region.to_owned() };
        if !is_region(region) {
            return Err(error());
        }
        Self::at(region, &url(region)).map_err(|_| error())
    }

    /// Creates settings that send metrics to `url`, for example an endpoint in a private network, with signatures for
    /// `region`.
    ///
    /// # Errors
    ///
    /// Returns an error if requests cannot be sent to `url`.
    pub fn at(region: &str, url: &str) -> Result<Self, EndpointError> {
        let otlp = OtlpConfig::new(Protocol::HttpProtobuf, url)?
            .with_name("cloudwatch")
            .with_max_request_bytes(MAX_REQUEST_BYTES)
            .with_transport(
                Transport::default()
                    .with_compression(Compression::Gzip)
                    .with_hints(TRANSPORT.hints()),
            );
        Ok(Self { region: region.to_owned(), otlp })
    }

    /// Sets the name of the target in logs and self-metrics, to distinguish it from other targets. `cloudwatch` by
    /// default.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.otlp = self.otlp.with_name(name);
        self
    }

    /// Sets proxies, certificates, compression and timeout. Settings that `transport` leaves unset do not change. The
    /// defaults are gzip and 10 s. The proxies are also used for single sign-on and roles, but not for metadata
    /// services.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.otlp = self.otlp.with_transport(transport);
        self
    }

    /// Sets which metrics are sent as deltas. All metrics are cumulative by default.
    #[must_use]
    pub fn with_temporality(mut self, preference: TemporalityPreference) -> Self {
        self.otlp = self.otlp.with_temporality(preference);
        self
    }

    /// Returns the URL that metrics are sent to.
    pub fn endpoint(&self) -> String {
        self.otlp.endpoint().to_string()
    }

    /// Returns the region that requests are signed for.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Returns the settings of the OTLP target that sends to CloudWatch.
    pub(crate) fn into_otlp(self) -> OtlpConfig {
        let credentials =
            AwsCredentials::of_process(&self.region, self.otlp.transport().proxies().cloned());
        self.otlp.with_credentials(credentials)
    }

    #[cfg(test)]
    pub(crate) fn into_otlp_with(self, credentials: AwsCredentials) -> OtlpConfig {
        self.otlp.with_credentials(credentials)
    }
}

/// Returns the URL of the endpoint. Regions in China have a separate domain.
pub(crate) fn url(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("https://monitoring.{region}.{domain}/v1/metrics")
}

/// Returns whether `text` has the form of a region. The check is strict because the region becomes part of a host name.
pub(crate) fn is_region(text: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    text.contains('-')
        && text.chars().all(is_allowed)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.ends_with(|c: char| c.is_ascii_digit())
}

/// The error for a text that is not an AWS region.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{region}` is not an AWS region; write a region such as `eu-west-1`")]
pub struct RegionError {
    region: String,
}

meterkit_rules::debug_as_text!(RegionError);
