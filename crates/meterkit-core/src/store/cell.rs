//! Cells, in which the values of series live, and the cell of a gauge.

use std::panic::{RefUnwindSafe, UnwindSafe};

use super::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use super::atomic::{AtomicU8, AtomicU64, Mutex, MutexGuard};
use crate::number::Number;
use crate::unpoisoned::Unpoisoned;

/// What removal needs to know of a cell, whatever it holds.
pub trait Cell: Send + Sync + UnwindSafe + RefUnwindSafe + 'static {
    /// Returns the number, if this is the cell of one and it has a value.
    fn number<T: Number>(&self) -> Option<T>
    where
        Self: Sized,
    {
        None
    }

    /// Sets the value that is exported before anything is recorded, if the cell needs one and has none.
    fn zero(&self) {}

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

/// A value that is set. Until then it has none and is not exported.
#[derive(Debug)]
pub struct GaugeCell {
    bits: AtomicU64,
    state: AtomicU8,
    /// Held while a cell without a value gets one, or loses its value.
    turn: Mutex<()>,
}

/// The cell has no value; its bits mean nothing.
const UNSET: u8 = 0;
/// The cell has a value.
const SET: u8 = 1;
/// The cell has a value, and nothing was recorded since someone asked.
const SEEN: u8 = 2;

impl GaugeCell {
    pub(crate) fn new() -> Self {
        Self { bits: AtomicU64::new(0), state: AtomicU8::new(UNSET), turn: Mutex::new(()) }
    }

    #[inline]
    pub(crate) fn set<T: Number>(&self, value: T) {
        self.bits.store(value.to_bits(), Relaxed);
        // A store only the first time keeps the line clean for the other threads.
        if self.state.load(Relaxed) != SET {
            self.set_in_turn(value.to_bits());
        }
    }

    /// Sets the value of a cell that has none, or whose value has been seen.
    #[cold]
    #[inline(never)]
    fn set_in_turn(&self, bits: u64) {
        let _turn = self.lock();
        // Once more: the cell may have lost its value meanwhile.
        self.bits.store(bits, Relaxed);
        self.state.store(SET, Release);
    }

    /// Replaces the value by what `change` makes of it; of zero when none was set.
    pub(crate) fn change<T: Number>(&self, change: impl Fn(T) -> T) {
        // Once more when the cell lost its value meanwhile: then it changes from zero.
        while !self.set_first(|| change(T::ZERO)) {
            let changed = |bits| Some(change(T::from_bits(bits)).to_bits());
            let _ = self.bits.fetch_update(AcqRel, Acquire, changed);
            if self.touch() {
                return;
            }
        }
    }

    /// Sets the value unless it is larger already.
    pub(crate) fn set_max<T: Number>(&self, value: T) {
        while !self.set_first(|| value) {
            let larger = |bits| (T::from_bits(bits) < value).then(|| value.to_bits());
            let _ = self.bits.fetch_update(AcqRel, Acquire, larger);
            if self.touch() {
                return;
            }
        }
    }

    /// Back to having no value. The bits stay, so that who reads meanwhile sees the last value or none.
    pub(crate) fn unset(&self) {
        let _turn = self.lock();
        self.state.store(UNSET, Release);
    }

    pub(crate) fn get<T: Number>(&self) -> Option<T> {
        (self.state.load(Acquire) != UNSET).then(|| T::from_bits(self.bits.load(Acquire)))
    }

    /// Sets the value of a cell that has none. Whether it had none.
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

    /// Something was recorded in a cell that has a value. Whether it still has one.
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
            // Not `SET`: a thread that is just setting a value then sets it once more, in turn.
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
