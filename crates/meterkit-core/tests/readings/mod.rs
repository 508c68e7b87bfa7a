//! Looks up what a registry holds.
#![allow(dead_code, reason = "each test file looks up something else")]

use std::collections::HashMap;
use std::time::SystemTime;

use meterkit_core::{Data, HistogramPoint, Metric, NumberPoint, Registry, Value};

/// The metric with this full name.
pub(crate) fn metric(registry: &Registry, name: &str) -> Option<Metric> {
    let metrics = registry.read().into_iter().flat_map(|scope| scope.metrics);
    metrics.into_iter().find(|metric| metric.descriptor.name == name)
}

/// The points of a gauge or sum; none when there is no such metric.
pub(crate) fn points(registry: &Registry, name: &str) -> Vec<NumberPoint> {
    points_of(registry, [name]).concat()
}

/// The points of several gauges or sums, all from one reading.
pub(crate) fn points_of<const N: usize>(
    registry: &Registry,
    names: [&str; N],
) -> [Vec<NumberPoint>; N] {
    let metrics: Vec<Metric> =
        registry.read().into_iter().flat_map(|scope| scope.metrics).collect();
    names.map(|name| {
        match metrics.iter().find(|metric| metric.descriptor.name == name).map(|it| &it.data) {
            None => Vec::new(),
            Some(Data::Gauge(points) | Data::Sum { points, .. }) => points.clone(),
            Some(other) => panic!("{name} has no numbers: {other:?}"),
        }
    })
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

/// Labels and value of each series of a gauge or sum.
pub(crate) fn series(registry: &Registry, name: &str) -> Vec<(String, f64)> {
    let points = points(registry, name);
    points.iter().map(|point| (labels(point), point.value.as_f64())).collect()
}

/// All series of a gauge or sum together.
pub(crate) fn total(registry: &Registry, name: &str) -> f64 {
    series(registry, name).iter().map(|(_, value)| value).sum()
}

/// The labels of the series that takes what does not fit.
pub(crate) const OVERFLOW: &str = "otel.metric.overflow=true";

/// How many series of a gauge or sum there are, but for the overflow series.
pub(crate) fn live(registry: &Registry, name: &str) -> usize {
    series(registry, name).iter().filter(|(labels, _)| labels != OVERFLOW).count()
}

/// What a target makes of a sum that it reads again and again: what it rose by, series by series. A series begins anew
/// with a new start time.
#[derive(Default)]
pub(crate) struct Rise {
    last: HashMap<String, (SystemTime, f64)>,
    pub(crate) total: f64,
    /// How often a series began anew.
    pub(crate) restarts: usize,
}

impl Rise {
    pub(crate) fn read(&mut self, registry: &Registry, name: &str) {
        self.add(points(registry, name));
    }

    pub(crate) fn add(&mut self, points: Vec<NumberPoint>) {
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
