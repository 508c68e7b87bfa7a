//! Histograms: distributions of values.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use super::group::Group;
use super::timer::{Timeable, Timer};
use crate::Kind;
use crate::measurement::Measurement;
use crate::number::{HistogramNumber, NumberType};
use crate::store::clock::Clock;
use crate::store::distribution::DistributionCell;
use crate::store::handle::{AnyHandle, Handle};
use crate::store::series::SeriesRef;
use crate::store::settings::{DropReason, Settings};
use crate::store::shared::Shared;

/// Records the distribution of values, such as durations and sizes.
///
/// Unless [`buckets`](crate::InstrumentBuilder::buckets) is called, the buckets follow from the unit: 5 ms to 10 s for
/// `s`, `us` and `ns`, 0.005 to 10 for longer units of time, powers of four from 1 KiB to 1 GiB for `By`, and
/// OpenTelemetry's default (0 to 10,000) for all other units, including `ms`. With
/// [`exponential`](crate::InstrumentBuilder::exponential), the buckets adapt to the values. For durations, create the
/// histogram with [`duration`](crate::InstrumentBuilder::duration). A histogram is not exported until it has a value.
/// NaN and infinities are dropped and counted in `meterkit.dropped`. Cheap to clone. Created by
/// [`Meter::histogram`](crate::Meter::histogram).
///
/// Follows OpenTelemetry's Metrics API, section Histogram.
///
/// ```
/// # let meter = meterkit::Registry::new().scoped("plugin", "catalog");
/// let duration = meter.histogram::<f64>("processing.duration").unit("s").build()?;
/// duration.record(0.25);
/// let timer = duration.start_timer(); // records seconds when dropped
/// drop(timer);
/// let answer = duration.time(|| 6 * 7);
/// # assert_eq!(answer, 42);
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[must_use = "a histogram does nothing until it is used"]
pub struct Histogram<T: HistogramNumber = f64> {
    series: SeriesRef<DistributionCell>,
    number: PhantomData<T>,
}

/// A histogram per label set.
pub type HistogramGroup<L, T = f64> = Group<L, Histogram<T>>;

impl<T: HistogramNumber> Histogram<T> {
    /// Records one value: a number, or a [`Duration`], which is converted to the histogram's unit of time like the
    /// duration of a timer.
    ///
    /// ```
    /// # use std::time::Instant;
    /// # let meter = meterkit::Registry::new().scoped("plugin", "catalog");
    /// let duration = meter.histogram::<f64>("processing.duration").duration().build()?;
    /// let start = Instant::now();
    /// duration.record(start.elapsed()); // seconds
    /// let sizes = meter.histogram::<u64>("sizes").unit("By").build()?;
    /// sizes.record("some bytes".len());
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    #[doc(alias = "observe")]
    #[inline]
    pub fn record(&self, value: impl Measurement<T>) {
        match self.series.shared.is_off_or_redirected() {
            false => self.record_here(value, DistributionCell::record),
            true => self.record_if_on(value),
        }
    }

    #[inline(always)]
    fn record_here(
        &self,
        value: impl Measurement<T>,
        record: impl FnOnce(&DistributionCell, T, &Settings),
    ) {
        let shared = &self.series.shared;
        match value.convert(shared) {
            Some(value) if value.is_recordable() => {
                record(self.series.cell(), value, &shared.settings);
                self.series.offer(value);
            }
            Some(_) => shared.dropped(DropReason::NotFinite),
            None => shared.dropped(DropReason::Negative),
        }
    }

    /// A separate function, and the last call in [`record`](Self::record), so that `record` need not save registers for
    /// it.
    #[cold]
    #[inline(never)]
    fn record_if_on(&self, value: impl Measurement<T>) {
        if !self.series.is_done(self, value, |it, value| it.record(value)) {
            // Calling the fast path a second time would keep the compiler from inlining it in both places.
            self.record_here(value, DistributionCell::record_and_feed);
        }
    }

    /// Starts a timer that records its lifetime when it is dropped, in the histogram's unit of time. Integers are
    /// rounded to whole units.
    ///
    /// If the histogram has no unit of time, the timer records seconds. If the buckets do not suit seconds, a warning
    /// is logged once. The same holds for a duration that rounding changes by more than the width of its bucket.
    pub fn start_timer(&self) -> Timer<T> {
        Timer::start(self.clone())
    }

    /// Runs `work`, a closure or a future, and records how long it took; see [`start_timer`](Self::start_timer).
    ///
    /// A future is timed from its first poll until it completes. If `work` ends early, because of a panic or because
    /// the future is dropped, the time until then is recorded.
    ///
    /// ```
    /// # let meter = meterkit::Registry::new().scoped("plugin", "catalog");
    /// # async fn fetch() -> u32 { 7 }
    /// # async fn example(meter: meterkit::Meter) -> Result<(), meterkit::InstrumentError> {
    /// let duration = meter.histogram::<f64>("processing.duration").unit("s").build()?;
    /// let answer = duration.time(|| 6 * 7);
    /// let fetched = duration.time(fetch()).await;
    /// # Ok(())
    /// # }
    /// ```
    pub fn time<M, W: Timeable<M, T>>(&self, work: W) -> W::Timed {
        work.time(self.clone())
    }

    /// Records the time since `start`, and returns it.
    pub(super) fn record_since(&self, start: Duration) -> Duration {
        let elapsed = self.clock().elapsed().saturating_sub(start);
        self.record(elapsed);
        elapsed
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.series.shared.settings.clock
    }
}

impl<T: HistogramNumber> Clone for Histogram<T> {
    fn clone(&self) -> Self {
        Self { series: self.series.clone(), number: PhantomData }
    }
}

impl<T: HistogramNumber> fmt::Debug for Histogram<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let read = self.series.cell().read();
        <dyn AnyHandle>::debug(self, f, "Histogram", &(read.count, read.moments.sum))
    }
}

impl<T: HistogramNumber> Handle for Histogram<T> {
    type Cell = DistributionCell;

    const KIND: Kind = Kind::Histogram;
    const NUMBER: NumberType = T::TYPE;

    fn new(series: SeriesRef<DistributionCell>) -> Self {
        Self { series, number: PhantomData }
    }

    #[inline]
    fn series(&self) -> &SeriesRef<DistributionCell> {
        &self.series
    }

    fn cell(shared: &Shared) -> DistributionCell {
        DistributionCell::new(shared)
    }

    fn distribution(&self) -> Option<&DistributionCell> {
        Some(self.series.cell())
    }

    fn zero(&self) {
        self.series.shared.export_empty();
    }

    fn feed(&self) {
        let shared = &self.series.shared;
        // A sink that keeps the attributes must not keep the series alive, because the series owns the sink.
        let handle: &dyn AnyHandle = self;
        let attributes = || handle.detached_attributes(&shared.keys());
        self.series.cell().feed(&shared.feed.get(), &shared.settings, attributes);
    }
}
