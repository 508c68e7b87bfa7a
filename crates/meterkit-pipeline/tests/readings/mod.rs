//! Looks up what a snapshot holds.
#![allow(dead_code, reason = "each test file looks up something else")]

use meterkit_core::{Data, HistogramPoint, Metric, NumberPoint};
use meterkit_pipeline::Snapshot;

/// All metrics with this full name; more than one would be a mistake, unless their scopes differ.
pub(crate) fn metrics<'a>(snapshot: &'a Snapshot, name: &str) -> Vec<&'a Metric> {
    let metrics = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
    metrics.filter(|metric| metric.descriptor.name == name).collect()
}

/// The points of the one gauge or sum of this name; none when there is none.
pub(crate) fn points(snapshot: &Snapshot, name: &str) -> Vec<NumberPoint> {
    match metrics(snapshot, name)[..] {
        [] => Vec::new(),
        [Metric { data: Data::Gauge(points) | Data::Sum { points, .. }, .. }] => points.clone(),
        ref other => panic!("{name} is no single metric of numbers: {other:?}"),
    }
}

/// The value of the one series of a gauge or sum.
pub(crate) fn value(snapshot: &Snapshot, name: &str) -> Option<f64> {
    let points = points(snapshot, name);
    assert!(points.len() <= 1, "{name} has {} series", points.len());
    points.first().map(|point| point.value.as_f64())
}

/// The one series of a histogram.
pub(crate) fn histogram(snapshot: &Snapshot, name: &str) -> HistogramPoint {
    match metrics(snapshot, name)[..] {
        [Metric { data: Data::Histogram { points, .. }, .. }] if points.len() == 1 => {
            points[0].clone()
        }
        ref other => panic!("{name} is no single series of a histogram: {other:?}"),
    }
}
