//! The choice of buckets for histograms.

use super::builder::InstrumentBuilder;
use super::group::Group;
use super::histogram::Histogram;
use crate::buckets::{Buckets, ExponentialLimits, HistogramBuckets};
use crate::number::HistogramNumber;

impl<T: HistogramNumber> InstrumentBuilder<Histogram<T>> {
    /// Declares that the histogram measures durations. Sets the unit `s`, or `ms` if the histogram records integers,
    /// and buckets from 5 ms to 10 s, unless [`unit`](Self::unit), [`buckets`](Self::buckets) or
    /// [`exponential`](Self::exponential) is called, too.
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

    /// Sets the upper bounds of the buckets: a rising list, or a rule that [computes](Buckets) one. A last bucket
    /// without an upper bound is added automatically. By default, the bounds follow from the unit.
    ///
    /// If [`exponential`](Self::exponential) is called, too, the later call wins.
    pub fn buckets(mut self, bounds: impl Into<Buckets>) -> Self {
        self.request.chosen_buckets = Some(bounds.into().resolve());
        self
    }

    /// Uses exponential buckets, which adapt to the values: no bounds to choose, and fine buckets wherever the values
    /// are.
    ///
    /// The histogram is OpenTelemetry's base-2 exponential histogram, with at most 160 buckets for positive values and
    /// 160 for negative values, as fine as possible up to scale 20. The further the values of a series are apart, the
    /// coarser the buckets become: if the largest value is 500 times the smallest, a bucket is 4.4 % wide.
    ///
    /// If [`buckets`](Self::buckets) is called, too, the later call wins. Targets that do not support exponential
    /// buckets, such as Prometheus' text format, receive count and sum.
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

    /// Like [`exponential`](Self::exponential), with at most `max_size` buckets per sign, from 2 to 16,384, and with
    /// the initial scale `max_scale`, from -10 to 20.
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
    /// Declares that the histograms measure durations. See [`duration`](InstrumentBuilder::<Histogram>::duration) of a
    /// single histogram.
    pub fn duration(mut self) -> Self {
        self.request.is_duration = true;
        self
    }

    /// Sets the upper bounds of the buckets: a rising list, or a rule that [computes](Buckets) one. A last bucket
    /// without an upper bound is added automatically. By default, the bounds follow from the unit.
    ///
    /// If [`exponential`](Self::exponential) is called, too, the later call wins.
    pub fn buckets(mut self, bounds: impl Into<Buckets>) -> Self {
        self.request.chosen_buckets = Some(bounds.into().resolve());
        self
    }

    /// Uses exponential buckets, which adapt to the values of each series. See
    /// [`exponential`](InstrumentBuilder::<Histogram>::exponential) of a single histogram.
    pub fn exponential(self) -> Self {
        let ExponentialLimits { max_size, max_scale } = ExponentialLimits::default();
        self.exponential_with(max_size, max_scale)
    }

    /// Like [`exponential`](Self::exponential), with at most `max_size` buckets per sign, from 2 to 16,384, and with
    /// the initial scale `max_scale`, from -10 to 20.
    pub fn exponential_with(mut self, max_size: u32, max_scale: i32) -> Self {
        let limits = ExponentialLimits { max_size, max_scale };
        self.request.chosen_buckets = Some(Ok(HistogramBuckets::Exponential(limits)));
        self
    }
}
