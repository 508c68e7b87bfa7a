//! Why a target cannot be made.

use meterkit_http::{CompressionError, HeaderError, TlsError};

/// Why a target cannot be made.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Encryption cannot be set up.
    #[error("push gateway `{endpoint}`: {problem}")]
    Tls {
        /// Where it was to push to.
        endpoint: String,
        /// The problem.
        problem: TlsError,
    },
    /// The gateway does not support the compression.
    #[error("push gateway: {0}")]
    Compression(CompressionError),
    /// A credential cannot be sent in a header.
    #[error("push gateway: {0}")]
    Header(HeaderError),
}

meterkit_rules::debug_as_text!(BuildError);

/// A URL that nothing can be pushed to. What may be secret in it is left out.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("push gateway URL `{url}` {reason}")]
pub struct UrlError {
    pub(crate) url: String,
    pub(crate) reason: String,
}

meterkit_rules::debug_as_text!(UrlError);

/// A job or a label that no group can have.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("push gateway {0}")]
pub struct GroupError(pub(crate) String);

meterkit_rules::debug_as_text!(GroupError);
