//! Remote write from end to end: a URL makes a service write to a real Prometheus, through an outage.

use std::collections::BTreeMap;

use catalog_service::load;
use integration_tests::process::Process;
use integration_tests::prometheus_receiver::PrometheusReceiver;
use integration_tests::{operations, peer, program};

#[tokio::test(flavor = "multi_thread")]
async fn a_url_is_all_it_takes_and_an_outage_costs_nothing() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let mut prometheus = PrometheusReceiver::start(&executable).await;
    let url = prometheus.remote_write_url();
    let mut service = Process::start(
        &program::build("catalog-service"),
        &["--port", "0"],
        &[
            ("OTEL_METRICS_EXPORTER", "grafana"),
            ("METERKIT_GRAFANA_INTERVAL", "500"),
            ("GRAFANA_REMOTE_WRITE_URL", &url),
            ("OTEL_SERVICE_NAME", "catalog"),
        ],
    );
    let url = service.line("catalog-service listens on ").await;
    let before = load::run(&url, 100, 4).await.expect("every request is answered");
    prometheus.stop().await;
    let during = load::run(&url, 500, 4).await.expect("every request is answered");
    prometheus.run().await;
    // Queued values are sent with the last flush at the latest.
    assert!(service.terminate().await.success());

    let selector = "backstage_plugin_catalog_entities_operations_total{job='catalog'}";
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for stored in prometheus.series(selector).await {
        // The last value is the staleness marker of a series that has ended.
        let last = stored.samples.iter().rev().find(|(_, value)| !value.is_nan());
        let (_, value) = last.expect("the series has values");
        *counted.entry(stored.labels["action"].clone()).or_default() += *value as u64;
    }
    let mut expected = operations::by_action(&before);
    for (action, count) in operations::by_action(&during) {
        *expected.entry(action).or_default() += count;
    }
    assert_eq!(counted, expected);
}
