//! Metrics of the process, following OpenTelemetry's semantic conventions.
//!
//! | metric | kind, unit | labels | available on |
//! |---|---|---|---|
//! | `process.cpu.time` | counter, `s` | `cpu.mode`: `user`, `system`; absent if only the sum is known | all systems |
//! | `process.memory.usage` | up-down counter, `By` | | all systems |
//! | `process.memory.virtual` | up-down counter, `By` | | all systems |
//! | `process.uptime` | gauge, `s` | | all systems |
//! | `process.unix.file_descriptor.count` | up-down counter, `{file_descriptor}` | | Linux, FreeBSD |
//! | `process.windows.handle.count` | up-down counter, `{handle}` | | Windows |
//! | `process.disk.io` | counter, `By` | `disk.io.direction`: `read`, `write` | Linux, macOS |
//! | `process.thread.count` | up-down counter, `{thread}` | | Linux |
//! | `process.paging.faults` | counter, `{fault}` | `system.paging.fault.type`: `minor`, `major` | Linux |
//!
//! On Linux, the values come from `/proc/self`; on other systems, from the crate `sysinfo`.

mod labels;
#[cfg(target_os = "linux")]
mod linux;
mod metrics;
#[cfg(any(test, not(target_os = "linux")))]
mod portable;
mod reading;

use meterkit_core::{CallbackGuard, InstrumentError, Registry};

#[cfg(target_os = "linux")]
use self::linux::read;
use self::metrics::ProcessMetrics;
#[cfg(not(target_os = "linux"))]
use self::portable::read;
use self::reading::ReadError;

/// Observes this process, in the scope `meterkit.process`, until the guard is dropped.
///
/// Each collection queries the operating system once. If the query fails, the collection contains no process metrics.
///
/// # Errors
///
/// Returns an error if the scope has a different instrument with the name of one of these metrics.
///
/// ```
/// use meterkit_core::Registry;
///
/// let registry = Registry::new();
/// let _guard = meterkit_runtime::process::observe(&registry)?;
/// registry.refresh(); // as every collection does
/// let mut metrics = registry.read().into_iter().flat_map(|scope| scope.metrics);
/// assert!(metrics.any(|metric| metric.descriptor.name == "process.cpu.time"));
/// # Ok::<(), meterkit_core::InstrumentError>(())
/// ```
pub fn observe(registry: &Registry) -> Result<CallbackGuard, InstrumentError> {
    let metrics = ProcessMetrics::register_in(registry)?;
    ProcessMetrics::meter_in(registry).register_callback(metrics.all(), {
        let metrics = metrics.clone();
        move |observer| {
            metrics.report(&read()?, observer);
            Ok::<(), ReadError>(())
        }
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests;
