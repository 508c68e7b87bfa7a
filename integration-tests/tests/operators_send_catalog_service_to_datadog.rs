//! Datadog's intake from end to end, with VictoriaMetrics in its place: variables make a service send there, and
//! nothing is lost.

use std::collections::BTreeMap;

use catalog_service::load;
use integration_tests::process::Process;
use integration_tests::victoria_metrics::{Series, VictoriaMetrics};
use integration_tests::{operations, peer, program};

const OPERATIONS: &str = "backstage.plugin.catalog.entities.operations";

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
    // The last flush sends what was counted since the last interval.
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
    let expected = operations::by_action(&tally).into_iter();
    assert_eq!(counted, expected.map(|(action, count)| (action, count as f64)).collect());

    // VictoriaMetrics converts a distribution to quantiles, a count and a sum.
    let durations = server.series("{__name__='http.server.request.duration.count'}").await;
    let requests = operations::requests(&tally);
    assert_eq!(durations.iter().map(total).sum::<f64>(), requests as f64, "{durations:?}");
}
