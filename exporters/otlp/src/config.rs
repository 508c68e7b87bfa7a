//! The settings of an OTLP target.

use std::sync::Arc;
use std::time::Duration;

use meterkit_http::{
    Compression, HeaderError, Headers, Secret, SendError, Transport, TransportHints,
};

use crate::credentials::{Credentials, Hook};
use crate::endpoint::{Endpoint, EndpointError};
use crate::protocol::Protocol;
use crate::settings::TRANSPORT;
use crate::temporality::TemporalityPreference;

/// The settings of one target. `Debug` shows no credentials.
///
/// ```
/// use std::time::Duration;
///
/// use meterkit_otlp::{
///     Compression, OtlpConfig, OtlpTarget, Protocol, TemporalityPreference, Transport,
/// };
///
/// let transport =
///     Transport::default().with_compression(Compression::Gzip).with_timeout(Duration::from_secs(5));
/// let config = OtlpConfig::new(Protocol::HttpProtobuf, "http://localhost:4318/v1/metrics")?
///     .with_header("Authorization", "Bearer 3f2a")?
///     .with_transport(transport)
///     .with_temporality(TemporalityPreference::Delta);
/// let target = OtlpTarget::new(config)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpConfig {
    pub(crate) name: String,
    pub(crate) protocol: Protocol,
    pub(crate) endpoint: Endpoint,
    pub(crate) headers: Headers,
    pub(crate) credentials: Option<Hook>,
    pub(crate) transport: Transport,
    pub(crate) temporality: TemporalityPreference,
    pub(crate) max_request_bytes: usize,
}

/// By the specification of the OTLP exporter.
const TIMEOUT: Duration = Duration::from_secs(10);

impl OtlpConfig {
    /// Returns `error` with what users of these settings can do.
    pub(crate) fn advised(&self, error: SendError) -> SendError {
        let is_grpc = self.protocol == Protocol::Grpc;
        let hints = TransportHints { is_grpc, ..self.transport.hints() };
        error.with_advice(hints, self.endpoint.uri())
    }

    /// Metrics go to `url`, which is used as it is: over HTTP, `http://localhost:4318/v1/metrics`.
    ///
    /// Nothing is taken from the environment.
    ///
    /// # Errors
    ///
    /// When requests cannot be sent to `url`; see [`Endpoint::new`].
    pub fn new(protocol: Protocol, url: &str) -> Result<Self, EndpointError> {
        Ok(Self::to(protocol, Endpoint::new(protocol, url)?))
    }

    /// Metrics go to a receiver on this machine, at the protocol's port: 4317 for gRPC, 4318 for HTTP.
    pub fn local(protocol: Protocol) -> Self {
        Self::to(protocol, Endpoint::of_this_machine(protocol))
    }

    /// Metrics go to `endpoint`, which was made for `protocol`.
    pub(crate) fn to(protocol: Protocol, endpoint: Endpoint) -> Self {
        Self {
            name: "otlp".to_owned(),
            protocol,
            endpoint,
            headers: Headers::default(),
            credentials: None,
            transport: Transport::default()
                .with_compression(Compression::None)
                .with_timeout(TIMEOUT)
                .with_hints(TRANSPORT.hints()),
            temporality: TemporalityPreference::default(),
            max_request_bytes: match protocol {
                // What servers take if they are not told otherwise.
                Protocol::Grpc => 4 * 1024 * 1024,
                // What OpenTelemetry's specification makes the limit.
                Protocol::HttpProtobuf | Protocol::HttpJson => 64 * 1024 * 1024,
            },
        }
    }

    /// What the target is called in logs and self-metrics, to tell it from another one. `otlp` by default.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sends `name: value` with every request, in place of an earlier header of this name.
    /// `OTEL_EXPORTER_OTLP_METRICS_HEADERS` overrides.
    ///
    /// # Errors
    ///
    /// When HTTP has no such header, or the exporter sets it itself.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, HeaderError> {
        self.headers.insert(name, value.as_bytes())?;
        Ok(self)
    }

    /// Sends `name` with a secret as its value with every request, in place of an earlier header of this name. If a file
    /// holds the secret, it is read again when the file changes.
    ///
    /// # Errors
    ///
    /// As for [`with_header`](Self::with_header).
    pub fn with_secret_header(
        mut self,
        name: &'static str,
        value: &Secret,
    ) -> Result<Self, HeaderError> {
        self.headers.insert_secret(name, value)?;
        Ok(self)
    }

    /// Authenticates each request with headers of its own: see [`Credentials`].
    #[must_use]
    pub fn with_credentials(mut self, credentials: impl Credentials) -> Self {
        self.credentials = Some(Hook(Arc::new(credentials)));
        self
    }

    /// Sets proxies, certificates, compression and timeout. What `transport` leaves unset stays as it is.
    ///
    /// The defaults are no proxies, the system's certificate authorities, no client certificate, no compression, and
    /// 10 s for a request. These variables override, each for itself: `OTEL_EXPORTER_OTLP_METRICS_COMPRESSION`,
    /// `..._TIMEOUT`, `..._CERTIFICATE`, `..._CLIENT_CERTIFICATE`, `..._CLIENT_KEY`, and `METERKIT_OTLP_PROXY`.
    ///
    /// ```
    /// use meterkit_otlp::{OtlpConfig, Protocol, Proxies, Transport};
    ///
    /// let proxies = Proxies::default().with_https("http://proxy.example.com:3128")?;
    /// let config = OtlpConfig::new(Protocol::Grpc, "https://collector.example.com:4317")?
    ///     .with_transport(Transport::default().with_proxies(proxies));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport.or(self.transport);
        self
    }

    /// Which metrics go out as totals and which as differences; all as totals by default.
    /// `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` overrides.
    #[must_use]
    pub fn with_temporality(mut self, preference: TemporalityPreference) -> Self {
        self.temporality = preference;
        self
    }

    /// How long a request may be before compression: what is more goes out in several. 4 MiB over gRPC, 64 MiB over
    /// HTTP by default. A receiver that refuses less is found out, at the cost of a request.
    #[must_use]
    pub fn with_max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request_bytes = bytes;
        self
    }

    /// Where metrics go.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// How they go there.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// How requests get there.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Which metrics go out as totals and which as differences.
    pub fn temporality(&self) -> TemporalityPreference {
        self.temporality
    }
}
