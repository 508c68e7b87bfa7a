//! The cells of counters and up-down counters. `orderings.md` explains each memory ordering.

use super::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use super::atomic::{AtomicI64, AtomicU64, OnceBox};
use super::cell::Cell;
use super::stripes::Stripes;
use crate::number::Number;

/// A sum. It is zero from the moment its series exists.
///
/// Threads add to one number until they are found to compete for it. From then on, they add to [`Stripes`].
pub struct SumCell {
    /// The sum. Once there are stripes, only the additions to this number since the last collection.
    bits: AtomicU64,
    stripes: OnceBox<Stripes>,
}

impl SumCell {
    pub(crate) fn new() -> Self {
        // The bits of zero are zero in all three number types.
        Self { bits: AtomicU64::new(0), stripes: OnceBox::new() }
    }

    /// Adds to the number that all threads share.
    #[inline]
    pub(crate) fn add<T: Number>(&self, value: T) {
        value.add_to(&self.bits);
    }

    /// Adds to the stripe of this thread, if there are stripes. Returns whether there are.
    #[inline]
    pub(crate) fn add_to_stripe<T: Number>(&self, value: T) -> bool {
        let stripes = self.stripes.get();
        if let Some(stripes) = stripes {
            stripes.add(value);
        }
        stripes.is_some()
    }

    /// Adds to the number that all threads share. Returns whether another thread added at the same moment.
    pub(crate) fn add_and_meet<T: Number>(&self, value: T) -> bool {
        let before = self.bits.load(Relaxed);
        let after = T::from_bits(before).saturating_add(value).to_bits();
        let meets = self.bits.compare_exchange(before, after, Relaxed, Relaxed).is_err();
        if meets {
            self.add(value);
        }
        meets
    }

    /// Creates stripes, to which threads add from now on.
    pub(crate) fn stripe<T: Number>(&self) {
        // If another thread was first, its stripes are used.
        let _ = self.stripes.set(Box::new(Stripes::new::<T>()));
    }

    pub(crate) fn get<T: Number>(&self) -> T {
        T::from_bits(self.sum())
    }

    /// Returns the bits of the sum.
    fn sum(&self) -> u64 {
        // In this order: if stripes have taken the value out of `bits`, they are seen below.
        let bits = self.bits.load(Acquire);
        self.stripes.get().map_or(bits, |stripes| stripes.sum(&self.bits))
    }
}

impl AsRef<Self> for SumCell {
    #[inline]
    fn as_ref(&self) -> &Self {
        self
    }
}

impl Cell for SumCell {
    fn number<T: Number>(&self) -> Option<T> {
        Some(self.get())
    }

    fn is_empty(&self) -> bool {
        self.sum() == 0
    }

    fn reset(&self) {
        // In this order, as in `sum`. After a plain store, stripes that have taken the number could be missed.
        self.bits.swap(0, AcqRel);
        if let Some(stripes) = self.stripes.get() {
            stripes.reset(&self.bits);
        }
    }

    fn was_touched(&self, mark: &mut u64) -> bool {
        let sum = self.sum();
        std::mem::replace(mark, sum) != sum
    }

    fn reset_unless_touched(&self, mark: u64) -> bool {
        match self.stripes.get() {
            Some(stripes) => stripes.reset_if(&self.bits, mark),
            None => self.bits.compare_exchange(mark, 0, AcqRel, Relaxed).is_ok(),
        }
    }
}

/// A sum that rises and falls: the added values, and the number of guards that are held. Guards outlive a reset of the
/// sum: operations in flight remain counted, and are subtracted exactly when they end.
pub struct UpDownCell {
    sum: SumCell,
    in_flight: AtomicI64,
}

impl UpDownCell {
    pub(crate) fn new() -> Self {
        Self { sum: SumCell::new(), in_flight: AtomicI64::new(0) }
    }

    /// Changes the number of guards that are held.
    pub(crate) fn count_guard(&self, change: i64) {
        self.in_flight.fetch_add(change, Relaxed);
    }

    pub(crate) fn get<T: Number>(&self) -> T {
        self.sum.get::<T>().saturating_add(T::from_count(self.in_flight.load(Relaxed)))
    }
}

impl AsRef<SumCell> for UpDownCell {
    #[inline]
    fn as_ref(&self) -> &SumCell {
        &self.sum
    }
}

impl Cell for UpDownCell {
    fn number<T: Number>(&self) -> Option<T> {
        Some(self.get())
    }

    fn is_empty(&self) -> bool {
        self.sum.is_empty() && self.in_flight.load(Relaxed) == 0
    }

    fn reset(&self) {
        self.sum.reset();
    }

    fn was_touched(&self, mark: &mut u64) -> bool {
        self.sum.was_touched(mark) || self.in_flight.load(Relaxed) != 0
    }

    /// Resets only a sum of zero: anything that was added and not subtracted still exists.
    fn reset_unless_touched(&self, mark: u64) -> bool {
        mark == 0 && self.is_empty()
    }
}

// The path is explicit because another crate includes this file, too.
#[cfg(test)]
#[path = "sum/tests.rs"]
mod tests;
