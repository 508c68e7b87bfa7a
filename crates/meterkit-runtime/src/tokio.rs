//! Metrics of a tokio runtime.
//!
//! | metric | kind, unit | what it is |
//! |---|---|---|
//! | `tokio.worker.count` | up-down counter, `{worker}` | threads that run tasks |
//! | `tokio.worker.busy.time` | counter, `s` | time that they spent with it, all together |
//! | `tokio.worker.parks` | counter, `{park}` | how often one of them went to sleep for want of work |
//! | `tokio.task.count` | up-down counter, `{task}` | tasks that were spawned and have not ended |
//! | `tokio.global_queue.length` | up-down counter, `{task}` | tasks that wait for any of the workers |
//!
//! OpenTelemetry has no conventions for these yet: the names follow those for other runtimes. Metrics that tokio has only
//! with `--cfg tokio_unstable` are left out.

use std::time::Duration;

use meterkit_core::{
    AnyObservable, CallbackGuard, InstrumentError, ObservableCounter, ObservableUpDownCounter,
    Observer, Registry,
};
use meterkit_macros::Metrics;
use tokio::runtime::{Handle, RuntimeMetrics};

/// Observes a runtime, in the scope `meterkit.tokio`, until the guard is dropped.
///
/// Counters start from 0 at this call. Busy time is counted once a worker turns to something else, so a task that never
/// yields is not seen until it does. If one registry observes several runtimes, only the last one is exported.
///
/// # Errors
///
/// The scope has a different instrument of one of these names.
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
    /// Time that workers spent running tasks, all together.
    #[metric(name = "tokio.worker.busy.time", unit = "s")]
    busy: ObservableCounter<f64>,
    /// How often a worker went to sleep for want of work.
    #[metric(name = "tokio.worker.parks", unit = "{park}")]
    parks: ObservableCounter,
    /// Tasks that were spawned and have not ended.
    #[metric(name = "tokio.task.count", unit = "{task}")]
    tasks: ObservableUpDownCounter,
    /// Tasks that wait for any of the workers.
    #[metric(name = "tokio.global_queue.length", unit = "{task}")]
    queue: ObservableUpDownCounter,
}

impl TokioMetrics {
    /// What one callback observes.
    fn all(&self) -> [&dyn AnyObservable; 5] {
        [&self.workers, &self.busy, &self.parks, &self.tasks, &self.queue]
    }

    /// Reports the runtime, with the work that it has done since `before`.
    fn report(&self, runtime: &RuntimeMetrics, before: &Work, observer: &mut Observer<'_>) {
        let now = Work::of(runtime);
        observer.observe(&self.workers, whole(runtime.num_workers()));
        observer.observe(&self.busy, now.busy.saturating_sub(before.busy).as_secs_f64());
        observer.observe(&self.parks, now.parks.saturating_sub(before.parks));
        observer.observe(&self.tasks, whole(runtime.num_alive_tasks()));
        observer.observe(&self.queue, whole(runtime.global_queue_depth()));
    }
}

/// What all workers of a runtime have done since it started.
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

/// Returns a count as up-down counters have it.
fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
