//! A common view of both kinds of histograms as buckets.

use meterkit_core::{ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint};

/// A point of a histogram, by reference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Histogram<'a> {
    Explicit { bounds: &'a [f64], point: &'a HistogramPoint },
    Exponential(&'a ExponentialHistogramPoint),
}

/// The number of values between two bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) lower: f64,
    pub(crate) upper: f64,
    pub(crate) count: u64,
}

impl<'a> Histogram<'a> {
    /// Returns the non-empty buckets, from the lowest to the highest, with finite bounds.
    ///
    /// An open bucket reaches to the minimum or maximum if it is known. Otherwise all its values lie on its finite
    /// bound, as in Datadog's own translation of OpenTelemetry, or at the mean if it has no finite bound. A single
    /// value equals the sum.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = Bucket> + use<'a> {
        self.open_buckets().map(|Bucket { lower, upper, count }| {
            let (lower, upper) = match (lower.is_finite(), upper.is_finite()) {
                (true, false) => (lower, lower),
                (false, _) => (upper, upper),
                (true, true) => (lower, upper),
            };
            Bucket { lower, upper, count }
        })
    }

    /// Returns the same buckets as [`buckets`](Self::buckets), but an unknown end stays infinite if the other end is
    /// known.
    pub(crate) fn open_buckets(&self) -> impl Iterator<Item = Bucket> + use<'a> {
        let (explicit, exponential) = match *self {
            Self::Explicit { bounds, point, .. } => (Some(explicit(bounds, point)), None),
            Self::Exponential(point) => (None, Some(exponential(point))),
        };
        let all = explicit.into_iter().flatten().chain(exponential.into_iter().flatten());
        let (min, max) = self.ends();
        let (sum, count) = (self.sum(), self.count());
        let mean = sum.unwrap_or(0.0) / count.max(1) as f64;
        let single = sum.filter(|_| count == 1);
        all.filter(|bucket| bucket.count > 0).map(move |Bucket { lower, upper, count }| {
            // The difference of two large sums may be inexact, and lie outside of the bucket.
            if let Some(value) = single.filter(|value| (lower..=upper).contains(value)) {
                return Bucket { lower: value, upper: value, count };
            }
            let within = |bound: f64| bound.max(min).min(max);
            let (lower, upper) = (within(lower), within(upper));
            let is_placed = lower.is_finite() || upper.is_finite();
            let (lower, upper) = if is_placed { (lower, upper) } else { (mean, mean) };
            Bucket { lower, upper, count }
        })
    }

    /// Returns the minimum and the maximum, infinite where they are not known.
    pub(crate) fn ends(&self) -> (f64, f64) {
        (self.min().unwrap_or(f64::NEG_INFINITY), self.max().unwrap_or(f64::INFINITY))
    }

    /// Returns whether there is any information on where the values lie.
    pub(super) fn is_placed(&self) -> bool {
        let is_bounded = match self {
            Self::Explicit { bounds, .. } => bounds.iter().any(|bound| bound.is_finite()),
            Self::Exponential(_) => true,
        };
        let (min, max) = self.ends();
        is_bounded || self.sum().is_some() || min.is_finite() || max.is_finite()
    }

    /// Returns the sum of all values; `None` if it is not finite.
    pub(crate) fn sum(&self) -> Option<f64> {
        let sum = match self {
            Self::Explicit { point, .. } => point.sum,
            Self::Exponential(point) => point.sum,
        };
        sum.is_finite().then_some(sum)
    }

    /// Returns the minimum, if it is known.
    pub(crate) fn min(&self) -> Option<f64> {
        let min = match self {
            Self::Explicit { point, .. } => point.min,
            Self::Exponential(point) => point.min,
        };
        min.filter(|min| min.is_finite())
    }

    /// Returns the maximum, if it is known.
    pub(crate) fn max(&self) -> Option<f64> {
        let max = match self {
            Self::Explicit { point, .. } => point.max,
            Self::Exponential(point) => point.max,
        };
        max.filter(|max| max.is_finite())
    }

    fn count(&self) -> u64 {
        match self {
            Self::Explicit { point, .. } => point.count,
            Self::Exponential(point) => point.count,
        }
    }
}

fn explicit<'a>(
    bounds: &'a [f64],
    point: &'a HistogramPoint,
) -> impl Iterator<Item = Bucket> + use<'a> {
    let lower = [f64::NEG_INFINITY].into_iter().chain(bounds.iter().copied());
    let upper = bounds.iter().copied().chain([f64::INFINITY]);
    // OpenTelemetry's SDK returns no bucket if there are no bounds.
    let whole = point.buckets.is_empty().then_some(point.count);
    let counts = point.buckets.iter().copied().chain(whole);
    lower.zip(upper).zip(counts).map(|((lower, upper), count)| Bucket { lower, upper, count })
}

fn exponential<'a>(point: &'a ExponentialHistogramPoint) -> impl Iterator<Item = Bucket> + use<'a> {
    // A bound beyond the range of floats is beyond all values.
    let bounded = |buckets: &'a ExponentialBuckets| {
        let all = buckets.bounded(point.scale);
        all.map(|(lower, upper, count)| (lower.min(f64::MAX), upper.min(f64::MAX), count))
    };
    let negative = bounded(&point.negative).rev();
    let negative =
        negative.map(|(lower, upper, count)| Bucket { lower: -upper, upper: -lower, count });
    let zero = Bucket { lower: 0.0, upper: 0.0, count: point.zero_count };
    let positive = bounded(&point.positive);
    let positive = positive.map(|(lower, upper, count)| Bucket { lower, upper, count });
    negative.chain([zero]).chain(positive)
}

#[cfg(test)]
mod tests {
    use meterkit_core::{Attributes, SeriesId};

    use super::*;
    use crate::tests::samples::{at, recorded};

    /// Returns a point with these buckets, or with one value if there are no buckets.
    fn point(buckets: &[u64], min: Option<f64>, max: Option<f64>) -> HistogramPoint {
        let recorded = recorded(Attributes::empty(), buckets, 12.0);
        let count = if buckets.is_empty() { 1 } else { recorded.count };
        HistogramPoint { count, min, max, ..recorded }
    }

    fn bounded(histogram: Histogram<'_>) -> Vec<(f64, f64, u64)> {
        histogram.buckets().map(|it| (it.lower, it.upper, it.count)).collect()
    }

    #[test]
    fn an_open_bucket_ends_at_its_bound_or_at_what_is_known() {
        let (none, inf) = (None, Some(f64::INFINITY));
        let bounds = &[1.0, 2.0, 5.0][..];
        for (bounds, buckets, min, max, expected) in [
            (
                bounds,
                &[1, 2, 0, 3][..],
                none,
                none,
                &[(1.0, 1.0, 1), (1.0, 2.0, 2), (5.0, 5.0, 3)][..],
            ),
            (
                bounds,
                &[1, 2, 0, 3],
                Some(-4.0),
                Some(9.0),
                &[(-4.0, 1.0, 1), (1.0, 2.0, 2), (5.0, 9.0, 3)],
            ),
            (bounds, &[0, 4, 0, 0], Some(1.2), Some(1.7), &[(1.2, 1.7, 4)]),
            (bounds, &[1, 0, 0, 1], inf, inf, &[(1.0, 1.0, 1), (5.0, 5.0, 1)]),
            (&[], &[4], none, none, &[(3.0, 3.0, 4)]),
            (&[], &[4], Some(0.5), Some(8.0), &[(0.5, 8.0, 4)]),
            (&[], &[], Some(12.0), Some(12.0), &[(12.0, 12.0, 1)]),
            (&[f64::INFINITY], &[4, 1], none, none, &[(2.4, 2.4, 4), (2.4, 2.4, 1)]),
            (bounds, &[0, 0, 0, 0], none, none, &[]),
        ] {
            let point = point(buckets, min, max);
            assert_eq!(bounded(Histogram::Explicit { bounds, point: &point }), expected);
        }
    }

    #[test]
    fn a_single_value_is_the_sum_unless_that_is_elsewhere() {
        for (buckets, bounds, expected) in [
            (&[0, 1, 0][..], &[10.0, 20.0][..], (12.0, 12.0, 1)),
            (&[1, 0, 0], &[20.0, 30.0], (12.0, 12.0, 1)),
            (&[0, 0, 1], &[1.0, 2.0], (12.0, 12.0, 1)),
            (&[0, 1, 0], &[13.0, 20.0], (13.0, 20.0, 1)),
            (&[0, 2, 0], &[10.0, 20.0], (10.0, 20.0, 2)),
        ] {
            let point = point(buckets, None, None);
            let histogram = Histogram::Explicit { bounds, point: &point };
            assert_eq!(bounded(histogram), [expected], "{bounds:?}");
        }
    }

    #[test]
    fn exponential_buckets_come_from_the_lowest_to_the_highest() {
        let buckets =
            |offset, counts: &[u64]| ExponentialBuckets { offset, counts: counts.to_vec() };
        let mut point = ExponentialHistogramPoint {
            series: SeriesId::new(),
            attributes: Attributes::empty(),
            start: at(0),
            count: 12,
            sum: f64::NAN,
            min: None,
            max: None,
            scale: 0,
            zero_count: 3,
            zero_threshold: 0.0,
            positive: buckets(-1, &[1, 0, 2]),
            negative: buckets(1, &[4, 2]),
        };
        let all = [(-8.0, -4.0, 2), (-4.0, -2.0, 4), (0.0, 0.0, 3), (0.5, 1.0, 1), (2.0, 4.0, 2)];
        assert_eq!(bounded(Histogram::Exponential(&point)), all);
        assert_eq!(Histogram::Exponential(&point).sum(), None);

        (point.min, point.max) = (Some(-5.0), Some(2.5));
        let ends = bounded(Histogram::Exponential(&point));
        assert_eq!((ends[0], ends[4]), ((-5.0, -4.0, 2), (2.0, 2.5, 2)));

        let far = ExponentialHistogramPoint {
            scale: -10,
            positive: buckets(0, &[1, 1]),
            negative: buckets(0, &[1]),
            zero_count: 0,
            min: None,
            max: None,
            ..point
        };
        let max = f64::MAX;
        let all = [(-max, -1.0, 1), (1.0, max, 1), (max, max, 1)];
        assert_eq!(bounded(Histogram::Exponential(&far)), all);
    }
}
