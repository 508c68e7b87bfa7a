//! Instruments that macros declare at their call sites. All of them are in the global registry, so each test uses its
//! own names.

use std::thread;
use std::time::Duration;

use meterkit::testing::assert_metric;
use meterkit::{LabelValue, Labels, Meter, Registry, counter, gauge, histogram};

#[derive(Labels)]
struct Request<'a> {
    method: Method,
    route: &'a str,
}

#[derive(LabelValue)]
enum Method {
    Get,
}

#[derive(Labels)]
struct Outcome {
    success: bool,
}

#[test]
fn a_call_site_records_in_one_instrument_of_the_process() {
    let call = || counter!("sites_calls_total").increment();
    thread::scope(|scope| {
        (0..4).for_each(|_| {
            scope.spawn(|| (0..1000).for_each(|_| call()));
        });
    });
    // Another call site with the same name uses the same instrument.
    counter!("sites_calls_total").add(5);
    assert_metric!(Registry::global(), "sites_calls_total" == 4005);
}

#[test]
fn a_call_site_takes_a_meter_options_and_a_number_type() {
    let options = || {
        histogram!(
            Meter::scoped("plugin", "sites"),
            "latency",
            unit = "s",
            description = "Time that a call takes.",
            buckets = [0.1, 1.0],
        )
    };
    options().record(0.05);
    options().record(Duration::from_millis(500));
    assert_metric!(
        Registry::global(), "backstage.plugin.sites.latency" count == 2, sum == 0.55, buckets == [1, 1, 0]
    );
    let catalog = Registry::global().catalog();
    let latency = catalog.entries.iter().find(|it| it.name == "backstage.plugin.sites.latency");
    assert_eq!(latency.map(|it| &*it.description), Some("Time that a call takes."));
    counter!("sites_cpu_seconds_total": f64).add(0.5);
    gauge!("sites_temperature": f64, unit = "Cel").set(21.5);
    gauge!("sites_queue").set("four".len());
    let calls = || gauge!("sites_calls", Outcome { success: true }, zero_initialized);
    calls().set(1);
    assert_metric!(Registry::global(), "sites_calls" { success = false } == 0);
    assert_metric!(Registry::global(), "sites_cpu_seconds_total" == 0.5);
    assert_metric!(Registry::global(), "sites_temperature" == 21.5);
    assert_metric!(Registry::global(), "sites_queue" == 4);
}

#[test]
fn a_call_site_finds_series_by_typed_labels() {
    let route = String::from("/entities");
    let call = |route: &str| {
        counter!("sites_requests_total", Request { method: Method::Get, route }, unit = "{request}")
    };
    call(&route).increment();
    call("/other").add(2);
    let success = true;
    gauge!("sites_last": f64, Outcome { success }).set(0.5);
    let seen = Registry::global();
    assert_metric!(seen, "sites_requests_total" { method = Method::Get, route = "/entities" } == 1);
    assert_metric!(seen, "sites_requests_total" { method = Method::Get, route = "/other" } == 2);
    assert_metric!(seen, "sites_last" { success = true } == 0.5);
}

#[test]
fn a_call_site_finds_series_by_keys_and_values() {
    for stage in ["parse", "emit"] {
        counter!("sites_items_total", "stage" => stage, "cached" => true).increment();
    }
    histogram!(Meter::plain(), "sites_sizes": u64, "stage" => "parse", unit = "By").record(3);
    let seen = Registry::global();
    assert_metric!(seen, "sites_items_total" { stage = "parse", cached = true } == 1);
    assert_metric!(seen, "sites_items_total" { stage = "emit", cached = true } == 1);
    assert_metric!(seen, "sites_sizes" { stage = "parse" } count == 1);
}

#[test]
fn a_call_site_of_an_unloaded_scope_drops_and_counts_as_a_static_does() {
    let meter = || Meter::scoped("plugin", "unloadedSites");
    let call = || counter!(Meter::scoped("plugin", "unloadedSites"), "calls");
    call().increment();
    assert!(meter().unload());
    call().increment();
    assert_metric!(Registry::global(), "meterkit.dropped" { reason = "unloaded" } >= 1);
}
