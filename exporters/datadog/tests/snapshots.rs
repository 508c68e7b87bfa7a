//! Snapshots to send, and targets that send them.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    Attributes, Data, Descriptor, HistogramPoint, Metric, NumberPoint, ScopeMetrics, SeriesId,
    Temporality, Value,
};
use meterkit_datadog::{DatadogConfig, DatadogTarget};
use meterkit_pipeline::Snapshot;
use opentelemetry::InstrumentationScope;

pub(crate) const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Returns settings for the intake at `url`.
pub(crate) fn config(url: &str) -> DatadogConfig {
    DatadogConfig::api(KEY).expect("a key").with_endpoint(url).expect("a URL")
}

/// Returns a target that sends to the intake at `url`.
pub(crate) fn target(url: &str) -> DatadogTarget {
    DatadogTarget::new(config(url)).expect("a target")
}

/// Returns the time this many seconds ago.
pub(crate) fn ago(seconds: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(seconds)
}

/// Returns a time in seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).expect("it is later");
    since.as_secs() as i64
}

/// Returns a counter with a series for each of these values, over the ten seconds before `time`.
pub(crate) fn counts(time: SystemTime, values: &[u64]) -> Snapshot {
    let point = |(shard, value): (usize, &u64)| NumberPoint {
        series: SeriesId::new(),
        attributes: Attributes::from_pairs([("shard".into(), (shard as i64).into())]),
        start: time - Duration::from_secs(10),
        value: Value::U64(*value),
    };
    let points = values.iter().enumerate().map(point).collect();
    let data = Data::Sum { monotonic: true, temporality: Temporality::Delta, points };
    snapshot(time, vec![metric("catalog.requests", "{request}", data)])
}

/// Returns the same counter, and a histogram in which 0.5 was recorded `sizes` times, which is sent in another
/// payload.
pub(crate) fn counts_and_sizes(time: SystemTime, values: &[u64], sizes: u64) -> Snapshot {
    let mut snapshot = counts(time, values);
    let point = HistogramPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start: time - Duration::from_secs(10),
        count: sizes,
        sum: 0.5 * sizes as f64,
        min: Some(0.5),
        max: Some(0.5),
        buckets: [sizes, 0].into(),
    };
    let (temporality, bounds) = (Temporality::Delta, [1.0].into());
    let data = Data::Histogram { temporality, bounds, points: vec![point] };
    snapshot.scopes[0].metrics.push(metric("catalog.sizes", "By", data));
    snapshot
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

pub(crate) fn snapshot(time: SystemTime, metrics: Vec<Metric>) -> Snapshot {
    let scope = InstrumentationScope::builder("backstage.plugin.catalog").with_version("1.2");
    let scope = ScopeMetrics { scope: Arc::new(scope.build()), metrics };
    let resource = [("service.name", "shop"), ("host.name", "web-1"), ("service.instance.id", "7")];
    let resource = resource.map(|(key, value)| (key.into(), value.into()));
    Snapshot::new(Attributes::from_pairs(resource), time, vec![scope])
}
