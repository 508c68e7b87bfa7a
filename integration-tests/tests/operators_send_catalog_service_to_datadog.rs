//! The whole way to Datadog's intake, for which VictoriaMetrics stands in: variables send a service there, with nothing lost.

use std::collections::BTreeMap;

use catalog_service::http::Method;
use catalog_service::load::{self, Tally};
use integration_tests::process::Process;
use integration_tests::victoria_metrics::{Series, VictoriaMetrics};
use integration_tests::{peer, program};

const OPERATIONS: &str = "backstage.plugin.catalog.entities.operations";

/// What the catalogue counts, by action: attempts that reached it.
fn operations_of(tally: &Tally) -> BTreeMap<String, f64> {
    let mut operations = BTreeMap::new();
    for (request, count) in tally.requests.iter() {
        let action = match request.method {
            Method::Post if request.route == "/catalog/entities" => "create",
            Method::Put => "update",
            Method::Delete => "delete",
            _ => continue,
        };
        if [200, 201, 204, 404, 409].contains(&request.status) {
            *operations.entry(action.to_owned()).or_default() += count as f64;
        }
    }
    operations
}

fn total(series: &Series) -> f64 {
    series.values.iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_and_an_endpoint_are_all_it_takes() {
    let Some(executable) = peer::find("victoria-metrics") else {
        return;
    };
    let server = VictoriaMetrics::start(&executable).await;
    let endpoint = server.datadog_url();
    let mut service = Process::start(
        &program::build("catalog-service"),
        &["--port", "0"],
        &[
            ("OTEL_METRICS_EXPORTER", "datadog"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
            ("DD_API_KEY", "0123456789abcdef0123456789abcdef"),
            ("METERKIT_DATADOG_ENDPOINT", &endpoint),
            ("DD_ENV", "Staging"),
            ("DD_SERVICE", "catalog"),
            ("DD_TAGS", "team:shop"),
            ("DD_HOSTNAME", "web-1"),
        ],
    );
    let url = service.line("catalog-service listens on ").await;
    let tally = load::run(&url, 1000, 4).await.expect("every request is answered");
    // What was counted since the last interval goes out with the last flush.
    assert!(service.terminate().await.success());

    let stored = server.series(&format!("{{__name__='{OPERATIONS}'}}")).await;
    let mut counted: BTreeMap<String, f64> = BTreeMap::new();
    for series in &stored {
        for (tag, value) in
            [("env", "staging"), ("service", "catalog"), ("team", "shop"), ("host", "web-1")]
        {
            assert_eq!(series.labels.get(tag).map(String::as_str), Some(value), "{series:?}");
        }
        *counted.entry(series.labels["action"].clone()).or_default() += total(series);
    }
    assert_eq!(counted, operations_of(&tally));

    // VictoriaMetrics makes quantiles, a count and a sum of a distribution.
    let durations = server.series("{__name__='http.server.request.duration.count'}").await;
    let requests: u64 = tally.requests.iter().map(|(_, count)| count).sum();
    assert_eq!(durations.iter().map(total).sum::<f64>(), requests as f64, "{durations:?}");
}
