//! Deltas: what came since a target acknowledged something.
//!
//! Each target has its own [`Baseline`](crate::baseline::Baseline). An export that failed leaves it where it was, so
//! the next one carries the whole difference: nothing is lost, nothing counts twice.

use std::collections::HashMap;
use std::time::SystemTime;

use meterkit_core::{
    Attributes, Data, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint, Metric,
    NumberPoint, ScopeMetrics, Temporality,
};

use crate::absent::{Absent, Missing, Total};
use crate::snapshot::Snapshot;
use crate::stream::Stream;

impl Snapshot {
    /// This snapshot with its rising sums and its histograms as the difference to `acknowledged`, or in full when
    /// nothing was acknowledged yet.
    ///
    /// A series that `acknowledged` lacks, that began anew, or whose value fell, is given in full. Gauges and sums that
    /// also fall stay as they are: their last value counts.
    ///
    /// The pipeline knows more of a [`Target`](crate::Target) than one snapshot: there, a series that was missing in
    /// between goes on where its last delta ended.
    pub fn delta_since(&self, acknowledged: Option<&Self>) -> Self {
        self.delta_beyond(acknowledged, &Absent::default())
    }

    /// The difference to `last`, and for series that it lacks to what is known of them from before.
    pub(crate) fn delta_beyond(&self, last: Option<&Self>, absent: &Absent) -> Self {
        let known = last.map(|last| (last.streams(), last.time));
        self.map_metrics(|scope, metric| {
            let Some(stream) = Stream::of(scope, metric) else {
                return metric.data.clone();
            };
            let last = known.as_ref();
            let last = last.and_then(|(known, time)| Some((*known.get(&stream)?, *time)));
            delta_of(&metric.data, last, absent.of(&stream))
        })
    }

    fn map_metrics(&self, change: impl Fn(&ScopeMetrics, &Metric) -> Data) -> Self {
        let scopes = self.scopes.iter().map(|scope| ScopeMetrics {
            scope: scope.scope.clone(),
            metrics: scope
                .metrics
                .iter()
                .map(|metric| Metric {
                    descriptor: metric.descriptor.clone(),
                    data: change(scope, metric),
                })
                .collect(),
        });
        Self { resource: self.resource.clone(), time: self.time, scopes: scopes.collect() }
    }
}

/// The data of a stream as a delta: to what the last snapshot has of it, which was taken at the time beside it, and to
/// what is known of series that this lacks.
fn delta_of(
    data: &Data,
    last: Option<(&Data, SystemTime)>,
    absent: Option<&HashMap<Attributes, Missing>>,
) -> Data {
    let temporality = Temporality::Delta;
    match data {
        Data::Sum { monotonic, points, .. } => {
            Data::Sum { monotonic: *monotonic, temporality, points: each(points, last, absent) }
        }
        Data::Histogram { bounds, points, .. } => {
            let (bounds, points) = (bounds.clone(), each(points, last, absent));
            Data::Histogram { temporality, bounds, points }
        }
        Data::ExponentialHistogram { points, .. } => {
            Data::ExponentialHistogram { temporality, points: each(points, last, absent) }
        }
        other => other.clone(),
    }
}

fn each<P: Point>(
    points: &[P],
    last: Option<(&Data, SystemTime)>,
    absent: Option<&HashMap<Attributes, Missing>>,
) -> Vec<P> {
    let mut last = last.map(|(data, time)| (Earlier::new(P::all(data)), time));
    let deltas = points.iter().enumerate().map(|(at, point)| {
        let there = last.as_mut().and_then(|(last, time)| Some((last.find(at, point)?, *time)));
        let known = there.or_else(|| {
            let missing = absent?.get(point.attributes())?;
            Some((P::of(&missing.total)?, missing.delivered))
        });
        match known {
            // Series that were removed and made anew in between are different ones.
            Some((earlier, time)) if earlier.start() == point.start() => point.since(earlier, time),
            _ => point.clone(),
        }
    });
    deltas.collect()
}

/// The points of an earlier snapshot, to be found again.
struct Earlier<'a, P> {
    points: &'a [P],
    /// Made when a point is not where it was.
    by_attributes: Option<HashMap<&'a Attributes, &'a P>>,
}

impl<'a, P: Point> Earlier<'a, P> {
    fn new(points: &'a [P]) -> Self {
        Self { points, by_attributes: None }
    }

    /// The point with the same attributes.
    fn find(&mut self, at: usize, point: &P) -> Option<&'a P> {
        match self.points.get(at) {
            Some(same) if same.attributes() == point.attributes() => Some(same),
            _ => {
                let points = self.points.iter();
                let map = self
                    .by_attributes
                    .get_or_insert_with(|| points.map(|p| (p.attributes(), p)).collect());
                map.get(point.attributes()).copied()
            }
        }
    }
}

trait Point: Clone {
    /// The points that `data` has of this kind.
    fn all(data: &Data) -> &[Self];
    fn of(total: &Total) -> Option<&Self>;
    fn attributes(&self) -> &Attributes;
    fn start(&self) -> SystemTime;
    /// What came since `earlier`, which was taken at `time`; everything, if the value fell.
    fn since(&self, earlier: &Self, time: SystemTime) -> Self;
}

/// What all kinds of points have, each under its own name in `Data` and `Total`.
macro_rules! point {
    ($data:ident, $total:ident) => {
        fn all(data: &Data) -> &[Self] {
            match data {
                Data::$data { points, .. } => points,
                _ => &[],
            }
        }

        fn of(total: &Total) -> Option<&Self> {
            match total {
                Total::$total(point) => Some(point),
                _ => None,
            }
        }

        fn attributes(&self) -> &Attributes {
            &self.attributes
        }

        fn start(&self) -> SystemTime {
            self.start
        }
    };
}

impl Point for NumberPoint {
    point!(Sum, Number);

    fn since(&self, earlier: &Self, time: SystemTime) -> Self {
        Self {
            series: self.series,
            attributes: self.attributes.clone(),
            start: time,
            value: self.value.increase_since(earlier.value).unwrap_or(self.value),
        }
    }
}

impl Point for HistogramPoint {
    point!(Histogram, Histogram);

    fn since(&self, earlier: &Self, time: SystemTime) -> Self {
        let pairs = self.buckets.iter().zip(&earlier.buckets);
        let buckets: Option<Box<[u64]>> = pairs.map(|(now, then)| now.checked_sub(*then)).collect();
        let count = self.count.checked_sub(earlier.count);
        match (buckets, count) {
            (Some(buckets), Some(count)) => Self {
                series: self.series,
                attributes: self.attributes.clone(),
                start: time,
                count,
                sum: self.sum - earlier.sum,
                min: changed(self.min, earlier.min),
                max: changed(self.max, earlier.max),
                buckets,
            },
            _ => Self { start: time, ..self.clone() },
        }
    }
}

impl Point for ExponentialHistogramPoint {
    point!(ExponentialHistogram, Exponential);

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
}

/// The extreme of what came since: one that is further out than before came since then; one that is not may be older.
fn changed(now: Option<f64>, earlier: Option<f64>) -> Option<f64> {
    now.filter(|now| earlier.is_some_and(|earlier| earlier != *now))
}

/// What came since `earlier`, from the first bucket that got something to the last one; `None` if a count fell.
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
