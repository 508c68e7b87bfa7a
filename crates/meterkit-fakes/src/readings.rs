//! The contents of a registry.

use std::collections::HashMap;
use std::time::SystemTime;

use meterkit_core::{Data, HistogramPoint, Metric, NumberPoint, Registry, Value};

/// Returns the metric with this full name.
pub fn metric(registry: &Registry, name: &str) -> Option<Metric> {
    let metrics = registry.read().into_iter().flat_map(|scope| scope.metrics);
    metrics.into_iter().find(|metric| metric.descriptor.name == name)
}

/// Returns the points of a gauge or sum, or none if there is no such metric.
pub fn points(registry: &Registry, name: &str) -> Vec<NumberPoint> {
    points_of(registry, [name]).concat()
}

/// Returns the points of several gauges or sums, all from one reading.
pub fn points_of<const N: usize>(registry: &Registry, names: [&str; N]) -> [Vec<NumberPoint>; N] {
    let metrics: Vec<Metric> =
        registry.read().into_iter().flat_map(|scope| scope.metrics).collect();
    names.map(|name| {
        match metrics.iter().find(|metric| metric.descriptor.name == name).map(|it| &it.data) {
            None => Vec::new(),
            Some(Data::Gauge(points) | Data::Sum { points, .. }) => points.to_vec(),
            Some(other) => panic!("{name} has no numbers: {other:?}"),
        }
    })
}

/// Returns the value of an instrument without labels.
pub fn value(registry: &Registry, name: &str) -> Option<Value> {
    let points = points(registry, name);
    assert!(points.len() <= 1, "{name} has {} series", points.len());
    points.first().map(|point| point.value)
}

/// Returns the bounds and points of a histogram.
pub fn histogram(registry: &Registry, name: &str) -> (Vec<f64>, Vec<HistogramPoint>) {
    match metric(registry, name).map(|metric| metric.data) {
        Some(Data::Histogram { bounds, points, .. }) => (bounds.to_vec(), points),
        other => panic!("{name} is not a histogram: {other:?}"),
    }
}

/// Returns the number of values dropped for `reason`.
pub fn dropped(registry: &Registry, reason: &str) -> u64 {
    let points = points(registry, "meterkit.dropped");
    let of_reason = points.into_iter().filter(|point| {
        point.attributes.get("reason").is_some_and(|value| value.to_string() == reason)
    });
    of_reason.map(|point| point.value.as_f64() as u64).sum()
}

/// Returns the attributes of a point as text: `kind=create,success=true`.
pub fn labels(point: &NumberPoint) -> String {
    let pairs = point.attributes.iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}

/// Returns the labels and the value of each series of a gauge or sum.
pub fn series(registry: &Registry, name: &str) -> Vec<(String, f64)> {
    let points = points(registry, name);
    points.iter().map(|point| (labels(point), point.value.as_f64())).collect()
}

/// Returns the sum of all series of a gauge or sum.
pub fn total(registry: &Registry, name: &str) -> f64 {
    series(registry, name).iter().map(|(_, value)| value).sum()
}

/// The labels of the overflow series.
pub const OVERFLOW: &str = "otel.metric.overflow=true";

/// Returns the number of series of a gauge or sum, without the overflow series.
pub fn live(registry: &Registry, name: &str) -> usize {
    series(registry, name).iter().filter(|(labels, _)| labels != OVERFLOW).count()
}

/// The increase of a sum over several readings, computed as a target does: per series, where a new start time begins a
/// new series.
#[derive(Debug, Default)]
pub struct Rise {
    last: HashMap<String, (SystemTime, f64)>,
    /// The increase so far.
    pub total: f64,
    /// The number of times that a series restarted.
    pub restarts: usize,
}

impl Rise {
    /// Reads the sum of this name.
    pub fn read(&mut self, registry: &Registry, name: &str) {
        self.add(points(registry, name));
    }

    /// Adds the points of one reading.
    pub fn add(&mut self, points: impl IntoIterator<Item = NumberPoint>) {
        for point in points {
            let (labels, value) = (labels(&point), point.value.as_f64());
            let before = match self.last.insert(labels.clone(), (point.start, value)) {
                Some((start, before)) if start == point.start => before,
                Some(_) => {
                    self.restarts += 1;
                    0.0
                }
                None => 0.0,
            };
            assert!(value >= before, "{labels} fell from {before} to {value} without a new start");
            self.total += value - before;
        }
    }
}
