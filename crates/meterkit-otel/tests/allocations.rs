//! Recording in an existing series does not allocate, whether the series is found by attributes or by labels. The test
//! is alone in its binary, so that it counts only its own allocations.

use std::alloc::System;

use meterkit_core::{CounterGroup, DynamicLabels, Registry};
use meterkit_fakes::label_sets::{Light, Tenant};
use meterkit_otel::MeterProvider;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::{Array, KeyValue, Value};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The number of counts. The test harness's thread may allocate as well, so the lowest count belongs to the calls
/// alone.
const COUNTS: usize = 5;

/// Returns the number of allocations per call of `work`, after enough calls to create all series.
fn allocations(work: &dyn Fn()) -> usize {
    (0..100).for_each(|_| work());
    let count = || {
        let region = Region::new(ALLOCATOR);
        work();
        let change = region.change();
        change.allocations + change.reallocations
    };
    (0..COUNTS).map(|_| count()).min().unwrap_or_default()
}

/// Attributes of each type, with string literals and with strings created at run time.
fn attributes(id: usize) -> Vec<KeyValue> {
    vec![
        KeyValue::new("route", "/items/{id}"),
        KeyValue::new("tenant", format!("tenant {id}")),
        KeyValue::new(format!("key.{}", id % 3), id as i64),
        KeyValue::new("ok", true),
        KeyValue::new("load", 0.5),
        KeyValue::new("shards", Value::Array(Array::I64(vec![1, 2, id as i64]))),
    ]
}

#[test]
fn recording_in_series_that_exist_allocates_nothing() {
    let registry = Registry::new();
    let provider = MeterProvider::new(registry.clone());
    let meter = provider.meter("library");
    let counter = meter.u64_counter("counter").build();
    let up_down_counter = meter.f64_up_down_counter("up_down_counter").build();
    let gauge = meter.i64_gauge("gauge").build();
    let histogram = meter.f64_histogram("histogram").build();
    let one = attributes(1);
    assert_eq!(allocations(&|| counter.add(1, &one)), 0);
    assert_eq!(allocations(&|| up_down_counter.add(1.0, &one)), 0);
    assert_eq!(allocations(&|| gauge.record(1, &one)), 0);
    assert_eq!(allocations(&|| histogram.record(1.0, &one)), 0);
    assert_eq!(allocations(&|| counter.add(1, &[])), 0);

    let reversed: Vec<_> = one.iter().rev().chain(&one).cloned().collect();
    assert_eq!(allocations(&|| counter.add(1, &reversed)), 0, "in another order, given twice");

    // More series than a thread caches.
    for series in [40, 500] {
        let many: Vec<_> = (0..series).map(attributes).collect();
        let work = || many.iter().for_each(|attributes| counter.add(1, attributes));
        assert_eq!(allocations(&work), 0, "{series} series in turn");
    }

    let full = Registry::new();
    full.set_cardinality_limit(1);
    let counter = MeterProvider::new(full).meter("library").u64_counter("full").build();
    counter.add(1, &[KeyValue::new("first", 1)]);
    assert_eq!(allocations(&|| counter.add(1, &one)), 0, "in the overflow series");

    let ours = registry.scoped("plugin", "own");
    let theirs = provider.meter("backstage.plugin.own");
    let open = ours.counter_group::<Tenant<'static>, u64>("open").build().expect("a good name");
    let closed = ours.counter_group::<Light, u64>("closed").build().expect("a good name");
    let dynamic: CounterGroup<DynamicLabels> =
        ours.counter_group("dynamic").build().expect("a name");
    let (stage, tenant) = ("parse".to_owned(), "a".to_owned());
    let first = || dynamic.with(&[("stage", &stage), ("tenant", &tenant)]).increment();
    let second = || dynamic.with(&[("tenant", 7), ("stage", 8), ("shard", 9)]).increment();
    assert_eq!(allocations(&|| (first(), second()).0), 0, "label sets with other keys in turn");
    let _plain = ours.counter::<u64>("plain").build();
    let lights = Light::all();
    let tenants: Vec<_> = (0..500).map(|id| format!("tenant {id}")).collect();
    let work = || tenants.iter().for_each(|tenant| open.with(Tenant(tenant)).increment());
    assert_eq!(allocations(&work), 0, "by open labels");
    let work = || lights.iter().for_each(|light| closed.with(light).increment());
    assert_eq!(allocations(&work), 0, "by closed labels");

    let cases = [
        ("open", vec![KeyValue::new("tenant", "a".to_owned())]),
        ("closed", vec![KeyValue::new("is_on", true), KeyValue::new("color", "red")]),
        ("closed", vec![KeyValue::new("is_on", true), KeyValue::new("color", "pink")]),
        ("plain", Vec::new()),
    ];
    for (name, attributes) in cases {
        let counter = theirs.u64_counter(name).build();
        assert_eq!(allocations(&|| counter.add(1, &attributes)), 0, "{name} {attributes:?}");
    }

    let bound = theirs.u64_counter("bound").build().bind(&one);
    assert_eq!(allocations(&|| bound.add(1)), 0);

    registry.set_disabled_scopes("library".parse().expect("good patterns"));
    assert_eq!(allocations(&|| histogram.record(1.0, &one)), 0, "in a scope that is disabled");
}
