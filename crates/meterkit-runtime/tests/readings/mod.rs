//! Looks up values in a registry.
#![allow(dead_code, reason = "each test file uses some of the functions")]

use meterkit_core::{Data, Metric, Registry};

/// Returns the value of the series with these labels.
pub(crate) fn value(registry: &Registry, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let (Data::Gauge(points) | Data::Sum { points, .. }) = metric(registry, name)?.data else {
        panic!("{name} has no numbers");
    };
    let found = points.into_iter().find(|point| {
        let pairs = point.attributes.iter().map(|(key, value)| (key.to_owned(), value.to_string()));
        pairs.eq(labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
    });
    Some(found?.value.as_f64())
}

/// Returns the kind, in the terms of the semantic conventions, and the unit.
pub(crate) fn kind_and_unit(registry: &Registry, name: &str) -> Option<(&'static str, String)> {
    let metric = metric(registry, name)?;
    let kind = match metric.data {
        Data::Gauge(_) => "gauge",
        Data::Sum { monotonic: true, .. } => "counter",
        Data::Sum { monotonic: false, .. } => "updowncounter",
        other => panic!("{name} is not a number: {other:?}"),
    };
    Some((kind, metric.descriptor.unit.clone()))
}

fn metric(registry: &Registry, name: &str) -> Option<Metric> {
    let metrics = registry.read().into_iter().flat_map(|scope| scope.metrics);
    metrics.into_iter().find(|metric| metric.descriptor.name == name)
}
