//! Gauges: values that can be set.

use std::marker::PhantomData;

use super::builder::InstrumentBuilder;
use super::group::Group;
use super::number_handle::number_handle;
use crate::measurement::Measurement;
use crate::number::GaugeNumber;
use crate::store::cell::GaugeCell;
use crate::store::redirect;
use crate::store::series::SeriesRef;
use crate::store::settings::DropReason;

/// Holds a current value: a temperature, the length of a queue, a configured limit.
///
/// Cheap to clone. Setting the value is one atomic store and never fails. A gauge is not exported until it has a value.
/// NaN and infinities are dropped and counted in `meterkit.dropped`. Created by [`Meter::gauge`](crate::Meter::gauge).
///
/// Follows OpenTelemetry's Metrics API, section Gauge.
///
/// ```
/// # let meter = meterkit::Registry::new().scoped("plugin", "catalog");
/// let queue = meter.gauge::<i64>("queue.length").build()?;
/// queue.set(12);
/// queue.sub(2);
/// queue.set_max(7);
/// assert_eq!(queue.value(), 10);
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[must_use = "a gauge does nothing until it is used"]
pub struct Gauge<T: GaugeNumber = i64> {
    series: SeriesRef<GaugeCell>,
    number: PhantomData<T>,
}

/// A gauge per label set.
pub type GaugeGroup<L, T = i64> = Group<L, Gauge<T>>;

impl<T: GaugeNumber> Gauge<T> {
    /// Sets the value: a number, or a [`Duration`](std::time::Duration), which is converted to the gauge's unit of
    /// time.
    ///
    /// ```
    /// # let meter = meterkit::Registry::new().scoped("plugin", "catalog");
    /// # let waiting = vec!["one"];
    /// let queue = meter.gauge::<i64>("queue.length").build()?;
    /// queue.set(waiting.len());
    /// # Ok::<(), meterkit::InstrumentError>(())
    /// ```
    #[inline]
    pub fn set(&self, value: impl Measurement<T>) {
        if self.series.is_done(self, value, |it, value| it.set(value)) {
            return;
        }
        if let Some(value) = self.recordable(value) {
            self.series.cell().set(value);
        }
    }

    /// Adds one.
    #[doc(alias = "inc")]
    pub fn increment(&self) {
        self.add(T::ONE);
    }

    /// Subtracts one. A gauge of `u64` stops at zero.
    #[doc(alias = "dec")]
    pub fn decrement(&self) {
        self.sub(T::ONE);
    }

    /// Adds `value`. Integers saturate at the maximum of their type.
    #[doc(alias = "inc_by")]
    pub fn add(&self, value: T) {
        if self.series.is_done(self, value, |it, value| it.add(value)) {
            return;
        }
        if let Some(value) = self.recordable(value) {
            self.series.cell().change(|now: T| now.saturating_add(value));
        }
    }

    /// Subtracts `value`. Integers saturate at the minimum of their type, which is zero for `u64`.
    #[doc(alias = "dec_by")]
    pub fn sub(&self, value: T) {
        if self.series.is_done(self, value, |it, value| it.sub(value)) {
            return;
        }
        if let Some(value) = self.recordable(value) {
            self.series.cell().change(|now: T| now.saturating_sub(value));
        }
    }

    /// Sets the value, unless the current value is larger: a high-water mark.
    pub fn set_max(&self, value: impl Measurement<T>) {
        if self.series.is_done(self, value, |it, value| it.set_max(value)) {
            return;
        }
        if let Some(value) = self.recordable(value) {
            self.series.cell().set_max(value);
        }
    }

    /// Returns the current value, or zero if none has been set.
    pub fn value(&self) -> T {
        match redirect::series(self) {
            Some(instead) => instead.value(),
            None => self.series.cell().get().unwrap_or(T::ZERO),
        }
    }

    /// Returns the value in the form in which it is recorded, or `None` if it cannot be recorded.
    #[inline]
    fn recordable(&self, value: impl Measurement<T>) -> Option<T> {
        let shared = &self.series.shared;
        let converted = value.convert(shared);
        let recordable = converted.filter(|value| value.is_recordable());
        if recordable.is_none() {
            let is_negative = converted.is_none();
            shared.dropped(if is_negative { DropReason::Negative } else { DropReason::NotFinite });
        }
        recordable
    }
}

impl<T: GaugeNumber> InstrumentBuilder<Gauge<T>> {
    /// Exports the gauge as zero until it is set. By default, it is exported once it has a value.
    pub fn zero_initialized(mut self) -> Self {
        self.request.is_zero_initialized = true;
        self
    }
}

number_handle!(Gauge, GaugeNumber, GaugeCell);
