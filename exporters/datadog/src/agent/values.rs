//! Represents the buckets of a histogram by single values.
//!
//! A distribution of the protocol consists of values. Each bucket that is not empty is sent as one value, weighted
//! with the count of the bucket. The value lies within the bucket, at the same relative position in each bucket,
//! which is chosen so that the weighted values add up to the recorded sum. Count, sum and average are therefore
//! exact, up to the precision of floats, and percentiles are as fine as the buckets.

use crate::points::{Bucket, Histogram};

/// Returns the values with their weights, in ascending order.
pub(super) fn values(histogram: &Histogram<'_>) -> Vec<(f64, u64)> {
    let mut buckets: Vec<Bucket> = histogram.open_buckets().collect();
    let mut open = None;
    for (at, bucket) in buckets.iter_mut().enumerate() {
        if !bucket.lower.is_finite() {
            // Most histograms hold no values below zero.
            bucket.lower = bucket.upper.min(0.0);
        } else if !bucket.upper.is_finite() {
            bucket.upper = bucket.lower;
            open = Some(at);
        }
    }
    // If the sum is not finite, each bucket is represented by its middle.
    let sum = histogram.sum().unwrap_or(f64::NAN);
    if let Some(open) = open {
        place_open(&mut buckets, open, sum);
    }
    let (least, most) = (total(&buckets, 0.0), total(&buckets, 1.0));
    let (span, part) = (most - least, (sum - least) / (most - least));
    let is_known = span.is_finite() && part.is_finite();
    let part = if is_known { part.clamp(0.0, 1.0) } else { 0.5 };
    buckets.iter().map(|bucket| (value_at(bucket, part), bucket.count)).collect()
}

/// Places the value of the bucket without an upper bound at the rest of the sum, with all other buckets at their
/// middles.
fn place_open(buckets: &mut [Bucket], open: usize, sum: f64) {
    let others = buckets.iter().enumerate().filter(|(at, _)| *at != open);
    let rest = sum - others.map(|(_, bucket)| sum_at(bucket, 0.5)).sum::<f64>();
    if let Some(bucket) = buckets.get_mut(open) {
        let mean = rest / bucket.count as f64;
        if mean.is_finite() && mean > bucket.lower {
            (bucket.lower, bucket.upper) = (mean, mean);
        }
    }
}

fn total(buckets: &[Bucket], part: f64) -> f64 {
    buckets.iter().map(|bucket| sum_at(bucket, part)).sum()
}

fn sum_at(bucket: &Bucket, part: f64) -> f64 {
    value_at(bucket, part) * bucket.count as f64
}

/// Returns the value at the relative position `part` between the bounds, which may be as far apart as floats allow.
fn value_at(bucket: &Bucket, part: f64) -> f64 {
    let value = bucket.lower * (1.0 - part) + bucket.upper * part;
    // Not `clamp`, which panics if bounds from another library are out of order.
    value.max(bucket.lower).min(bucket.upper)
}

#[cfg(test)]
mod tests {
    use meterkit_core::{Attributes, ExponentialBuckets, ExponentialHistogramPoint, SeriesId};

    use super::*;
    use crate::tests::samples::{at, recorded};

    const INFINITY: f64 = f64::INFINITY;

    fn values_of(
        bounds: &[f64],
        buckets: &[u64],
        sum: f64,
        range: Option<(f64, f64)>,
    ) -> Vec<(f64, u64)> {
        let mut point = recorded(Attributes::empty(), buckets, sum);
        (point.min, point.max) = range.unzip();
        values(&Histogram::Explicit { bounds, point: &point })
    }

    #[test]
    fn values_lie_in_their_buckets_and_add_up_to_the_sum() {
        let bounds = [1.0, 2.0, 4.0];
        for (buckets, sum, range, expected) in [
            (&[0, 0, 0, 0][..], 0.0, None, &[][..]),
            // A single value is exact.
            (&[0, 1, 0, 0], 1.25, None, &[(1.25, 1)]),
            (&[0, 0, 2, 0], 5.0, None, &[(2.5, 2)]),
            // The same relative position in each bucket.
            (&[2, 0, 2, 0], 7.0, None, &[(0.5, 2), (3.0, 2)]),
            (&[2, 0, 2, 0], 5.5, None, &[(0.25, 2), (2.5, 2)]),
            // The open bucket takes the rest of the sum, or its bound.
            (&[1, 0, 0, 2], 20.5, None, &[(0.5, 1), (10.0, 2)]),
            (&[1, 0, 0, 2], 8.25, None, &[(0.25, 1), (4.0, 2)]),
            // Values lie between the minimum and the maximum if these are known.
            (&[0, 0, 0, 2], 30.0, Some((10.0, 20.0)), &[(15.0, 2)]),
            (&[2, 1, 0, 0], 2.75, Some((0.5, 1.5)), &[(0.75, 2), (1.25, 1)]),
            // A sum that no values in these buckets can have.
            (&[0, 1, 0, 0], 70.0, None, &[(2.0, 1)]),
            (&[0, 1, 0, 0], -70.0, None, &[(1.0, 1)]),
            (&[0, 1, 0, 0], INFINITY, None, &[(1.5, 1)]),
            (&[1, 0, 0, 1], f64::NAN, None, &[(0.5, 1), (4.0, 1)]),
        ] {
            let values = values_of(&bounds, buckets, sum, range);
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
            let values = values_of(bounds, buckets, sum, None);
            assert_eq!(values[0].0, expected, "{bounds:?}");
        }
        let values = values_of(&[-1e308, 1e308], &[0, u64::MAX, 0], 1e300, None);
        assert!(values[0].0.is_finite(), "{values:?}");
    }

    #[test]
    fn exponential_buckets_give_values_of_both_signs_and_zero() {
        let mut point = ExponentialHistogramPoint {
            series: SeriesId::new(),
            attributes: Attributes::empty(),
            start: at(0),
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
        let found = values(&Histogram::Exponential(&point));
        let sum: f64 = found.iter().map(|(value, count)| value * *count as f64).sum();
        assert!((sum - 6.0).abs() < 1e-12, "{found:?}");
        assert_eq!(found.iter().map(|(_, count)| *count).collect::<Vec<_>>(), [1, 1, 2, 2, 1]);
        assert_eq!(found[2].0, 0.0);
        assert!(found.windows(2).all(|pair| pair[0].0 < pair[1].0), "{found:?}");

        point.sum = INFINITY;
        assert_eq!(values(&Histogram::Exponential(&point))[0].0, -6.0);
    }
}
