//! Points of exponential histograms.

use std::time::SystemTime;

use meterkit_core::{
    Attributes, Data, ExponentialBuckets, ExponentialHistogramPoint, Interval, SeriesId,
    SignedBuckets,
};

use super::{Point, changed, point, raised};

impl Point for ExponentialHistogramPoint {
    point!(points in Data::ExponentialHistogram { points, .. });

    fn since(&self, earlier: &Self, time: SystemTime) -> Self {
        // During the lifetime of a series, its scale never rises and its zero threshold never changes.
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

    fn refine(&mut self, now: &Self, interval: &Interval) {
        let Some(buckets) = interval.buckets.clone().filter(|_| self.count == interval.count)
        else {
            return;
        };
        self.min = now.min.map(|_| interval.min);
        self.max = now.max.map(|_| interval.max);
        let SignedBuckets { scale, zero_count, positive, negative } = *buckets;
        (self.scale, self.zero_count) = (scale, zero_count);
        (self.positive, self.negative) = (positive, negative);
    }

    fn is_nothing(&self) -> bool {
        self.count == 0
    }

    fn raise_to(&mut self, last: &Self) {
        self.sum = raised(self.sum, self.count, self.min, (last.sum, last.count));
    }
}

/// Returns the counts added since `earlier`, from the first bucket with a change to the last one. `None` if a count
/// fell.
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
