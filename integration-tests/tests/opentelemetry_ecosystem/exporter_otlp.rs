//! The exporter of `opentelemetry-otlp` as a target, with a real Collector that stops in between.

use integration_tests::collector::Collector;
use integration_tests::peer;
use meterkit::otel::OtelMeter;
use meterkit::{Meter, Registry, Telemetry};
use meterkit_core::{Counter, Histogram, UpDownCounter};
use opentelemetry::KeyValue;
use opentelemetry_otlp::{MetricExporter, WithExportConfig};
use opentelemetry_sdk::metrics::Temporality;
use serde_json::Value;

use super::{PATIENCE, WHEN_ASKED};

const SCOPE: &str = "backstage.plugin.catalog";

/// The instruments of the program.
struct Recorded {
    requests: Counter<u64>,
    open: UpDownCounter<i64>,
    sizes: Histogram<f64>,
    keyed: opentelemetry::metrics::Counter<u64>,
}

impl Recorded {
    fn new(meter: &Meter) -> Self {
        Self {
            requests: meter.counter("requests").build().expect("a valid name"),
            open: meter.up_down_counter("open").build().expect("a valid name"),
            sizes: meter.histogram("sizes").build().expect("a valid name"),
            keyed: meter.otel().u64_counter("keyed").build(),
        }
    }

    fn record(&self, value: u32) {
        self.requests.add(value.into());
        self.open.add(-i64::from(value));
        self.sizes.record(value);
        self.keyed.add(value.into(), &[KeyValue::new("codes", value.to_string())]);
    }
}

/// Returns all data points of the program's metric with this name, in the order of their arrival.
fn points(received: &[Value], name: &str) -> Vec<Value> {
    let name = format!("{SCOPE}.{name}");
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let mut points = Vec::new();
    for resource in received.iter().flat_map(|request| list(request, "resourceMetrics")) {
        let service = &resource["resource"]["attributes"][0]["value"]["stringValue"];
        assert!(resource["resource"].to_string().contains(r#""shop""#), "{service}");
        for metric in list(&resource, "scopeMetrics").iter().flat_map(|it| list(it, "metrics")) {
            if metric["name"] == name.as_str() {
                for data in ["sum", "histogram"] {
                    points.extend(list(&metric[data], "dataPoints"));
                }
            }
        }
    }
    points
}

/// Returns numbers, which OTLP's JSON encodes as strings or as numbers.
fn numbers(points: &[Value], field: &str) -> Vec<f64> {
    let number = |value: &Value| match value {
        Value::String(text) => text.parse().expect("a number"),
        other => other.as_f64().expect("a number"),
    };
    points.iter().map(|point| number(&point[field])).collect()
}

/// Records before, during and after an outage of the Collector, and checks what it received.
async fn totals_are_exact(mut collector: Collector, exporter: MetricExporter) {
    let registry = Registry::new();
    let recorded = Recorded::new(&registry.scoped("plugin", "catalog"));
    let builder = Telemetry::builder().registry(registry).service_name("shop");
    let telemetry =
        builder.schedule(WHEN_ASKED).exporter(exporter).install().expect("the pipeline starts");
    recorded.record(1);
    telemetry.flush_within(PATIENCE).await.expect("the collector accepts the metrics");

    collector.stop().await;
    for value in [2, 4, 8] {
        recorded.record(value);
        let flushed = telemetry.flush_within(PATIENCE).await;
        assert!(flushed.is_err(), "the collector is gone");
    }
    let health = telemetry.health();
    let queue = health.targets[0].queue.expect("the target queues a batch");
    assert_eq!((queue.requests, queue.dropped_values), (1, 0), "{health}");

    collector.run().await;
    recorded.record(16);
    telemetry.flush_within(PATIENCE).await.expect("the collector is back");
    recorded.record(32);
    telemetry.shutdown_within(PATIENCE).await.expect("the collector accepts the metrics");

    // First the rejected batch, then the values recorded in the meantime.
    let received = collector.received();
    let deltas = [1.0, 2.0, 28.0, 32.0];
    assert_eq!(numbers(&points(&received, "requests"), "asInt"), deltas);
    assert_eq!(numbers(&points(&received, "sizes"), "sum"), deltas);
    assert_eq!(numbers(&points(&received, "sizes"), "count"), [1.0, 1.0, 3.0, 1.0]);
    let totals = [-1.0, -3.0, -31.0, -63.0];
    assert_eq!(numbers(&points(&received, "open"), "asInt"), totals);
    let keyed = points(&received, "keyed");
    let counted = keyed.iter().map(|it| {
        let attribute = &it["attributes"][0]["value"]["stringValue"];
        (
            attribute.as_str().expect("text").to_owned(),
            it["asInt"].as_str().expect("text").to_owned(),
        )
    });
    let mut counted: Vec<_> = counted.filter(|(_, value)| value != "0").collect();
    counted.sort();
    let expected = ["1", "16", "2", "32", "4", "8"].map(|code| (code.to_owned(), code.to_owned()));
    assert_eq!(counted, expected, "each value once");
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_over_http_are_exact_after_an_outage() {
    let Some(executable) = peer::find("meterkit-otelcol") else {
        return;
    };
    let collector = Collector::start(&executable).await;
    let url = collector.http_url();
    let build = move || {
        let builder = MetricExporter::builder().with_http().with_endpoint(url);
        builder.with_temporality(Temporality::Delta).build().expect("an exporter")
    };
    // The exporter's HTTP client blocks.
    let exporter = tokio::task::spawn_blocking(build).await.expect("the exporter can be built");
    totals_are_exact(collector, exporter).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_over_grpc_are_exact_after_an_outage() {
    let Some(executable) = peer::find("meterkit-otelcol") else {
        return;
    };
    let collector = Collector::start(&executable).await;
    let builder = MetricExporter::builder().with_tonic().with_endpoint(collector.grpc_url());
    let exporter = builder.with_temporality(Temporality::Delta).build().expect("an exporter");
    totals_are_exact(collector, exporter).await;
}
