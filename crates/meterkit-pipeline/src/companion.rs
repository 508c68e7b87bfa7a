//! Companions, which run beside the targets of a pipeline, such as the mirror of all instruments in OpenTelemetry's
//! SDK.

use std::time::Duration;

use meterkit_core::{Attributes, Registry};

use crate::source::Source;
use crate::views::Views;

/// Runs beside the targets of a pipeline for as long as the pipeline runs.
///
/// [`flush`](Self::flush) and [`shutdown`](Self::shutdown) are called after the push targets have exported, on a thread
/// where they may block.
pub trait Companion: Send + Sync + 'static {
    /// Returns the name under which failures are reported.
    fn name(&self) -> &str;

    /// Delivers everything recorded so far.
    ///
    /// # Errors
    ///
    /// Returns what went wrong. The text must not contain secrets.
    fn flush(&self) -> Result<(), String>;

    /// Delivers once more and stops, within `time`.
    ///
    /// # Errors
    ///
    /// Returns what went wrong. The text must not contain secrets.
    fn shutdown(&self, time: Duration) -> Result<(), String>;
}

/// What a companion gets when the pipeline starts.
#[derive(Debug)]
#[non_exhaustive]
pub struct Start<'a> {
    /// The registry that the pipeline collects from.
    pub registry: &'a Registry,
    /// Snapshots of the registry.
    pub source: &'a Source,
    /// The resource that is being measured.
    pub resource: &'a Attributes,
    /// The views that apply to targets.
    pub views: &'a Views,
}
