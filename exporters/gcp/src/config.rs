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
    /// Metrics go to Google's telemetry endpoint, into the project of the credentials.
    #[expect(clippy::missing_panics_doc, reason = "a test holds that it is a URL")]
    pub fn new() -> Self {
        Self::at(URL).expect("a URL")
    }

    /// Metrics go to `url`: to a regional endpoint, for example.
    ///
    /// # Errors
    ///
    /// When requests cannot be sent to `url`.
    pub fn at(url: &str) -> Result<Self, EndpointError> {
        let transport =
            Transport::default().with_compression(Compression::Gzip).with_hints(TRANSPORT.hints());
        let otlp = OtlpConfig::new(Protocol::HttpProtobuf, url)?;
        let otlp = otlp.with_name("gcp").with_transport(transport);
        Ok(Self { otlp, project: None, quota_project: None })
    }

    /// Sets the target's name in logs and self-metrics, to tell it from another one. `gcp` by default.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.otlp = self.otlp.with_name(name);
        self
    }

    /// Sets the project that metrics go to, unless the resource names one as `gcp.project_id`. By default it is the project
    /// that the credentials belong to. `METERKIT_GCP_PROJECT` and `GOOGLE_CLOUD_PROJECT` override.
    #[must_use]
    pub fn with_project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
        self
    }

    /// Sets the project that is billed for requests, sent as `x-goog-user-project`. By default it is
    /// the one that a user's login names. `METERKIT_GCP_QUOTA_PROJECT` and `GOOGLE_CLOUD_QUOTA_PROJECT` override.
    #[must_use]
    pub fn with_quota_project(mut self, project: impl Into<String>) -> Self {
        self.quota_project = Some(project.into());
        self
    }

    /// Sets proxies, certificates, compression and timeout; whatever `transport` leaves unset stays as it is. The
    /// defaults are gzip and 10 s. The proxies are used for tokens, too, but not for the metadata server.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.otlp = self.otlp.with_transport(transport);
        self
    }

    /// Sets which metrics are sent as deltas. By default all of them are cumulative.
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
