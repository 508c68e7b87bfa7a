//! `Telemetry::health()` reports the state of each target, without secrets.

use meterkit::target::ConsoleTarget;
#[cfg(feature = "prometheus")]
use meterkit::target::TargetKind;
use meterkit::{Registry, Telemetry};

use crate::page::Page;

#[test]
#[cfg(feature = "prometheus")]
fn a_scrape_endpoint_is_in_the_health_from_the_start() {
    let server = meterkit::prometheus::PrometheusServer::new().host("127.0.0.1").port(0);
    let builder = Telemetry::builder().registry(Registry::new()).prometheus(server);
    let telemetry = builder.install().unwrap();
    let health = telemetry.health();
    assert!(health.is_delivering());
    let [endpoint] = &health.targets[..] else { panic!("{health}") };
    assert_eq!((&*endpoint.name, endpoint.kind), ("prometheus", TargetKind::Pull));
    let address = telemetry.prometheus_address().unwrap();
    assert_eq!(endpoint.endpoint, format!("http://{address}/metrics"));
    telemetry.shutdown_blocking().unwrap();
    assert_eq!(telemetry.health().targets.len(), 1, "a scrape adds no second target");
}

#[test]
fn self_metrics_arrive_at_the_targets_themselves() {
    let page = Page::default();
    let builder = Telemetry::builder().registry(Registry::new());
    let telemetry = builder.target(ConsoleTarget::new(page.clone())).install().unwrap();
    telemetry.flush_blocking().unwrap();
    telemetry.flush_blocking().unwrap();
    let text = page.text();
    for metric in [
        "otel.sdk.exporter.metric_data_point.exported{otel.component.name=\"console/0\",",
        "otel.sdk.exporter.operation.duration{otel.component.name=\"console/0\",",
        "otel.sdk.metric_reader.collection.duration{otel.component.name=\"pipeline/0\",",
        "meterkit.target.last_success{otel.component.name=\"console/0\",",
    ] {
        assert!(text.contains(metric), "{metric} is not in {text}");
    }
    assert!(telemetry.health().targets[0].last_success.is_some());
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn a_program_without_targets_has_nothing_that_fails() {
    let telemetry = Telemetry::builder().registry(Registry::new()).install().unwrap();
    assert_eq!(telemetry.health().to_string(), "metrics: no targets");
    telemetry.shutdown_blocking().unwrap();
}
