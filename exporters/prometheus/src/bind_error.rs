//! The error for an endpoint that cannot be opened.

use std::error::Error;
use std::fmt;
use std::io;

use crate::credentials::CredentialsError;
use crate::tls::TlsError;

/// The error when a scrape endpoint cannot be opened.
pub struct BindError(Reason);

meterkit_rules::debug_as_text!(BindError);

#[derive(Debug)]
enum Reason {
    Listen { host: String, port: u16, source: io::Error },
    Credentials(CredentialsError),
    Tls(TlsError),
    Wrong { what: &'static str, reason: String },
}

impl BindError {
    pub(crate) fn listen(host: String, port: u16, source: io::Error) -> Self {
        Self(Reason::Listen { host, port, source })
    }

    /// Creates the error for a setting that cannot be used.
    pub(crate) fn wrong(what: &'static str, reason: String) -> Self {
        Self(Reason::Wrong { what, reason })
    }
}

impl From<CredentialsError> for BindError {
    fn from(error: CredentialsError) -> Self {
        Self(Reason::Credentials(error))
    }
}

impl From<TlsError> for BindError {
    fn from(error: TlsError) -> Self {
        Self(Reason::Tls(error))
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port, source) = match &self.0 {
            Reason::Listen { host, port, source } => (host, port, source),
            Reason::Credentials(error) => return error.fmt(f),
            Reason::Tls(error) => return error.fmt(f),
            Reason::Wrong { what, reason } => {
                return write!(f, "the {what} of the scrape endpoint: {reason}");
            }
        };
        write!(f, "prometheus cannot listen on {host}:{port}: {source}; ")?;
        match source.kind() {
            io::ErrorKind::AddrInUse => f.write_str(
                "set OTEL_EXPORTER_PROMETHEUS_PORT to a free port, or to 0 for any; to \
                 serve no scrapes, list only other targets in OTEL_METRICS_EXPORTER",
            ),
            io::ErrorKind::PermissionDenied => {
                f.write_str("set OTEL_EXPORTER_PROMETHEUS_PORT to a port above 1023")
            }
            _ => f.write_str("set OTEL_EXPORTER_PROMETHEUS_HOST to an address of this machine"),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Reason::Listen { source, .. } => Some(source),
            Reason::Credentials(_) | Reason::Tls(_) | Reason::Wrong { .. } => None,
        }
    }
}
