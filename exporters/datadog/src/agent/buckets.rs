//! Values that stand for those in the buckets of a histogram.
//!
//! Distributions of the protocol are made of values, so each bucket that has any gives one value, which weighs as
//! much as the bucket counts. It lies within the bucket, and in the same part of each, chosen such that all together
//! have the sum that was recorded: count, sum and average are exact as far as floats are, percentiles as fine as the
//! buckets.

use meterkit_core::{ExponentialHistogramPoint, HistogramPoint};

/// The values and their weights, ascending. No number, where there are neither buckets nor a finite sum.
pub(super) fn of_histogram(bounds: &[f64], point: &HistogramPoint) -> Vec<(f64, u64)> {
    let mut ranges: Vec<Range> = Vec::new();
    let mut open = None;
    for (at, count) in point.buckets.iter().copied().enumerate().filter(|(_, count)| *count > 0) {
        let below = at.checked_sub(1).and_then(|at| bounds.get(at)).copied();
        let (low, high) = match (below, bounds.get(at).copied()) {
            (Some(low), Some(high)) => (low, high),
            // Nothing below zero is what most histograms have.
            (None, Some(high)) => (point.min.unwrap_or(0.0).min(high), high),
            (Some(low), None) => {
                open = Some(ranges.len()).filter(|_| point.max.is_none());
                (low, point.max.unwrap_or(low).max(low))
            }
            // A single bucket for everything.
            (None, None) => {
                let mean = Some(point.sum / count as f64).filter(|mean| mean.is_finite());
                let mean = mean.unwrap_or(f64::NAN);
                (mean, mean)
            }
        };
        ranges.push(Range { low, high, count });
    }
    if let Some(open) = open {
        place_open(&mut ranges, open, point.sum);
    }
    values(ranges, point.sum, point.min, point.max)
}

/// The same for exponential buckets.
pub(super) fn of_exponential(point: &ExponentialHistogramPoint) -> Vec<(f64, u64)> {
    let negative = point.negative.bounded(point.scale).rev();
    let negative = negative.map(|(low, high, count)| Range { low: -high, high: -low, count });
    let zero = Range { low: 0.0, high: 0.0, count: point.zero_count };
    let positive = point.positive.bounded(point.scale);
    let positive = positive.map(|(low, high, count)| Range { low, high, count });
    let all = negative.chain([zero]).chain(positive);
    let ranges = all.filter(|range| range.count > 0).collect();
    values(ranges, point.sum, point.min, point.max)
}

/// Where the values of a bucket can lie, and how many they are.
#[derive(Clone, Copy, Debug)]
struct Range {
    low: f64,
    high: f64,
    count: u64,
}

impl Range {
    /// The value at a part of the way from `low` to `high`, which may be as far apart as floats can.
    fn at(&self, part: f64) -> f64 {
        let value = self.low * (1.0 - part) + self.high * part;
        // Not `clamp`, which panics when another library's bounds are not in order.
        value.max(self.low).min(self.high)
    }

    fn sum_at(&self, part: f64) -> f64 {
        self.at(part) * self.count as f64
    }
}

/// The bucket without upper bound gets what the sum leaves when the others have their middles.
fn place_open(ranges: &mut [Range], open: usize, sum: f64) {
    let others = ranges.iter().enumerate().filter(|(at, _)| *at != open);
    let rest = sum - others.map(|(_, range)| range.sum_at(0.5)).sum::<f64>();
    if let Some(range) = ranges.get_mut(open) {
        let mean = rest / range.count as f64;
        if mean.is_finite() && mean > range.low {
            range.low = mean;
        }
        range.high = range.low;
    }
}

fn values(mut ranges: Vec<Range>, sum: f64, min: Option<f64>, max: Option<f64>) -> Vec<(f64, u64)> {
    for range in &mut ranges {
        if range.low.is_nan() {
            continue;
        }
        range.low = range.low.clamp(f64::MIN, f64::MAX);
        range.high = range.high.max(range.low).min(f64::MAX);
        if let Some(min) = min.filter(|min| *min > range.low) {
            range.low = min.min(range.high);
        }
        if let Some(max) = max.filter(|max| *max < range.high) {
            range.high = max.max(range.low);
        }
    }
    let (least, most) = (total(&ranges, 0.0), total(&ranges, 1.0));
    let (span, part) = (most - least, (sum - least) / (most - least));
    let is_known = span.is_finite() && part.is_finite();
    let part = if is_known { part.clamp(0.0, 1.0) } else { 0.5 };
    ranges.iter().map(|range| (range.at(part), range.count)).collect()
}

fn total(ranges: &[Range], part: f64) -> f64 {
    ranges.iter().map(|range| range.sum_at(part)).sum()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use meterkit_core::{Attributes, ExponentialBuckets};

    use super::*;

    const INFINITY: f64 = f64::INFINITY;

    fn point(buckets: &[u64], sum: f64, range: Option<(f64, f64)>) -> HistogramPoint {
        HistogramPoint {
            attributes: Attributes::empty(),
            start: SystemTime::UNIX_EPOCH,
            count: buckets.iter().sum(),
            sum,
            min: range.map(|(min, _)| min),
            max: range.map(|(_, max)| max),
            buckets: buckets.into(),
        }
    }

    #[test]
    fn values_lie_in_their_buckets_and_add_up_to_the_sum() {
        let bounds = [1.0, 2.0, 4.0];
        for (buckets, sum, range, expected) in [
            (&[0, 0, 0, 0][..], 0.0, None, &[][..]),
            // One value is what it was.
            (&[0, 1, 0, 0], 1.25, None, &[(1.25, 1)]),
            (&[0, 0, 2, 0], 5.0, None, &[(2.5, 2)]),
            // The same part of each bucket.
            (&[2, 0, 2, 0], 7.0, None, &[(0.5, 2), (3.0, 2)]),
            (&[2, 0, 2, 0], 5.5, None, &[(0.25, 2), (2.5, 2)]),
            // The open one takes what is left, or its bound.
            (&[1, 0, 0, 2], 20.5, None, &[(0.5, 1), (10.0, 2)]),
            (&[1, 0, 0, 2], 8.25, None, &[(0.25, 1), (4.0, 2)]),
            // Where smallest and largest are known, between them.
            (&[0, 0, 0, 2], 30.0, Some((10.0, 20.0)), &[(15.0, 2)]),
            (&[2, 1, 0, 0], 2.75, Some((0.5, 1.5)), &[(0.75, 2), (1.25, 1)]),
            // A sum that no values in these buckets have.
            (&[0, 1, 0, 0], 70.0, None, &[(2.0, 1)]),
            (&[0, 1, 0, 0], -70.0, None, &[(1.0, 1)]),
            (&[0, 1, 0, 0], INFINITY, None, &[(1.5, 1)]),
            (&[1, 0, 0, 1], f64::NAN, None, &[(0.5, 1), (4.0, 1)]),
        ] {
            let values = of_histogram(&bounds, &point(buckets, sum, range));
            let is_close =
                |((a, n), (b, m)): (&(f64, u64), &(f64, u64))| n == m && (a - b).abs() < 1e-12;
            assert!(
                values.len() == expected.len() && values.iter().zip(expected).all(is_close),
                "{buckets:?} {sum}: {values:?}"
            );
        }
    }

    #[test]
    fn unusual_bounds_give_finite_values() {
        for (bounds, buckets, sum, expected) in [
            (&[][..], &[4][..], 10.0, 2.5),
            (&[-5.0], &[3, 0], -30.0, -5.0),
            (&[-1e308, 1e308], &[0, 1, 0], 0.0, 0.0),
        ] {
            let values = of_histogram(bounds, &point(buckets, sum, None));
            assert_eq!(values[0].0, expected, "{bounds:?}");
        }
        let extreme = point(&[0, u64::MAX, 0], 1e300, None);
        let values = of_histogram(&[-1e308, 1e308], &extreme);
        assert!(values[0].0.is_finite(), "{values:?}");
    }

    #[test]
    fn exponential_buckets_give_values_of_both_signs_and_zero() {
        let mut point = ExponentialHistogramPoint {
            attributes: Attributes::empty(),
            start: SystemTime::UNIX_EPOCH,
            count: 7,
            sum: 6.0,
            min: None,
            max: None,
            scale: 0,
            zero_count: 2,
            zero_threshold: 0.0,
            positive: ExponentialBuckets { offset: 0, counts: vec![2, 0, 1] },
            negative: ExponentialBuckets { offset: 1, counts: vec![1, 1] },
        };
        // (-8, -4], (-4, -2], 0, (1, 2], (4, 8]: from -6 to 10.
        let values = of_exponential(&point);
        let sum: f64 = values.iter().map(|(value, count)| value * *count as f64).sum();
        assert!((sum - 6.0).abs() < 1e-12, "{values:?}");
        assert_eq!(values.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 1, 2, 2, 1]);
        assert_eq!(values[2].0, 0.0);
        assert!(values.windows(2).all(|pair| pair[0].0 < pair[1].0), "{values:?}");

        point.sum = INFINITY;
        assert_eq!(of_exponential(&point)[0].0, -6.0);
    }
}
