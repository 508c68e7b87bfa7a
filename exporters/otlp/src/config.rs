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

/// The settings of one target. `Debug` does not show credentials.
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

/// The default timeout of a request, as the specification requires.
const TIMEOUT: Duration = Duration::from_secs(10);

impl OtlpConfig {
    /// Returns `error` with advice on which setting to change.
    pub(crate) fn advised(&self, error: SendError) -> SendError {
        let is_grpc = self.protocol == Protocol::Grpc;
        let hints = TransportHints { is_grpc, ..self.transport.hints() };
        error.with_advice(hints, self.endpoint.uri())
    }

    /// Creates settings that send metrics to `url`, which is used unchanged: over HTTP,
    /// `http://localhost:4318/v1/metrics`.
    ///
    /// Nothing is read from the environment.
    ///
    /// # Errors
    ///
    /// Returns an error if metrics cannot be sent to `url`; see [`Endpoint::new`].
    pub fn new(protocol: Protocol, url: &str) -> Result<Self, EndpointError> {
        Ok(Self::to(protocol, Endpoint::new(protocol, url)?))
    }

    /// Creates settings that send metrics to a receiver on this machine, at the protocol's port: 4317 for gRPC, 4318
    /// for HTTP.
    pub fn local(protocol: Protocol) -> Self {
        Self::to(protocol, Endpoint::of_this_machine(protocol))
    }

    /// Creates settings that send metrics to `endpoint`, which was created for `protocol`.
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
                // The default limit of gRPC servers.
                Protocol::Grpc => 4 * 1024 * 1024,
                // The limit in OpenTelemetry's specification.
                Protocol::HttpProtobuf | Protocol::HttpJson => 64 * 1024 * 1024,
            },
        }
    }

    /// Sets the name of the target in logs and self-metrics, to distinguish it from other targets. `otlp` by default.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sends the header `name: value` with every request. Replaces an earlier header with this name.
    /// `OTEL_EXPORTER_OTLP_METRICS_HEADERS` overrides this setting.
    ///
    /// # Errors
    ///
    /// Returns an error if the name or the value is invalid in HTTP, or the exporter sets this header itself.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, HeaderError> {
        self.headers.insert(name, value.as_bytes())?;
        Ok(self)
    }

    /// Sends the header `name` with a secret value with every request. Replaces an earlier header with this name. A
    /// secret that comes from a file is read again when the file changes.
    ///
    /// # Errors
    ///
    /// Returns an error in the same cases as [`with_header`](Self::with_header).
    pub fn with_secret_header(
        mut self,
        name: &'static str,
        value: &Secret,
    ) -> Result<Self, HeaderError> {
        self.headers.insert_secret(name, value)?;
        Ok(self)
    }

    /// Authenticates each request with headers that are fetched or computed for it; see [`Credentials`].
    #[must_use]
    pub fn with_credentials(mut self, credentials: impl Credentials) -> Self {
        self.credentials = Some(Hook(Arc::new(credentials)));
        self
    }

    /// Sets proxies, certificates, compression and timeout. Settings that `transport` leaves unset do not change.
    ///
    /// The defaults are no proxies, the system's certificate authorities, no client certificate, no compression, and a
    /// timeout of 10 s for a request. Each of these variables overrides the corresponding setting:
    /// `OTEL_EXPORTER_OTLP_METRICS_COMPRESSION`, `..._TIMEOUT`, `..._CERTIFICATE`, `..._CLIENT_CERTIFICATE`,
    /// `..._CLIENT_KEY`, and `METERKIT_OTLP_PROXY`.
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

    /// Sets which metrics are cumulative and which are deltas. All are cumulative by default.
    /// `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` overrides this setting.
    #[must_use]
    pub fn with_temporality(mut self, preference: TemporalityPreference) -> Self {
        self.temporality = preference;
        self
    }

    /// Sets the maximum size of a request before compression, in bytes. Larger exports are split into several requests.
    /// 4 MiB over gRPC and 64 MiB over HTTP by default. If the receiver has a lower limit, the target adapts after the
    /// first refused request.
    #[must_use]
    pub fn with_max_request_bytes(mut self, bytes: usize) -> Self {
        self.max_request_bytes = bytes;
        self
    }

    /// Returns the endpoint that metrics are sent to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Returns the protocol.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Returns the transport settings.
    pub fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Returns which metrics are cumulative and which are deltas.
    pub fn temporality(&self) -> TemporalityPreference {
        self.temporality
    }
}
