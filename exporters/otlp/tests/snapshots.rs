//! Snapshots to send, and functions that read the received ones.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    Attributes, Data, Descriptor, Metric, NumberPoint, ScopeMetrics, SeriesId, Temporality, Value,
};
use meterkit_fakes::otlp::Receiver;
use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol};
use meterkit_pipeline::Snapshot;
use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;

pub(crate) const ALL: [Protocol; 3] = [Protocol::Grpc, Protocol::HttpProtobuf, Protocol::HttpJson];

/// Returns settings for `receiver`.
pub(crate) fn config(protocol: Protocol, receiver: &Receiver) -> OtlpConfig {
    config_for(protocol, &receiver.url())
}

/// Returns settings for a server with this URL.
pub(crate) fn config_for(protocol: Protocol, url: &str) -> OtlpConfig {
    let path = if protocol == Protocol::Grpc { "" } else { "/v1/metrics" };
    OtlpConfig::new(protocol, &format!("{url}{path}")).expect("a URL")
}

/// Returns a target that sends to `receiver`.
pub(crate) fn target(protocol: Protocol, receiver: &Receiver) -> OtlpTarget {
    OtlpTarget::new(config(protocol, receiver)).expect("a target")
}

/// Returns a snapshot at second `second` of a counter with a series for each of these values.
pub(crate) fn snapshot(second: u64, values: &[u64]) -> Snapshot {
    let point = |(shard, value): (usize, &u64)| NumberPoint {
        series: SeriesId::new(),
        attributes: Attributes::from_pairs([("shard".into(), (shard as i64).into())]),
        start: SystemTime::UNIX_EPOCH,
        value: Value::U64(*value),
    };
    let data = Data::Sum {
        monotonic: true,
        temporality: Temporality::Cumulative,
        points: values.iter().enumerate().map(point).collect(),
    };
    let descriptor = Descriptor {
        name: "catalog.requests".to_owned(),
        unit: String::new(),
        description: String::new(),
        kind: data.kind(),
    };
    let scope = ScopeMetrics {
        scope: Arc::new(InstrumentationScope::builder("catalog").build()),
        metrics: vec![Metric { descriptor: Arc::new(descriptor), data }],
    };
    Snapshot::new(
        Attributes::from_pairs([("service.name".into(), "test".into())]),
        SystemTime::UNIX_EPOCH + Duration::from_secs(second),
        vec![scope],
    )
}

/// Returns the values of all sums, added up per series as a receiver of deltas does.
pub(crate) fn totals(requests: &[ExportMetricsServiceRequest]) -> BTreeMap<String, i64> {
    let mut totals = BTreeMap::new();
    let scopes =
        requests.iter().flat_map(|it| &it.resource_metrics).flat_map(|it| &it.scope_metrics);
    for metric in scopes.flat_map(|scope| &scope.metrics) {
        let Some(metric::Data::Sum(sum)) = &metric.data else {
            continue;
        };
        for point in &sum.data_points {
            let Some(Number::AsInt(value)) = point.value else {
                panic!("{point:?}");
            };
            *totals.entry(format!("{} {:?}", metric.name, point.attributes)).or_default() += value;
        }
    }
    totals
}

/// Returns the value of each series of all sums, in the order of the request.
pub(crate) fn values(request: &ExportMetricsServiceRequest) -> Vec<i64> {
    let scopes = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
    let mut values = Vec::new();
    for metric in scopes.flat_map(|scope| &scope.metrics) {
        if let Some(metric::Data::Sum(sum)) = &metric.data {
            values.extend(sum.data_points.iter().map(|point| match point.value {
                Some(Number::AsInt(value)) => value,
                other => panic!("{other:?}"),
            }));
        }
    }
    values
}
