//! The content of a series that a callback reports: a number, or a histogram or summary counted by another library.

use std::sync::Arc;

use super::plus;
use crate::number::Value;

/// The content of a series at one time, as a callback reports it.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "what Prometheus knows")]
pub enum Reading {
    /// A number.
    Number(Value),
    /// A histogram.
    Histogram(Arc<HistogramReading>),
    /// A summary.
    Summary(Arc<SummaryReading>),
}

/// A histogram counted by another library.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "what Prometheus knows")]
pub struct HistogramReading {
    /// The upper bounds of the buckets, without the last bucket, which has none.
    pub bounds: Arc<[f64]>,
    /// The number of values in each bucket, not accumulated over buckets. There is one more bucket than bounds.
    pub buckets: Box<[u64]>,
    /// The sum of the recorded values.
    pub sum: f64,
}

/// A summary computed by another library.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "what Prometheus knows")]
pub struct SummaryReading {
    /// The number of recorded values.
    pub count: u64,
    /// The sum of the recorded values.
    pub sum: f64,
    /// Quantiles between 0 and 1, in rising order, each with its value.
    pub quantiles: Arc<[(f64, f64)]>,
}

impl HistogramReading {
    /// Creates a histogram from buckets in Prometheus' form, each an upper bound with the number of all values up to
    /// it, and from the total `count`. Returns `None` if the bounds do not rise or the counts fall.
    pub fn from_cumulative(buckets: &[(f64, u64)], count: u64, sum: f64) -> Option<Self> {
        let finite = buckets.iter().filter(|(bound, _)| *bound != f64::INFINITY);
        let (bounds, counts): (Vec<f64>, Vec<u64>) = finite.copied().unzip();
        let is_rising = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        if !is_rising || bounds.iter().any(|bound| !bound.is_finite()) {
            return None;
        }
        let mut below = 0_u64;
        let own = counts.into_iter().chain([count]).map(|upto| {
            let own = upto.checked_sub(below);
            below = upto;
            own
        });
        Some(Self { buckets: own.collect::<Option<_>>()?, bounds: bounds.into(), sum })
    }

    /// Returns the number of recorded values.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |count, own| count.saturating_add(*own))
    }
}

impl Reading {
    /// Returns whether the total was reset since it was `earlier`.
    #[inline]
    pub(crate) fn fell_since(&self, earlier: &Self) -> bool {
        match (self, earlier) {
            (Self::Number(now), Self::Number(then)) => now.increase_since(*then).is_none(),
            (Self::Histogram(now), Self::Histogram(then)) => {
                let mut pairs = now.buckets.iter().zip(&then.buckets);
                now.bounds != then.bounds || pairs.any(|(now, then)| now < then)
            }
            (Self::Summary(now), Self::Summary(then)) => now.count < then.count,
            _ => true,
        }
    }

    /// Returns the sum of both totals. The sum of two summaries has no quantiles, because quantiles cannot be added.
    pub(crate) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => Self::Number(a.plus(b)),
            (Self::Histogram(a), Self::Histogram(b)) if a.bounds == b.bounds => {
                let pairs = a.buckets.iter().zip(&b.buckets);
                let buckets = pairs.map(|(a, b)| a.saturating_add(*b)).collect();
                let (bounds, sum) = (a.bounds.clone(), plus(a.sum, b.sum));
                Self::Histogram(Arc::new(HistogramReading { bounds, buckets, sum }))
            }
            (Self::Summary(a), Self::Summary(b)) => {
                let count = a.count.saturating_add(b.count);
                let (sum, quantiles) = (plus(a.sum, b.sum), Arc::default());
                Self::Summary(Arc::new(SummaryReading { count, sum, quantiles }))
            }
            (_, other) => other,
        }
    }
}

impl From<Value> for Reading {
    fn from(value: Value) -> Self {
        Self::Number(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_takes_no_more_than_a_number() {
        assert_eq!(size_of::<Reading>(), size_of::<Value>());
    }

    #[test]
    fn buckets_of_prometheus_are_taken_apart_with_or_without_the_last_one() {
        let all = [(0.5, 1), (1.0, 1), (2.5, 4)];
        let with_last = [(0.5, 1), (1.0, 1), (2.5, 4), (f64::INFINITY, 9)];
        for buckets in [&all[..], &with_last] {
            let reading = HistogramReading::from_cumulative(buckets, 9, 12.5).expect("buckets");
            assert_eq!(reading.bounds[..], [0.5, 1.0, 2.5]);
            assert_eq!(reading.buckets[..], [1, 0, 3, 5]);
            assert_eq!((reading.count(), reading.sum), (9, 12.5));
        }
    }

    #[test]
    fn buckets_that_cannot_be_are_refused() {
        for (buckets, count) in [
            (&[(1.0, 1), (1.0, 2)][..], 2),
            (&[(2.0, 1), (1.0, 2)], 2),
            (&[(f64::NAN, 1)], 2),
            (&[(f64::NEG_INFINITY, 1)], 2),
            (&[(1.0, 3), (2.0, 2)], 3),
            (&[(1.0, 3)], 2),
        ] {
            assert_eq!(HistogramReading::from_cumulative(buckets, count, 1.0), None, "{buckets:?}");
        }
    }
}
