//! Bound instruments of OpenTelemetry's API, which are bound to attributes once and then record without them.

use meterkit_core::Registry;
use meterkit_fakes::readings::{OVERFLOW, histogram, live, metric, series};
use meterkit_otel::MeterProvider;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};

fn library() -> (Registry, Meter) {
    let registry = Registry::new();
    let meter = MeterProvider::new(registry.clone()).meter("library");
    (registry, meter)
}

fn peer(name: &'static str) -> [KeyValue; 1] {
    [KeyValue::new("peer", name)]
}

fn disable(registry: &Registry, scopes: &str) {
    registry.set_disabled_scopes(scopes.parse().expect("good patterns"));
}

#[test]
fn each_kind_of_bound_instrument_records_in_the_series_of_its_attributes() {
    let (registry, meter) = library();
    let attributes =
        [KeyValue::new("peer", "a"), KeyValue::new("n", 1), KeyValue::new("peer", "b")];
    let calls = meter.u64_counter("calls").build();
    let open = meter.i64_up_down_counter("open").build();
    let load = meter.f64_gauge("load").build();
    let sizes = meter.f64_histogram("sizes").build();
    calls.add(1, &attributes);
    sizes.record(1.0, &attributes);
    calls.bind(&attributes).add(2);
    open.bind(&attributes).add(-3);
    load.bind(&attributes).record(0.5);
    sizes.bind(&attributes).record(2.5);
    open.add(1, &attributes);
    for (name, value) in [("calls", 3.0), ("open", -2.0), ("load", 0.5)] {
        assert_eq!(series(&registry, name), [("n=1,peer=b".to_owned(), value)], "{name}");
    }
    let (_, points) = histogram(&registry, "sizes");
    assert_eq!((points.len(), points[0].count, points[0].sum), (1, 2, 3.5));
}

#[test]
fn a_bound_instrument_has_no_series_before_it_records() {
    let (registry, meter) = library();
    registry.set_cardinality_limit(1);
    let calls = meter.u64_counter("calls").build();
    let unused = calls.bind(&peer("unused"));
    assert!(metric(&registry, "calls").is_none());
    calls.add(1, &peer("used"));
    assert_eq!(
        series(&registry, "calls"),
        [("peer=used".to_owned(), 1.0)],
        "an unused instrument takes no room"
    );
    unused.add(1);
    assert_eq!(live(&registry, "calls"), 1);
}

#[test]
fn an_instrument_bound_past_the_limit_records_in_the_overflow_series() {
    let (registry, meter) = library();
    registry.set_cardinality_limit(1);
    let calls = meter.u64_counter("calls").build();
    let (first, second) = (calls.bind(&peer("a")), calls.bind(&peer("b")));
    for _ in 0..3 {
        first.add(1);
        second.add(10);
    }
    let expected = [("peer=a".to_owned(), 3.0), (OVERFLOW.to_owned(), 30.0)];
    assert_eq!(series(&registry, "calls"), expected);
}

#[test]
fn an_instrument_bound_in_a_disabled_scope_records_once_the_scope_is_enabled() {
    let (registry, meter) = library();
    disable(&registry, "library");
    let calls = meter.u64_counter("calls").build();
    let (used, unused) = (calls.bind(&peer("a")), calls.bind(&peer("b")));
    used.add(100);
    assert!(metric(&registry, "calls").is_none());
    disable(&registry, "");
    used.add(1);
    unused.add(2);
    let expected = [("peer=a".to_owned(), 1.0), ("peer=b".to_owned(), 2.0)];
    assert_eq!(series(&registry, "calls"), expected);
}

#[test]
fn a_bound_instrument_restarts_after_its_scope_was_disabled() {
    let (registry, meter) = library();
    let bound = meter.u64_counter("calls").build().bind(&peer("a"));
    bound.add(5);
    disable(&registry, "library");
    bound.add(100);
    disable(&registry, "");
    bound.add(1);
    assert_eq!(series(&registry, "calls"), [("peer=a".to_owned(), 1.0)]);
}
