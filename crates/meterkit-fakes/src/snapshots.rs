//! The contents of a snapshot.

use meterkit_core::{Data, HistogramPoint, Metric, NumberPoint};
use meterkit_pipeline::Snapshot;

/// Returns all metrics with this full name. Only metrics of different scopes can share a name.
pub fn metrics<'a>(snapshot: &'a Snapshot, name: &str) -> Vec<&'a Metric> {
    let metrics = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
    metrics.filter(|metric| metric.descriptor.name == name).collect()
}

/// Returns the points of the only gauge or sum with this name, or nothing if there is no such metric.
pub fn points(snapshot: &Snapshot, name: &str) -> Vec<NumberPoint> {
    match metrics(snapshot, name)[..] {
        [] => Vec::new(),
        [Metric { data: Data::Gauge(points) | Data::Sum { points, .. }, .. }] => points.to_vec(),
        ref other => panic!("{name} is not a single metric of numbers: {other:?}"),
    }
}

/// Returns the value of the only series of a gauge or sum.
pub fn value(snapshot: &Snapshot, name: &str) -> Option<f64> {
    let points = points(snapshot, name);
    assert!(points.len() <= 1, "{name} has {} series", points.len());
    points.first().map(|point| point.value.as_f64())
}

/// Returns the only series of a histogram.
pub fn histogram(snapshot: &Snapshot, name: &str) -> HistogramPoint {
    match metrics(snapshot, name)[..] {
        [Metric { data: Data::Histogram { points, .. }, .. }] if points.len() == 1 => {
            points[0].clone()
        }
        ref other => panic!("{name} is not a single series of a histogram: {other:?}"),
    }
}
