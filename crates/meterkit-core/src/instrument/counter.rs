//! Counters: sums that only rise.

use std::marker::PhantomData;

use super::group::Group;
use super::number_handle::number_handle;
use crate::number::CounterNumber;
use crate::store::series::SeriesRef;
use crate::store::settings::DropReason;
use crate::store::sum::SumCell;

/// Counts what happens: requests, bytes, errors. Starts at zero and only rises.
///
/// Cheap to clone; recording is one atomic addition and never fails. A plain counter is exported from the moment it
/// exists, as zero, so that its first increment is seen as one. Made by [`Meter::counter`](crate::Meter::counter).
///
/// Follows OpenTelemetry's Metrics API, section Counter.
///
/// ```
/// # let meter = meterkit::Registry::new().scoped("plugin", "catalog");
/// let requests = meter.counter::<u64>("requests").unit("{request}").build()?;
/// requests.increment();
/// requests.add(2);
/// assert_eq!(requests.value(), 3);
/// # Ok::<(), meterkit::InstrumentError>(())
/// ```
#[must_use = "a counter does nothing until it is used"]
pub struct Counter<T: CounterNumber = u64> {
    series: SeriesRef<SumCell>,
    number: PhantomData<T>,
}

/// A counter per label set.
pub type CounterGroup<L, T = u64> = Group<L, Counter<T>>;

impl<T: CounterNumber> Counter<T> {
    /// Adds one.
    #[inline]
    pub fn increment(&self) {
        self.series.add(T::ONE, None);
        self.series.offer(T::ONE);
    }

    /// Adds `value`. A negative value, NaN or an infinity is dropped and counted in `meterkit.dropped`.
    #[inline]
    pub fn add(&self, value: T) {
        let problem = match value {
            value if value.is_negative() => Some(DropReason::Negative),
            value if !value.is_recordable() => Some(DropReason::NotFinite),
            _ => None,
        };
        self.series.add(value, problem);
        if problem.is_none() {
            self.series.offer(value);
        }
    }

    /// Returns the sum so far.
    pub fn value(&self) -> T {
        self.series.cell().get()
    }
}

number_handle!(Counter, CounterNumber, SumCell);
