//! Instruments that other libraries create through OpenTelemetry's API have the same guarantees as ours: exact deltas,
//! and the operator's settings apply. For limits see `limits.rs`, for callbacks `foreign_callbacks.rs`.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::{AttributeValue, Data, Registry};
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::{OVERFLOW, dropped, labels, metric, points, series, total};
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Step};
use meterkit_fakes::snapshots::{self, value};
use meterkit_otel::MeterProvider;
use meterkit_pipeline::{
    Aggregation, KeyFilter, Pipeline, PipelineBuilder, View, ViewSelector, ViewStream, Views,
};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};

fn library() -> (Registry, Meter) {
    let registry = Registry::new();
    // A budget that no callback exceeds, however busy the machine is.
    registry.set_callback_budget(PATIENCE);
    let meter = MeterProvider::new(registry.clone()).meter("library");
    (registry, meter)
}

fn pipeline(registry: &Registry) -> PipelineBuilder {
    let builder = Pipeline::builder(registry.clone()).expect("a registry of its own");
    builder.snapshot_max_age(Duration::ZERO)
}

fn id(id: i64) -> [KeyValue; 1] {
    [KeyValue::new("id", id)]
}

fn disable(registry: &Registry, scopes: &str) {
    registry.set_disabled_scopes(scopes.parse().expect("good patterns"));
}

#[test]
fn deltas_are_exact_over_failed_exports_also_past_the_limit() {
    let (registry, meter) = library();
    registry.set_cardinality_limit(2);
    let calls = meter.u64_counter("calls").build();
    let sizes = meter.u64_histogram("sizes").build();
    let steps = [Step::Succeed, Step::Refuse, Step::Refuse, Step::Succeed, Step::Succeed];
    let (target, seen) = ScriptedTarget::new("scripted", steps);
    let started = pipeline(&registry).target(target.delta(), ONLY_WHEN_ASKED).start();
    let pipeline = started.expect("a thread");
    for round in 0..5 {
        (0..4).for_each(|at| calls.add(10_u64.pow(round), &id(at)));
        sizes.record(1, &id(1));
        let _ = pipeline.flush_blocking(PATIENCE);
    }
    let exports = seen.exports();
    let rises = |wanted: &str| -> Vec<f64> {
        let points = exports.iter().flat_map(|export| snapshots::points(export, "calls"));
        points.filter(|it| labels(it) == wanted).map(|it| it.value.as_f64()).collect()
    };
    assert_eq!(rises("id=0"), [1.0, 10.0, 110.0, 1110.0, 10_000.0]);
    assert_eq!(rises(OVERFLOW), [2.0, 20.0, 220.0, 2220.0, 20_000.0]);
    let counts = exports.iter().map(|export| snapshots::histogram(export, "sizes").count);
    assert_eq!(counts.collect::<Vec<_>>(), [1, 1, 2, 3, 1]);
}

#[test]
fn an_observed_total_that_falls_restarts() {
    let (registry, meter) = library();
    let next = Arc::new(AtomicU64::new(0));
    let read = next.clone();
    let jobs = meter.u64_observable_counter("jobs");
    let _jobs = jobs.with_callback(move |jobs| jobs.observe(read.load(SeqCst), &id(1))).build();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let started = pipeline(&registry).target(target.delta(), ONLY_WHEN_ASKED).start();
    let pipeline = started.expect("a thread");
    let mut read = Vec::new();
    for total in [100, 130, 7, 9] {
        next.store(total, SeqCst);
        pipeline.flush_blocking(PATIENCE).expect("the target works");
        let point = points(&registry, "jobs").remove(0);
        read.push((point.value.as_f64(), point.start));
    }
    let values: Vec<_> = read.iter().map(|(value, _)| *value).collect();
    assert_eq!(values, [100.0, 130.0, 7.0, 9.0]);
    let starts: Vec<_> = read.iter().map(|(_, start)| *start).collect();
    assert!(
        starts[0] == starts[1] && starts[1] < starts[2] && starts[2] == starts[3],
        "{starts:?}"
    );
    let exports = seen.exports();
    let rises: Vec<_> = exports.iter().filter_map(|export| value(export, "jobs")).collect();
    assert_eq!(rises, [100.0, 30.0, 7.0, 2.0]);
}

#[test]
fn views_keep_and_drop_attributes_and_join_series_that_become_equal() {
    let (registry, meter) = library();
    let named = |name: &str| ViewSelector {
        instrument_name: Some(name.into()),
        meter_name: Some("library".to_owned()),
        ..ViewSelector::default()
    };
    let keys = |included: Option<&[&str]>, excluded: &[&str]| ViewStream {
        attribute_keys: Some(KeyFilter {
            included: included.map(|keys| keys.iter().map(|key| (*key).into()).collect()),
            excluded: excluded.iter().map(|key| (*key).into()).collect(),
        }),
        ..ViewStream::default()
    };
    let dropped = ViewStream { aggregation: Some(Aggregation::Drop), ..ViewStream::default() };
    let renamed = ViewStream { name: Some("renamed".to_owned()), ..ViewStream::default() };
    let views = [
        ("kept", keys(Some(&["route"]), &[])),
        ("left.*", keys(None, &["user"])),
        ("observed", keys(Some(&[]), &[])),
        ("dropped", dropped),
        ("named", renamed),
    ];
    let views = views.map(|(name, stream)| View { selector: named(name), stream });
    let pipeline = pipeline(&registry).views(Views::new(views.into())).start().expect("a thread");
    let both = |route: &'static str, user: i64| {
        [KeyValue::new("route", route), KeyValue::new("user", user)]
    };
    for name in ["kept", "left.out", "dropped", "named", "untouched"] {
        let counter = meter.u64_counter(name).build();
        for user in 0..3 {
            counter.add(1, &both("/a", user));
            counter.add(10, &both("/b", user));
        }
    }
    let observed = meter.i64_observable_up_down_counter("observed").with_callback(move |it| {
        (0..3).for_each(|user| it.observe(-5, &both("/a", user)));
    });
    let _observed = observed.build();

    let snapshot = pipeline.source().snapshot_blocking();
    let series = |name: &str| -> Vec<(String, f64)> {
        let points = snapshots::points(&snapshot, name);
        points.iter().map(|it| (labels(it), it.value.as_f64())).collect()
    };
    let by_route = [("route=/a".to_owned(), 3.0), ("route=/b".to_owned(), 30.0)];
    assert_eq!(series("kept"), by_route);
    assert_eq!(series("left.out"), by_route);
    assert_eq!(series("observed"), [(String::new(), -15.0)]);
    assert_eq!((series("dropped").len(), series("named").len()), (0, 0));
    assert_eq!((series("renamed").len(), series("untouched").len()), (6, 6));
}

#[test]
fn a_view_makes_a_histogram_exponential_and_sets_a_limit() {
    let (registry, meter) = library();
    let sizes = meter.f64_histogram("sizes").with_boundaries(vec![5.0]).build();
    sizes.record(3.0, &[]);
    let exponential =
        Aggregation::ExponentialBuckets { max_scale: 4, max_size: 10, record_min_max: true };
    let stream = ViewStream {
        aggregation: Some(exponential),
        cardinality_limit: Some(2),
        ..ViewStream::default()
    };
    let selector =
        ViewSelector { meter_name: Some("library".to_owned()), ..ViewSelector::default() };
    let views = Views::new(vec![View { selector, stream }]);
    let pipeline = pipeline(&registry).views(views).start().expect("a thread");
    (0..5).for_each(|at| sizes.record(1000.0, &id(at)));
    let snapshot = pipeline.source().snapshot_blocking();
    match &snapshots::metrics(&snapshot, "sizes")[0].data {
        Data::ExponentialHistogram { points, .. } => {
            let counts: Vec<_> = points.iter().map(|point| point.count).collect();
            assert_eq!(counts, [1, 1, 4], "including values from before the view");
            assert!(points.iter().all(|point| point.scale == 4), "{points:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_disabled_scope_records_nothing_and_runs_no_callback_until_it_is_enabled() {
    let (registry, meter) = library();
    disable(&registry, "library");
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let observed = meter.u64_observable_gauge("observed");
    let observed = observed.with_callback(move |it| it.observe(counted.fetch_add(1, SeqCst), &[]));
    let _observed = observed.build();
    let calls = meter.u64_counter("calls").build();
    let sizes = meter.u64_histogram("sizes").build();
    let other = MeterProvider::new(registry.clone()).meter("other").u64_counter("others").build();
    let record = || {
        calls.add(2, &id(1));
        sizes.record(2, &[]);
        other.add(1, &[]);
        registry.refresh();
    };
    let all = || -> Vec<String> {
        let scopes = registry.read().into_iter().filter(|it| it.scope.name() != "meterkit");
        scopes.flat_map(|it| it.metrics).map(|it| it.descriptor.name.clone()).collect()
    };
    record();
    assert_eq!(all(), ["others"]);
    assert_eq!(runs.load(SeqCst), 0);
    disable(&registry, "");
    record();
    assert_eq!(all(), ["calls", "observed", "sizes", "others"]);
    assert_eq!(total(&registry, "calls"), 2.0, "nothing from before");
    disable(&registry, "lib*");
    record();
    assert_eq!(all(), ["others"]);
    assert_eq!(runs.load(SeqCst), 1);
    disable(&registry, "");
    record();
    assert_eq!(total(&registry, "calls"), 2.0, "the series restarted");
    assert_eq!(total(&registry, "others"), 4.0);
    assert!(
        metric(&registry, "meterkit.dropped").is_none(),
        "values dropped on request are not counted as lost"
    );
}

#[test]
fn values_that_cannot_be_recorded_are_dropped_counted_and_logged_once() {
    let (registry, meter) = library();
    let balance = meter.f64_counter("balance").build();
    let load = meter.f64_gauge("load").build();
    let sizes = meter.f64_histogram("sizes").build();
    let observed = meter.f64_observable_counter("observed").with_callback(|observed| {
        observed.observe(-1.0, &id(1));
        observed.observe(f64::NAN, &id(2));
        observed.observe(2.0, &id(3));
    });
    let _observed = observed.build();
    let ((), lines) = log_lines::of(|| {
        for value in [-1.0, f64::NAN, 1.5, -2.0] {
            balance.add(value, &id(1));
        }
        for value in [f64::INFINITY, 0.5, f64::NAN] {
            load.record(value, &id(1));
            sizes.record(value, &id(1));
        }
    });
    registry.refresh();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].starts_with("WARN value dropped: a counter cannot fall"), "{lines:#?}");
    assert_eq!((total(&registry, "balance"), total(&registry, "load")), (1.5, 0.5));
    assert_eq!(series(&registry, "observed"), [("id=3".to_owned(), 2.0)]);
    assert_eq!((dropped(&registry, "negative"), dropped(&registry, "not_finite")), (3, 6));
}

#[test]
fn values_recorded_before_the_start_and_after_the_end_are_kept() {
    let (registry, meter) = library();
    let calls = meter.u64_counter("calls").build();
    calls.add(1, &id(1));
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let started = pipeline(&registry).target(target.delta(), ONLY_WHEN_ASKED).start();
    let pipeline = started.expect("a thread");
    calls.add(10, &id(1));
    pipeline.shutdown_blocking(PATIENCE).expect("the target works");
    calls.add(100, &id(1));
    meter.u64_counter("late").build().add(1, &[]);
    assert_eq!(value(&seen.exports()[0], "calls"), Some(11.0));
    assert_eq!((total(&registry, "calls"), total(&registry, "late")), (111.0, 1.0));
}

#[test]
fn attributes_of_all_metrics_are_on_their_series_too_and_recorded_ones_win() {
    let (registry, meter) = library();
    let calls = meter.u64_counter("calls").build();
    calls.add(1, &[KeyValue::new("tier", "gold")]);
    let everywhere = [("region", "north"), ("tier", "none")];
    let everywhere = everywhere.map(|(key, value)| (key.into(), AttributeValue::from(value)));
    registry.set_attributes(everywhere).expect("good keys");
    calls.add(2, &[]);
    let expected = [("region=north,tier=gold", 1.0), ("region=north,tier=none", 2.0)];
    assert_eq!(series(&registry, "calls"), expected.map(|(labels, it)| (labels.to_owned(), it)));
}

#[test]
fn a_plugin_that_is_unloaded_takes_the_instruments_of_both_doors_with_it() {
    let (registry, _) = library();
    let ours = registry.scoped("plugin", "own");
    let theirs = MeterProvider::new(registry.clone()).meter("backstage.plugin.own");
    let calls = theirs.u64_counter("calls").build();
    let runs = Arc::new(Mutex::new(0));
    let counted = runs.clone();
    let observed = theirs.u64_observable_gauge("observed");
    let observed = observed.with_callback(move |it| {
        *counted.lock().unwrap() += 1;
        it.observe(1, &[]);
    });
    let _observed = observed.build();
    calls.add(1, &id(1));
    registry.refresh();
    assert!(ours.unload());
    calls.add(1, &id(1));
    registry.refresh();
    assert_eq!(*runs.lock().unwrap(), 1);
    assert_eq!(dropped(&registry, "unloaded"), 1);
    assert!(registry.read().iter().all(|scope| scope.scope.name() == "meterkit"));
    theirs.u64_counter("calls").build().add(5, &id(1));
    assert_eq!(total(&registry, "backstage.plugin.own.calls"), 5.0);
}
