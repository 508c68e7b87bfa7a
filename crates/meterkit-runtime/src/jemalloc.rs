//! Metrics of the allocator jemalloc, from the crate `tikv-jemalloc-ctl`.
//!
//! | metric | meaning |
//! |---|---|
//! | `jemalloc.memory.allocated` | bytes that the program has allocated |
//! | `jemalloc.memory.active` | bytes in pages that contain allocations |
//! | `jemalloc.memory.metadata` | bytes that the allocator uses for itself |
//! | `jemalloc.memory.resident` | bytes in physical memory |
//! | `jemalloc.memory.mapped` | bytes that are mapped |
//! | `jemalloc.memory.retained` | bytes of address space that the allocator keeps for later use |
//!
//! All metrics are up-down counters in `By`. They are meaningful only if jemalloc is the program's allocator:
//! `#[global_allocator] static ALLOCATOR: Jemalloc = Jemalloc;` with the crate `tikv-jemallocator`.
//!
//! OpenTelemetry has no conventions for these metrics: the names follow the conventions for the memory of other
//! runtimes.

use meterkit_core::{
    AnyObservable, CallbackGuard, InstrumentError, ObservableUpDownCounter, Observer, Registry,
};
use meterkit_macros::Metrics;
use tikv_jemalloc_ctl::{Error, epoch, stats};

/// Observes jemalloc, in the scope `meterkit.jemalloc`, until the guard is dropped.
///
/// Each collection makes jemalloc update its statistics once, which takes some microseconds per arena. If the
/// statistics cannot be read, the collection contains no jemalloc metrics.
///
/// # Errors
///
/// Returns an error if the scope has a different instrument with the name of one of these metrics.
pub fn observe(registry: &Registry) -> Result<CallbackGuard, InstrumentError> {
    let metrics = JemallocMetrics::register_in(registry)?;
    JemallocMetrics::meter_in(registry).register_callback(metrics.all(), {
        let metrics = metrics.clone();
        move |observer| metrics.report(observer)
    })
}

/// The instruments.
#[derive(Clone, Debug, Metrics)]
#[metrics(semconv = "meterkit.jemalloc", crate = "meterkit_core")]
struct JemallocMetrics {
    /// Memory that the program has allocated.
    #[metric(name = "jemalloc.memory.allocated", unit = "By")]
    allocated: ObservableUpDownCounter,
    /// Memory in pages that contain allocations.
    #[metric(name = "jemalloc.memory.active", unit = "By")]
    active: ObservableUpDownCounter,
    /// Memory that the allocator uses for itself.
    #[metric(name = "jemalloc.memory.metadata", unit = "By")]
    metadata: ObservableUpDownCounter,
    /// Physical memory of the allocator.
    #[metric(name = "jemalloc.memory.resident", unit = "By")]
    resident: ObservableUpDownCounter,
    /// Memory that the allocator has mapped.
    #[metric(name = "jemalloc.memory.mapped", unit = "By")]
    mapped: ObservableUpDownCounter,
    /// Address space that the allocator keeps for later use.
    #[metric(name = "jemalloc.memory.retained", unit = "By")]
    retained: ObservableUpDownCounter,
}

impl JemallocMetrics {
    /// Returns the instruments that one callback observes.
    fn all(&self) -> [&dyn AnyObservable; 6] {
        let Self { allocated, active, metadata, resident, mapped, retained } = self;
        [allocated, active, metadata, resident, mapped, retained]
    }

    fn report(&self, observer: &mut Observer<'_>) -> Result<(), Error> {
        // jemalloc returns the statistics as of the last advance.
        epoch::advance()?;
        for (instrument, bytes) in [
            (&self.allocated, stats::allocated::read()?),
            (&self.active, stats::active::read()?),
            (&self.metadata, stats::metadata::read()?),
            (&self.resident, stats::resident::read()?),
            (&self.mapped, stats::mapped::read()?),
            (&self.retained, stats::retained::read()?),
        ] {
            observer.observe(instrument, i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        Ok(())
    }
}
