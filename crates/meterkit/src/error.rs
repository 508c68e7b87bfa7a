//! One error type for all operations, for programs that use `?` everywhere.

use meterkit_core::{AttributeError, InstrumentError, NamingError, ScopePatternError};
use meterkit_pipeline::{Closed, FlushError, StartError};
use meterkit_settings::SettingsError;

/// Any error of this library, for `fn main() -> Result<(), meterkit::Error>`.
///
/// `Debug` shows the same text as `Display`, because a failing `main` prints `Debug`.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Settings are invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The pipeline could not be installed.
    #[error(transparent)]
    Install(#[from] std::sync::Arc<InstallError>),
    /// An instrument could not be created.
    #[error(transparent)]
    Instrument(#[from] InstrumentError),
    /// An attribute of every series has an invalid key.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// A list of scopes is invalid.
    #[error(transparent)]
    Scopes(#[from] ScopePatternError),
    /// The recorder of the crate `metrics` could not be installed.
    #[cfg(feature = "metrics")]
    #[error(transparent)]
    Recorder(#[from] meterkit_metrics::RecorderError),
    /// The last snapshot did not reach every target.
    #[error(transparent)]
    Flush(#[from] FlushError),
    /// The pipeline is already shut down.
    #[error(transparent)]
    Closed(#[from] Closed),
}

meterkit_rules::debug_as_text!(Error);

impl From<InstallError> for Error {
    fn from(error: InstallError) -> Self {
        Self::Install(error.into())
    }
}

/// The reason why [`TelemetryBuilder::install`](crate::TelemetryBuilder::install) failed. Nothing runs after an error.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum InstallError {
    /// Another pipeline already collects from this registry.
    #[error(
        "metrics are installed already: install once per registry, and shut down before installing again"
    )]
    AlreadyInstalled,
    /// The variables that protect an endpoint added in code are invalid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The namespace is invalid for the existing instruments.
    #[error(transparent)]
    Naming(#[from] NamingError),
    /// An attribute of every series has an invalid key.
    #[error(transparent)]
    Attribute(#[from] AttributeError),
    /// Metrics of the process or of the runtime conflict with metrics of the program.
    #[error(transparent)]
    Instrument(#[from] InstrumentError),
    /// The settings of a target make delivery impossible. The source is the error of the target's crate.
    #[error("{0}")]
    Target(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Metrics of a tokio runtime were requested outside of a runtime.
    #[cfg(feature = "tokio")]
    #[error(
        "{asked_by} observes the tokio runtime in which `install` is called, but `install` was called outside of \
         a runtime: call it in an async function, or pass the runtime to `with_tokio_metrics_of`"
    )]
    NoTokioRuntime {
        /// The variable or method that requested the metrics.
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
