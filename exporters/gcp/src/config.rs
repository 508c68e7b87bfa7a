//! The settings of a Google Cloud target.

use meterkit_otlp::{
    Compression, EndpointError, OtlpConfig, Protocol, TemporalityPreference, Transport,
};

use crate::settings::TRANSPORT;

/// The settings of a Google Cloud target.
#[derive(Clone, Debug)]
pub struct GcpConfig {
    pub(crate) otlp: OtlpConfig,
    pub(crate) project: Option<String>,
    pub(crate) quota_project: Option<String>,
}

pub(crate) const URL: &str = "https://telemetry.googleapis.com/v1/metrics";

impl GcpConfig {
    /// Creates settings that send metrics to Google's telemetry endpoint, into the project of the credentials.
    #[expect(clippy::missing_panics_doc, reason = "a test checks that the constant is a URL")]
    pub fn new() -> Self {
        Self::at(URL).expect("a URL")
    }

    /// Creates settings that send metrics to `url`, for example a regional endpoint.
    ///
    /// # Errors
    ///
    /// Returns an error if requests cannot be sent to `url`.
    pub fn at(url: &str) -> Result<Self, EndpointError> {
        let transport =
            Transport::default().with_compression(Compression::Gzip).with_hints(TRANSPORT.hints());
        let otlp = OtlpConfig::new(Protocol::HttpProtobuf, url)?;
        let otlp = otlp.with_name("gcp").with_transport(transport);
        Ok(Self { otlp, project: None, quota_project: None })
    }

    /// Sets the name of the target in logs and self-metrics, to distinguish it from other targets. `gcp` by default.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.otlp = self.otlp.with_name(name);
        self
    }

    /// Sets the id of the project that metrics go to, unless the resource has the attribute `gcp.project_id`. The
    /// project of the credentials by default. `METERKIT_GCP_PROJECT` and `GOOGLE_CLOUD_PROJECT` override this setting.
    #[must_use]
    pub fn with_project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Sets the id of the project that is billed for requests, sent in the header `x-goog-user-project`. By default, it
    /// is the project in a user's login, if any. `METERKIT_GCP_QUOTA_PROJECT` and `GOOGLE_CLOUD_QUOTA_PROJECT` override
    /// this setting.
    #[must_use]
    pub fn with_quota_project(mut self, project: impl Into<String>) -> Self {
        self.quota_project = Some(project.into());
        self
    }

    /// Sets proxies, certificates, compression and timeout. Settings that `transport` leaves unset do not change. The
    /// defaults are gzip and 10 s. The proxies are also used for requests for tokens, but not for the metadata server.
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
}

impl Default for GcpConfig {
    fn default() -> Self {
        Self::new()
    }
}
