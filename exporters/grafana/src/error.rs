//! Errors from creating a target or a dashboard publisher.

use meterkit_http::{CompressionError, HeaderError, TlsError};
use meterkit_otlp::EndpointError;

/// The reason why a target or a dashboard publisher cannot be created.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// TLS for remote write cannot be set up.
    #[error("remote write to `{endpoint}`: {problem}")]
    Tls {
        /// The URL of the receiver, without credentials.
        endpoint: String,
        /// The problem.
        problem: TlsError,
    },
    /// Remote write does not support the configured compression.
    #[error("remote write: {0}")]
    Compression(CompressionError),
    /// The spool directory cannot be used.
    #[error(
        "remote write: the directory `{directory}` (METERKIT_GRAFANA_SPOOL_DIR) cannot be used ({reason}); name a \
         directory that this process may write to"
    )]
    Spool {
        /// The directory.
        directory: String,
        /// The error of the file system.
        reason: String,
    },
    /// A credential or the tenant contains characters that no HTTP header may hold.
    #[error("remote write: {0}")]
    Header(HeaderError),
    /// TLS for publishing dashboards cannot be set up.
    #[error("publishing to Grafana at `{url}`: {problem}")]
    PublishTls {
        /// The address of Grafana.
        url: String,
        /// The problem.
        problem: TlsError,
    },
    /// A compression is set for publishing, but Grafana does not accept compressed requests.
    #[error("publishing to Grafana: {0}")]
    PublishCompression(CompressionError),
    /// The service account token contains characters that no HTTP header may hold.
    #[error("publishing to Grafana, GRAFANA_SERVICE_ACCOUNT_TOKEN: {0}")]
    PublishHeader(HeaderError),
    /// The URL that is built from the zone is invalid.
    #[error("Grafana Cloud: {0}")]
    Endpoint(EndpointError),
    /// The OTLP target for the gateway cannot be created.
    #[error("Grafana Cloud: {0}")]
    Otlp(meterkit_otlp::BuildError),
}

meterkit_rules::debug_as_text!(BuildError);
