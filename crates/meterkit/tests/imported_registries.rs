//! Registries of other libraries in an installed program.
#![cfg(all(
    feature = "prometheus",
    feature = "prometheus-client",
    feature = "prometheus-registry"
))]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit::prometheus::PrometheusServer;
use meterkit::view::{Aggregation, KeyFilter, View, ViewSelector, ViewStream, Views};
use meterkit::{Registry, Telemetry};
use prometheus::{IntCounter, IntCounterVec, Opts, TextEncoder};
use prometheus_client::metrics::gauge::Gauge;

use crate::batches::{Batches, ONLY_WHEN_ASKED};
use crate::http_get::scrape;

fn builder(registry: &Registry) -> meterkit::TelemetryBuilder {
    Telemetry::builder().registry(registry.clone()).snapshot_max_age(Duration::ZERO)
}

fn jobs() -> (prometheus::Registry, IntCounter) {
    let theirs = prometheus::Registry::new();
    let jobs = IntCounter::with_opts(Opts::new("jobs", "Jobs.")).expect("a good name");
    theirs.register(Box::new(jobs.clone())).expect("a new name");
    (theirs, jobs)
}

#[test]
fn a_scrape_and_push_targets_have_what_applications_record_elsewhere() {
    let (theirs, jobs) = jobs();
    let client = Arc::new(Mutex::new(prometheus_client::registry::Registry::default()));
    let registry = Registry::new();
    let batches = Batches::default();
    let telemetry = builder(&registry)
        .prometheus(PrometheusServer::new().host("127.0.0.1").port(0))
        .target_with(batches.clone(), ONLY_WHEN_ASKED)
        .prometheus_registry(theirs)
        .prometheus_client_registry(client.clone())
        .install()
        .expect("it starts");
    // Metrics may be registered after the start.
    let load: Gauge = Gauge::default();
    client.lock().expect("no panic").register("load", "Load", load.clone());
    jobs.inc_by(7);
    load.set(-3);
    let address = telemetry.prometheus_address().expect("an endpoint");
    let text = scrape(address).expect("an answer");
    for line in
        ["# HELP jobs Jobs.", "# TYPE jobs counter", "jobs 7", "# TYPE load gauge", "load -3"]
    {
        assert!(text.lines().any(|it| it == line), "{line}\n{text}");
    }
    telemetry.flush_blocking().expect("it takes everything");
    let seen = batches.last();
    assert_eq!(seen.value("jobs", []), Some(meterkit::data::Value::F64(7.0)));
    assert_eq!(seen.value("load", []), Some(meterkit::data::Value::I64(-3)));

    // Another registry may be imported while the program runs.
    let later = prometheus::Registry::new();
    let opts = Opts::new("later_total", "Later.");
    later.register(Box::new(IntCounter::with_opts(opts).expect("fine"))).expect("new");
    let guard = meterkit::prometheus_registry::import(&registry, later);
    assert!(scrape(address).expect("an answer").contains("\nlater_total 0\n"));
    drop(guard);
    assert!(!scrape(address).expect("an answer").contains("later_total"));
    telemetry.shutdown_blocking().expect("it ends");
    let after = registry.read().into_iter().flat_map(|scope| scope.metrics);
    assert!(
        after.into_iter().all(|it| it.descriptor.name != "jobs"),
        "the registry is no longer gathered"
    );
}

#[test]
fn a_registry_that_is_served_has_the_metrics_of_the_program() {
    let registry = Registry::new();
    registry.scoped("plugin", "catalog").counter::<u64>("requests").build().expect("fine").add(7);
    let telemetry = builder(&registry).install().expect("it starts");
    let served = prometheus::Registry::new();
    served.register(Box::new(telemetry.prometheus_collector())).expect("the only one");
    let text = TextEncoder::new().encode_to_string(&served.gather()).expect("text");
    let line =
        "backstage_plugin_catalog_requests_total{otel_scope_name=\"backstage.plugin.catalog\"} 7";
    assert!(text.lines().any(|it| it == line), "{text}");
    assert!(text.contains("\ntarget_info{"), "{text}");
    telemetry.shutdown_blocking().expect("it ends");
}

#[test]
fn views_apply_to_imported_metrics() {
    let theirs = prometheus::Registry::new();
    for name in ["kept", "dropped"] {
        let opts = Opts::new(name, "Requests.");
        let requests = IntCounterVec::new(opts, &["user", "path"]).expect("fine");
        for user in ["a", "b"] {
            requests.with_label_values(&[user, "/"]).inc_by(2);
        }
        theirs.register(Box::new(requests)).expect("a new name");
    }
    let view = |name: &str, stream| View {
        selector: ViewSelector { instrument_name: Some(name.into()), ..Default::default() },
        stream,
    };
    let drop = ViewStream { aggregation: Some(Aggregation::Drop), ..Default::default() };
    let keys = KeyFilter { included: Some(vec!["path".into()]), ..Default::default() };
    let only_path = ViewStream { attribute_keys: Some(keys), ..Default::default() };
    let views = Views::new(vec![view("dropped", drop), view("kept", only_path)]);
    let telemetry = builder(&Registry::new()).views(views).prometheus_registry(theirs).install();
    let telemetry = telemetry.expect("it starts");
    let text = meterkit::prometheus::render(&telemetry.source().snapshot_blocking());
    assert!(text.contains("\nkept{path=\"/\"} 4\n"), "{text}");
    assert!(!text.contains("\ndropped{"), "{text}");
    telemetry.shutdown_blocking().expect("it ends");
}
