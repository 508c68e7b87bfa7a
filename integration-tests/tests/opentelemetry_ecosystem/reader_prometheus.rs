//! The exporter of `opentelemetry-prometheus` as a reader, which fills the program's own `prometheus::Registry`: the
//! example of `TelemetryBuilder::reader`, and the result of adding a second exporter.

use meterkit::otel::OtelMeter;
use meterkit::{Registry, Telemetry};
use opentelemetry::KeyValue;
use prometheus::{IntCounter, TextEncoder};

use super::PATIENCE;

fn text(registry: &prometheus::Registry) -> String {
    TextEncoder::new().encode_to_string(&registry.gather()).expect("text")
}

/// Returns the value of the only series of `text` that begins with `series`.
fn value(text: &str, series: &str) -> Option<f64> {
    let mut found = text.lines().filter(|line| line.starts_with(series));
    let line = found.next()?;
    assert_eq!(found.next(), None, "{series} occurs twice:\n{text}");
    line.rsplit(' ').next()?.parse().ok()
}

const SCOPE: &str = r#"otel_scope_name="backstage.plugin.catalog""#;

#[test]
fn a_registry_of_prometheus_has_its_own_metrics_and_ours() {
    let registry = prometheus::Registry::new();
    let own = IntCounter::new("own_jobs_total", "Jobs.").expect("a valid name");
    registry.register(Box::new(own.clone())).expect("the only one");
    own.inc_by(7);
    let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone()).build();
    let exporter = exporter.expect("no other exporter uses this registry");

    let ours = Registry::new();
    let meter = ours.scoped("plugin", "catalog");
    let requests = meter.counter::<u64>("requests").build().expect("a valid name");
    requests.add(3);
    let sizes = meter.histogram::<f64>("sizes").unit("By").buckets([10.0]).build().expect("fine");
    sizes.record(4.0);
    let _rows = meter.observable_gauge::<u64>("rows").observe(|| 12).expect("a valid name");
    let calls = meter.otel().u64_counter("calls").build();
    calls.add(5, &[KeyValue::new("peer", "a")]);
    let builder = Telemetry::builder().registry(ours).service_name("shop");
    let builder = builder.snapshot_max_age(std::time::Duration::ZERO);
    let telemetry = builder.reader(exporter).install().expect("the pipeline starts");

    let name = |name: &str| format!("backstage_plugin_catalog_{name}");
    let scraped = text(&registry);
    assert_eq!(value(&scraped, "own_jobs_total"), Some(7.0), "{scraped}");
    assert_eq!(value(&scraped, &name("requests_total{")), Some(3.0), "{scraped}");
    assert!(scraped.contains(&format!("{}{{{SCOPE}}} 3", name("requests_total"))), "{scraped}");
    assert_eq!(value(&scraped, &name("sizes_bytes_sum{")), Some(4.0), "{scraped}");
    assert_eq!(value(&scraped, &name("sizes_bytes_count{")), Some(1.0), "{scraped}");
    assert_eq!(value(&scraped, &name("rows{")), Some(12.0), "{scraped}");
    assert!(scraped.contains(&format!(r#"{}{{peer="a",{SCOPE}}} 5"#, name("calls_total"))));
    assert!(scraped.contains(r#"service_name="shop""#), "{scraped}");

    requests.add(1);
    sizes.record(20.0);
    own.inc();
    let scraped = text(&registry);
    assert_eq!(value(&scraped, "own_jobs_total"), Some(8.0));
    assert_eq!(value(&scraped, &name("requests_total{")), Some(4.0));
    assert_eq!(value(&scraped, &name("sizes_bytes_count{")), Some(2.0));
    telemetry.shutdown_blocking_within(PATIENCE).expect("the shutdown succeeds");
}

#[test]
fn a_registry_of_prometheus_takes_one_exporter_and_refuses_a_second() {
    let registry = prometheus::Registry::new();
    let exporter = || opentelemetry_prometheus::exporter().with_registry(registry.clone()).build();
    let first = exporter().expect("no other exporter uses this registry");
    // A registry identifies collectors by their descriptions, and these collectors have none.
    let refused = exporter().expect_err("the registry already has an exporter").to_string();
    assert!(refused.contains("Duplicate metrics collector registration attempted"), "{refused}");

    // Therefore a second exporter needs its own registry.
    let other = prometheus::Registry::new();
    let second = opentelemetry_prometheus::exporter().with_registry(other.clone()).build();
    let second = second.expect("no other exporter uses this registry");
    let ours = Registry::new();
    let requests = ours.scoped("plugin", "catalog").counter::<u64>("requests").build();
    requests.expect("a valid name").add(3);
    let builder = Telemetry::builder().registry(ours);
    let telemetry = builder.reader(first).reader(second).install().expect("the pipeline starts");
    for registry in [&registry, &other] {
        let scraped = text(registry);
        assert_eq!(value(&scraped, "backstage_plugin_catalog_requests_total{"), Some(3.0));
    }
    telemetry.shutdown_blocking_within(PATIENCE).expect("the shutdown succeeds");
}
