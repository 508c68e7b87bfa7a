//! The one error type for programs that use `?` everywhere.

use meterkit_core::{AttributeError, InstrumentError, NamingError, ScopePatternError};
use meterkit_pipeline::{Closed, FlushError, StartError};
use meterkit_settings::SettingsError;

/// Whatever went wrong in this library, for `fn main() -> Result<(), meterkit::Error>`.
///
/// Shows its text also through `Debug`, which is what a failing `main` prints.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The pipeline could not be installed.
    #[error(transparent)]
    Install(#[from] std::sync::Arc<InstallError>),
    /// An instrument could not be made.
    #[error(transparent)]
    Instrument(#[from] InstrumentError),
    /// An attribute of every series has a key that cannot be used.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// A list of scopes cannot be read.
    #[error(transparent)]
    Scopes(#[from] ScopePatternError),
    /// The recorder of the crate `metrics` could not be installed.
    #[cfg(feature = "metrics")]
    #[error(transparent)]
    Recorder(#[from] meterkit_metrics::RecorderError),
    /// The last snapshot did not reach every target.
    #[error(transparent)]
    Flush(#[from] FlushError),
    /// The pipeline has shut down already.
    #[error(transparent)]
    Closed(#[from] Closed),
}

meterkit_rules::debug_as_text!(Error);

impl From<InstallError> for Error {
    fn from(error: InstallError) -> Self {
        Self::Install(error.into())
    }
}

/// Why [`TelemetryBuilder::install`](crate::TelemetryBuilder::install) failed. Nothing runs then.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// Another pipeline collects from this registry.
    #[error(
        "metrics are installed already: install once per registry, and shut down before installing again"
    )]
    AlreadyInstalled,
    /// An endpoint that comes from code is to be protected, by variables that cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The namespace cannot be used with the instruments that exist.
    #[error(transparent)]
    Naming(#[from] NamingError),
    /// An attribute of every series has a key that cannot be used.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// Metrics of the process or of the runtime clash with ones that the program has made.
    #[error(transparent)]
    Instrument(#[from] InstrumentError),
    /// A target could never send with its settings. The source is the error of the target's crate.
    #[error("{0}")]
    Target(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Metrics of a tokio runtime were requested, but no runtime was named.
    #[cfg(feature = "tokio")]
    #[error(
        "{asked_by} observes the tokio runtime in which `install` is called, and it is called outside of one: \
         call it in an async function, or name the runtime with `with_tokio_metrics_of`"
    )]
    NoTokioRuntime {
        /// The variable or the method that asked for them.
        asked_by: &'static str,
    },
    /// The pipeline's thread could not be started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The scrape endpoint could not be opened.
    #[cfg(feature = "prometheus")]
    #[error(transparent)]
    Prometheus(#[from] meterkit_prometheus::BindError),
}

meterkit_rules::debug_as_text!(InstallError);
