//! Exponential histograms that have become the same: counts add up, in buckets that are as coarse as they must be.

use meterkit_core::{ExponentialBuckets, ExponentialHistogramPoint};

/// How many buckets of one sign a point may have: the specification's default.
const MAX_SIZE: i64 = 160;

pub(super) fn add(into: &mut ExponentialHistogramPoint, next: ExponentialHistogramPoint) {
    let scale = into.scale.min(next.scale);
    let mut ours = into.clone().downscaled(scale);
    let mut theirs = next.downscaled(scale);
    while size(&ours.positive, &theirs.positive) > MAX_SIZE
        || size(&ours.negative, &theirs.negative) > MAX_SIZE
    {
        let coarser = ours.scale - 1;
        (ours, theirs) = (ours.downscaled(coarser), theirs.downscaled(coarser));
    }
    ours.start = ours.start.min(theirs.start);
    ours.count = ours.count.saturating_add(theirs.count);
    ours.sum = super::merge::plus_float(ours.sum, theirs.sum);
    ours.min = ours.min.zip(theirs.min).map(|(a, b)| a.min(b));
    ours.max = ours.max.zip(theirs.max).map(|(a, b)| a.max(b));
    ours.zero_count = ours.zero_count.saturating_add(theirs.zero_count);
    ours.zero_threshold = ours.zero_threshold.max(theirs.zero_threshold);
    ours.positive = joined(&ours.positive, &theirs.positive);
    ours.negative = joined(&ours.negative, &theirs.negative);
    *into = ours;
}

/// The indices of the first bucket and of the one after the last; `None` without buckets.
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
    use std::time::SystemTime;

    use meterkit_core::{Attributes, SeriesId};

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
        add(&mut sum, point(0, 0, &[10, 0, 20]));
        assert_eq!((sum.scale, sum.positive.offset), (0, -1));
        assert_eq!(sum.positive.counts, [1, 12, 0, 20]);
        assert_eq!((sum.count, sum.zero_count, sum.sum), (35, 2, 33.0));
        assert_eq!((sum.min, sum.max), (Some(-1.0), Some(30.0)));
    }

    #[test]
    fn the_coarser_scale_is_that_of_both() {
        let mut sum = point(1, 0, &[1, 2, 3, 4]);
        add(&mut sum, point(0, 0, &[10]));
        assert_eq!((sum.scale, sum.positive.offset), (0, 0));
        assert_eq!(sum.positive.counts, [13, 7]);
    }

    #[test]
    fn buckets_far_apart_become_coarser_until_they_fit() {
        let mut sum = point(3, -1000, &[1]);
        add(&mut sum, point(3, 1000, &[2]));
        assert!(sum.scale < 3 && sum.positive.counts.len() <= 160);
        assert_eq!(sum.positive.counts.iter().sum::<u64>(), 3);
    }

    #[test]
    fn nothing_added_changes_no_bucket() {
        let mut sum = point(2, 5, &[1, 2]);
        add(&mut sum, point(2, 0, &[]));
        assert_eq!(sum.positive, ExponentialBuckets { offset: 5, counts: vec![1, 2] });
    }
}
