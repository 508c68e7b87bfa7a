//! Exponential histograms: counts add up in buckets that are as coarse as they must be.

use std::time::SystemTime;

use meterkit_core::{Attributes, Data, ExponentialBuckets, ExponentialHistogramPoint, SeriesId};

use super::{Point, changed, plus, point, raised};

/// How many buckets of one sign a point may have: the specification's default.
const MAX_SIZE: i64 = 160;

impl Point for ExponentialHistogramPoint {
    point!(points in Data::ExponentialHistogram { points, .. });

    fn since(&self, earlier: &Self, time: SystemTime) -> Self {
        // A scale never rises while a series lives, nor does a threshold of ours change.
        let is_same = self.scale <= earlier.scale
            && self.zero_threshold.to_bits() == earlier.zero_threshold.to_bits();
        let increase =
            is_same.then(|| earlier.clone().downscaled(self.scale)).and_then(|earlier| {
                Some(Self {
                    series: self.series,
                    attributes: self.attributes.clone(),
                    start: time,
                    count: self.count.checked_sub(earlier.count)?,
                    sum: self.sum - earlier.sum,
                    min: changed(self.min, earlier.min),
                    max: changed(self.max, earlier.max),
                    scale: self.scale,
                    zero_count: self.zero_count.checked_sub(earlier.zero_count)?,
                    zero_threshold: self.zero_threshold,
                    positive: increase(&self.positive, &earlier.positive)?,
                    negative: increase(&self.negative, &earlier.negative)?,
                })
            });
        increase.unwrap_or_else(|| Self { start: time, ..self.clone() })
    }

    fn is_nothing(&self) -> bool {
        self.count == 0
    }

    fn add(&mut self, next: &Self) {
        let scale = self.scale.min(next.scale);
        let mut ours = self.clone().downscaled(scale);
        let mut theirs = next.clone().downscaled(scale);
        while size(&ours.positive, &theirs.positive) > MAX_SIZE
            || size(&ours.negative, &theirs.negative) > MAX_SIZE
        {
            let coarser = ours.scale - 1;
            (ours, theirs) = (ours.downscaled(coarser), theirs.downscaled(coarser));
        }
        ours.start = ours.start.min(theirs.start);
        ours.count = ours.count.saturating_add(theirs.count);
        ours.sum = plus(ours.sum, theirs.sum);
        ours.min = ours.min.zip(theirs.min).map(|(a, b)| a.min(b));
        ours.max = ours.max.zip(theirs.max).map(|(a, b)| a.max(b));
        ours.zero_count = ours.zero_count.saturating_add(theirs.zero_count);
        ours.zero_threshold = ours.zero_threshold.max(theirs.zero_threshold);
        ours.positive = joined(&ours.positive, &theirs.positive);
        ours.negative = joined(&ours.negative, &theirs.negative);
        *self = ours;
    }

    fn raise_to(&mut self, last: &Self) {
        self.sum = raised(self.sum, self.count, self.min, (last.sum, last.count));
    }
}

/// Returns what came since `earlier`, from the first bucket that got something to the last one; `None` if a count fell.
fn increase(now: &ExponentialBuckets, earlier: &ExponentialBuckets) -> Option<ExponentialBuckets> {
    let mut of_earlier = (earlier.offset..=i32::MAX).zip(&earlier.counts);
    if of_earlier.any(|(index, count)| *count > now.count(index)) {
        return None;
    }
    let of_now = (now.offset..=i32::MAX).zip(&now.counts);
    let counts: Vec<u64> =
        of_now.map(|(index, count)| count.saturating_sub(earlier.count(index))).collect();
    let is_more = |count: &u64| *count > 0;
    let Some(first) = counts.iter().position(is_more) else {
        return Some(ExponentialBuckets::default());
    };
    let end = counts.iter().rposition(is_more).map_or(first, |last| last + 1);
    let offset = now.offset.saturating_add(i32::try_from(first).unwrap_or(i32::MAX));
    Some(ExponentialBuckets { offset, counts: counts[first..end].to_vec() })
}

/// Returns the indices of the first bucket and of the one after the last; `None` without buckets.
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

fn size(a: &ExponentialBuckets, b: &ExponentialBuckets) -> i64 {
    both(a, b).map_or(0, |(first, end)| end - first)
}

fn joined(a: &ExponentialBuckets, b: &ExponentialBuckets) -> ExponentialBuckets {
    let Some((first, end)) = both(a, b) else {
        return ExponentialBuckets::default();
    };
    // Within what an offset holds: both had one.
    let indices = (first..end).filter_map(|index| i32::try_from(index).ok());
    let counts = indices.map(|index| a.count(index).saturating_add(b.count(index)));
    ExponentialBuckets { offset: first as i32, counts: counts.collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

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
