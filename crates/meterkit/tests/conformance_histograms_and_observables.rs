//! Conformance, cases 31 to 41: histograms, attributes of instruments, callbacks and scopes in the systems that
//! meterkit learns from, expressed in meterkit's API. Where meterkit follows another rule, the test explains why.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use meterkit::data::{AttributeRef, Data, Value};
use meterkit::observable::AnyObservable;
use meterkit::testing::{Seen, TestKit, assert_metric, assert_no_metric};
use meterkit::{InstrumentError, Labels, Telemetry};

use crate::batches::{Batches, ONLY_WHEN_ASKED};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

const BOUNDS: [f64; 10] = [0.0, 10.0, 20.0, 50.0, 100.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0];

fn recorded(values: &[f64]) -> Result<Seen, InstrumentError> {
    let kit = TestKit::new();
    let histogram = kit.semconv("test").histogram::<f64>("histogram").buckets(BOUNDS).build()?;
    values.iter().for_each(|value| histogram.record(*value));
    Ok(kit.collect())
}

#[test]
fn case_31_a_bucket_holds_what_is_up_to_its_bound() -> Result<(), InstrumentError> {
    let seen = recorded(&[1.0, 20.0, 30.0, 101.0, 2000.0, 9000.0, 20_000.0])?;
    assert_metric!(
        seen, "histogram"
        count == 7, sum == 31_152, min == 1, max == 20_000,
        buckets == [0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1]
    );
    Ok(())
}

#[test]
fn case_32_a_value_on_a_bound_belongs_below_it() -> Result<(), InstrumentError> {
    let seen = recorded(&[100.0, 200.0])?;
    assert_metric!(
        seen, "histogram"
        count == 2, sum == 300, min == 100, max == 200,
        buckets == [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]
    );
    Ok(())
}

#[test]
fn case_33_attributes_of_an_instrument_are_on_each_of_its_series() -> Result<(), InstrumentError> {
    #[derive(Labels)]
    struct Dynamic {
        dynamic_label_1: Option<&'static str>,
    }
    let kit = TestKit::new();
    let counter = kit.semconv("test").counter_group::<Dynamic, u64>("counter");
    let counter = counter.attribute("const_label_1", 1_i64).build()?;
    counter.with(Dynamic { dynamic_label_1: None }).increment();
    counter.with(Dynamic { dynamic_label_1: Some("1") }).add(10);

    let seen = kit.collect();
    assert_metric!(seen, "counter" { const_label_1 = 1 } == 1);
    assert_metric!(seen, "counter" { const_label_1 = 1, dynamic_label_1 = "1" } == 10);
    let series = seen.series("counter");
    assert_eq!(series.len(), 2);
    for series in series {
        assert_eq!(
            series.label("const_label_1"),
            Some(AttributeRef::I64(1)),
            "the attribute keeps its type"
        );
    }
    Ok(())
}

#[test]
fn case_34_an_up_down_counter_falls_below_zero() -> Result<(), InstrumentError> {
    #[derive(Labels)]
    struct Dynamic {
        dynamic_label_2: Option<&'static str>,
    }
    let kit = TestKit::new();
    let open = kit.semconv("test").up_down_counter_group::<Dynamic, i64>("open").build()?;
    open.with(Dynamic { dynamic_label_2: None }).add(10);
    open.with(Dynamic { dynamic_label_2: Some("2") }).decrement();
    assert_metric!(kit, "open" {} == 10);
    assert_metric!(kit, "open" { dynamic_label_2 = "2" } == -1);
    Ok(())
}

#[derive(Labels)]
struct Label4 {
    dynamic_label_4: Option<&'static str>,
}

#[derive(Labels)]
struct Label5 {
    dynamic_label_5: Option<&'static str>,
}

#[derive(Labels)]
struct Label6 {
    dynamic_label_6: Option<&'static str>,
}

/// A callback reports the value itself in every collection; values do not accumulate.
#[test]
fn case_35_what_callbacks_observe_does_not_add_up() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.semconv("test");
    let counter = meter.observable_counter_group::<Label4, u64>("counter").build()?;
    let up_down = meter.observable_up_down_counter_group::<Label5, i64>("up_down").build()?;
    let gauge = meter.observable_gauge_group::<Label6, i64>("gauge").build()?;
    let _guard = meter.register_callback([&counter, &up_down, &gauge], {
        let (counter, up_down, gauge) = (counter.clone(), up_down.clone(), gauge.clone());
        move |observer| {
            observer.observe_series(&counter, Label4 { dynamic_label_4: Some("4") }, 10);
            observer.observe_series(&up_down, Label5 { dynamic_label_5: Some("5") }, 20);
            observer.observe_series(&gauge, Label6 { dynamic_label_6: Some("6") }, 30);
        }
    })?;
    for _ in 0..3 {
        let seen = kit.collect();
        assert_metric!(seen, "counter" { dynamic_label_4 = "4" } == 10);
        assert_metric!(seen, "up_down" { dynamic_label_5 = "5" } == 20);
        assert_metric!(seen, "gauge" { dynamic_label_6 = "6" } == 30);
        assert!(["counter", "up_down", "gauge"].iter().all(|it| seen.series(it).len() == 1));
    }
    Ok(())
}

/// If a callback observes a series twice, the last observation applies for every kind, as in OpenTelemetry for Rust.
/// OpenTelemetry for Go adds up observations of sums.
#[test]
fn case_35_of_two_observations_of_one_series_the_last_one_counts() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.semconv("test");
    let counter = meter.observable_counter::<u64>("counter").build()?;
    let up_down = meter.observable_up_down_counter_group::<Label5, i64>("up_down").build()?;
    let gauge = meter.observable_gauge_group::<Label6, i64>("gauge").build()?;
    let _guard = meter.register_callback([&counter, &up_down, &gauge], {
        let (counter, up_down, gauge) = (counter.clone(), up_down.clone(), gauge.clone());
        move |observer| {
            for more in [0, 1] {
                observer.observe(&counter, 10 + more);
                let label = Label5 { dynamic_label_5: None };
                observer.observe_series(&up_down, label, 20 + more as i64);
                let label = Label6 { dynamic_label_6: Some("6") };
                observer.observe_series(&gauge, label, 30 - more as i64);
            }
        }
    })?;
    for _ in 0..2 {
        let seen = kit.collect();
        assert_metric!(seen, "counter" == 11);
        assert_metric!(seen, "up_down" == 21);
        assert_metric!(seen, "gauge" { dynamic_label_6 = "6" } == 29);
        assert!(["counter", "up_down", "gauge"].iter().all(|it| seen.series(it).len() == 1));
    }
    Ok(())
}

/// The same holds for several callbacks: the one that was registered last applies.
#[test]
fn case_35_of_two_callbacks_that_observe_one_series_the_last_one_counts()
-> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let rows = kit.semconv("test").observable_counter::<u64>("rows").build()?;
    let _first = rows.observe(|| 30);
    let second = rows.observe(|| 31);
    assert_metric!(kit, "rows" == 31);
    assert_metric!(kit, "rows" == 31);
    drop(second);
    assert_metric!(kit, "rows" == 30);
    Ok(())
}

#[test]
fn case_36_each_version_of_a_scope_is_a_scope() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    for (version, requests) in [("v1.0", 1), ("v1.1", 2), ("v1.2", 3), ("v1.3", 4)] {
        let meter = kit.scoped("plugin", "catalog").version(version);
        meter.counter::<u64>("requests").build()?.add(requests);
    }
    let seen = kit.collect();
    let scopes = &seen.snapshot().scopes;
    assert_eq!(scopes.len(), 4);
    assert!(scopes.iter().all(|scope| scope.scope.name() == "backstage.plugin.catalog"));
    let series = seen.series("backstage.plugin.catalog.requests");
    let found: Vec<_> = series.iter().map(|it| (it.scope().version(), it.value())).collect();
    let expected = [("v1.0", 1), ("v1.1", 2), ("v1.2", 3), ("v1.3", 4)]
        .map(|(version, requests)| (Some(version), Some(Value::U64(requests))));
    assert_eq!(found, expected);
    Ok(())
}

#[test]
fn case_37_what_an_instrument_was_made_with_is_exported() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.scoped("plugin", "catalog").version("v1.0");
    let duration = meter.histogram::<f64>("processing.duration");
    let duration = duration.unit("s").description("How long it took.").buckets([0.1, 1.0]);
    duration.attribute("tier", "gold").build()?.record(0.5);

    let seen = kit.collect();
    let series = &seen.series("backstage.plugin.catalog.processing.duration")[0];
    let descriptor = series.descriptor();
    assert_eq!(descriptor.name, "backstage.plugin.catalog.processing.duration");
    assert_eq!((&*descriptor.unit, &*descriptor.description), ("s", "How long it took."));
    assert_eq!(series.label("tier"), Some(AttributeRef::Str("gold")));
    assert_eq!(series.scope().name(), "backstage.plugin.catalog");
    assert_eq!(series.scope().version(), Some("v1.0"));
    assert_eq!(series.bounds(), Some([0.1, 1.0].as_slice()));
    Ok(())
}

/// Returns the data of the only metric with this name.
fn data<'a>(seen: &'a Seen, name: &str) -> &'a Data {
    let metrics = seen.snapshot().scopes.iter().flat_map(|scope| &scope.metrics);
    &metrics.into_iter().find(|metric| metric.descriptor.name == name).expect(name).data
}

/// In the original, one way to create this instrument produces a monotonic sum.
#[test]
fn case_38_what_may_fall_is_not_exported_as_rising() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.semconv("test");
    let open = meter.observable_up_down_counter::<i64>("open").register();
    let by_label = meter.observable_up_down_counter_group::<Label5, f64>("by_label").build()?;
    let _guards = [
        open.observe(|| -1),
        by_label.observe_with(|observer| {
            observer.observe(Label5 { dynamic_label_5: Some("5") }, -0.5);
        }),
        meter.observable_counter::<u64>("requests").observe(|| 1)?,
        meter.observable_gauge::<i64>("rows").observe(|| -1)?,
    ];

    let seen = kit.collect();
    assert!(matches!(data(&seen, "open"), Data::Sum { monotonic: false, .. }));
    assert!(matches!(data(&seen, "by_label"), Data::Sum { monotonic: false, .. }));
    assert!(matches!(data(&seen, "requests"), Data::Sum { monotonic: true, .. }));
    assert!(matches!(data(&seen, "rows"), Data::Gauge(_)));
    assert_metric!(seen, "open" == -1);
    assert_metric!(seen, "by_label" { dynamic_label_5 = "5" } == -0.5);
    #[cfg(feature = "prometheus")]
    {
        let text = seen.prometheus_text();
        assert!(text.contains("# TYPE open gauge\n"), "{text}");
        assert!(text.contains("# TYPE requests_total counter\n"), "{text}");
    }
    Ok(())
}

/// The error names the instrument and the scope, and no callback runs.
#[test]
fn case_39_a_callback_for_instruments_of_two_scopes_is_an_error() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    kit.registry().set_callback_durations(true);
    let (database, catalog) = (kit.scoped("core", "database"), kit.scoped("plugin", "catalog"));
    let scans = database.observable_counter::<u64>("scans").build()?;
    let rows = catalog.observable_gauge::<u64>("rows").build()?;
    for instruments in [[&rows as &dyn AnyObservable, &scans], [&scans, &rows]] {
        let error = catalog.register_callback(instruments, |_| {}).unwrap_err();
        assert!(matches!(error, InstrumentError::OtherScope { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("backstage.core.database.scans"), "{text}");
        assert!(text.contains("backstage.plugin.catalog"), "{text}");
    }
    let other_version = kit.scoped("plugin", "catalog").version("2");
    assert!(
        other_version.register_callback([&rows], |_| {}).is_err(),
        "another version is another scope"
    );
    assert_no_metric!(kit, "meterkit.callback.duration");
    Ok(())
}

/// An observation of an instrument that the callback was not registered for is dropped and counted.
#[test]
fn case_39_what_a_callback_observes_of_another_scope_is_counted_as_dropped()
-> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let scans = kit.scoped("core", "database").observable_counter::<u64>("scans").build()?;
    let meter = kit.scoped("plugin", "catalog");
    let rows = meter.observable_gauge::<u64>("rows").build()?;
    let _guard = meter.register_callback([&rows], {
        let rows = rows.clone();
        move |observer| {
            observer.observe(&rows, 7);
            observer.observe(&scans, 1);
        }
    })?;
    let seen = kit.collect();
    assert_metric!(seen, "backstage.plugin.catalog.rows" == 7);
    assert_no_metric!(seen, "backstage.core.database.scans");
    assert_metric!(seen, "meterkit.dropped" { reason = "not_registered" } == 1);
    Ok(())
}

/// A callback may record with instruments of any scope, like any other code.
#[test]
fn case_39_what_a_callback_records_in_another_scope_arrives() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let scans = kit.scoped("core", "database").counter::<u64>("scans").build()?;
    let rows = kit.scoped("plugin", "catalog").observable_gauge::<u64>("rows");
    let _rows = rows.observe(move || {
        scans.increment();
        7
    })?;
    let seen = kit.collect();
    assert_metric!(seen, "backstage.plugin.catalog.rows" == 7);
    assert_metric!(seen, "backstage.core.database.scans" == 1);
    Ok(())
}

#[test]
fn case_40_it_does_not_matter_whether_instruments_or_the_pipeline_come_first() -> Result {
    let kit = TestKit::new();
    let meter = kit.semconv("test");
    let before = meter.counter::<u64>("before").build()?;
    let sizes = meter.histogram::<u64>("sizes").build()?;
    let _callback_before = meter.observable_gauge::<u64>("callback.before").observe(|| 1)?;
    before.increment();
    sizes.record(7);

    let batches = Batches::default();
    let telemetry = Telemetry::builder()
        .registry(kit.registry().clone())
        .target_with(batches.clone(), ONLY_WHEN_ASKED)
        .install()?;
    before.increment();
    sizes.record(8);
    let after = meter.counter::<u64>("after").build()?;
    after.increment();
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let callback_after = meter
        .observable_gauge::<u64>("callback.after")
        .observe(move || counted.fetch_add(1, Relaxed) + 1)?;

    telemetry.flush_blocking()?;
    let seen = batches.last();
    assert_metric!(seen, "before" == 2);
    assert_metric!(seen, "sizes" count == 2, sum == 15);
    assert_metric!(seen, "after" == 1);
    assert_metric!(seen, "callback.before" == 1);
    assert_metric!(seen, "callback.after" == 1);

    drop(callback_after);
    telemetry.flush_blocking()?;
    assert_no_metric!(batches.last(), "callback.after");
    assert_eq!(runs.load(Relaxed), 1);
    telemetry.shutdown_blocking()?;
    Ok(())
}

/// In the original, a second reader silently replaces the first. In meterkit, push and pull targets coexist, and they
/// share collections that are recent enough.
#[test]
fn case_41_each_target_is_sent_everything() -> Result {
    let kit = TestKit::new();
    let meter = kit.semconv("test");
    let requests = meter.counter::<u64>("requests").build()?;
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let _rows = meter.observable_gauge::<u64>("rows").observe(move || {
        counted.fetch_add(1, Relaxed);
        7
    })?;
    let targets = [Batches::default(), Batches::default()];
    let telemetry = Telemetry::builder()
        .registry(kit.registry().clone())
        // All requests within a minute share one collection.
        .snapshot_max_age(Duration::from_secs(60))
        .target_with(targets[0].clone(), ONLY_WHEN_ASKED)
        .target_with(targets[1].clone(), ONLY_WHEN_ASKED)
        .install()?;
    requests.add(3);
    telemetry.flush_blocking()?;
    let runs_for_push = runs.load(Relaxed);
    let pulled = Seen::from(telemetry.source().snapshot_blocking());
    for seen in [targets[0].last(), targets[1].last(), pulled] {
        assert_metric!(seen, "requests" == 3);
        assert_metric!(seen, "rows" == 7);
    }
    #[cfg(feature = "prometheus")]
    {
        let text = String::from_utf8(telemetry.scrape().text_blocking().to_vec())?;
        assert!(text.contains("requests_total{otel_scope_name=\"test\"} 3\n"), "{text}");
    }
    assert_eq!(targets.each_ref().map(Batches::len), [1, 1]);
    assert_eq!(runs.load(Relaxed), runs_for_push, "pulls use what was collected for the push");
    telemetry.shutdown_blocking()?;
    Ok(())
}
