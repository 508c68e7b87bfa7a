//! Snapshots contain instruments that other libraries create with OpenTelemetry's API.
#![cfg(feature = "sdk")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use meterkit_core::{Data, Meter, Temporality, Value};
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget};
use meterkit_fakes::snapshots::{histogram, metrics, points, value};
use meterkit_otel::MeterProvider;
use meterkit_pipeline::{Pipeline, PipelineBuilder};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry::{InstrumentationScope, KeyValue};

use crate::user_reader::{UserReader, WithReaders};

fn catalog() -> (Meter, PipelineBuilder, MeterProvider) {
    let (registry, meter) = meterkit_fakes::catalog();
    let provider = MeterProvider::new(registry.clone());
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    (meter, builder.snapshot_max_age(Duration::ZERO), provider)
}

#[test]
fn every_kind_of_foreign_instrument_appears_with_unit_description_and_labels() {
    let (_, builder, provider) = catalog();
    let pipeline = builder.start().unwrap();
    let foreign = provider.meter("http.client");
    let calls = foreign.u64_counter("calls").with_unit("{call}").with_description("Calls.");
    let calls = calls.build();
    calls.add(2, &[KeyValue::new("peer", "b")]);
    calls.add(3, &[KeyValue::new("peer", "a")]);
    foreign.i64_up_down_counter("open").build().add(-2, &[]);
    foreign.f64_gauge("load").build().record(0.5, &[]);
    let sizes = foreign.f64_histogram("sizes").with_boundaries(vec![1.0, 10.0]).build();
    sizes.record(0.5, &[]);
    sizes.record(20.0, &[]);
    let _observed = foreign
        .u64_observable_counter("ticks")
        .with_callback(|observer| observer.observe(7, &[]))
        .build();

    let snapshot = pipeline.source().snapshot_blocking();
    // The callback has self-metrics, like any other callback.
    let scopes: Vec<_> = snapshot.scopes.iter().map(|it| it.scope.name()).collect();
    assert_eq!(scopes, ["http.client", "meterkit"]);
    let all: Vec<_> = snapshot.scopes[0].metrics.iter().map(|it| &*it.descriptor.name).collect();
    assert_eq!(all, ["calls", "load", "open", "sizes", "ticks"], "ordered by name");

    let calls = &metrics(&snapshot, "calls")[0];
    assert_eq!((&*calls.descriptor.unit, &*calls.descriptor.description), ("{call}", "Calls."));
    let cumulative = Temporality::Cumulative;
    assert!(matches!(
        &calls.data,
        Data::Sum { monotonic: true, temporality, .. } if *temporality == cumulative
    ));
    let peers: Vec<_> = points(&snapshot, "calls")
        .iter()
        .map(|point| (point.attributes.get("peer").unwrap().to_string(), point.value))
        .collect();
    assert_eq!(peers, [("a".to_owned(), Value::U64(3)), ("b".to_owned(), Value::U64(2))]);
    assert!(matches!(&metrics(&snapshot, "open")[0].data, Data::Sum { monotonic: false, .. }));
    assert_eq!(value(&snapshot, "open"), Some(-2.0));
    assert!(matches!(&metrics(&snapshot, "load")[0].data, Data::Gauge(_)));
    assert_eq!(value(&snapshot, "load"), Some(0.5));
    assert_eq!(value(&snapshot, "ticks"), Some(7.0));
    let sizes = histogram(&snapshot, "sizes");
    assert_eq!(*sizes.buckets, [1, 0, 1]);
    assert_eq!((sizes.count, sizes.sum), (2, 20.5));
    assert_eq!((sizes.min, sizes.max), (Some(0.5), Some(20.0)));
}

#[test]
fn foreign_values_accumulate_and_reach_push_targets() {
    let (meter, builder, provider) = catalog();
    meter.counter::<u64>("requests").build().unwrap().add(10);
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder.target(target.delta(), ONLY_WHEN_ASKED).start().unwrap();
    let calls = provider.meter("http.client").u64_counter("calls").build();
    for add in [3, 4] {
        calls.add(add, &[]);
        pipeline.flush_blocking(PATIENCE).unwrap();
    }
    assert_eq!(value(&pipeline.source().snapshot_blocking(), "calls"), Some(7.0));
    let rises: Vec<_> = seen.exports().iter().map(|export| value(export, "calls")).collect();
    assert_eq!(rises, [Some(3.0), Some(4.0)]);
}

#[test]
fn scopes_of_both_worlds_are_in_one_order_and_equal_ones_are_joined() {
    let (meter, builder, provider) = catalog();
    meter.counter::<u64>("requests").build().unwrap().increment();
    let pipeline = builder.start().unwrap();
    let scope = |name: &'static str| InstrumentationScope::builder(name).build();
    for name in ["zeta", "backstage.plugin.catalog", "alpha"] {
        let foreign = provider.meter_with_scope(scope(name));
        foreign.u64_counter("foreign").build().add(1, &[]);
    }
    let snapshot = pipeline.source().snapshot_blocking();
    let names: Vec<_> = snapshot.scopes.iter().map(|scope| scope.scope.name()).collect();
    assert_eq!(names, ["alpha", "backstage.plugin.catalog", "zeta"]);
    let joined: Vec<_> = snapshot.scopes[1].metrics.iter().map(|it| &*it.descriptor.name).collect();
    // The instrument is in the plugin's scope, so its name has the plugin's prefix.
    let expected = ["backstage.plugin.catalog.foreign", "backstage.plugin.catalog.requests"];
    assert_eq!(joined, expected);
}

#[test]
fn a_foreign_callback_that_panics_does_not_stop_snapshots() {
    let (meter, builder, provider) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    let _bad = provider
        .meter("buggy")
        .u64_observable_gauge("bad")
        .with_callback(|_| panic!("a bug of another library"))
        .build();
    for total in 1..=3 {
        requests.increment();
        let snapshot = pipeline.source().snapshot_blocking();
        let read = value(&snapshot, "backstage.plugin.catalog.requests");
        assert_eq!(read, Some(f64::from(total)));
    }
    let _later = meter.counter::<u64>("made_later").build().unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap();
    let export = seen.exports().pop().unwrap();
    assert_eq!(value(&export, "backstage.plugin.catalog.requests"), Some(3.0));
    assert_eq!(value(&export, "backstage.plugin.catalog.made_later"), Some(0.0));
    let _ = pipeline.shutdown_blocking(PATIENCE);
    assert_eq!(requests.value(), 3);
}

#[test]
fn a_foreign_callback_may_use_the_facade() {
    let (meter, builder, provider) = catalog();
    let pipeline = builder.start().unwrap();
    let _foreign = provider
        .meter("foreign")
        .u64_observable_gauge("observed")
        .with_callback(move |observer| {
            let runs = meter.counter::<u64>("runs").build().expect("a good name");
            runs.increment();
            observer.observe(runs.value(), &[]);
        })
        .build();
    for run in 1..=2 {
        let snapshot = pipeline.source().snapshot_blocking();
        assert_eq!(value(&snapshot, "observed"), Some(f64::from(run)));
        assert_eq!(value(&snapshot, "backstage.plugin.catalog.runs"), Some(f64::from(run)));
    }
}

#[test]
fn foreign_and_own_callbacks_that_make_instruments_do_not_deadlock_with_a_reader() {
    let (meter, builder, provider) = catalog();
    let reader = UserReader::new(opentelemetry_sdk::metrics::Temporality::Cumulative);
    let pipeline = builder.reader(reader.clone()).start().unwrap();
    let (has_foreign, ours) = (Arc::new(AtomicBool::new(false)), meter.clone());
    let ran = has_foreign.clone();
    let _foreign = provider
        .meter("foreign")
        .u64_observable_gauge("observed")
        .with_callback(move |observer| {
            ours.counter::<u64>("made.by_foreign").build().expect("a good name").increment();
            ran.store(true, SeqCst);
            observer.observe(1, &[]);
        })
        .build();
    let inner = meter.clone();
    let other = provider.meter("made.inside");
    let _rows = meter
        .observable_gauge::<u64>("rows")
        .observe(move || {
            inner.counter::<u64>("made.by_own").build().expect("a good name").increment();
            inner.histogram::<u64>("made.sizes").build().expect("a good name").record(1);
            // As if a callback of ours called into another library.
            other.u64_counter("foreign.inside").build().add(1, &[]);
            1
        })
        .unwrap();

    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let read = reader.awaited("backstage.plugin.catalog.made.by_own");
        assert!(read.value >= 1.0);
        reader.awaited("backstage.plugin.catalog.made.by_foreign");
        reader.awaited("backstage.plugin.catalog.made.sizes");
        reader.awaited("foreign.inside");
        let snapshot = pipeline.source().snapshot_blocking();
        assert_eq!(value(&snapshot, "observed"), Some(1.0));
        pipeline.flush_blocking(PATIENCE).unwrap();
        pipeline.shutdown_blocking(PATIENCE).unwrap();
        let _ = done.send(());
    });
    is_done.recv_timeout(PATIENCE * 4).expect("the threads finish without a deadlock or a panic");
    assert!(has_foreign.load(SeqCst));
}

#[test]
fn foreign_scopes_of_one_name_come_in_the_order_of_their_versions() {
    // With the random order of a hash map, one run in twenty-four would be in order by chance.
    for _ in 0..20 {
        let (_, builder, provider) = catalog();
        let pipeline = builder.start().expect("a thread");
        for version in ["3", "1", "4", "2"] {
            let scope = InstrumentationScope::builder("library").with_version(version).build();
            let meter = provider.meter_with_scope(scope);
            meter.u64_counter("calls").build().add(1, &[]);
        }
        let snapshot = pipeline.source().snapshot_blocking();
        let versions = snapshot.scopes.iter().filter_map(|scope| scope.scope.version());
        assert_eq!(versions.collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    }
}
