//! Metrics of tokio tasks by name, from monitors of the crate `tokio-metrics`.
//!
//! | metric | kind, unit | meaning |
//! |---|---|---|
//! | `tokio.task.instrumented` | counter, `{task}` | tasks that the monitor has instrumented |
//! | `tokio.task.dropped` | counter, `{task}` | instrumented tasks that have ended or were dropped |
//! | `tokio.task.started` | counter, `{task}` | instrumented tasks that were polled at least once |
//! | `tokio.task.start.delay` | counter, `s` | time from instrumentation to the first poll |
//! | `tokio.task.polls` by `slow` | counter, `{poll}` | polls of tasks |
//! | `tokio.task.poll.time` by `slow` | counter, `s` | time spent in polls |
//! | `tokio.task.delays` by `long` | counter, `{delay}` | how often a woken task waited for its poll |
//! | `tokio.task.delay.time` by `long` | counter, `s` | time that woken tasks waited for their polls |
//! | `tokio.task.idles` | counter, `{idle}` | how often a task waited to be woken |
//! | `tokio.task.idle.time` | counter, `s` | time that tasks waited to be woken |
//!
//! All metrics have the attribute `tokio.task.monitor.name`. `slow` and `long` are `true` above the monitor's
//! thresholds. A mean is the quotient of two rates:
//! `rate(tokio_task_poll_time_seconds_total[5m]) / rate(tokio_task_polls_total[5m])`.
//!
//! OpenTelemetry has no conventions for these metrics: the names follow the metrics of [tokio's runtime](crate::tokio).

use std::time::Duration;

use meterkit_core::{
    AnyObservable, CallbackGuard, InstrumentError, ObservableCounterGroup, Observer, Registry,
};
use meterkit_macros::{Labels, Metrics};
use tokio_metrics::{TaskMetrics, TaskMonitor};

/// The attribute that distinguishes monitors.
const MONITOR_NAME: &str = "tokio.task.monitor.name";

/// Observes a monitor in the global registry, in the scope `meterkit.tasks`, until the guard is dropped.
///
/// `name` is the value of the attribute `tokio.task.monitor.name`. If another monitor is already observed under that
/// name, this monitor gets the name `name-2`, `name-3` and so on, which is logged.
///
/// # Errors
///
/// Returns an error if the scope has a different instrument with the name of one of these metrics.
///
/// ```
/// use tokio_metrics::TaskMonitor;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), meterkit_core::InstrumentError> {
/// let monitor = TaskMonitor::new();
/// let _observed = meterkit_runtime::tasks::observe(&monitor, "import")?;
/// tokio::spawn(monitor.instrument(async { /* … */ }));
/// # Ok(())
/// # }
/// ```
pub fn observe(monitor: &TaskMonitor, name: &str) -> Result<CallbackGuard, InstrumentError> {
    observe_in(Registry::global(), monitor, name)
}

/// Like [`observe`], but in the given registry.
///
/// # Errors
///
/// Returns an error in the same case as [`observe`].
pub fn observe_in(
    registry: &Registry,
    monitor: &TaskMonitor,
    name: &str,
) -> Result<CallbackGuard, InstrumentError> {
    let metrics = Tasks::register_in(registry)?;
    let name = registry.distinct_name(MONITOR_NAME, name);
    let monitor = monitor.clone();
    Tasks::meter_in(registry).register_callback(metrics.all(), {
        let metrics = metrics.clone();
        move |observer| metrics.report(&name, &monitor.cumulative(), observer)
    })
}

/// The instruments.
#[derive(Clone, Debug, Metrics)]
#[metrics(semconv = "meterkit.tasks", crate = "meterkit_core")]
struct Tasks {
    /// Tasks that the monitor has instrumented.
    #[metric(name = "tokio.task.instrumented", unit = "{task}")]
    instrumented: ObservableCounterGroup<Monitor<'static>>,
    /// Instrumented tasks that have ended or were dropped.
    #[metric(name = "tokio.task.dropped", unit = "{task}")]
    dropped: ObservableCounterGroup<Monitor<'static>>,
    /// Instrumented tasks that were polled at least once.
    #[metric(name = "tokio.task.started", unit = "{task}")]
    started: ObservableCounterGroup<Monitor<'static>>,
    /// Time from instrumentation to the first poll.
    #[metric(name = "tokio.task.start.delay", unit = "s")]
    start_delay: ObservableCounterGroup<Monitor<'static>, f64>,
    /// Polls, by whether they were slow.
    #[metric(name = "tokio.task.polls", unit = "{poll}")]
    polls: ObservableCounterGroup<Polls<'static>>,
    /// Time spent in polls, by whether they were slow.
    #[metric(name = "tokio.task.poll.time", unit = "s")]
    poll_time: ObservableCounterGroup<Polls<'static>, f64>,
    /// How often a woken task waited for its poll, by whether the wait was long.
    #[metric(name = "tokio.task.delays", unit = "{delay}")]
    delays: ObservableCounterGroup<Delays<'static>>,
    /// Time that woken tasks waited for their polls, by whether the wait was long.
    #[metric(name = "tokio.task.delay.time", unit = "s")]
    delay_time: ObservableCounterGroup<Delays<'static>, f64>,
    /// How often a task waited to be woken.
    #[metric(name = "tokio.task.idles", unit = "{idle}")]
    idles: ObservableCounterGroup<Monitor<'static>>,
    /// Time that tasks waited to be woken.
    #[metric(name = "tokio.task.idle.time", unit = "s")]
    idle_time: ObservableCounterGroup<Monitor<'static>, f64>,
}

#[derive(Clone, Copy, Labels)]
#[label(crate = "meterkit_core")]
struct Monitor<'a> {
    #[label(name = "tokio.task.monitor.name")]
    name: &'a str,
}

#[derive(Clone, Copy, Labels)]
#[label(crate = "meterkit_core")]
struct Polls<'a> {
    #[label(name = "tokio.task.monitor.name")]
    monitor: &'a str,
    slow: bool,
}

#[derive(Clone, Copy, Labels)]
#[label(crate = "meterkit_core")]
struct Delays<'a> {
    #[label(name = "tokio.task.monitor.name")]
    monitor: &'a str,
    long: bool,
}

impl Tasks {
    /// Returns the instruments that one callback observes.
    fn all(&self) -> [&dyn AnyObservable; 10] {
        [
            &self.instrumented,
            &self.dropped,
            &self.started,
            &self.start_delay,
            &self.polls,
            &self.poll_time,
            &self.delays,
            &self.delay_time,
            &self.idles,
            &self.idle_time,
        ]
    }

    fn report(&self, monitor: &str, now: &TaskMetrics, observer: &mut Observer<'_>) {
        let name = Monitor { name: monitor };
        for (instrument, count) in [
            (&self.instrumented, now.instrumented_count),
            (&self.dropped, now.dropped_count),
            (&self.started, now.first_poll_count),
            (&self.idles, now.total_idled_count),
        ] {
            observer.observe_series(instrument, name, count);
        }
        for (instrument, time) in [
            (&self.start_delay, now.total_first_poll_delay),
            (&self.idle_time, now.total_idle_duration),
        ] {
            observer.observe_series(instrument, name, time.as_secs_f64());
        }

        let mut polls = |slow, count, time: Duration| {
            observer.observe_series(&self.polls, Polls { monitor, slow }, count);
            observer.observe_series(&self.poll_time, Polls { monitor, slow }, time.as_secs_f64());
        };
        polls(false, now.total_fast_poll_count, now.total_fast_poll_duration);
        polls(true, now.total_slow_poll_count, now.total_slow_poll_duration);

        let mut delays = |long, count, time: Duration| {
            observer.observe_series(&self.delays, Delays { monitor, long }, count);
            observer.observe_series(&self.delay_time, Delays { monitor, long }, time.as_secs_f64());
        };
        delays(false, now.total_short_delay_count, now.total_short_delay_duration);
        delays(true, now.total_long_delay_count, now.total_long_delay_duration);
    }
}
