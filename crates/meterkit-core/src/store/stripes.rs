//! Stripes, to which threads add that compete for one sum.

use super::atomic::Ordering::{AcqRel, Relaxed};
use super::atomic::{AtomicU64, Mutex, STRIPES};
use super::thread_number::thread_number;
use crate::number::Number;
use crate::unpoisoned::Unpoisoned;

/// Numbers in cache lines of their own, to which threads add. Reading the sum collects their values.
pub(crate) struct Stripes {
    stripes: [Stripe; STRIPES],
    /// The bits of the sum when it was last collected. Readers take turns; additions never wait for this lock.
    sum: Mutex<u64>,
    plus: fn(u64, u64) -> u64,
}

/// Aligned to two cache lines, since processors fetch them in pairs.
#[repr(align(128))]
struct Stripe(AtomicU64);

impl Stripes {
    pub(crate) fn new<T: Number>() -> Self {
        Self {
            stripes: std::array::from_fn(|_| Stripe(AtomicU64::new(0))),
            sum: Mutex::new(0),
            plus: |a, b| T::from_bits(a).saturating_add(T::from_bits(b)).to_bits(),
        }
    }

    #[inline]
    pub(crate) fn add<T: Number>(&self, value: T) {
        value.add_to(&self.stripes[thread_number() % STRIPES].0);
    }

    /// Returns the bits of the sum of all stripes and of `beside`. All of them are zero afterwards.
    pub(crate) fn sum(&self, beside: &AtomicU64) -> u64 {
        self.collect(beside, |sum| *sum)
    }

    /// Discards all added values.
    pub(crate) fn reset(&self, beside: &AtomicU64) {
        self.collect(beside, |sum| *sum = 0);
    }

    /// Discards all added values if their sum is `expected`. Concurrent additions are kept. Returns whether it did.
    pub(crate) fn reset_if(&self, beside: &AtomicU64, expected: u64) -> bool {
        self.collect(beside, |sum| {
            let is_expected = *sum == expected;
            if is_expected {
                *sum = 0;
            }
            is_expected
        })
    }

    fn collect<R>(&self, beside: &AtomicU64, then: impl FnOnce(&mut u64) -> R) -> R {
        let mut sum = self.sum.lock().unpoisoned();
        for part in self.stripes.iter().map(|stripe| &stripe.0).chain([beside]) {
            // Most stripes are empty. Not writing to them leaves their cache lines where they are.
            if part.load(Relaxed) != 0 {
                // Taken in one step, so that no addition is lost or counted twice.
                *sum = (self.plus)(*sum, part.swap(0, AcqRel));
            }
        }
        then(&mut sum)
    }
}
