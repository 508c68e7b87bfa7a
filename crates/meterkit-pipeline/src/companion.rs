//! Companions: components that run beside the targets of a pipeline, such as the mirror of all instruments in
//! OpenTelemetry's SDK.

use std::time::Duration;

use meterkit_core::{Attributes, Registry};

use crate::source::Source;
use crate::views::Views;

/// A component that runs beside the targets for as long as the pipeline runs.
///
/// The pipeline calls [`flush`](Self::flush) and [`shutdown`](Self::shutdown) after the push targets have exported, on
/// a thread that may block.
pub trait Companion: Send + Sync + 'static {
    /// Returns the name under which failures are reported.
    fn name(&self) -> &str;

    /// Delivers everything recorded so far.
    ///
    /// # Errors
    ///
    /// Returns what went wrong. The text must not contain secrets.
    fn flush(&self) -> Result<(), String>;

    /// Delivers everything recorded so far and stops, within `time`.
    ///
    /// # Errors
    ///
    /// Returns what went wrong. The text must not contain secrets.
    fn shutdown(&self, time: Duration) -> Result<(), String>;
}

/// The parts of a pipeline that a companion receives when the pipeline starts.
#[derive(Debug)]
#[non_exhaustive]
pub struct Start<'a> {
    /// The registry that the pipeline collects from.
    pub registry: &'a Registry,
    /// The source of snapshots of the registry.
    pub source: &'a Source,
    /// The resource that the metrics describe, such as the service.
    pub resource: &'a Attributes,
    /// The views that apply to targets.
    pub views: &'a Views,
}
