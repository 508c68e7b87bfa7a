//! Looks up what a registry holds.
#![allow(dead_code, reason = "each test file looks up something else")]

use meterkit_core::{Data, HistogramPoint, Metric, NumberPoint, Registry, Value};

/// The metric with this full name.
pub(crate) fn metric(registry: &Registry, name: &str) -> Option<Metric> {
    let metrics = registry.read().into_iter().flat_map(|scope| scope.metrics);
    metrics.into_iter().find(|metric| metric.descriptor.name == name)
}

/// The points of a gauge or sum; none when there is no such metric.
pub(crate) fn points(registry: &Registry, name: &str) -> Vec<NumberPoint> {
    match metric(registry, name).map(|metric| metric.data) {
        None => Vec::new(),
        Some(Data::Gauge(points) | Data::Sum { points, .. }) => points,
        Some(other) => panic!("{name} has no numbers: {other:?}"),
    }
}

/// The value of an instrument without labels.
pub(crate) fn value(registry: &Registry, name: &str) -> Option<Value> {
    let points = points(registry, name);
    assert!(points.len() <= 1, "{name} has {} series", points.len());
    points.first().map(|point| point.value)
}

/// Bounds and points of a histogram.
pub(crate) fn histogram(registry: &Registry, name: &str) -> (Vec<f64>, Vec<HistogramPoint>) {
    match metric(registry, name).map(|metric| metric.data) {
        Some(Data::Histogram { bounds, points, .. }) => (bounds.to_vec(), points),
        other => panic!("{name} is no histogram: {other:?}"),
    }
}

/// How many values were dropped for `reason`.
pub(crate) fn dropped(registry: &Registry, reason: &str) -> u64 {
    let points = points(registry, "meterkit.dropped");
    let of_reason = points.into_iter().filter(|point| {
        point.attributes.get("reason").is_some_and(|value| value.to_string() == reason)
    });
    of_reason.map(|point| point.value.as_f64() as u64).sum()
}

/// The attributes of a point as text, `kind=create,success=true`.
pub(crate) fn labels(point: &NumberPoint) -> String {
    let pairs = point.attributes.iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}
