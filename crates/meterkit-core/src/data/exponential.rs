//! Points of exponential histograms.

use std::time::SystemTime;

use super::SeriesId;
use crate::attributes::Attributes;

/// The distribution of one series of an exponential histogram.
///
/// Bucket `i` of the positive values holds the values above `base^i` up to and including `base^(i + 1)`, where `base`
/// is 2^(2^-scale). The buckets of the negative values hold their magnitudes in the same way. Counts are not
/// accumulated over buckets.
///
/// Follows OpenTelemetry's Metrics Data Model, section ExponentialHistogram.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct ExponentialHistogramPoint {
    /// The identity of the series.
    pub series: SeriesId,
    /// The attributes of the series.
    pub attributes: Attributes,
    /// The start of the time that the counts cover.
    pub start: SystemTime,
    /// The number of recorded values: the sum of all counts.
    pub count: u64,
    /// The sum of the recorded values.
    pub sum: f64,
    /// The smallest of the counted values. It may be unknown in deltas.
    pub min: Option<f64>,
    /// The largest of the counted values. It may be unknown in deltas.
    pub max: Option<f64>,
    /// The resolution of the buckets: each step up doubles their number. It never rises during the life of a series.
    pub scale: i32,
    /// The number of values that were zero, or nearer to zero than `zero_threshold`.
    pub zero_count: u64,
    /// The magnitude up to which values count as zero. It is 0 unless another library sets it.
    pub zero_threshold: f64,
    /// The number of values above zero in each bucket.
    pub positive: ExponentialBuckets,
    /// The number of values below zero in each bucket, by their magnitude.
    pub negative: ExponentialBuckets,
}

impl ExponentialHistogramPoint {
    /// Returns the point at a lower `scale`, with exactly the counts that would have been recorded at that scale.
    /// Returns the point unchanged if `scale` is not lower.
    #[must_use]
    pub fn downscaled(mut self, scale: i32) -> Self {
        let steps = i64::from(self.scale) - i64::from(scale);
        if let Ok(steps @ 1..) = u32::try_from(steps) {
            self.positive.downscale(steps);
            self.negative.downscale(steps);
            self.scale = scale;
        }
        self
    }
}

/// The number of values in each bucket of one sign.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct ExponentialBuckets {
    /// The index of the first bucket.
    pub offset: i32,
    /// The counts of the first bucket and of those after it. Empty if there are no values.
    pub counts: Vec<u64>,
}

impl ExponentialBuckets {
    /// Returns the number of values in the bucket with this index.
    pub fn count(&self, index: i32) -> u64 {
        let at = usize::try_from(i64::from(index) - i64::from(self.offset));
        at.ok().and_then(|at| self.counts.get(at)).copied().unwrap_or(0)
    }

    /// Returns the lower and upper bound of every bucket as magnitudes, with its count. Includes buckets without
    /// values.
    ///
    /// ```
    /// use meterkit_core::ExponentialBuckets;
    ///
    /// let buckets = ExponentialBuckets { offset: -1, counts: vec![5, 0, 7] };
    /// let all: Vec<_> = buckets.bounded(0).collect();
    /// assert_eq!(all, [(0.5, 1.0, 5), (1.0, 2.0, 0), (2.0, 4.0, 7)]);
    /// ```
    pub fn bounded(&self, scale: i32) -> impl DoubleEndedIterator<Item = (f64, f64, u64)> {
        let offset = self.offset;
        self.counts.iter().enumerate().map(move |(at, count)| {
            let index = offset.saturating_add(i32::try_from(at).unwrap_or(i32::MAX));
            (Self::bound(scale, index), Self::bound(scale, index.saturating_add(1)), *count)
        })
    }

    /// Returns the lower bound of the bucket with this index: `base^index`, or infinity if it exceeds the range of
    /// `f64`.
    pub fn bound(scale: i32, index: i32) -> f64 {
        // Exact: multiplying by a power of two only changes the exponent of the float.
        let exponent = f64::from(index) * 2_f64.powi(scale.clamp(-1000, 1000).saturating_neg());
        let whole = exponent.floor().clamp(-1100.0, 1100.0);
        let half = (whole / 2.0).floor();
        // Split into two factors, so that bounds below the smallest normal number do not underflow to zero.
        (exponent - exponent.floor()).exp2() * half.exp2() * (whole - half).exp2()
    }

    /// Merges buckets: each step halves their number.
    pub(crate) fn downscale(&mut self, steps: u32) {
        let steps = steps.min(63);
        let first = i64::from(self.offset) >> steps;
        let mut joined = 0;
        for at in 0..self.counts.len() {
            let count = std::mem::take(&mut self.counts[at]);
            let index = (i64::from(self.offset) + at as i64) >> steps;
            // Never beyond `at`: merged indices move closer together.
            joined = (index - first) as usize;
            self.counts[joined] = self.counts[joined].saturating_add(count);
        }
        if !self.counts.is_empty() {
            self.counts.truncate(joined + 1);
        }
        self.offset = first as i32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(offset: i32, counts: &[u64]) -> ExponentialBuckets {
        ExponentialBuckets { offset, counts: counts.to_vec() }
    }

    #[test]
    fn buckets_of_a_lower_scale_hold_the_same_values() {
        let fine = buckets(-6, &[3, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
        for (steps, coarse) in [
            (0, fine.clone()),
            (1, buckets(-3, &[4, 5, 9, 13, 17, 10])),
            (2, buckets(-2, &[4, 14, 30, 10])),
            (3, buckets(-1, &[18, 40])),
            (31, buckets(-1, &[18, 40])),
            (200, buckets(-1, &[18, 40])),
        ] {
            let mut joined = fine.clone();
            joined.downscale(steps);
            assert_eq!(joined, coarse, "{steps} steps");
        }
        let mut none = buckets(-7, &[]);
        none.downscale(2);
        assert_eq!(none, buckets(-2, &[]));
    }

    #[test]
    fn a_count_is_found_by_the_index_of_its_bucket() {
        let buckets = buckets(-1, &[5, 0, 7]);
        let counts: Vec<u64> = (-3..4).map(|index| buckets.count(index)).collect();
        assert_eq!(counts, [0, 0, 5, 0, 7, 0, 0]);
        assert_eq!((buckets.count(i32::MIN), buckets.count(i32::MAX)), (0, 0));
    }

    #[test]
    fn bounds_are_powers_of_the_base() {
        for (scale, index, bound) in [
            (0, 0, 1.0),
            (0, -3, 0.125),
            (1, 1, std::f64::consts::SQRT_2),
            (1, 2, 2.0),
            (1, -1, std::f64::consts::FRAC_1_SQRT_2),
            (20, 1 << 20, 2.0),
            (-3, 1, 256.0),
            (-10, -1, 2_f64.powi(-1022) / 4.0),
            (-10, 1, f64::INFINITY),
            (0, -1074, f64::from_bits(1)),
            (0, -1076, 0.0),
            (-11, i32::MAX, f64::INFINITY),
        ] {
            assert_eq!(ExponentialBuckets::bound(scale, index), bound, "{index} at {scale}");
        }
    }

    #[test]
    fn many_counts_at_the_end_of_all_indices_do_not_overflow() {
        let mut last = buckets(i32::MAX, &[1, 2]);
        assert_eq!(last.bounded(20).count(), 2);
        last.downscale(1);
        assert_eq!(last, buckets(i32::MAX >> 1, &[1, 2]));
    }
}
