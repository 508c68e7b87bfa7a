//! Deltas: what came since the last snapshot that a target acknowledged.
//!
//! Each target has its own. An export that failed leaves the acknowledged snapshot where it was, so the next one
//! carries the whole difference: nothing is lost, nothing counts twice.

use std::collections::HashMap;
use std::time::SystemTime;

use meterkit_core::{
    Attributes, Data, HistogramPoint, Metric, NumberPoint, ScopeMetrics, Temporality,
};
use opentelemetry::InstrumentationScope;

use crate::snapshot::Snapshot;

impl Snapshot {
    /// This snapshot with its rising sums and its histograms as the difference to `acknowledged`, or in full when
    /// nothing was acknowledged yet.
    ///
    /// A series that began anew, or whose value fell, is given in full from its new start. Gauges and sums that also
    /// fall stay as they are: their last value counts.
    pub fn delta_since(&self, acknowledged: Option<&Self>) -> Self {
        let Some(earlier) = acknowledged else {
            return self.map_metrics(|_, metric| delta_of(metric, None));
        };
        let mut known: HashMap<(&InstrumentationScope, &str), &Metric> = HashMap::new();
        for scope in &earlier.scopes {
            for metric in &scope.metrics {
                known.insert((&scope.scope, &metric.descriptor.name), metric);
            }
        }
        self.map_metrics(|scope, metric| {
            let before = known.get(&(&*scope.scope, &*metric.descriptor.name));
            delta_of(metric, before.map(|before| (*before, earlier.time)))
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

/// The metric's data as a delta to `earlier`, which was taken at the time beside it.
fn delta_of(metric: &Metric, earlier: Option<(&Metric, SystemTime)>) -> Data {
    let temporality = Temporality::Delta;
    match &metric.data {
        Data::Sum { monotonic: true, temporality: Temporality::Cumulative, points } => {
            let before = earlier.and_then(|(metric, time)| match &metric.data {
                Data::Sum { monotonic: true, points, .. } => Some(Earlier::new(points, time)),
                _ => None,
            });
            Data::Sum {
                monotonic: true,
                temporality,
                points: each(points, before, NumberPoint::since),
            }
        }
        Data::Histogram { temporality: Temporality::Cumulative, bounds, points } => {
            let before = earlier.and_then(|(metric, time)| match &metric.data {
                Data::Histogram { bounds: known, points, .. } if known == bounds => {
                    Some(Earlier::new(points, time))
                }
                _ => None,
            });
            Data::Histogram {
                temporality,
                bounds: bounds.clone(),
                points: each(points, before, HistogramPoint::since),
            }
        }
        other => other.clone(),
    }
}

fn each<P: Point>(
    points: &[P],
    earlier: Option<Earlier<'_, P>>,
    since: impl Fn(&P, &P, SystemTime) -> P,
) -> Vec<P> {
    let Some(mut earlier) = earlier else {
        return points.to_vec();
    };
    let deltas = points.iter().enumerate().map(|(at, point)| match earlier.find(at, point) {
        Some(before) => since(point, before, earlier.time),
        None => point.clone(),
    });
    deltas.collect()
}

/// The points of an earlier snapshot, to be found again.
struct Earlier<'a, P> {
    points: &'a [P],
    time: SystemTime,
    /// Made when a point is not where it was.
    by_attributes: Option<HashMap<&'a Attributes, &'a P>>,
}

impl<'a, P: Point> Earlier<'a, P> {
    fn new(points: &'a [P], time: SystemTime) -> Self {
        Self { points, time, by_attributes: None }
    }

    /// The point of the same series. Series that were removed and made anew in between are different ones.
    fn find(&mut self, at: usize, point: &P) -> Option<&'a P> {
        let found = match self.points.get(at) {
            Some(same) if same.attributes() == point.attributes() => same,
            _ => {
                let points = self.points.iter();
                let map = self
                    .by_attributes
                    .get_or_insert_with(|| points.map(|p| (p.attributes(), p)).collect());
                *map.get(point.attributes())?
            }
        };
        (found.start() == point.start()).then_some(found)
    }
}

trait Point: Clone {
    fn attributes(&self) -> &Attributes;
    fn start(&self) -> SystemTime;
    /// What came since `earlier`, which was taken at `time`; everything, if the value fell.
    fn since(&self, earlier: &Self, time: SystemTime) -> Self;
}

impl Point for NumberPoint {
    fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    fn start(&self) -> SystemTime {
        self.start
    }

    fn since(&self, earlier: &Self, time: SystemTime) -> Self {
        Self {
            attributes: self.attributes.clone(),
            start: time,
            value: self.value.increase_since(earlier.value).unwrap_or(self.value),
        }
    }
}

impl Point for HistogramPoint {
    fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    fn start(&self) -> SystemTime {
        self.start
    }

    fn since(&self, earlier: &Self, time: SystemTime) -> Self {
        let pairs = self.buckets.iter().zip(&earlier.buckets);
        let buckets: Option<Box<[u64]>> = pairs.map(|(now, then)| now.checked_sub(*then)).collect();
        let count = self.count.checked_sub(earlier.count);
        match (buckets, count) {
            (Some(buckets), Some(count)) => Self {
                attributes: self.attributes.clone(),
                start: time,
                count,
                sum: self.sum - earlier.sum,
                min: None,
                max: None,
                buckets,
            },
            _ => Self { start: time, ..self.clone() },
        }
    }
}
