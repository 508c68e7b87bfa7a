//! Handles for the crate `metrics` that record in series of the store.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};
use std::sync::{Arc, OnceLock};

use meterkit_core::{Counter, Gauge, Histogram};
use metrics::{CounterFn, GaugeFn, HistogramFn, Key};

use crate::totals::Totals;

pub(crate) struct CounterHandle {
    pub(crate) series: Counter,
    /// Whether no other counter shares this series.
    pub(crate) is_own: bool,
    pub(crate) key: Key,
    pub(crate) totals: Totals,
    /// The highest total that the counter was raised to. Unset until `absolute` is called for the first time.
    pub(crate) total: OnceLock<Arc<AtomicU64>>,
}

impl CounterFn for CounterHandle {
    #[inline]
    fn increment(&self, value: u64) {
        self.series.add(value);
    }

    fn absolute(&self, value: u64) {
        let total = self.total.get_or_init(|| self.totals.of(&self.key));
        let sum = || if self.is_own { self.series.value() } else { 0 };
        match raise(total, value, sum) {
            0 => {}
            more => self.series.add(more),
        }
    }
}

/// Raises the highest total of a counter to `value`. Returns how much to add to the counter, whose current sum is
/// `sum`.
fn raise(total: &AtomicU64, value: u64, sum: impl FnOnce() -> u64) -> u64 {
    // Read the sum first: `total` then covers everything that other threads added to the sum or are about to add.
    let sum = sum();
    fence(Acquire);
    let before = total.fetch_max(value, Relaxed);
    fence(Release);
    value.saturating_sub(before.max(sum))
}

pub(crate) struct GaugeHandle(pub(crate) Gauge<f64>);

impl GaugeFn for GaugeHandle {
    #[inline]
    fn increment(&self, value: f64) {
        self.0.add(value);
    }

    #[inline]
    fn decrement(&self, value: f64) {
        self.0.sub(value);
    }

    #[inline]
    fn set(&self, value: f64) {
        self.0.set(value);
    }
}

pub(crate) struct HistogramHandle(pub(crate) Histogram);

impl HistogramFn for HistogramHandle {
    #[inline]
    fn record(&self, value: f64) {
        self.0.record(value);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_counter_is_raised_to_the_highest_total_if_threads_interleave() {
        for reads_late in [false, true] {
            let (total, sum) = (AtomicU64::new(0), Cell::new(5));
            let add = |more| sum.set(sum.get() + more);
            let more = raise(&total, 12, || {
                let early = sum.get();
                // Another thread runs here from start to end.
                add(raise(&total, 15, || sum.get()));
                if reads_late { sum.get() } else { early }
            });
            add(more);
            assert_eq!(sum.get(), 15);
            // Increments count too.
            add(4);
            add(raise(&total, 18, || sum.get()));
            assert_eq!(sum.get(), 19);
        }
    }

    #[test]
    fn a_sum_that_restarts_contains_only_the_increase_of_the_total() {
        let total = AtomicU64::new(0);
        assert_eq!(raise(&total, 1000, || 0), 1000);
        assert_eq!(raise(&total, 1000, || 0), 0);
        assert_eq!(raise(&total, 1005, || 0), 5);
    }
}
