//! OTLP from end to end: an operator configures where a service sends its metrics, and a real Collector receives all of
//! them.

use std::collections::BTreeMap;

use catalog_service::load;
use integration_tests::collector::Collector;
use integration_tests::process::Process;
use integration_tests::{operations, peer, program};
use serde_json::Value;

const OPERATIONS: &str = "backstage.plugin.catalog.entities.operations";
const DURATION: &str = "http.server.request.duration";

/// Returns all metrics received under a name, in the order of their arrival.
pub(crate) fn arrived<'a>(received: &'a [Value], name: &str) -> Vec<&'a Value> {
    let list = |value: &'a Value, key: &str| value[key].as_array().into_iter().flatten();
    let resources = received.iter().flat_map(|request| list(request, "resourceMetrics"));
    let scopes = resources.flat_map(|resource| list(resource, "scopeMetrics"));
    let metrics = scopes.flat_map(|scope| list(scope, "metrics"));
    metrics.filter(|metric| metric["name"] == name).collect()
}

/// Parses a number: OTLP's JSON has 64-bit numbers as strings, and omits zero.
fn number(value: &Value) -> u64 {
    let zero = value.is_null().then_some(0);
    zero.or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("number: {value}"))
}

/// Returns the sum of all points of a counter in one export.
pub(crate) fn total(metric: &Value) -> u64 {
    let points = metric["sum"]["dataPoints"].as_array().expect("points of a sum");
    points.iter().map(|point| number(&point["asInt"])).sum()
}

async fn serve(variables: &[(&str, &str)]) -> (Process, String) {
    let mut service =
        Process::start(&program::build("catalog-service"), &["--port", "0"], variables);
    let url = service.line("catalog-service listens on ").await;
    (service, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn variables_alone_send_deltas_that_add_up_even_when_the_service_is_ended() {
    let Some(executable) = peer::find("meterkit-otelcol") else {
        return;
    };
    let collector = Collector::start(&executable).await;
    let (grpc, interval) = (collector.grpc_url(), "200");
    let (service, url) = serve(&[
        ("OTEL_METRICS_EXPORTER", "otlp"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &grpc),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION", "gzip"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "Delta"),
        (
            "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
            "base2_exponential_bucket_histogram",
        ),
        ("OTEL_METRIC_EXPORT_INTERVAL", interval),
        ("OTEL_SERVICE_NAME", "catalog"),
    ])
    .await;
    let tally = load::run(&url, 1000, 4).await.expect("every request is answered");
    // The last flush sends what was counted since the last interval.
    assert!(service.terminate().await.success());

    let received = collector.received();
    let operations = arrived(&received, OPERATIONS);
    assert!(operations.len() > 1, "several intervals have passed");
    assert!(operations.iter().all(|it| it["sum"]["aggregationTemporality"] == 1));
    let counted: u64 = operations::by_action(&tally).values().sum();
    assert_eq!(operations.into_iter().map(total).sum::<u64>(), counted);

    let durations = arrived(&received, DURATION);
    let points = durations.iter().flat_map(|it| {
        it["exponentialHistogram"]["dataPoints"].as_array().expect("exponential histograms")
    });
    let counted = operations::requests(&tally);
    assert_eq!(points.map(|point| number(&point["count"])).sum::<u64>(), counted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_sends_to_two_receivers_by_two_protocols_through_views() {
    let Some(executable) = peer::find("meterkit-otelcol") else {
        return;
    };
    let (first, second) =
        (Collector::start(&executable).await, Collector::start(&executable).await);
    let file = tempfile::NamedTempFile::new().expect("a temporary file");
    let text = r#"
file_format: "1.1"
resource:
  attributes:
    - {name: service.name, value: "${SERVICE:-catalog}"}
tracer_provider:
  processors: []
meter_provider:
  readers:
    - periodic:
        interval: 200
        exporter:
          otlp_grpc:
            endpoint: ${FIRST}
            tls: {insecure: true}
    - periodic:
        interval: 3600000
        exporter:
          otlp_http:
            endpoint: ${SECOND}
            temporality_preference: delta
            compression: gzip
  views:
    - selector: {instrument_name: backstage.plugin.catalog.entities.operations}
      stream: {name: catalog.operations, attribute_keys: {included: [action]}}
    - selector: {instrument_name: "http.*"}
      stream: {aggregation: {drop: }}
"#;
    std::fs::write(file.path(), text).expect("the file can be written");
    let path = file.path().to_str().expect("the path is valid UTF-8");
    let (grpc, http) = (first.grpc_url(), second.http_url());
    let (service, url) = serve(&[
        ("OTEL_CONFIG_FILE", path),
        ("FIRST", grpc.trim_start_matches("http://")),
        ("SECOND", &http),
        ("OTEL_METRICS_EXPORTER", "nonsense that does not count"),
    ])
    .await;
    let tally = load::run(&url, 500, 4).await.expect("every request is answered");
    assert!(service.terminate().await.success());

    let by_action = operations::by_action(&tally);
    for (collector, temporality) in [(&first, 2), (&second, 1)] {
        let received = collector.received();
        assert!(
            arrived(&received, OPERATIONS).is_empty() && arrived(&received, DURATION).is_empty()
        );
        let last = *arrived(&received, "catalog.operations").last().expect("it arrives");
        assert_eq!(last["sum"]["aggregationTemporality"], temporality);
        let mut counted: BTreeMap<String, u64> = BTreeMap::new();
        for point in last["sum"]["dataPoints"].as_array().expect("points") {
            let attributes = point["attributes"].as_array().expect("attributes");
            assert_eq!(attributes.len(), 1, "{point}");
            let action = attributes[0]["value"]["stringValue"].as_str().expect("text");
            counted.insert(action.to_owned(), number(&point["asInt"]));
        }
        counted.retain(|_, count| *count > 0);
        assert_eq!(counted, by_action);
    }
}
