//! Why a target, or a publisher of dashboards, cannot be made.

use meterkit_http::{CompressionError, HeaderError, TlsError};
use meterkit_otlp::EndpointError;

/// Why a target, or a publisher of dashboards, cannot be made.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Encryption cannot be set up.
    #[error("remote write to `{endpoint}`: {problem}")]
    Tls {
        /// Where it was to send to.
        endpoint: String,
        /// The problem.
        problem: TlsError,
    },
    /// Remote write has no such compression.
    #[error("remote write: {0}")]
    Compression(CompressionError),
    /// The directory of the queue cannot be used.
    #[error(
        "remote write: the directory `{directory}` (METERKIT_GRAFANA_SPOOL_DIR) cannot be used ({reason}); name one \
         that this process may write to"
    )]
    Spool {
        /// The directory.
        directory: String,
        /// What went wrong.
        reason: String,
    },
    /// A credential or the tenant cannot stand in a header.
    #[error("remote write: {0}")]
    Header(HeaderError),
    /// Encryption for publishing dashboards cannot be set up.
    #[error("publishing to Grafana at `{url}`: {problem}")]
    PublishTls {
        /// The address of Grafana.
        url: String,
        /// The problem.
        problem: TlsError,
    },
    /// Grafana takes no compressed requests.
    #[error("publishing to Grafana: {0}")]
    PublishCompression(CompressionError),
    /// The service account token cannot stand in a header.
    #[error("publishing to Grafana, GRAFANA_SERVICE_ACCOUNT_TOKEN: {0}")]
    PublishHeader(HeaderError),
    /// The zone makes no valid URL.
    #[error("Grafana Cloud: {0}")]
    Endpoint(EndpointError),
    /// Encryption for the OTLP gateway cannot be set up.
    #[error("Grafana Cloud: {0}")]
    Otlp(meterkit_otlp::BuildError),
}

meterkit_rules::debug_as_text!(BuildError);
