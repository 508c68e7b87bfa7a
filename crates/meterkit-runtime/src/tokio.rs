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
//! OpenTelemetry has no conventions for it yet: the names follow those for other runtimes. It is what `tokio-metrics`
//! gives of any build of tokio; what needs `--cfg tokio_unstable` is not here.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use meterkit_core::{
    AnyObservable, CallbackGuard, InstrumentError, ObservableCounter, ObservableUpDownCounter,
    Observer, Registry,
};
use meterkit_macros::Metrics;
use tokio::runtime::Handle;
use tokio_metrics::{RuntimeIntervals, RuntimeMetrics, RuntimeMonitor};

/// Observes a runtime, in the scope `meterkit.tokio`, until the guard is dropped.
///
/// Counters begin with 0 here. Time is counted when a worker turns to something else: a task that never yields is seen
/// when it does. Of several runtimes that one registry observes, the last one is seen.
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
    let loads = Mutex::new(Loads::of(runtime));
    TokioMetrics::meter_in(registry).register_callback(metrics.all(), {
        let metrics = metrics.clone();
        move |observer| {
            let load = loads.lock().unwrap_or_else(PoisonError::into_inner).next();
            metrics.report(&load, observer);
        }
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

    fn report(&self, load: &Load, observer: &mut Observer<'_>) {
        let Load { now, busy, parks } = load;
        observer.observe(&self.workers, whole(now.workers_count));
        observer.observe(&self.busy, busy.as_secs_f64());
        observer.observe(&self.parks, *parks);
        observer.observe(&self.tasks, whole(now.live_tasks_count));
        observer.observe(&self.queue, whole(now.global_queue_depth));
    }
}

/// What a runtime does, and has done since it is observed.
#[derive(Clone)]
struct Load {
    now: RuntimeMetrics,
    busy: Duration,
    parks: u64,
}

/// `tokio-metrics` tells how much a counter rose since it was last asked. Here that is summed up.
struct Loads {
    intervals: RuntimeIntervals,
    last: Load,
}

impl Loads {
    fn of(runtime: &Handle) -> Self {
        let last = Load { now: RuntimeMetrics::default(), busy: Duration::ZERO, parks: 0 };
        Self { intervals: RuntimeMonitor::new(runtime).intervals(), last }
    }

    fn next(&mut self) -> Load {
        // It never ends.
        if let Some(now) = self.intervals.next() {
            self.last.busy += now.total_busy_duration;
            self.last.parks += now.total_park_count;
            self.last.now = now;
        }
        self.last.clone()
    }
}

/// As up-down counters have it.
fn whole(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
