//! The errors of this crate.

use meterkit_http::{CompressionError, HeaderError, TlsError};

/// The error when a target cannot be created.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// TLS cannot be set up.
    #[error("push gateway `{endpoint}`: {problem}")]
    Tls {
        /// The address of the gateway.
        endpoint: String,
        /// The problem.
        problem: TlsError,
    },
    /// The compression is not compiled in, or not supported by gateways.
    #[error("push gateway: {0}")]
    Compression(CompressionError),
    /// A credential cannot be sent in a header.
    #[error("push gateway: {0}")]
    Header(HeaderError),
}

meterkit_rules::debug_as_text!(BuildError);

/// The error for a URL that metrics cannot be pushed to. Parts of the URL that may be secret are left out.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("push gateway URL `{url}` {reason}")]
pub struct UrlError {
    pub(crate) url: String,
    pub(crate) reason: String,
}

meterkit_rules::debug_as_text!(UrlError);

/// The error for a job or a label that a group cannot have.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("push gateway {0}")]
pub struct GroupError(pub(crate) String);

meterkit_rules::debug_as_text!(GroupError);
