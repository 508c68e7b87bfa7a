//! Timers, which record durations in a histogram.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::group::{Group, LabelsOf};
use super::histogram::Histogram;
use crate::number::HistogramNumber;
use crate::store::redirect;

/// A running timer that records when it is dropped. Created by [`Histogram::start_timer`].
#[derive(Debug)]
#[must_use = "a timer that is dropped immediately records next to nothing"]
pub struct Timer<T: HistogramNumber = f64> {
    /// `None` once there is nothing left to record.
    histogram: Option<Histogram<T>>,
    start: Duration,
}

impl<T: HistogramNumber> Timer<T> {
    pub(super) fn start(histogram: Histogram<T>) -> Self {
        // Redirected before the start, because the other registry may have another clock.
        let histogram = redirect::series(&histogram).unwrap_or(histogram);
        let start = histogram.clock().elapsed();
        Self { histogram: Some(histogram), start }
    }

    /// Records the time since the start, and returns it.
    pub fn observe_duration(mut self) -> Duration {
        self.finish().unwrap_or_default()
    }

    /// Stops the timer without recording anything.
    pub fn discard(mut self) {
        self.histogram = None;
    }

    fn finish(&mut self) -> Option<Duration> {
        Some(self.histogram.take()?.record_since(self.start))
    }
}

impl<T: HistogramNumber> Drop for Timer<T> {
    fn drop(&mut self) {
        self.finish();
    }
}

/// A running timer that receives its labels when it ends. It records nothing if it is dropped without labels. Created
/// by [`Group::start_timer`].
///
/// ```
/// use meterkit::instrument::Outcome;
/// use meterkit::{Labels, Registry};
///
/// #[derive(Labels)]
/// struct Build {
///     outcome: Outcome,
/// }
///
/// # let meter = Registry::new().scoped("plugin", "techdocs");
/// let durations = meter.histogram_group::<Build, f64>("builds.duration").unit("s").build()?;
/// let timer = durations.start_timer();
/// let result: Result<(), std::fmt::Error> = Ok(());
/// timer.observe(Build { outcome: Outcome::of(&result) });
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[derive(Debug)]
#[must_use = "a timer of a group records nothing until `observe` is called with its labels"]
pub struct GroupTimer<L, T: HistogramNumber = f64> {
    group: Group<L, Histogram<T>>,
    start: Duration,
}

impl<L, T: HistogramNumber> GroupTimer<L, T> {
    pub(super) fn start(group: Group<L, Histogram<T>>) -> Self {
        let group = group.redirected().unwrap_or(group);
        let start = group.clock().elapsed();
        Self { group, start }
    }

    /// Returns the time since the start, according to the clock that the timer records with.
    pub fn elapsed(&self) -> Duration {
        self.group.clock().elapsed().saturating_sub(self.start)
    }

    /// Records the time since the start in the series with these labels, and returns it.
    pub fn observe(self, labels: impl LabelsOf<L>) -> Duration {
        self.group.with(labels).record_since(self.start)
    }
}

/// A closure or a future that [`Histogram::time`] can time. `M` distinguishes the two for the compiler.
pub trait Timeable<M, T: HistogramNumber> {
    /// The result of the closure, or a future with the same output that records when it completes.
    type Timed;

    /// Runs the closure or wraps the future, and records how long it takes.
    fn time(self, histogram: Histogram<T>) -> Self::Timed;
}

/// Marks a [`Timeable`] closure.
#[derive(Debug)]
#[non_exhaustive]
pub struct Called;

/// Marks a [`Timeable`] future.
#[derive(Debug)]
#[non_exhaustive]
pub struct Polled;

impl<F: FnOnce() -> R, R, T: HistogramNumber> Timeable<Called, T> for F {
    type Timed = R;

    fn time(self, histogram: Histogram<T>) -> R {
        let _timer = Timer::start(histogram);
        self()
    }
}

impl<F: Future, T: HistogramNumber> Timeable<Polled, T> for F {
    type Timed = TimedFuture<F, T>;

    fn time(self, histogram: Histogram<T>) -> TimedFuture<F, T> {
        TimedFuture { future: self, histogram: Some(histogram), timer: None }
    }
}

pin_project! {
    /// A future whose duration is recorded. Created by [`Histogram::time`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct TimedFuture<F, T: HistogramNumber> {
        // Declared before the timer, so that it is dropped first and dropping it is timed, too.
        #[pin]
        future: F,
        histogram: Option<Histogram<T>>,
        timer: Option<Timer<T>>,
    }
}

impl<F: Future, T: HistogramNumber> Future for TimedFuture<F, T> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        if let Some(histogram) = this.histogram.take() {
            *this.timer = Some(Timer::start(histogram));
        }
        let output = ready!(this.future.poll(cx));
        *this.timer = None;
        Poll::Ready(output)
    }
}
