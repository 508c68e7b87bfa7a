//! Cells, which hold the values of series, and the cell of a gauge.

use std::panic::{RefUnwindSafe, UnwindSafe};

use super::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use super::atomic::{AtomicU8, AtomicU64, Mutex, MutexGuard};
use crate::number::Number;
use crate::unpoisoned::Unpoisoned;

/// What removing idle series needs of any kind of cell.
pub trait Cell: Send + Sync + UnwindSafe + RefUnwindSafe + 'static {
    /// Returns the number, if this cell holds a number and has a value.
    fn number<T: Number>(&self) -> Option<T>
    where
        Self: Sized,
    {
        None
    }

    /// Sets the value that is exported before anything is recorded, if the cell needs one and has no value yet.
    fn zero(&self) {}

    /// Returns whether nothing was recorded since the cell was created or reset.
    fn is_empty(&self) -> bool;

    /// Discards all recorded values.
    fn reset(&self);

    /// Returns whether something was recorded since the last call with the same `mark`. Recordings that leave the value
    /// unchanged, such as adding zero, do not count.
    fn was_touched(&self, mark: &mut u64) -> bool;

    /// Discards all recorded values, unless something was recorded since `mark` was taken. Returns whether it did.
    fn reset_unless_touched(&self, mark: u64) -> bool;
}

/// The cell of a gauge. It has no value, and is not exported, until a value is set.
#[derive(Debug)]
pub struct GaugeCell {
    bits: AtomicU64,
    state: AtomicU8,
    /// Held while a cell without a value gets one, or a cell loses its value.
    turn: Mutex<()>,
}

/// The cell has no value; its bits are meaningless.
const UNSET: u8 = 0;
/// The cell has a value.
const SET: u8 = 1;
/// The cell has a value, and nothing was recorded since the last check.
const SEEN: u8 = 2;

impl GaugeCell {
    pub(crate) fn new() -> Self {
        Self { bits: AtomicU64::new(0), state: AtomicU8::new(UNSET), turn: Mutex::new(()) }
    }

    #[inline]
    pub(crate) fn set<T: Number>(&self, value: T) {
        self.bits.store(value.to_bits(), Relaxed);
        // Writing only the first time leaves the cache line undisturbed for other threads.
        if self.state.load(Relaxed) != SET {
            self.set_in_turn(value.to_bits());
        }
    }

    /// Sets the value of a cell that has no value, or whose value has been seen by a check.
    #[cold]
    #[inline(never)]
    fn set_in_turn(&self, bits: u64) {
        let _turn = self.lock();
        // Stored again, because the cell may have lost its value in the meantime.
        self.bits.store(bits, Relaxed);
        self.state.store(SET, Release);
    }

    /// Replaces the value with the result of `change`. A cell without a value changes from zero.
    pub(crate) fn change<T: Number>(&self, change: impl Fn(T) -> T) {
        // Repeated if the cell lost its value in the meantime; it then changes from zero.
        while !self.set_first(|| change(T::ZERO)) {
            let changed = |bits| Some(change(T::from_bits(bits)).to_bits());
            let _ = self.bits.fetch_update(AcqRel, Acquire, changed);
            if self.touch() {
                return;
            }
        }
    }

    /// Sets the value unless the current value is larger.
    pub(crate) fn set_max<T: Number>(&self, value: T) {
        while !self.set_first(|| value) {
            let larger = |bits| (T::from_bits(bits) < value).then(|| value.to_bits());
            let _ = self.bits.fetch_update(AcqRel, Acquire, larger);
            if self.touch() {
                return;
            }
        }
    }

    /// Removes the value. The bits stay, so that a concurrent reader sees the last value or none.
    pub(crate) fn unset(&self) {
        let _turn = self.lock();
        self.state.store(UNSET, Release);
    }

    pub(crate) fn get<T: Number>(&self) -> Option<T> {
        (self.state.load(Acquire) != UNSET).then(|| T::from_bits(self.bits.load(Acquire)))
    }

    /// Sets the value of a cell that has none. Returns whether the cell had none.
    fn set_first<T: Number>(&self, value: impl FnOnce() -> T) -> bool {
        if self.state.load(Acquire) != UNSET {
            return false;
        }
        let _turn = self.lock();
        let is_first = self.state.load(Acquire) == UNSET;
        if is_first {
            self.bits.store(value().to_bits(), Release);
            self.state.store(SET, Release);
        }
        is_first
    }

    /// Notes that something was recorded in a cell that had a value. Returns whether the cell still has a value.
    fn touch(&self) -> bool {
        let seen = self.state.compare_exchange(SEEN, SET, AcqRel, Acquire);
        seen != Err(UNSET)
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unpoisoned()
    }
}

impl Cell for GaugeCell {
    fn number<T: Number>(&self) -> Option<T> {
        self.get()
    }

    fn zero(&self) {
        let _turn = self.lock();
        if self.state.load(Acquire) == UNSET {
            // The bits of zero are zero in all three number types.
            self.bits.store(0, Relaxed);
            // Not `SET`: a thread that is setting a value at this moment then sets it again, holding the lock.
            self.state.store(SEEN, Release);
        }
    }

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
        let _turn = self.lock();
        self.state.compare_exchange(SEEN, UNSET, AcqRel, Relaxed) != Err(SET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_maximum_counts_however_low_it_is() {
        let cell = GaugeCell::new();
        cell.set_max(-5_i64);
        assert_eq!(cell.get::<i64>(), Some(-5));
        cell.set_max(-9_i64);
        assert_eq!(cell.get::<i64>(), Some(-5));
        cell.set_max(3_i64);
        assert_eq!(cell.get::<i64>(), Some(3));
    }

    #[test]
    fn a_gauge_that_begins_with_zero_loses_no_value() {
        let cell = GaugeCell::new();
        cell.zero();
        assert_eq!(cell.get::<i64>(), Some(0));
        cell.set(5_i64);
        cell.zero();
        assert_eq!(cell.get::<i64>(), Some(5));
        for _ in 0..2_000 {
            let cell = GaugeCell::new();
            std::thread::scope(|scope| {
                scope.spawn(|| cell.zero());
                cell.set(7_i64);
            });
            assert_eq!(cell.get::<i64>(), Some(7));
        }
    }

    #[test]
    fn a_gauge_without_a_value_changes_from_zero() {
        let cell = GaugeCell::new();
        assert_eq!(cell.get::<f64>(), None);
        cell.change(|v: f64| v - 2.5);
        assert_eq!(cell.get::<f64>(), Some(-2.5));
        cell.unset();
        assert_eq!(cell.get::<f64>(), None);
    }

    #[test]
    fn a_gauge_that_was_set_since_someone_asked_keeps_its_value() {
        let cell = GaugeCell::new();
        cell.set(3_i64);
        assert!(cell.was_touched(&mut 0));
        assert!(!cell.was_touched(&mut 0));
        cell.set(3_i64);
        assert!(!cell.reset_unless_touched(0));
        assert_eq!(cell.get::<i64>(), Some(3));
        assert!(cell.was_touched(&mut 0));
        assert!(cell.reset_unless_touched(0));
        assert_eq!(cell.get::<i64>(), None);
    }

    #[test]
    fn a_change_that_races_with_a_reset_never_brings_the_old_value_back() {
        for _ in 0..2_000 {
            let cell = GaugeCell::new();
            cell.set(1_000_i64);
            std::thread::scope(|scope| {
                scope.spawn(|| cell.unset());
                scope.spawn(|| cell.change(|now: i64| now + 1));
            });
            assert!(matches!(cell.get::<i64>(), None | Some(1)), "{:?}", cell.get::<i64>());
        }
    }
}
