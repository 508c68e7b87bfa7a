//! Conversion of exponential histograms to classic histograms, for formats without native histograms.

use std::sync::Arc;

use meterkit_core::{ExponentialBuckets, ExponentialHistogramPoint};

/// The classic bucket boundaries for exponential histograms, which are the same for all series of a family.
///
/// The boundaries are zero and the positive and negative powers of two from the smallest to the largest magnitude in
/// any of the series. A power of two is also a boundary of exponential buckets, so all counts are exact. Values of new
/// magnitudes add boundaries at the ends without changing existing ones. Boundaries are thinned out, by leaving out
/// every second one, three of four, and so on, only if a series has a scale below 0 or there would be more than 160
/// boundaries of one sign.
///
/// A negative value that is a power of two is counted above the boundary that it equals, because exponential histograms
/// do not distinguish it from values closer to zero.
#[derive(Clone, Debug)]
pub struct Ladder {
    positive: Rungs,
    negative: Rungs,
    boundaries: Arc<[f64]>,
}

/// The boundaries of one sign: `count` powers of two whose exponents start at `first` and increase by `step`.
#[derive(Clone, Copy, Debug)]
struct Rungs {
    first: i64,
    step: i64,
    count: usize,
}

/// Maximum distance between the first and the last boundary of one sign, in steps.
const MOST: i64 = 160;

/// Exponent of the smallest power of two that a float can represent.
const SMALLEST: i64 = -1074;
/// Exponent of the largest power of two that a float can represent.
const LARGEST: i64 = 1023;

impl Ladder {
    /// Computes the boundaries for all these points.
    pub fn of<'a>(points: impl Iterator<Item = &'a ExponentialHistogramPoint>) -> Self {
        let (mut positive, mut negative) = (None, None);
        let (mut zero, mut step) = (0_f64, 1_i64);
        for point in points {
            zero = zero.max(point.zero_threshold);
            step = step.max(1 << point.scale.clamp(-16, 0).unsigned_abs());
            extend(&mut positive, exponents(point.scale, &point.positive));
            extend(&mut negative, exponents(point.scale, &point.negative));
        }
        let length = |range: Option<(i64, i64)>| range.map_or(0, |(first, last)| last - first);
        while length(positive).max(length(negative)) > MOST * step {
            step *= 2;
        }
        let smallest = if zero > 0.0 { zero.log2().floor() as i64 + 1 } else { SMALLEST };
        let [positive, negative] = [positive, negative].map(|it| Rungs::of(it, smallest, step));
        let below = negative.bounds().rev().map(|bound| -bound);
        let boundaries = below.chain([zero]).chain(positive.bounds()).collect();
        Self { positive, negative, boundaries }
    }

    /// Returns the boundaries in ascending order. There is at least one.
    pub fn boundaries(&self) -> &Arc<[f64]> {
        &self.boundaries
    }

    /// Sets `buckets` to the counts of one of the points. There is one bucket more than there are boundaries.
    pub fn fill(&self, point: &ExponentialHistogramPoint, buckets: &mut Vec<u64>) {
        buckets.clear();
        buckets.resize(self.boundaries.len() + 1, 0);
        let mut add = |at: usize, count: u64| {
            if let Some(bucket) = buckets.get_mut(at) {
                *bucket = bucket.saturating_add(count);
            }
        };
        let zero = self.negative.count;
        add(zero, point.zero_count);
        for (index, count) in indexed(&point.negative) {
            // Count the values in the bucket with the smallest upper boundary that none of them exceeds.
            add(zero - self.negative.up_to(lower(point.scale, index)), count);
        }
        for (index, count) in indexed(&point.positive) {
            add(zero + 1 + self.positive.below(upper(point.scale, index)), count);
        }
    }
}

impl Rungs {
    fn of(range: Option<(i64, i64)>, smallest: i64, step: i64) -> Self {
        let floor = |exponent: i64| exponent.div_euclid(step) * step;
        let ceiling = |exponent: i64| -floor(-exponent);
        let Some((first, last)) = range else { return Self { first: 0, step, count: 0 } };
        let first = floor(first).max(ceiling(smallest));
        let last = ceiling(last).min(floor(LARGEST));
        let count = usize::try_from((last - first).div_euclid(step) + 1).unwrap_or(0);
        Self { first, step, count }
    }

    fn bounds(self) -> impl DoubleEndedIterator<Item = f64> {
        (0..self.count).map(move |at| power_of_two(self.first + at as i64 * self.step))
    }

    /// Returns how many boundaries have a smaller exponent than this one.
    fn below(self, exponent: i64) -> usize {
        self.up_to(exponent - 1)
    }

    /// Returns how many boundaries have this exponent or a smaller one.
    fn up_to(self, exponent: i64) -> usize {
        let count = (exponent - self.first).div_euclid(self.step) + 1;
        usize::try_from(count).unwrap_or(0).min(self.count)
    }
}

/// Returns the exponents of the two powers of two that enclose all values.
fn exponents(scale: i32, buckets: &ExponentialBuckets) -> Option<(i64, i64)> {
    let mut indices = indexed(buckets).map(|(index, _)| index);
    let first = indices.next()?;
    let last = indices.last().unwrap_or(first);
    Some((lower(scale, first), upper(scale, last)))
}

fn extend(range: &mut Option<(i64, i64)>, by: Option<(i64, i64)>) {
    if let Some((first, last)) = by {
        let (a, b) = range.unwrap_or((first, last));
        *range = Some((a.min(first), b.max(last)));
    }
}

/// Returns the index and the count of each bucket that is not empty.
fn indexed(buckets: &ExponentialBuckets) -> impl Iterator<Item = (i64, u64)> {
    let indices = i64::from(buckets.offset)..;
    indices.zip(buckets.counts.iter().copied()).filter(|(_, count)| *count > 0)
}

/// Returns the exponent of the largest power of two that is at most the lower boundary of a bucket.
fn lower(scale: i32, index: i64) -> i64 {
    let shift = scale.unsigned_abs().min(31);
    if scale >= 0 { index >> shift } else { index << shift }
}

/// Returns the exponent of the smallest power of two that is at least the upper boundary of a bucket.
fn upper(scale: i32, index: i64) -> i64 {
    let next = index + 1;
    if scale >= 0 { -lower(scale, -next) } else { lower(scale, next) }
}

/// Returns the exact power of two, including those that are subnormal.
fn power_of_two(exponent: i64) -> f64 {
    let half = exponent.clamp(SMALLEST, LARGEST) as i32 / 2;
    2_f64.powi(half) * 2_f64.powi(exponent.clamp(SMALLEST, LARGEST) as i32 - half)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use meterkit_core::{Attributes, SeriesId};

    use super::*;

    fn buckets(offset: i32, counts: &[u64]) -> ExponentialBuckets {
        ExponentialBuckets { offset, counts: counts.to_vec() }
    }

    fn point(
        scale: i32,
        zero_count: u64,
        negative: ExponentialBuckets,
        positive: ExponentialBuckets,
    ) -> ExponentialHistogramPoint {
        let count = negative.counts.iter().chain(&positive.counts).sum::<u64>() + zero_count;
        ExponentialHistogramPoint {
            series: SeriesId::new(),
            attributes: Attributes::empty(),
            start: UNIX_EPOCH,
            count,
            sum: 0.0,
            min: None,
            max: None,
            scale,
            zero_count,
            zero_threshold: 0.0,
            positive,
            negative,
        }
    }

    fn filled(ladder: &Ladder, point: &ExponentialHistogramPoint) -> Vec<u64> {
        let mut buckets = vec![7; 3];
        ladder.fill(point, &mut buckets);
        assert_eq!(buckets.len(), ladder.boundaries().len() + 1);
        assert_eq!(buckets.iter().sum::<u64>(), point.count, "{buckets:?}");
        buckets
    }

    #[test]
    fn boundaries_are_powers_of_two_around_all_values() {
        for (scale, negative, positive, boundaries, counts) in [
            (0, buckets(0, &[]), buckets(0, &[]), &[0.0][..], &[1, 0][..]),
            (0, buckets(0, &[]), buckets(-1, &[2, 3]), &[0.0, 0.5, 1.0, 2.0], &[1, 0, 2, 3, 0]),
            // Four buckets per power of two, from below 1 to above 4.
            (
                2,
                buckets(0, &[]),
                buckets(-1, &[1, 2, 2, 2, 2, 3, 3, 3, 3, 4]),
                &[0.0, 0.5, 1.0, 2.0, 4.0, 8.0],
                &[1, 0, 1, 8, 12, 4, 0],
            ),
            // Each bucket spans four powers of two, starting at 2^-8.
            (
                -2,
                buckets(0, &[]),
                buckets(-2, &[5, 0, 6]),
                &[0.0, 0.00390625, 0.0625, 1.0, 16.0],
                &[1, 0, 5, 0, 6, 0],
            ),
            (
                0,
                buckets(1, &[4, 5]),
                buckets(0, &[6]),
                &[-8.0, -4.0, -2.0, 0.0, 1.0, 2.0],
                &[0, 5, 4, 1, 0, 6, 0],
            ),
            (1, buckets(0, &[2, 3]), buckets(0, &[]), &[-2.0, -1.0, 0.0], &[0, 5, 1, 0]),
        ] {
            let point = point(scale, 1, negative, positive);
            let ladder = Ladder::of([&point].into_iter());
            assert_eq!(&**ladder.boundaries(), boundaries);
            assert_eq!(filled(&ladder, &point), counts);
        }
    }

    #[test]
    fn more_values_only_add_boundaries_at_the_ends() {
        let narrow = point(20, 0, buckets(0, &[]), buckets(0, &[1]));
        let wide = point(0, 0, buckets(3, &[1]), buckets(-5, &[1, 1, 1, 1, 1, 1, 1]));
        let ladder = Ladder::of([&narrow].into_iter());
        assert_eq!(&**ladder.boundaries(), [0.0, 1.0, 2.0]);
        let both = Ladder::of([&narrow, &wide].into_iter());
        assert!(ladder.boundaries().iter().all(|it| both.boundaries().contains(it)));
        assert_eq!(filled(&both, &narrow), [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]);
    }

    #[test]
    fn all_magnitudes_have_a_bounded_number_of_boundaries() {
        let ends = point(-4, 0, buckets(-68, &[1; 132]), buckets(-68, &[1; 132]));
        let ladder = Ladder::of([&ends].into_iter());
        let boundaries = ladder.boundaries();
        assert!(boundaries.is_sorted_by(|a, b| a < b) && boundaries.len() <= 2 * 161 + 1);
        assert!(boundaries.iter().all(|it| it.is_finite()));
        filled(&ladder, &ends);

        let fine = point(3, 0, buckets(0, &[]), buckets(-8 * 1074, &[1; 16_384]));
        let ladder = Ladder::of([&fine].into_iter());
        assert!(ladder.boundaries().len() <= 162, "{}", ladder.boundaries().len());
        filled(&ladder, &fine);
    }

    #[test]
    fn no_boundary_is_within_the_zero_bucket() {
        let mut wide = point(0, 3, buckets(-4, &[1, 1]), buckets(-4, &[1, 1, 1, 1]));
        wide.zero_threshold = 0.25;
        let ladder = Ladder::of([&wide].into_iter());
        assert_eq!(&**ladder.boundaries(), [0.25, 0.5, 1.0]);
        filled(&ladder, &wide);
    }
}
