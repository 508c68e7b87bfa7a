//! The buckets of one exponential histogram series, at the finest scale in which its values fit.

mod index;

use std::mem::take;

pub(crate) use self::index::{MAX_SCALE, index_of};
use crate::buckets::ExponentialLimits;
use crate::data::{ExponentialBuckets, SignedBuckets};

/// Counts of values in exponential buckets.
///
/// Buckets are added up to the allowed number. Beyond it, pairs of neighbors are merged until the new value fits. The
/// limits therefore bound the memory, whatever is recorded.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ExponentialCounts {
    limits: ExponentialLimits,
    pub(crate) scale: i32,
    /// The lowest index at [`MAX_SCALE`] that is used; lower indices are raised to it.
    lowest: i32,
    pub(crate) zero: u64,
    pub(crate) positive: ExponentialBuckets,
    pub(crate) negative: ExponentialBuckets,
}

/// The place of a value, independent of the scale.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SignedIndex {
    Zero,
    /// The index at [`MAX_SCALE`].
    Positive(i32),
    /// The index of the magnitude at [`MAX_SCALE`].
    Negative(i32),
}

impl SignedIndex {
    /// Returns the place of a finite number.
    #[inline]
    pub(crate) fn of(number: f64) -> Self {
        if number > 0.0 {
            Self::Positive(index_of(number))
        } else if number < 0.0 {
            Self::Negative(index_of(-number))
        } else {
            Self::Zero
        }
    }
}

impl ExponentialCounts {
    pub(crate) fn new(limits: ExponentialLimits) -> Self {
        Self {
            limits,
            scale: limits.max_scale,
            // At the lowest scale, two buckets hold all numbers except subnormal ones.
            lowest: if limits.max_size > 2 { i32::MIN } else { index_of(f64::MIN_POSITIVE) },
            zero: 0,
            positive: ExponentialBuckets::default(),
            negative: ExponentialBuckets::default(),
        }
    }

    /// Discards all values and frees their memory.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.limits);
    }

    /// Discards all values, and keeps the memory for later ones.
    pub(crate) fn empty(&mut self) {
        (self.scale, self.zero) = (self.limits.max_scale, 0);
        self.positive.counts.clear();
        self.negative.counts.clear();
    }

    /// Adds the values of another series with the same limits.
    pub(crate) fn merge(&mut self, other: &Self) {
        let mut sum = self.take_all();
        sum.add(&other.signed(), i64::from(self.limits.max_size));
        let SignedBuckets { scale, zero_count, positive, negative } = sum;
        (self.scale, self.zero) = (scale, zero_count);
        (self.positive, self.negative) = (positive, negative);
    }

    /// Returns the buckets in the form that points use.
    pub(crate) fn signed(&self) -> SignedBuckets {
        let (positive, negative) = (self.positive.clone(), self.negative.clone());
        SignedBuckets { scale: self.scale, zero_count: self.zero, positive, negative }
    }

    fn take_all(&mut self) -> SignedBuckets {
        let (scale, zero_count) = (self.scale, self.zero);
        let (positive, negative) = (take(&mut self.positive), take(&mut self.negative));
        SignedBuckets { scale, zero_count, positive, negative }
    }

    #[inline]
    pub(crate) fn add(&mut self, place: SignedIndex) {
        let (scale, lowest) = (self.scale, self.lowest);
        let (index, buckets) = match place {
            SignedIndex::Zero => return self.zero += 1,
            SignedIndex::Positive(index) => (index, &mut self.positive),
            SignedIndex::Negative(index) => (index, &mut self.negative),
        };
        let at = i64::from(index.max(lowest) >> (MAX_SCALE - scale)) - i64::from(buckets.offset);
        match usize::try_from(at).ok().and_then(|at| buckets.counts.get_mut(at)) {
            Some(count) => *count += 1,
            None => self.add_beyond(place),
        }
    }

    /// Adds several values that belong to the same place.
    pub(crate) fn add_several(&mut self, place: SignedIndex, values: u64) {
        if let Some(others) = values.checked_sub(1) {
            self.add(place);
            if let Some(count) = self.at(place) {
                *count += others;
            }
        }
    }

    /// Removes a value that was added before.
    pub(crate) fn take(&mut self, place: SignedIndex) {
        if let Some(count) = self.at(place) {
            *count = count.saturating_sub(1);
        }
    }

    /// Calls `each` with the upper end of each non-empty bucket, and the number of values in it.
    pub(crate) fn for_each(&self, mut each: impl FnMut(f64, u64)) {
        let negative = self.negative.bounded(self.scale).map(|(near, _, count)| (-near, count));
        let positive = self.positive.bounded(self.scale).map(|(_, far, count)| (far, count));
        let all = negative.chain([(0.0, self.zero)]).chain(positive);
        all.filter(|(_, count)| *count > 0).for_each(|(end, count)| each(end, count));
    }

    fn at(&mut self, place: SignedIndex) -> Option<&mut u64> {
        let (index, buckets) = match place {
            SignedIndex::Zero => return Some(&mut self.zero),
            SignedIndex::Positive(index) => (index.max(self.lowest), &mut self.positive),
            SignedIndex::Negative(index) => (index.max(self.lowest), &mut self.negative),
        };
        let at = i64::from(index >> (MAX_SCALE - self.scale)) - i64::from(buckets.offset);
        usize::try_from(at).ok().and_then(|at| buckets.counts.get_mut(at))
    }

    /// Adds a value for which there is no bucket yet.
    #[cold]
    fn add_beyond(&mut self, place: SignedIndex) {
        let (index, buckets) = match place {
            SignedIndex::Zero => return,
            SignedIndex::Positive(index) => (index.max(self.lowest), &self.positive),
            SignedIndex::Negative(index) => (index.max(self.lowest), &self.negative),
        };
        let steps = self.limits.steps_to_fit(buckets, index >> (MAX_SCALE - self.scale));
        if steps > 0 {
            self.scale -= steps as i32;
            self.positive.downscale(steps);
            self.negative.downscale(steps);
        }
        let max_size = self.limits.max_size as usize;
        let index = index >> (MAX_SCALE - self.scale);
        let buckets = match place {
            SignedIndex::Negative(_) => &mut self.negative,
            _ => &mut self.positive,
        };
        buckets.include(index, max_size);
        buckets.counts[(index - buckets.offset) as usize] += 1;
    }
}

impl ExponentialLimits {
    /// Returns how often neighbors must be merged until the bucket at `index` fits, too.
    fn steps_to_fit(self, buckets: &ExponentialBuckets, index: i32) -> u32 {
        let index = i64::from(index);
        let (mut low, mut high) = (index, index);
        if !buckets.counts.is_empty() {
            let first = i64::from(buckets.offset);
            low = low.min(first);
            high = high.max(first + buckets.counts.len() as i64 - 1);
        }
        let mut steps = 0;
        // Two buckets are always enough in the end: one below 1, and one above.
        while high - low >= i64::from(self.max_size) {
            low >>= 1;
            high >>= 1;
            steps += 1;
        }
        steps
    }
}

impl ExponentialBuckets {
    /// Ensures that there is a bucket at `index`. The caller must ensure that this takes at most `max_size` buckets.
    fn include(&mut self, index: i32, max_size: usize) {
        if self.counts.is_empty() {
            self.offset = index;
        }
        let before = (i64::from(self.offset) - i64::from(index)).max(0) as usize;
        let behind = (i64::from(index) - i64::from(self.offset) + 1).max(0) as usize;
        let size = (before + self.counts.len()).max(behind);
        if size > self.counts.capacity() {
            // The capacity doubles each time, but never exceeds the largest allowed size.
            let room = size.max(2 * self.counts.capacity()).max(8).min(max_size);
            self.counts.reserve_exact(room - self.counts.len());
        }
        self.counts.resize(size, 0);
        self.counts.rotate_right(before);
        self.offset = self.offset.min(index);
    }
}

#[cfg(test)]
mod tests;
