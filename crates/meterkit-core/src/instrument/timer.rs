//! Timers: how long something took, into a histogram.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;

use super::group::{Group, LabelsOf};
use super::histogram::Histogram;
use crate::number::HistogramNumber;
use crate::store::redirect;

/// A running timer. Records when dropped. From [`Histogram::start_timer`].
#[derive(Debug)]
#[must_use = "dropped at once, it records next to nothing"]
pub struct Timer<T: HistogramNumber = f64> {
    /// None when nothing is to be recorded any more.
    histogram: Option<Histogram<T>>,
    start: Duration,
}

impl<T: HistogramNumber> Timer<T> {
    pub(super) fn start(histogram: Histogram<T>) -> Self {
        // Its clock may be another one.
        let histogram = redirect::series(&histogram).unwrap_or(histogram);
        let start = histogram.clock().elapsed();
        Self { histogram: Some(histogram), start }
    }

    /// Records now, and tells how long it was.
    pub fn observe_duration(mut self) -> Duration {
        self.finish().unwrap_or_default()
    }

    /// Records nothing.
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

/// A running timer whose labels are known when it ends. Dropped without, it records nothing. From
/// [`Group::start_timer`].
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
#[must_use = "it records only when it is given its labels"]
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

    /// Returns the time since the timer was started, by the clock that it records with.
    pub fn elapsed(&self) -> Duration {
        self.group.clock().elapsed().saturating_sub(self.start)
    }

    /// Records in the series with these labels, and returns how long it was.
    pub fn observe(self, labels: impl LabelsOf<L>) -> Duration {
        self.group.with(labels).record_since(self.start)
    }
}

/// A closure or a future, which [`Histogram::time`] can time. `M` tells the compiler which of the two it is.
pub trait Timeable<M, T: HistogramNumber> {
    /// The closure's result, or a future that has the same output and records when it is ready.
    type Timed;

    /// Runs the closure, or wraps the future, and records how long it took.
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
    /// A future whose duration is recorded. From [`Histogram::time`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are awaited"]
    pub struct TimedFuture<F, T: HistogramNumber> {
        // Dropped before the timer: the time of dropping it counts.
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
