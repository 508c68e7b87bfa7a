//! Metrics of the allocator jemalloc, by the crate `tikv-jemalloc-ctl`.
//!
//! | metric | what it is |
//! |---|---|
//! | `jemalloc.memory.allocated` | bytes that the program has allocated |
//! | `jemalloc.memory.active` | bytes of the pages that hold them |
//! | `jemalloc.memory.metadata` | bytes that the allocator takes for itself |
//! | `jemalloc.memory.resident` | bytes that are in physical memory |
//! | `jemalloc.memory.mapped` | bytes that are mapped |
//! | `jemalloc.memory.retained` | bytes of address space that it keeps for later |
//!
//! All are up-down counters in `By`. They say something only if jemalloc is the allocator of the program:
//! `#[global_allocator] static ALLOCATOR: Jemalloc = Jemalloc;` of the crate `tikv-jemallocator`.
//!
//! OpenTelemetry has no conventions for these: the names follow those for the memory of other runtimes.

use meterkit_core::{
    AnyObservable, CallbackGuard, InstrumentError, ObservableUpDownCounter, Observer, Registry,
};
use meterkit_macros::Metrics;
use tikv_jemalloc_ctl::{Error, epoch, stats};

/// Observes jemalloc, in the scope `meterkit.jemalloc`, until the guard is dropped.
///
/// Each collection has jemalloc add up its statistics once, which takes some microseconds per arena. Where they cannot be read,
/// there are no values in that collection.
///
/// # Errors
///
/// The scope has a different instrument of one of these names.
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
    /// Memory of the pages that hold allocations.
    #[metric(name = "jemalloc.memory.active", unit = "By")]
    active: ObservableUpDownCounter,
    /// Memory that the allocator takes for itself.
    #[metric(name = "jemalloc.memory.metadata", unit = "By")]
    metadata: ObservableUpDownCounter,
    /// Physical memory of the allocator.
    #[metric(name = "jemalloc.memory.resident", unit = "By")]
    resident: ObservableUpDownCounter,
    /// Memory that the allocator has mapped.
    #[metric(name = "jemalloc.memory.mapped", unit = "By")]
    mapped: ObservableUpDownCounter,
    /// Address space that the allocator keeps for later.
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
        // Statistics are those of the last advance.
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
