//! Which buckets a histogram gets.

use super::builder::InstrumentBuilder;
use super::group::Group;
use super::histogram::Histogram;
use crate::buckets::{Buckets, ExponentialLimits, HistogramBuckets};
use crate::number::HistogramNumber;

impl<T: HistogramNumber> InstrumentBuilder<Histogram<T>> {
    /// Measures durations: gives the histogram the unit `s`, or `ms` if it counts in integers, and buckets from 5 ms to
    /// 10 s, unless [`unit`](Self::unit), [`buckets`](Self::buckets) or [`exponential`](Self::exponential) say otherwise.
    ///
    /// ```
    /// # let meter = meterkit::Registry::new().scoped("plugin", "catalog");
    /// let duration = meter.histogram::<f64>("processing.duration").duration().build()?;
    /// duration.time(|| "work"); // records seconds
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    pub fn duration(mut self) -> Self {
        self.request.is_duration = true;
        self
    }

    /// Sets the upper bounds of the buckets: a rising list, or a rule that [computes](Buckets) one. The last bucket is
    /// open by itself. By default they follow the unit.
    ///
    /// Of this and [`exponential`](Self::exponential), the later call wins.
    pub fn buckets(mut self, bounds: impl Into<Buckets>) -> Self {
        self.request.chosen_buckets = Some(bounds.into().resolve());
        self
    }

    /// Buckets that follow the values: no bounds to choose, and fine ones wherever the values are.
    ///
    /// OpenTelemetry's base-2 exponential histogram: at most 160 buckets for positive values and 160 for negative ones,
    /// as fine as they can be, up to scale 20. The wider the values of a series lie apart, the coarser they get: where
    /// the largest is 500 times the smallest, a bucket is 4.4 % wide.
    ///
    /// Of this and [`buckets`](Self::buckets), the later call wins. Targets that know no such buckets, such as
    /// Prometheus' text format, are given count and sum.
    ///
    /// Follows OpenTelemetry's Metrics SDK, section Base2 Exponential Bucket Histogram Aggregation.
    ///
    /// ```
    /// # let registry = meterkit::Registry::new();
    /// # let meter = registry.scoped("plugin", "catalog");
    /// let duration = meter.histogram::<f64>("processing.duration").unit("s").exponential().build()?;
    /// duration.record(0.004);
    /// duration.record(90.0);
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    pub fn exponential(self) -> Self {
        let ExponentialLimits { max_size, max_scale } = ExponentialLimits::default();
        self.exponential_with(max_size, max_scale)
    }

    /// Like [`exponential`](Self::exponential), with at most `max_size` buckets per sign, 2 to 16,384, and `max_scale`
    /// as the scale to begin with, -10 to 20.
    pub fn exponential_with(mut self, max_size: u32, max_scale: i32) -> Self {
        let limits = ExponentialLimits { max_size, max_scale };
        self.request.chosen_buckets = Some(Ok(HistogramBuckets::Exponential(limits)));
        self
    }

    /// Exports the histogram from the start, without values. By default, it is exported once it has a value.
    pub fn zero_initialized(mut self) -> Self {
        self.request.is_zero_initialized = true;
        self
    }
}

impl<L, T: HistogramNumber> InstrumentBuilder<Group<L, Histogram<T>>> {
    /// Measures durations: see [`duration`](InstrumentBuilder::<Histogram>::duration) of a single histogram.
    pub fn duration(mut self) -> Self {
        self.request.is_duration = true;
        self
    }

    /// Sets the upper bounds of the buckets: a rising list, or a rule that [computes](Buckets) one. The last bucket is
    /// open by itself. By default they follow the unit.
    ///
    /// Of this and [`exponential`](Self::exponential), the later call wins.
    pub fn buckets(mut self, bounds: impl Into<Buckets>) -> Self {
        self.request.chosen_buckets = Some(bounds.into().resolve());
        self
    }

    /// Buckets that follow the values: see
    /// [`exponential`](InstrumentBuilder::<Histogram>::exponential) of a single histogram. Each series has its own.
    pub fn exponential(self) -> Self {
        let ExponentialLimits { max_size, max_scale } = ExponentialLimits::default();
        self.exponential_with(max_size, max_scale)
    }

    /// Like [`exponential`](Self::exponential), with at most `max_size` buckets per sign, 2 to 16,384, and `max_scale`
    /// as the scale to begin with, -10 to 20.
    pub fn exponential_with(mut self, max_size: u32, max_scale: i32) -> Self {
        let limits = ExponentialLimits { max_size, max_scale };
        self.request.chosen_buckets = Some(Ok(HistogramBuckets::Exponential(limits)));
        self
    }
}
