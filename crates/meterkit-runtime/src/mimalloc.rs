//! Metrics of the allocator mimalloc, by the statistics of the crate `mimalloc`.
//!
//! | metric | kind, unit | what it is |
//! |---|---|---|
//! | `mimalloc.memory.committed` | up-down counter, `By` | memory that the allocator may use |
//! | `mimalloc.memory.reserved` | up-down counter, `By` | address space that it has reserved |
//! | `mimalloc.page.count` | up-down counter, `{page}` | its pages, which hold blocks of one size each |
//! | `mimalloc.thread.count` | up-down counter, `{thread}` | threads that have a heap |
//!
//! These are what mimalloc counts in every build; it counts allocations in debug builds only. They say something only if
//! mimalloc is the allocator of the program: `#[global_allocator] static ALLOCATOR: MiMalloc = MiMalloc;`. The crate's feature
//! `v2` has no statistics, so it cannot be used with this one.
//!
//! OpenTelemetry has no conventions for these: the names follow those for the memory of other runtimes.

use meterkit_core::{
    AnyObservable, CallbackGuard, InstrumentError, ObservableUpDownCounter, Observer, Registry,
};
use meterkit_macros::Metrics;
use mimalloc::MiMalloc;
use serde_json::Value;

/// Observes mimalloc, in the scope `meterkit.mimalloc`, until the guard is dropped.
///
/// Where its statistics cannot be read, there are no values in that collection.
///
/// # Errors
///
/// The scope has a different instrument of one of these names.
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
        .map_err(|error| format!("mimalloc's statistics: expected JSON: {error}"))
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
    /// Pages of the allocator, which hold blocks of one size each.
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
