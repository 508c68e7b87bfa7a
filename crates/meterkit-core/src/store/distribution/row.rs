//! Rows, which count the values of a histogram series with explicit buckets.
//!
//! A row is claimed for as long as it takes to count one value. Recorders do not wait for a claimed row; they take
//! another one. Thus everything in a row changes together without a lock.

use crate::store::atomic::Ordering::{Acquire, Relaxed, Release};
use crate::store::atomic::{AtomicU64, fence, spin_loop, yield_now};

/// The counts of one row.
#[derive(Debug)]
pub(super) struct Row {
    /// Odd while the row is claimed. Every claim leaves a new even number, so that a reader notices it.
    sequence: AtomicU64,
    /// The bits of a float, as in the next two fields.
    sum: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
    /// One more than there are boundaries. Unused counts may follow.
    counts: Box<[AtomicU64]>,
}

/// The sum, minimum and maximum of some values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Moments {
    pub(crate) sum: f64,
    /// Infinity if there are no values.
    pub(crate) min: f64,
    /// Negative infinity if there are no values.
    pub(crate) max: f64,
}

/// How often a reader tries to read a row that recorders are using before it claims the row.
const ATTEMPTS: usize = 64;

impl Row {
    pub(super) fn new(buckets: usize) -> Self {
        Self::with_counts(buckets)
    }

    /// Returns an empty row with as many buckets, whose counts share no cache line with those of another row.
    pub(super) fn alike(&self) -> Self {
        /// The number of counts in one cache line.
        const LINE: usize = 64 / size_of::<u64>();
        Self::with_counts(self.len() + LINE)
    }

    fn with_counts(counts: usize) -> Self {
        let Moments { sum, min, max } = Moments::NONE;
        let of = |value: f64| AtomicU64::new(value.to_bits());
        let counts = (0..counts).map(|_| AtomicU64::new(0)).collect();
        Self { sequence: AtomicU64::new(0), sum: of(sum), min: of(min), max: of(max), counts }
    }

    /// Returns the number of buckets. Valid only for a row that was not made by [`alike`](Self::alike).
    pub(super) fn len(&self) -> usize {
        self.counts.len()
    }

    /// Counts a value, unless the row is claimed. Returns whether the value was counted.
    #[inline]
    pub(super) fn try_record(&self, bucket: usize, value: f64) -> bool {
        let Some(claim) = self.try_claim() else { return false };
        claim.record(bucket, value);
        true
    }

    /// Claims the row, unless another thread has claimed it.
    #[inline]
    fn try_claim(&self) -> Option<RowClaim<'_>> {
        let before = self.sequence.load(Relaxed) & !1;
        let claimed = self.sequence.compare_exchange(before, before + 1, Acquire, Relaxed);
        claimed.ok()?;
        // A reader that sees one of the changes below also sees the odd number.
        fence(Release);
        Some(RowClaim { row: self, before })
    }

    /// Claims the row as soon as it is free. Recorders must not call this, since it waits.
    pub(super) fn claim(&self) -> RowClaim<'_> {
        let mut attempt = 0_usize;
        loop {
            if let Some(claim) = self.try_claim() {
                return claim;
            }
            attempt += 1;
            // The thread that holds the claim may be suspended.
            if attempt % ATTEMPTS == 0 { yield_now() } else { spin_loop() }
        }
    }

    /// Copies the counts into `counts`, and returns the sum and extremes. All of them belong to the same moment.
    pub(super) fn read(&self, counts: &mut [u64]) -> Moments {
        for _ in 0..ATTEMPTS {
            let before = self.sequence.load(Acquire);
            if before & 1 == 0 {
                let moments = self.copy(counts);
                // Orders all reads above before the load below.
                fence(Acquire);
                if self.sequence.load(Relaxed) == before {
                    return moments;
                }
            }
            spin_loop();
        }
        self.claim().read(counts)
    }

    /// Returns the number of values. Counts of different buckets may be from different moments.
    pub(super) fn count(&self) -> u64 {
        self.counts.iter().map(|count| count.load(Relaxed)).sum()
    }

    /// Returns whether the row has a value.
    pub(super) fn has_values(&self) -> bool {
        self.counts.iter().any(|count| count.load(Relaxed) > 0)
    }

    fn copy(&self, counts: &mut [u64]) -> Moments {
        for (to, from) in counts.iter_mut().zip(&self.counts) {
            *to = from.load(Relaxed);
        }
        let load = |bits: &AtomicU64| f64::from_bits(bits.load(Relaxed));
        Moments { sum: load(&self.sum), min: load(&self.min), max: load(&self.max) }
    }
}

/// The exclusive right to change a row, released on drop.
#[derive(Debug)]
pub(super) struct RowClaim<'a> {
    row: &'a Row,
    before: u64,
}

impl RowClaim<'_> {
    #[inline]
    fn record(&self, bucket: usize, value: f64) {
        let Row { sum, min, max, counts, .. } = self.row;
        if let Some(count) = counts.get(bucket) {
            count.store(count.load(Relaxed).wrapping_add(1), Relaxed);
        }
        let total = Moments::plus(f64::from_bits(sum.load(Relaxed)), value);
        sum.store(total.to_bits(), Relaxed);
        if value < f64::from_bits(min.load(Relaxed)) {
            min.store(value.to_bits(), Relaxed);
        }
        if value > f64::from_bits(max.load(Relaxed)) {
            max.store(value.to_bits(), Relaxed);
        }
    }

    pub(super) fn read(&self, counts: &mut [u64]) -> Moments {
        self.row.copy(counts)
    }

    /// Adds values that were counted elsewhere.
    pub(super) fn add(&self, counts: &[u64], moments: Moments) {
        for (to, more) in self.row.counts.iter().zip(counts) {
            to.store(to.load(Relaxed).wrapping_add(*more), Relaxed);
        }
        let mut all = self.row.copy(&mut []);
        all.add(moments);
        self.set(all);
    }

    /// Resets the minimum and maximum, so that they cover only later values.
    pub(super) fn clear_extremes(&self) {
        self.set(Moments { sum: f64::from_bits(self.row.sum.load(Relaxed)), ..Moments::NONE });
    }

    /// Discards all values.
    pub(super) fn clear(&self) {
        self.row.counts.iter().for_each(|count| count.store(0, Relaxed));
        self.set(Moments::NONE);
    }

    /// Keeps the row claimed forever, so that nothing is recorded in it again.
    pub(super) fn retire(self) {
        std::mem::forget(self);
    }

    fn set(&self, Moments { sum, min, max }: Moments) {
        let Row { sum: sum_bits, min: min_bits, max: max_bits, .. } = self.row;
        for (bits, value) in [(sum_bits, sum), (min_bits, min), (max_bits, max)] {
            bits.store(value.to_bits(), Relaxed);
        }
    }
}

impl Drop for RowClaim<'_> {
    #[inline]
    fn drop(&mut self) {
        self.row.sequence.store(self.before.wrapping_add(2), Release);
    }
}

impl Moments {
    /// The moments of no values.
    pub(crate) const NONE: Self = Self { sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY };

    /// Returns a sum of finite values, limited to the range of finite floats.
    #[inline]
    pub(super) fn plus(sum: f64, value: f64) -> f64 {
        (sum + value).clamp(f64::MIN, f64::MAX)
    }

    /// Adds one value.
    #[inline]
    pub(super) fn record(&mut self, value: f64) {
        self.add(Self { sum: value, min: value, max: value });
    }

    /// Adds the moments of other values.
    #[inline]
    pub(crate) fn add(&mut self, other: Self) {
        self.sum = Self::plus(self.sum, other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// Returns the minimum and maximum, if there are values.
    pub(crate) fn extremes(self) -> Option<(f64, f64)> {
        (self.min <= self.max).then_some((self.min, self.max))
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_row_that_is_claimed_takes_no_value() {
        let row = Row::new(2);
        let claim = row.claim();
        assert!(!row.try_record(0, 1.0));
        drop(claim);
        assert!(row.try_record(1, 2.5));
        let mut counts = [0; 2];
        assert_eq!(row.read(&mut counts), Moments { sum: 2.5, min: 2.5, max: 2.5 });
        assert_eq!(counts, [0, 1]);
        row.claim().retire();
        assert!(!row.try_record(0, 1.0));
    }

    #[test]
    fn extremes_of_negative_values_are_compared_as_numbers() {
        let row = Row::new(1);
        for value in [-1.0, -3.0, -2.0] {
            assert!(row.try_record(0, value));
        }
        assert_eq!(row.read(&mut [0]), Moments { sum: -6.0, min: -3.0, max: -1.0 });
    }

    #[test]
    fn a_read_during_recordings_is_consistent() {
        let row = Row::new(2);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for n in 0..20_000_u32 {
                        let bucket = (n % 2) as usize;
                        while !row.try_record(bucket, f64::from(n % 2)) {}
                    }
                });
            }
            for _ in 0..2_000 {
                let mut counts = [0; 2];
                let moments = row.read(&mut counts);
                assert_eq!(moments.sum, counts[1] as f64);
            }
        });
        assert_eq!(row.count(), 40_000);
    }
}
