//! Snapshots for tests, and their parts.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    Attributes, Data, Descriptor, HistogramPoint, Metric, NumberPoint, ScopeMetrics, SeriesId,
    Temporality, Value,
};
use meterkit_pipeline::Snapshot;
use opentelemetry::InstrumentationScope;

/// Returns a snapshot that was taken one minute after the Unix epoch.
pub(crate) fn snapshot(scopes: Vec<ScopeMetrics>) -> Snapshot {
    Snapshot::new(Attributes::empty(), at(60_000), scopes)
}

/// Returns a snapshot of one scope without a version.
pub(crate) fn of(metrics: Vec<Metric>) -> Snapshot {
    snapshot(vec![scope(None, metrics)])
}

pub(crate) fn scope(version: Option<&'static str>, metrics: Vec<Metric>) -> ScopeMetrics {
    let scope = InstrumentationScope::builder("backstage.Catalog");
    let scope = match version {
        Some(version) => scope.with_version(version),
        None => scope,
    };
    ScopeMetrics { scope: Arc::new(scope.build()), metrics }
}

pub(crate) fn metric(name: &str, unit: &str, data: Data) -> Metric {
    let descriptor = Descriptor {
        name: name.to_owned(),
        unit: unit.to_owned(),
        description: String::new(),
        kind: data.kind(),
    };
    Metric { descriptor: Arc::new(descriptor), data }
}

pub(crate) fn counter(points: Vec<NumberPoint>) -> Data {
    Data::Sum { monotonic: true, temporality: Temporality::Delta, points: points.into() }
}

pub(crate) fn up_down(points: Vec<NumberPoint>) -> Data {
    Data::Sum { monotonic: false, temporality: Temporality::Cumulative, points: points.into() }
}

pub(crate) fn histogram(bounds: &[f64], points: Vec<HistogramPoint>) -> Data {
    Data::Histogram { temporality: Temporality::Delta, bounds: bounds.into(), points }
}

/// Returns a point that starts ten seconds before the snapshot.
pub(crate) fn number(labels: Attributes, value: Value) -> NumberPoint {
    NumberPoint { series: SeriesId::new(), attributes: labels, start: at(50_000), value }
}

/// Returns a point without minimum and maximum.
pub(crate) fn recorded(labels: Attributes, buckets: &[u64], sum: f64) -> HistogramPoint {
    HistogramPoint {
        series: SeriesId::new(),
        attributes: labels,
        start: at(50_000),
        count: buckets.iter().fold(0, |sum, count| sum.saturating_add(*count)),
        sum,
        min: None,
        max: None,
        buckets: buckets.into(),
    }
}

pub(crate) fn labels(pairs: &[(&'static str, &'static str)]) -> Attributes {
    Attributes::from_pairs(pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())))
}

/// Returns the time this many milliseconds after the Unix epoch.
pub(crate) fn at(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
}
