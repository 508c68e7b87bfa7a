//! Payloads for Datadog: meterkit's, and JSON from a model of Datadog's API reference.
//!
//! The model replaces the official client and has the same types: a struct per object, a string per text, a `Vec` per
//! list. The client itself has 1.5 million lines that cannot be left out, too much to build for a single figure.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    Attributes, Data, Descriptor, ExponentialHistogramPoint, Kind, Metric, NumberPoint, Registry,
    ScopeMetrics, SeriesId, Temporality, Value,
};
use meterkit_datadog::{Compression, Format, metric_name, tag, written};
use meterkit_pipeline::Snapshot;
use opentelemetry::InstrumentationScope;
use serde::Serialize;

use crate::labels::durations;

/// The number of counts in an export.
pub const COUNTS: usize = 10_000;

/// The number of distributions in an export.
pub const SKETCHES: usize = 1_000;

/// Returns a delta snapshot with this number of counts and distributions.
pub fn snapshot(counts: usize, sketches: usize) -> Snapshot {
    let (start, temporality) = (SystemTime::UNIX_EPOCH, Temporality::Delta);
    let value = |n: usize| Value::U64(n as u64 * 7 % 1000 + 1);
    let count =
        |n| NumberPoint { series: SeriesId::new(), attributes: labels(n), start, value: value(n) };
    let points = (0..counts).map(count).collect();
    let mut metrics = Vec::new();
    if counts > 0 {
        let data = Data::Sum { monotonic: true, temporality, points };
        metrics.push(Metric {
            descriptor: descriptor("http.server.requests", "{request}", Kind::Counter),
            data,
        });
    }
    if sketches > 0 {
        let distribution = distribution();
        let point = |n| ExponentialHistogramPoint { attributes: labels(n), ..distribution.clone() };
        let points = (0..sketches).map(point).collect();
        let data = Data::ExponentialHistogram { temporality, points };
        metrics.push(Metric {
            descriptor: descriptor("http.server.duration", "s", Kind::Histogram),
            data,
        });
    }
    let scope = Arc::new(InstrumentationScope::builder("bench").build());
    Snapshot::new(
        Attributes::empty(),
        start + Duration::from_secs(60),
        vec![ScopeMetrics { scope, metrics }],
    )
}

/// Returns the total bytes of meterkit's payloads in protobuf.
pub fn ours(snapshot: &Snapshot, compression: Compression) -> usize {
    let payloads = written(snapshot, &common_tags(), Format::Protobuf, compression);
    payloads.expect("writing to memory does not fail").iter().map(|payload| payload.len()).sum()
}

/// Returns the bytes of the model as JSON, for counts only: the API accepts no distributions in JSON.
pub fn theirs(snapshot: &Snapshot, compression: Compression) -> usize {
    let metrics = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
    let series = metrics.flat_map(|metric| {
        let name = metric_name(&metric.descriptor.name).expect("the name has letters");
        let points: &[NumberPoint] = match &metric.data {
            Data::Sum { points, .. } => points,
            _ => &[],
        };
        points.iter().map(move |point| MetricSeries::new(&name, point))
    });
    let payload = MetricPayload { series: series.collect() };
    let json = serde_json::to_vec(&payload).expect("writing to memory does not fail");
    compression.compress(json).expect("writing to memory does not fail").len()
}

fn common_tags() -> Vec<String> {
    ["env:prod", "service:shop", "version:1.2.3"].map(str::to_owned).to_vec()
}

pub(crate) fn labels(n: usize) -> Attributes {
    let methods = ["GET", "POST", "PUT", "DELETE"];
    let routes = ["/catalog/entities", "/catalog/locations", "/search/query", "/techdocs/sync"];
    Attributes::from_pairs([
        ("method".into(), methods[n % 4].into()),
        ("route".into(), routes[n / 4 % 4].into()),
        ("tenant".into(), format!("tenant-{n}").into()),
    ])
}

pub(crate) fn descriptor(name: &str, unit: &str, kind: Kind) -> Arc<Descriptor> {
    let (name, unit) = (name.to_owned(), unit.to_owned());
    Arc::new(Descriptor { name, unit, description: String::new(), kind })
}

/// Returns a distribution of a thousand durations.
fn distribution() -> ExponentialHistogramPoint {
    let registry = Registry::new();
    let meter = registry.scoped("core", "bench");
    let histogram = meter.histogram::<f64>("durations").exponential().build().expect("a name");
    let mut next = durations();
    (0..1000).for_each(|_| histogram.record(next()));
    let metrics = registry.read().into_iter().flat_map(|scope| scope.metrics);
    let mut points = metrics.filter_map(|metric| match metric.data {
        Data::ExponentialHistogram { points, .. } => points.into_iter().next(),
        _ => None,
    });
    points.next().expect("the series has values")
}

#[derive(Serialize)]
struct MetricPayload {
    series: Vec<MetricSeries>,
}

#[derive(Serialize)]
struct MetricSeries {
    metric: String,
    points: Vec<MetricPoint>,
    #[serde(rename = "type")]
    intake_type: u32,
    interval: i64,
    resources: Vec<MetricResource>,
    tags: Vec<String>,
}

#[derive(Serialize)]
struct MetricPoint {
    timestamp: i64,
    value: f64,
}

#[derive(Serialize)]
struct MetricResource {
    name: String,
    #[serde(rename = "type")]
    resource_type: String,
}

impl MetricSeries {
    fn new(name: &str, point: &NumberPoint) -> Self {
        let mut tags = common_tags();
        tags.extend(
            point.attributes.iter().filter_map(|(key, value)| tag(key, &value.to_string())),
        );
        Self {
            metric: name.to_owned(),
            points: vec![MetricPoint { timestamp: 60, value: point.value.as_f64() }],
            intake_type: 1,
            interval: 60,
            resources: vec![MetricResource {
                name: "web-1".to_owned(),
                resource_type: "host".to_owned(),
            }],
            tags,
        }
    }
}
