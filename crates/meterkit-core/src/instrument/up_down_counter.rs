//! Up-down counters: sums that rise and fall.

use std::marker::PhantomData;

use super::group::Group;
use super::number_handle::number_handle;
use crate::number::UpDownNumber;
use crate::store::redirect;
use crate::store::series::SeriesRef;
use crate::store::settings::DropReason;
use crate::store::sum::UpDownCell;

/// Counts things that come and go: open connections, tasks in flight, items in a queue.
///
/// Cheap to clone. Recording is one atomic addition and never fails. Created by
/// [`Meter::up_down_counter`](crate::Meter::up_down_counter).
///
/// Follows OpenTelemetry's Metrics API, section UpDownCounter.
///
/// ```
/// # let meter = meterkit::Registry::new().scoped("core", "http");
/// let in_flight = meter.up_down_counter::<i64>("requests.in_flight").build()?;
/// {
///     let _request = in_flight.guard();
///     assert_eq!(in_flight.value(), 1);
/// }
/// assert_eq!(in_flight.value(), 0);
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[must_use = "an up-down counter does nothing until it is used"]
pub struct UpDownCounter<T: UpDownNumber = i64> {
    series: SeriesRef<UpDownCell>,
    number: PhantomData<T>,
}

/// An up-down counter per label set.
pub type UpDownCounterGroup<L, T = i64> = Group<L, UpDownCounter<T>>;

impl<T: UpDownNumber> UpDownCounter<T> {
    /// Adds one.
    #[doc(alias = "inc")]
    #[inline]
    pub fn increment(&self) {
        self.add(T::ONE);
    }

    /// Subtracts one.
    #[doc(alias = "dec")]
    #[inline]
    pub fn decrement(&self) {
        self.add(T::ZERO.saturating_sub(T::ONE));
    }

    /// Adds `value`, which may be negative. NaN and infinities are dropped and counted in `meterkit.dropped`.
    #[doc(alias = "inc_by")]
    #[inline]
    pub fn add(&self, value: T) {
        if value.is_recordable() {
            self.series.add(self, value, Self::add);
        } else {
            SeriesRef::drop_value(self, value, DropReason::NotFinite, Self::add);
        }
    }

    /// Adds one now and subtracts it when the guard is dropped.
    ///
    /// Guards survive the removal of their series: the series returns with the number of existing guards.
    pub fn guard(&self) -> InFlight<T> {
        if let Some(instead) = redirect::series(self) {
            return instead.guard();
        }
        let is_counted = !self.series.is_off();
        if is_counted {
            self.series.cell().count_guard(1);
        }
        InFlight { counter: self.clone(), is_counted }
    }

    /// Returns the current sum.
    pub fn value(&self) -> T {
        match redirect::series(self) {
            Some(instead) => instead.value(),
            None => self.series.cell().get(),
        }
    }
}

number_handle!(UpDownCounter, UpDownNumber, UpDownCell);

/// Counts one thing in flight until it is dropped. Created by [`UpDownCounter::guard`].
#[derive(Debug)]
#[must_use = "a guard that is dropped immediately counts nothing"]
pub struct InFlight<T: UpDownNumber = i64> {
    counter: UpDownCounter<T>,
    /// `false` if the instrument was off when the guard was created.
    is_counted: bool,
}

impl<T: UpDownNumber> Drop for InFlight<T> {
    fn drop(&mut self) {
        if self.is_counted {
            self.counter.series.cell().count_guard(-1);
        }
    }
}
