//! The cells of counters and up-down counters. See `orderings.md` for why each ordering is what it is.

use super::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use super::atomic::{AtomicI64, AtomicU64, OnceBox};
use super::cell::Cell;
use super::stripes::Stripes;
use crate::number::Number;

/// A sum. It is there, as zero, from the moment its series exists.
///
/// Threads add to one number until they are seen to compete for it; from then on, they add to [`Stripes`].
pub struct SumCell {
    /// The sum. Once there are stripes, what was added here since they were last collected.
    bits: AtomicU64,
    stripes: OnceBox<Stripes>,
}

impl SumCell {
    pub(crate) fn new() -> Self {
        // The bits of zero are zero in all three number types.
        Self { bits: AtomicU64::new(0), stripes: OnceBox::new() }
    }

    /// Adds where all threads add.
    #[inline]
    pub(crate) fn add<T: Number>(&self, value: T) {
        value.add_to(&self.bits);
    }

    /// Adds to the stripe of this thread. Returns whether there are stripes.
    #[inline]
    pub(crate) fn add_to_stripe<T: Number>(&self, value: T) -> bool {
        let stripes = self.stripes.get();
        if let Some(stripes) = stripes {
            stripes.add(value);
        }
        stripes.is_some()
    }

    /// Adds where all threads add. Returns whether another thread added at the same moment.
    pub(crate) fn add_and_meet<T: Number>(&self, value: T) -> bool {
        let before = self.bits.load(Relaxed);
        let after = T::from_bits(before).saturating_add(value).to_bits();
        let meets = self.bits.compare_exchange(before, after, Relaxed, Relaxed).is_err();
        if meets {
            self.add(value);
        }
        meets
    }

    /// Makes stripes. From now on, threads add to them.
    pub(crate) fn stripe<T: Number>(&self) {
        // The stripes of another thread, which was faster, are as good.
        let _ = self.stripes.set(Box::new(Stripes::new::<T>()));
    }

    pub(crate) fn get<T: Number>(&self) -> T {
        T::from_bits(self.sum())
    }

    /// Returns the bits of the sum.
    fn sum(&self) -> u64 {
        // In this order: stripes that take away what is read here are seen below.
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
        // In this order, as in `sum`. A plain store could miss stripes that took the number away.
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

/// A sum that rises and falls: what was added, and how many guards are held. A guard outlives a reset of the sum: what
/// is in flight stays so, and is taken away exactly when it ends.
pub struct UpDownCell {
    sum: SumCell,
    in_flight: AtomicI64,
}

impl UpDownCell {
    pub(crate) fn new() -> Self {
        Self { sum: SumCell::new(), in_flight: AtomicI64::new(0) }
    }

    /// One more guard is held, or one fewer.
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

    /// Only a sum of zero is ever idle: what has come and not gone is still there.
    fn reset_unless_touched(&self, mark: u64) -> bool {
        mark == 0 && self.is_empty()
    }
}

// With its path, as another crate has this file, too.
#[cfg(test)]
#[path = "sum/tests.rs"]
mod tests;
