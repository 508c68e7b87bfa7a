//! Counters: sums that only rise.

use std::marker::PhantomData;

use super::group::Group;
use super::number_handle::number_handle;
use crate::number::CounterNumber;
use crate::store::redirect;
use crate::store::series::SeriesRef;
use crate::store::settings::DropReason;
use crate::store::sum::SumCell;

/// Counts events or amounts: requests, bytes, errors. Starts at zero and only rises.
///
/// Cheap to clone. Recording is one atomic addition and never fails. A counter without labels is exported as zero as
/// soon as it is created, so that targets see its first increment as an increase. Created by
/// [`Meter::counter`](crate::Meter::counter).
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
    #[doc(alias = "inc")]
    #[inline]
    pub fn increment(&self) {
        self.series.add(self, T::ONE, Self::add);
        self.series.offer(T::ONE);
    }

    /// Adds `value`. A negative value, NaN or an infinity is dropped and counted in `meterkit.dropped`.
    #[doc(alias = "inc_by")]
    #[inline]
    pub fn add(&self, value: T) {
        if value.is_negative() {
            SeriesRef::drop_value(self, value, DropReason::Negative, Self::add);
        } else if !value.is_recordable() {
            SeriesRef::drop_value(self, value, DropReason::NotFinite, Self::add);
        } else {
            self.series.add(self, value, Self::add);
            self.series.offer(value);
        }
    }

    /// Returns the sum so far.
    pub fn value(&self) -> T {
        match redirect::series(self) {
            Some(instead) => instead.value(),
            None => self.series.cell().get(),
        }
    }
}

number_handle!(Counter, CounterNumber, SumCell);

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::sync::atomic::Ordering::SeqCst;
    use std::thread;

    use super::*;
    use crate::Registry;
    use crate::store::look::ADDITIONS;

    fn counter(registry: &Registry) -> Counter {
        registry.scoped("plugin", "catalog").counter("requests").build().expect("a good name")
    }

    #[test]
    fn one_thread_looks_for_others_for_a_while_after_each_reading() {
        let registry = Registry::new();
        let counter = counter(&registry);
        let shared = &counter.series.shared;
        for _ in 0..3 {
            assert!(shared.is_simply_on(), "nobody else is there");
            let _ = registry.read();
            for _ in 0..ADDITIONS {
                assert!(!shared.is_simply_on());
                counter.increment();
            }
        }
        assert!(!shared.has_striped_series());
        assert_eq!(counter.value(), 3 * u64::from(ADDITIONS));
    }

    #[test]
    fn threads_that_compete_get_stripes_which_outlast_a_disabled_scope() {
        let registry = Registry::new();
        let counter = counter(&registry);
        let (shared, added) = (&counter.series.shared, AtomicU64::new(0));
        let compete = || {
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        // Repeats until it happens, because a busy machine may take long to run both threads at once.
                        while !shared.has_striped_series() {
                            (0..1000).for_each(|_| counter.increment());
                            added.fetch_add(1000, SeqCst);
                            let _ = registry.read();
                        }
                    });
                }
            });
        };
        compete();
        assert_eq!(counter.value(), added.load(SeqCst));
        registry.set_disabled_scopes("*".parse().expect("a pattern"));
        counter.increment();
        registry.set_disabled_scopes("".parse().expect("no pattern"));
        // A series starts from zero when its scope is enabled again.
        added.store(0, SeqCst);
        assert_eq!(counter.value(), 0);
        compete();
        assert_eq!(counter.value(), added.load(SeqCst));
    }
}
