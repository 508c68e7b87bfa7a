//! What runs beside the targets: a mirror of the instruments elsewhere, with readers of its own.

use std::time::Duration;

use meterkit_core::{Attributes, Registry};

use crate::source::Source;
use crate::views::Views;

/// Runs beside the targets of a pipeline, from its start to its end.
///
/// Both methods may block. They are called after the push targets have exported, on a thread that may wait.
pub trait Companion: Send + Sync + 'static {
    /// Returns what failures are reported under.
    fn name(&self) -> &str;

    /// Delivers what was recorded so far.
    ///
    /// # Errors
    ///
    /// What went wrong, without secrets.
    fn flush(&self) -> Result<(), String>;

    /// Delivers once more and ends, within `time`.
    ///
    /// # Errors
    ///
    /// What went wrong, without secrets.
    fn shutdown(&self, time: Duration) -> Result<(), String>;
}

/// What a companion is started with.
#[derive(Debug)]
#[non_exhaustive]
pub struct Start<'a> {
    /// Where values are recorded.
    pub registry: &'a Registry,
    /// Snapshots of it.
    pub source: &'a Source,
    /// What is being measured.
    pub resource: &'a Attributes,
    /// The views that targets see metrics through.
    pub views: &'a Views,
}
