//! The self-metrics of an OTLP target, as a receiver gets them.

use std::collections::BTreeSet;
use std::time::Duration;

use meterkit_core::Registry;
use meterkit_fakes::otlp::Receiver;
use meterkit_otlp::{OtlpTarget, Protocol};
use meterkit_pipeline::{Pipeline, Schedule};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;

use crate::snapshots::config;

/// A schedule whose interval never ends: only a flush exports.
const WHEN_ASKED: Schedule =
    Schedule { interval: Duration::from_secs(24 * 3600), timeout: Duration::from_secs(30) };
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the attributes of all points of the exporter's metrics, by metric.
fn of_exporter(request: &ExportMetricsServiceRequest) -> Vec<(&str, Vec<&[KeyValue]>)> {
    let scopes = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
    let metrics = scopes.flat_map(|scope| &scope.metrics);
    let metrics = metrics.filter(|it| it.name.starts_with("otel.sdk.exporter."));
    let attributes = metrics.map(|metric| {
        let points = match &metric.data {
            Some(Data::Sum(sum)) => sum.data_points.iter().map(|it| &*it.attributes).collect(),
            Some(Data::Histogram(histogram)) => {
                histogram.data_points.iter().map(|it| &*it.attributes).collect()
            }
            other => panic!("{other:?}"),
        };
        (&*metric.name, points)
    });
    attributes.collect()
}

fn value<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a Value> {
    let pair = attributes.iter().find(|pair| pair.key == key)?;
    pair.value.as_ref()?.value.as_ref()
}

#[tokio::test]
async fn self_metrics_name_the_exporter_type_and_the_server() {
    for (protocol, component_type) in [
        (Protocol::Grpc, "otlp_grpc_metric_exporter"),
        (Protocol::HttpProtobuf, "otlp_http_metric_exporter"),
        (Protocol::HttpJson, "otlp_http_json_metric_exporter"),
    ] {
        let receiver = Receiver::start([]).await;
        let target = OtlpTarget::new(config(protocol, &receiver)).expect("a target");
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "catalog");
        meter.counter::<u64>("requests").build().expect("a good name").increment();
        let builder = Pipeline::builder(registry).expect("a registry of its own");
        let pipeline = builder.target(target, WHEN_ASKED).start().expect("a thread");
        for _ in 0..2 {
            pipeline.flush(PATIENCE).await.expect("it is accepted");
        }
        // Dropping the pipeline would block the thread on which the receiver answers.
        pipeline.shutdown(PATIENCE).await.expect("it is accepted");
        let arrivals = receiver.arrivals();
        let metrics = of_exporter(&arrivals[1].content);
        let names: BTreeSet<_> = metrics.iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            BTreeSet::from([
                "otel.sdk.exporter.metric_data_point.exported",
                "otel.sdk.exporter.metric_data_point.inflight",
                "otel.sdk.exporter.operation.duration",
            ])
        );
        let port = receiver.address().port();
        for (name, points) in metrics {
            for attributes in points {
                let text = |text: &str| Some(Value::StringValue(text.to_owned()));
                let of = |key| value(attributes, key).cloned();
                assert_eq!(of("otel.component.type"), text(component_type), "{name}");
                assert_eq!(of("otel.component.name"), text("otlp/0"), "{name}");
                assert_eq!(of("server.address"), text("localhost"), "{name}");
                assert_eq!(of("server.port"), Some(Value::IntValue(port.into())), "{name}");
            }
        }
    }
}
