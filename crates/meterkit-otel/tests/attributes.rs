//! Attributes recorded through OpenTelemetry's API are kept unchanged, whatever their types and order.

use std::sync::Arc;
use std::thread;

use meterkit_core::{AttributeRef, AttributeValue, Data, Registry};
use meterkit_fakes::label_sets::Tenant;
use meterkit_fakes::readings::{OVERFLOW, metric, points, series, total};
use meterkit_otel::MeterProvider;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::{Array, KeyValue, StringValue, Value};

fn library() -> (Registry, Meter) {
    let registry = Registry::new();
    let meter = MeterProvider::new(registry.clone()).meter("library");
    (registry, meter)
}

/// One attribute value of each type.
fn every_type() -> [(&'static str, Value, AttributeValue); 8] {
    fn list<T: Into<AttributeValue>>(values: impl IntoIterator<Item = T>) -> AttributeValue {
        AttributeValue::List(values.into_iter().map(Into::into).collect::<Arc<[_]>>())
    }
    let texts = || ["a", "b,c"].map(StringValue::from).to_vec();
    [
        ("bool", true.into(), AttributeValue::Bool(true)),
        ("int", (-7_i64).into(), AttributeValue::I64(-7)),
        ("float", 0.5.into(), AttributeValue::F64(0.5)),
        ("text", "x".into(), AttributeValue::Str("x".into())),
        ("bools", Value::Array(Array::Bool(vec![true, false])), list([true, false])),
        ("ints", Value::Array(Array::I64(vec![3, -1])), list([3_i64, -1])),
        ("floats", Value::Array(Array::F64(vec![0.25])), list([0.25])),
        ("texts", Value::Array(Array::String(texts())), list(["a", "b,c"])),
    ]
}

#[test]
fn attributes_of_every_type_are_kept_as_they_are() {
    let (registry, meter) = library();
    let calls = meter.u64_counter("calls").build();
    let attributes = || every_type().map(|(key, value, _)| KeyValue::new(key, value));
    calls.add(1, &attributes());
    calls.add(2, &attributes());
    let observed = meter.i64_observable_gauge("observed");
    let _observed = observed.with_callback(move |it| it.observe(-3, &attributes())).build();
    registry.refresh();
    for (name, value) in [("calls", 3.0), ("observed", -3.0)] {
        let [point] = &*points(&registry, name) else { panic!("{name} is one series") };
        assert_eq!(point.value.as_f64(), value);
        assert_eq!(point.attributes.iter().count(), 8);
        for (key, _, kept) in every_type() {
            assert_eq!(point.attributes.get(key), Some(AttributeRef::from(&kept)), "{name}");
        }
    }
}

#[test]
fn values_of_several_types_that_read_the_same_are_series_of_their_own() {
    let (registry, meter) = library();
    let calls = meter.u64_counter("calls").build();
    let values: [Value; 9] = [
        true.into(),
        "true".into(),
        1_i64.into(),
        1.0.into(),
        "1".into(),
        Value::Array(Array::I64(vec![1])),
        Value::Array(Array::F64(vec![1.0])),
        Value::Array(Array::String(vec!["1".into()])),
        "[1]".into(),
    ];
    for _ in 0..2 {
        for (at, value) in values.iter().enumerate() {
            calls.add(10_u64.pow(at as u32), &[KeyValue::new("key", value.clone())]);
        }
    }
    let points = points(&registry, "calls");
    assert_eq!(points.len(), values.len());
    for (at, value) in values.iter().enumerate() {
        let is_it = |it: &&meterkit_core::NumberPoint| {
            it.attributes.get("key") == Some(AttributeRef::from(&AttributeValue::from(value)))
        };
        let found = points.iter().find(is_it).expect("a series of this value");
        assert_eq!(found.value.as_f64(), 2.0 * 10_f64.powi(at as i32), "{value:?}");
    }
}

#[test]
fn zeros_of_both_signs_are_series_of_their_own_on_every_thread() {
    let (registry, meter) = library();
    let calls = meter.u64_counter("calls").build();
    let scalar = |zero: f64| [KeyValue::new("at", zero)];
    let list = |zero: f64| [KeyValue::new("at", Value::Array(Array::F64(vec![zero])))];
    let record = || {
        for _ in 0..2 {
            calls.add(1, &scalar(0.0));
            calls.add(10, &scalar(-0.0));
            calls.add(100, &list(0.0));
            calls.add(1000, &list(-0.0));
        }
    };
    record();
    thread::scope(|scope| scope.spawn(record).join()).expect("no panic");
    let mut values: Vec<_> =
        points(&registry, "calls").iter().map(|it| it.value.as_f64()).collect();
    values.sort_by(f64::total_cmp);
    assert_eq!(values, [4.0, 40.0, 400.0, 4000.0]);
}

#[test]
fn the_last_value_of_a_key_that_is_given_twice_always_counts() {
    let pair = |key: &'static str, value: i64| KeyValue::new(key, value);
    // Each registry hashes with its own seeds, so a result that depends on them would differ between registries.
    for _ in 0..50 {
        let (registry, meter) = library();
        let calls = meter.u64_counter("calls").build();
        let observed = meter.u64_observable_gauge("observed");
        let twice = [pair("b", 1), pair("a", 1), pair("a", 2), pair("b", 2), pair("a", 3)];
        let others = [pair("a", 9), pair("b", 2), pair("a", 3)];
        let once = [pair("a", 3), pair("b", 2)];
        for _ in 0..2 {
            calls.add(1, &twice);
            calls.add(10, &others);
            calls.add(100, &once);
        }
        let _observed = observed.with_callback(move |it| it.observe(7, &twice)).build();
        registry.refresh();
        assert_eq!(series(&registry, "calls"), [("a=3,b=2".to_owned(), 222.0)]);
        assert_eq!(series(&registry, "observed"), [("a=3,b=2".to_owned(), 7.0)]);
    }
}

#[test]
fn the_last_value_counts_for_labels_that_the_facade_declares() {
    let (registry, _) = library();
    let (ours, theirs) = (registry.scoped("plugin", "own"), MeterProvider::new(registry.clone()));
    let group = ours.counter_group::<Tenant<'static>, u64>("calls").build().expect("a good name");
    let calls = theirs.meter("backstage.plugin.own").u64_counter("calls").build();
    let pairs = ["b", "a"].map(|tenant| KeyValue::new("tenant", tenant));
    calls.add(2, &pairs);
    group.with(Tenant("a")).add(1);
    let all = series(&registry, "backstage.plugin.own.calls");
    assert_eq!(all, [("tenant=a".to_owned(), 3.0)]);
}

#[test]
fn the_order_of_attributes_does_not_matter() {
    let (registry, meter) = library();
    let calls = meter.u64_counter("calls").build();
    let (a, b, c) = (KeyValue::new("a", "x"), KeyValue::new("b", 1), KeyValue::new("c", true));
    let orders =
        [[&a, &b, &c], [&a, &c, &b], [&b, &a, &c], [&b, &c, &a], [&c, &a, &b], [&c, &b, &a]];
    let orders = orders.map(|order| order.map(KeyValue::clone));
    for _ in 0..2 {
        orders.iter().for_each(|order| calls.add(1, order));
    }
    let observed = meter.u64_observable_counter("observed").with_callback(move |observer| {
        // If a callback reports several values for one series, the last one counts.
        orders.iter().zip(1..).for_each(|(order, total)| observer.observe(total, order));
    });
    let _observed = observed.build();
    registry.refresh();
    assert_eq!(series(&registry, "calls"), [("a=x,b=1,c=true".to_owned(), 12.0)]);
    assert_eq!(series(&registry, "observed"), [("a=x,b=1,c=true".to_owned(), 6.0)]);
}

#[test]
fn one_instrument_may_have_many_different_key_sets() {
    let (registry, meter) = library();
    let calls = meter.u64_counter("calls").build();
    let attributes = |at: u64| {
        let id = KeyValue::new(format!("key.{at:03}"), "x");
        let shared = KeyValue::new("shared", at as i64 % 2);
        if at % 3 == 0 { vec![id] } else { vec![shared, id] }
    };
    for _ in 0..2 {
        (0..500).for_each(|at| calls.add(at, &attributes(at)));
    }
    let points = points(&registry, "calls");
    assert_eq!(points.len(), 500);
    for at in 0..500 {
        let key = format!("key.{at:03}");
        let found = points.iter().find(|it| it.attributes.get(&key).is_some()).expect("its series");
        assert_eq!(found.value.as_f64(), 2.0 * at as f64);
        assert_eq!(found.attributes.iter().count(), if at % 3 == 0 { 1 } else { 2 });
    }
}

#[test]
fn an_endless_supply_of_new_keys_overflows_and_keeps_the_total() {
    let (registry, meter) = library();
    let calls = meter.u64_counter("calls").build();
    for _ in 0..2 {
        for at in 0..1500 {
            calls.add(1, &[KeyValue::new(format!("key.{at}"), "x")]);
        }
    }
    assert_eq!(total(&registry, "calls"), 3000.0);
    let all = series(&registry, "calls");
    assert!((2..1500).contains(&all.len()), "{} series", all.len());
    let overflow = all.iter().find(|(labels, _)| labels == OVERFLOW).expect("an overflow series");
    assert_eq!(overflow.1, 2.0 * (1500 - (all.len() - 1)) as f64);
}

#[test]
fn values_recorded_without_attributes_have_their_own_series() {
    let (registry, meter) = library();
    let calls = meter.u64_counter("calls").build();
    calls.add(1, &[]);
    calls.add(2, &[KeyValue::new("key", "")]);
    calls.add(4, &[]);
    let sizes = meter.f64_histogram("sizes").build();
    sizes.record(1.0, &[]);
    let expected = [(String::new(), 5.0), ("key=".to_owned(), 2.0)];
    assert_eq!(series(&registry, "calls"), expected);
    match metric(&registry, "sizes").map(|it| it.data) {
        Some(Data::Histogram { points, .. }) => assert!(points[0].attributes.is_empty()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_units_and_keys_follow_no_house_style() {
    let (registry, meter) = library();
    let calls = meter.u64_counter("Http/Calls-2").with_unit("{Call per Peer}");
    calls.with_description("In any words").build().add(1, &[KeyValue::new("Peer Name", "x")]);
    let calls = metric(&registry, "Http/Calls-2").expect("the metric exists");
    assert_eq!(calls.descriptor.unit, "{Call per Peer}");
    assert_eq!(calls.descriptor.description, "In any words");
    assert_eq!(series(&registry, "Http/Calls-2"), [("Peer Name=x".to_owned(), 1.0)]);
}
