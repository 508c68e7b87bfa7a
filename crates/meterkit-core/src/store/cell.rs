//! Cells: where the value of one series lives.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU64};

use crate::number::Number;

/// What removal needs to know of a cell, whatever it holds.
pub trait Cell: Send + Sync + 'static {
    /// Whether nothing was recorded since the cell was made or reset.
    fn is_empty(&self) -> bool;

    /// Forgets what was recorded.
    fn reset(&self);

    /// Whether something was recorded since the last time this was asked with the same `mark`. What leaves the value as
    /// it was, such as adding zero, does not count.
    fn was_touched(&self, mark: &mut u64) -> bool;

    /// Forgets what was recorded, unless something was since `mark` was taken.
    fn reset_unless_touched(&self, mark: u64) -> bool;
}

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

impl Cell for SumCell {
    fn is_empty(&self) -> bool {
        self.bits.load(Relaxed) == 0
    }

    fn reset(&self) {
        self.bits.store(0, Relaxed);
    }

    fn was_touched(&self, mark: &mut u64) -> bool {
        let bits = self.bits.load(Relaxed);
        std::mem::replace(mark, bits) != bits
    }

    fn reset_unless_touched(&self, mark: u64) -> bool {
        self.bits.compare_exchange(mark, 0, Relaxed, Relaxed).is_ok()
    }
}

/// A value that is set. Until then it has none and is not exported.
#[derive(Debug)]
pub struct GaugeCell {
    bits: AtomicU64,
    state: AtomicU8,
}

/// The cell has no value; its bits mean nothing.
const UNSET: u8 = 0;
/// The cell has a value.
const SET: u8 = 1;
/// The cell has a value, and nothing was recorded since someone asked.
const SEEN: u8 = 2;

impl GaugeCell {
    pub(crate) fn new<T: Number>() -> Self {
        // Below every value: of threads that set the first maximum at once, the largest wins.
        Self { bits: AtomicU64::new(T::LOWEST.to_bits()), state: AtomicU8::new(UNSET) }
    }

    #[inline]
    pub(crate) fn set<T: Number>(&self, value: T) {
        self.bits.store(value.to_bits(), Relaxed);
        self.mark();
    }

    /// Replaces the value by what `change` makes of it; of zero when none was set.
    pub(crate) fn change<T: Number>(&self, change: impl Fn(T) -> T) {
        let unset = self.unset_bits();
        let _ = self.bits.fetch_update(AcqRel, Acquire, |bits| {
            let base = if unset == Some(bits) { T::ZERO } else { T::from_bits(bits) };
            Some(change(base).to_bits())
        });
        self.mark();
    }

    /// Sets the value unless it is larger already.
    pub(crate) fn set_max<T: Number>(&self, value: T) {
        let unset = self.unset_bits();
        let _ = self.bits.fetch_update(AcqRel, Acquire, |bits| {
            let is_larger = unset == Some(bits) || T::from_bits(bits) < value;
            is_larger.then(|| value.to_bits())
        });
        self.mark();
    }

    /// Back to having no value. The bits stay, so that who reads meanwhile sees the last value or none.
    pub(crate) fn unset(&self) {
        self.state.store(UNSET, Release);
    }

    pub(crate) fn get<T: Number>(&self) -> Option<T> {
        (self.state.load(Acquire) != UNSET).then(|| T::from_bits(self.bits.load(Acquire)))
    }

    /// The bits that mean nothing, while there is no value.
    fn unset_bits(&self) -> Option<u64> {
        (self.state.load(Acquire) == UNSET).then(|| self.bits.load(Acquire))
    }

    #[inline]
    fn mark(&self) {
        // A store only the first time keeps the line clean for the other threads.
        if self.state.load(Relaxed) != SET {
            self.state.store(SET, Release);
        }
    }
}

impl Cell for GaugeCell {
    fn is_empty(&self) -> bool {
        self.state.load(Acquire) == UNSET
    }

    fn reset(&self) {
        self.unset();
    }

    fn was_touched(&self, _: &mut u64) -> bool {
        self.state.compare_exchange(SET, SEEN, AcqRel, Relaxed).is_ok()
    }

    fn reset_unless_touched(&self, _: u64) -> bool {
        self.state.compare_exchange(SEEN, UNSET, AcqRel, Relaxed) != Err(SET)
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
