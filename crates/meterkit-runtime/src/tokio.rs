//! Metrics of a tokio runtime.
//!
//! | metric | kind, unit | meaning |
//! |---|---|---|
//! | `tokio.worker.count` | up-down counter, `{worker}` | threads that run tasks |
//! | `tokio.worker.busy.time` | counter, `s` | total time that workers spent running tasks |
//! | `tokio.worker.parks` | counter, `{park}` | how often a worker parked because it had no work |
//! | `tokio.task.count` | up-down counter, `{task}` | tasks that were spawned and have not ended |
//! | `tokio.global_queue.length` | up-down counter, `{task}` | tasks in the global queue, waiting for any worker |
//!
//! OpenTelemetry has no conventions for these metrics yet: the names follow the conventions for other runtimes. Metrics
//! that tokio provides only with `--cfg tokio_unstable` are left out.

use std::time::Duration;

use meterkit_core::{
    AnyObservable, CallbackGuard, InstrumentError, ObservableCounter, ObservableUpDownCounter,
    Observer, Registry,
};
use meterkit_macros::Metrics;
use tokio::runtime::{Handle, RuntimeMetrics};

/// Observes a runtime, in the scope `meterkit.tokio`, until the guard is dropped.
///
/// Counters start at 0 with this call. Busy time is counted when a worker finishes polling a task, so a task that never
/// yields is not counted until it does. If a registry observes several runtimes, only the last runtime is exported.
///
/// # Errors
///
/// Returns an error if the scope has a different instrument with the name of one of these metrics.
///
/// ```
/// use meterkit_core::Registry;
/// use tokio::runtime::Handle;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), meterkit_core::InstrumentError> {
/// let registry = Registry::new();
/// let _guard = meterkit_runtime::tokio::observe(&registry, &Handle::current())?;
/// registry.refresh(); // as every collection does
/// let mut metrics = registry.read().into_iter().flat_map(|scope| scope.metrics);
/// assert!(metrics.any(|metric| metric.descriptor.name == "tokio.task.count"));
/// # Ok(())
/// # }
/// ```
pub fn observe(registry: &Registry, runtime: &Handle) -> Result<CallbackGuard, InstrumentError> {
    let metrics = TokioMetrics::register_in(registry)?;
    let runtime = runtime.metrics();
    let before = Work::of(&runtime);
    TokioMetrics::meter_in(registry).register_callback(metrics.all(), {
        let metrics = metrics.clone();
        move |observer| metrics.report(&runtime, &before, observer)
    })
}

/// The instruments.
#[derive(Clone, Debug, Metrics)]
#[metrics(semconv = "meterkit.tokio", crate = "meterkit_core")]
struct TokioMetrics {
    /// Threads that run tasks.
    #[metric(name = "tokio.worker.count", unit = "{worker}")]
    workers: ObservableUpDownCounter,
    /// Total time that workers spent running tasks.
    #[metric(name = "tokio.worker.busy.time", unit = "s")]
    busy: ObservableCounter<f64>,
    /// How often a worker parked because it had no work.
    #[metric(name = "tokio.worker.parks", unit = "{park}")]
    parks: ObservableCounter,
    /// Tasks that were spawned and have not ended.
    #[metric(name = "tokio.task.count", unit = "{task}")]
    tasks: ObservableUpDownCounter,
    /// Tasks in the global queue, waiting for any worker.
    #[metric(name = "tokio.global_queue.length", unit = "{task}")]
    queue: ObservableUpDownCounter,
}

impl TokioMetrics {
    /// Returns the instruments that one callback observes.
    fn all(&self) -> [&dyn AnyObservable; 5] {
        [&self.workers, &self.busy, &self.parks, &self.tasks, &self.queue]
    }

    /// Reports the state of the runtime, and its work since `before`.
    fn report(&self, runtime: &RuntimeMetrics, before: &Work, observer: &mut Observer<'_>) {
        let now = Work::of(runtime);
        observer.observe(&self.workers, whole(runtime.num_workers()));
        observer.observe(&self.busy, now.busy.saturating_sub(before.busy).as_secs_f64());
        observer.observe(&self.parks, now.parks.saturating_sub(before.parks));
        observer.observe(&self.tasks, whole(runtime.num_alive_tasks()));
        observer.observe(&self.queue, whole(runtime.global_queue_depth()));
    }
}

/// The work of all workers since the runtime started.
struct Work {
    busy: Duration,
    parks: u64,
}

impl Work {
    fn of(runtime: &RuntimeMetrics) -> Self {
        let workers = || 0..runtime.num_workers();
        Self {
            busy: workers().map(|worker| runtime.worker_total_busy_duration(worker)).sum(),
            parks: workers().map(|worker| runtime.worker_park_count(worker)).sum(),
        }
    }
}

/// Converts a count to the signed type of up-down counters. A count that is too large becomes `i64::MAX`.
fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
