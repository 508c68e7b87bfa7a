//! Handles of the crate `metrics` that record in series of the store.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};

use meterkit_core::{Counter, Gauge, Histogram};
use metrics::{CounterFn, GaugeFn, HistogramFn, Key};

use crate::totals::Totals;

pub(crate) struct CounterHandle {
    pub(crate) series: Counter,
    /// Whether no other counter is in this series.
    pub(crate) is_own: bool,
    pub(crate) key: Key,
    pub(crate) totals: Totals,
    /// The highest total that the counter was raised to, once it was.
    pub(crate) total: OnceLock<Arc<AtomicU64>>,
}

impl CounterFn for CounterHandle {
    #[inline]
    fn increment(&self, value: u64) {
        self.series.add(value);
    }

    fn absolute(&self, value: u64) {
        let total = self.total.get_or_init(|| self.totals.of(&self.key));
        // First: this maximum has what other threads are about to add, and the sum may lack it.
        let raised_to = total.fetch_max(value, Relaxed);
        let added = if self.is_own { self.series.value() } else { 0 };
        if let Some(more) = value.checked_sub(raised_to.max(added)).filter(|more| *more > 0) {
            self.series.add(more);
        }
    }
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
