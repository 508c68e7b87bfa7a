//! Metrics of the allocator mimalloc, from the crate `mimalloc`.
//!
//! | metric | kind, unit | meaning |
//! |---|---|---|
//! | `mimalloc.memory.committed` | up-down counter, `By` | memory that the allocator may use |
//! | `mimalloc.memory.reserved` | up-down counter, `By` | address space that the allocator has reserved |
//! | `mimalloc.page.count` | up-down counter, `{page}` | pages of the allocator, each with blocks of one size |
//! | `mimalloc.thread.count` | up-down counter, `{thread}` | threads that have a heap |
//!
//! mimalloc counts these values in every build, but it counts allocations only in debug builds. The metrics are
//! meaningful only if mimalloc is the program's allocator:
//! `#[global_allocator] static ALLOCATOR: MiMalloc = MiMalloc;`. The crate's feature `v2` provides no statistics, so it
//! cannot be combined with this module.
//!
//! OpenTelemetry has no conventions for these metrics: the names follow the conventions for the memory of other
//! runtimes.

use meterkit_core::{
    AnyObservable, CallbackGuard, InstrumentError, ObservableUpDownCounter, Observer, Registry,
};
use meterkit_macros::Metrics;
use mimalloc::MiMalloc;
use serde_json::Value;

/// Observes mimalloc, in the scope `meterkit.mimalloc`, until the guard is dropped.
///
/// If a collection cannot read the statistics, it contains no mimalloc metrics.
///
/// # Errors
///
/// Returns an error if the scope has a different instrument with the name of one of these metrics.
pub fn observe(registry: &Registry) -> Result<CallbackGuard, InstrumentError> {
    let metrics = MimallocMetrics::register_in(registry)?;
    MimallocMetrics::meter_in(registry).register_callback(metrics.all(), {
        let metrics = metrics.clone();
        move |observer| metrics.report(&statistics()?, observer)
    })
}

/// Returns the statistics of the process as JSON.
fn statistics() -> Result<Value, String> {
    let text = MiMalloc::stats_json()?;
    serde_json::from_slice(text.to_bytes())
        .map_err(|error| format!("cannot parse mimalloc's statistics: expected JSON: {error}"))
}

/// The instruments.
#[derive(Clone, Debug, Metrics)]
#[metrics(semconv = "meterkit.mimalloc", crate = "meterkit_core")]
struct MimallocMetrics {
    /// Memory that the allocator may use.
    #[metric(name = "mimalloc.memory.committed", unit = "By")]
    committed: ObservableUpDownCounter,
    /// Address space that the allocator has reserved.
    #[metric(name = "mimalloc.memory.reserved", unit = "By")]
    reserved: ObservableUpDownCounter,
    /// Pages of the allocator, each with blocks of one size.
    #[metric(name = "mimalloc.page.count", unit = "{page}")]
    pages: ObservableUpDownCounter,
    /// Threads that have a heap.
    #[metric(name = "mimalloc.thread.count", unit = "{thread}")]
    threads: ObservableUpDownCounter,
}

impl MimallocMetrics {
    /// Returns the instruments that one callback observes.
    fn all(&self) -> [&dyn AnyObservable; 4] {
        [&self.committed, &self.reserved, &self.pages, &self.threads]
    }

    fn report(&self, statistics: &Value, observer: &mut Observer<'_>) -> Result<(), String> {
        for (instrument, key) in [
            (&self.committed, "committed"),
            (&self.reserved, "reserved"),
            (&self.pages, "pages"),
            (&self.threads, "threads"),
        ] {
            let now = &statistics[key]["current"];
            let number = now.as_i64();
            let problem =
                || format!("mimalloc's `{key}.current`: expected an integer, found `{now}`");
            observer.observe(instrument, number.ok_or_else(problem)?);
        }
        Ok(())
    }
}
