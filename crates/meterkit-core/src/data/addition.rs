//! Addition of points, where several series become one: in views and in Prometheus.

use std::mem::take;
use std::sync::Arc;

use super::{
    ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint, NumberPoint, SignedBuckets,
    SummaryPoint,
};

/// The maximum number of buckets per sign in the result of an addition: the default of OpenTelemetry's specification.
pub(super) const MAX_SIZE: i64 = 160;

impl NumberPoint {
    /// Adds the value of another point. The earlier of the two start times is kept.
    pub fn add(&mut self, other: &Self) {
        self.start = self.start.min(other.start);
        self.value = self.value.plus(other.value);
    }
}

impl HistogramPoint {
    /// Adds the counts of another point with the same bounds. The earlier of the two start times is kept.
    pub fn add(&mut self, other: &Self) {
        self.start = self.start.min(other.start);
        self.count = self.count.saturating_add(other.count);
        self.sum = plus(self.sum, other.sum);
        self.min = self.min.zip(other.min).map(|(a, b)| a.min(b));
        self.max = self.max.zip(other.max).map(|(a, b)| a.max(b));
        for (ours, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *ours = ours.saturating_add(*theirs);
        }
    }
}

impl ExponentialHistogramPoint {
    /// Adds the counts of another point at the coarser scale of the two, or at a lower scale if there would be more
    /// than 160 buckets. The earlier of the two start times is kept.
    pub fn add(&mut self, other: &Self) {
        let mut buckets = SignedBuckets {
            scale: self.scale,
            zero_count: self.zero_count,
            positive: take(&mut self.positive),
            negative: take(&mut self.negative),
        };
        buckets.add(&SignedBuckets::of(other), MAX_SIZE);
        SignedBuckets {
            scale: self.scale,
            zero_count: self.zero_count,
            positive: self.positive,
            negative: self.negative,
        } = buckets;
        self.start = self.start.min(other.start);
        self.count = self.count.saturating_add(other.count);
        self.sum = plus(self.sum, other.sum);
        self.min = self.min.zip(other.min).map(|(a, b)| a.min(b));
        self.max = self.max.zip(other.max).map(|(a, b)| a.max(b));
        self.zero_threshold = self.zero_threshold.max(other.zero_threshold);
    }
}

impl SignedBuckets {
    /// Returns the buckets of `point`.
    pub fn of(point: &ExponentialHistogramPoint) -> Self {
        Self {
            scale: point.scale,
            zero_count: point.zero_count,
            positive: point.positive.clone(),
            negative: point.negative.clone(),
        }
    }

    /// Adds other buckets at the coarser scale of the two, or at a lower scale if one sign would have more than `most`
    /// buckets.
    pub(crate) fn add(&mut self, other: &Self, most: i64) {
        let mut other = other.clone();
        self.downscale(other.scale);
        other.downscale(self.scale);
        while size(&self.positive, &other.positive) > most
            || size(&self.negative, &other.negative) > most
        {
            let coarser = self.scale - 1;
            self.downscale(coarser);
            other.downscale(coarser);
        }
        self.zero_count = self.zero_count.saturating_add(other.zero_count);
        self.positive = joined(&self.positive, &other.positive);
        self.negative = joined(&self.negative, &other.negative);
    }

    /// Merges buckets down to the given scale. Does nothing if that scale is not lower than the current one.
    fn downscale(&mut self, scale: i32) {
        let steps = i64::from(self.scale) - i64::from(scale);
        if let Ok(steps @ 1..) = u32::try_from(steps) {
            self.positive.downscale(steps);
            self.negative.downscale(steps);
            self.scale = scale;
        }
    }
}

impl SummaryPoint {
    /// Adds the count and sum of another point, and drops the quantiles, because quantiles cannot be added. The earlier
    /// of the two start times is kept.
    pub fn add(&mut self, other: &Self) {
        self.start = self.start.min(other.start);
        self.count = self.count.saturating_add(other.count);
        self.sum = plus(self.sum, other.sum);
        self.quantiles = Arc::default();
    }
}

/// Adds two floats. A sum of finite numbers saturates at the limits of the type, as in the store.
pub(crate) fn plus(a: f64, b: f64) -> f64 {
    let sum = a + b;
    if a.is_finite() && b.is_finite() { sum.clamp(f64::MIN, f64::MAX) } else { sum }
}

/// Returns the indices of the first bucket and of the bucket after the last, or `None` if there are no buckets.
fn range(buckets: &ExponentialBuckets) -> Option<(i64, i64)> {
    let first = i64::from(buckets.offset);
    (!buckets.counts.is_empty()).then_some((first, first + buckets.counts.len() as i64))
}

fn both(a: &ExponentialBuckets, b: &ExponentialBuckets) -> Option<(i64, i64)> {
    match (range(a), range(b)) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (a, b) => a.or(b),
    }
}

pub(super) fn size(a: &ExponentialBuckets, b: &ExponentialBuckets) -> i64 {
    both(a, b).map_or(0, |(first, end)| end - first)
}

fn joined(a: &ExponentialBuckets, b: &ExponentialBuckets) -> ExponentialBuckets {
    let Some((first, end)) = both(a, b) else {
        return ExponentialBuckets::default();
    };
    // Cannot overflow: the first and the last index come from `i32` offsets.
    let indices = (first..end).filter_map(|index| i32::try_from(index).ok());
    let counts = indices.map(|index| a.count(index).saturating_add(b.count(index)));
    ExponentialBuckets { offset: first as i32, counts: counts.collect() }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::attributes::Attributes;
    use crate::data::SeriesId;

    fn point(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogramPoint {
        let count = counts.iter().sum::<u64>();
        ExponentialHistogramPoint {
            series: SeriesId::new(),
            attributes: Attributes::empty(),
            start: SystemTime::UNIX_EPOCH,
            count: count + 1,
            sum: count as f64,
            min: Some(f64::from(offset)),
            max: Some(count as f64),
            scale,
            zero_count: 1,
            zero_threshold: 0.0,
            positive: ExponentialBuckets { offset, counts: counts.to_vec() },
            negative: ExponentialBuckets::default(),
        }
    }

    #[test]
    fn buckets_of_one_scale_add_up_where_they_meet() {
        let mut sum = point(0, -1, &[1, 2]);
        sum.add(&point(0, 0, &[10, 0, 20]));
        assert_eq!((sum.scale, sum.positive.offset), (0, -1));
        assert_eq!(sum.positive.counts, [1, 12, 0, 20]);
        assert_eq!((sum.count, sum.zero_count, sum.sum), (35, 2, 33.0));
        assert_eq!((sum.min, sum.max), (Some(-1.0), Some(30.0)));
    }

    #[test]
    fn the_coarser_scale_is_that_of_both() {
        let mut sum = point(1, 0, &[1, 2, 3, 4]);
        sum.add(&point(0, 0, &[10]));
        assert_eq!((sum.scale, sum.positive.offset), (0, 0));
        assert_eq!(sum.positive.counts, [13, 7]);
    }

    #[test]
    fn buckets_far_apart_become_coarser_until_they_fit() {
        let mut sum = point(3, -1000, &[1]);
        sum.add(&point(3, 1000, &[2]));
        assert!(sum.scale < 3 && sum.positive.counts.len() <= 160);
        assert_eq!(sum.positive.counts.iter().sum::<u64>(), 3);
    }

    #[test]
    fn nothing_added_changes_no_bucket() {
        let mut sum = point(2, 5, &[1, 2]);
        sum.add(&point(2, 0, &[]));
        assert_eq!(sum.positive, ExponentialBuckets { offset: 5, counts: vec![1, 2] });
    }
}
