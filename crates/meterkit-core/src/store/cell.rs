//! Cells: where the value of one series lives.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};

use crate::number::Number;

/// A sum. It is there, as zero, from the moment its series exists.
#[derive(Debug)]
pub struct SumCell {
    bits: AtomicU64,
}

impl SumCell {
    pub(crate) fn new() -> Self {
        // The bits of zero are zero in all three number types.
        Self { bits: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn add<T: Number>(&self, value: T) {
        value.add_to(&self.bits);
    }

    pub(crate) fn get<T: Number>(&self) -> T {
        T::from_bits(self.bits.load(Relaxed))
    }
}

/// A value that is set. Until then it has none and is not exported.
#[derive(Debug)]
pub struct GaugeCell {
    bits: AtomicU64,
    is_set: AtomicBool,
}

impl GaugeCell {
    pub(crate) fn new<T: Number>() -> Self {
        Self { bits: AtomicU64::new(T::LOWEST.to_bits()), is_set: AtomicBool::new(false) }
    }

    #[inline]
    pub(crate) fn set<T: Number>(&self, value: T) {
        self.bits.store(value.to_bits(), Relaxed);
        self.mark();
    }

    /// Replaces the value by what `change` makes of it; of zero when none was set.
    pub(crate) fn change<T: Number>(&self, change: impl Fn(T) -> T) {
        let _ = self.bits.fetch_update(AcqRel, Acquire, |bits| {
            let unset = bits == T::LOWEST.to_bits() && !self.is_set.load(Acquire);
            let base = if unset { T::ZERO } else { T::from_bits(bits) };
            Some(change(base).to_bits())
        });
        self.mark();
    }

    /// Raises the value to `value`. No case for an unset cell: its bits lie below every value.
    pub(crate) fn set_max<T: Number>(&self, value: T) {
        let _ = self.bits.fetch_update(AcqRel, Acquire, |bits| {
            (T::from_bits(bits) < value).then(|| value.to_bits())
        });
        self.mark();
    }

    /// Back to having no value, for cells that are only ever `set`: the bits stay, so that who reads meanwhile sees
    /// the last value or none.
    pub(crate) fn unset(&self) {
        self.is_set.store(false, Release);
    }

    pub(crate) fn get<T: Number>(&self) -> Option<T> {
        self.is_set.load(Acquire).then(|| T::from_bits(self.bits.load(Acquire)))
    }

    #[inline]
    fn mark(&self) {
        // A store only the first time keeps the line clean for the other threads.
        if !self.is_set.load(Relaxed) {
            self.is_set.store(true, Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_maximum_counts_however_low_it_is() {
        let cell = GaugeCell::new::<i64>();
        cell.set_max(-5_i64);
        assert_eq!(cell.get::<i64>(), Some(-5));
        cell.set_max(-9_i64);
        assert_eq!(cell.get::<i64>(), Some(-5));
        cell.set_max(3_i64);
        assert_eq!(cell.get::<i64>(), Some(3));
    }

    #[test]
    fn a_gauge_without_a_value_changes_from_zero() {
        let cell = GaugeCell::new::<f64>();
        assert_eq!(cell.get::<f64>(), None);
        cell.change(|v: f64| v - 2.5);
        assert_eq!(cell.get::<f64>(), Some(-2.5));
        cell.unset();
        assert_eq!(cell.get::<f64>(), None);
    }
}
