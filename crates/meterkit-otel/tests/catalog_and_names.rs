//! Instruments of other libraries appear in the catalog, and stay separate streams when renaming makes their names
//! equal.

use meterkit_core::{Data, Naming, NamingPolicy, Registry, Value};
use meterkit_fakes::log_lines;
use meterkit_otel::MeterProvider;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;

#[test]
fn the_catalog_lists_instruments_of_other_libraries_and_marks_them() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let _own = meter.counter::<u64>("requests").build().unwrap();
    let foreign = MeterProvider::new(registry.clone()).meter("http.client");
    let calls = foreign.u64_counter("calls").with_unit("{call}").build();
    calls.add(1, &[KeyValue::new("peer", "a"), KeyValue::new("method", "GET")]);
    calls.add(1, &[KeyValue::new("peer", "a"), KeyValue::new("retry", true)]);

    let catalog = registry.catalog();
    let [own, calls] = &catalog.entries[..] else { panic!("{catalog:?}") };
    assert!(!own.foreign);
    assert!(calls.foreign);
    assert_eq!((&*calls.name, &*calls.unit), ("calls", "{call}"));
    let labels: Vec<_> = calls.labels.iter().map(|it| (&*it.key, it.optional)).collect();
    assert_eq!(labels, [("method", true), ("peer", true), ("retry", true)]);
    assert!(catalog.to_markdown().contains("counter of u64, from another library"));
    let json = catalog.to_json();
    assert_eq!(json.matches("\"foreign\": true").count(), 1, "{json}");
    assert_eq!(meterkit_core::Catalog::from_json(&json).unwrap(), catalog);
}

#[test]
fn an_instrument_that_the_facade_also_creates_is_not_marked_as_foreign() {
    let registry = Registry::new();
    let provider = MeterProvider::new(registry.clone());
    let foreign = provider.meter("backstage.plugin.catalog").u64_counter("requests").build();
    foreign.add(1, &[]);
    assert!(registry.catalog().entries[0].foreign);
    let _own = registry.scoped("plugin", "catalog").counter::<u64>("requests").build().unwrap();
    assert_eq!(registry.catalog().entries.len(), 1);
    assert!(!registry.catalog().entries[0].foreign);
}

#[test]
fn instruments_that_naming_makes_equal_stay_two_streams_with_one_warning() {
    let registry = Registry::new();
    let own = registry.scoped("plugin", "own").counter::<u64>("things").build().unwrap();
    let foreign = MeterProvider::new(registry.clone()).meter("acme.plugin.own");
    let foreign = foreign.u64_counter("acme.plugin.own.things").build();
    own.add(1);
    foreign.add(100, &[]);

    let naming = Naming::new("acme", NamingPolicy::Prefixed).unwrap();
    let ((), lines) = log_lines::of(|| registry.set_naming(naming).unwrap());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("acme.plugin.own.things"), "{lines:?}");
    assert!(lines[0].contains("with a different scope: both are exported"), "{lines:?}");

    own.add(1);
    foreign.add(100, &[]);
    let scopes = registry.read();
    let mut streams = Vec::new();
    for scope in &scopes {
        for metric in &scope.metrics {
            let Data::Sum { points, .. } = &metric.data else { panic!("{metric:?}") };
            streams.push((scope.scope.name(), &*metric.descriptor.name, points[0].value));
        }
    }
    streams.sort_by_key(|(_, _, value)| format!("{value:?}"));
    let (scope, name) = ("acme.plugin.own", "acme.plugin.own.things");
    assert_eq!(streams, [(scope, name, Value::U64(2)), (scope, name, Value::U64(200))]);
}
