//! Totals that views merge from several series: each value counts once, whatever happens to the series.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use meterkit_core::{Data, ManualClock, Meter};
use meterkit_fakes::catalog_with_clock;
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Seen};
use meterkit_fakes::snapshots::{histogram, metrics, points, value};
use meterkit_otel::MeterProvider;
use meterkit_pipeline::{
    KeyFilter, Pipeline, PipelineBuilder, Snapshot, View, ViewSelector, ViewStream, Views,
};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;

/// Returns a registry with a manual clock, so that series can start at different times.
fn catalog() -> (ManualClock, Meter, PipelineBuilder) {
    let (clock, registry, meter) = catalog_with_clock();
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    (clock, meter, builder.snapshot_max_age(Duration::ZERO))
}

fn name(metric: &str) -> String {
    format!("backstage.plugin.catalog.{metric}")
}

fn view(selected: &str, stream: ViewStream) -> View {
    let instrument_name = Some(selected.into());
    View { selector: ViewSelector { instrument_name, ..ViewSelector::default() }, stream }
}

fn keeping(filter: KeyFilter) -> Views {
    let stream = ViewStream { attribute_keys: Some(filter), ..ViewStream::default() };
    Views::new(vec![view("*", stream)])
}

fn without_attributes() -> Views {
    keeping(KeyFilter { included: Some(Vec::new()), excluded: Vec::new() })
}

/// Returns views that merge the instruments `a` and `b` into the metric `calls`.
fn as_one() -> Views {
    let stream = ViewStream { name: Some("calls".to_owned()), ..ViewStream::default() };
    ["*.a", "*.b"].into_iter().map(|selected| view(selected, stream.clone())).collect()
}

fn start(builder: PipelineBuilder, views: Views) -> (Pipeline, Seen) {
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let builder = builder.views(views).target(target.delta(), ONLY_WHEN_ASKED);
    (builder.start().unwrap(), seen)
}

/// Returns the sum of all deltas that a target received.
fn delivered(exports: &[Snapshot], name: &str) -> f64 {
    let points = exports.iter().flat_map(|export| points(export, name));
    points.map(|point| point.value.as_f64()).sum()
}

#[test]
fn a_total_over_series_does_not_fall_when_one_of_them_goes() {
    let (_clock, meter, builder) = catalog();
    let tenants = meter.counter_group::<Id, u64>("tenants").build().unwrap();
    let sizes = meter.histogram_group::<Id, f64>("sizes").buckets([1.0]).build().unwrap();
    let (pipeline, seen) = start(builder, without_attributes());
    let record = |id, times| {
        tenants.with(Id(id)).add(times);
        (0..times).for_each(|_| sizes.with(Id(id)).record(0.5));
        pipeline.flush_blocking(PATIENCE).unwrap();
    };
    record(1, 5);
    record(2, 7);
    tenants.remove(Id(1));
    sizes.remove(Id(1));
    record(2, 1);
    // The series returns as a new one.
    record(1, 2);
    tenants.clear();
    sizes.clear();
    pipeline.flush_blocking(PATIENCE).unwrap();
    record(3, 4);

    let exports = seen.exports();
    assert_eq!(delivered(&exports, &name("tenants")), 19.0);
    let with_sizes = exports.iter().filter(|it| !metrics(it, &name("sizes")).is_empty());
    let counts = with_sizes.map(|export| histogram(export, &name("sizes")));
    let counts: Vec<_> = counts.map(|it| (it.count, it.buckets[0])).collect();
    assert_eq!(counts.iter().map(|(count, _)| count).sum::<u64>(), 19, "{counts:?}");
    assert_eq!(counts.iter().map(|(_, bucket)| bucket).sum::<u64>(), 19, "{counts:?}");
}

#[test]
fn a_series_that_a_callback_leaves_out_once_counts_once() {
    let (_clock, meter, builder) = catalog();
    let round = Arc::new(AtomicU64::new(0));
    let jobs = meter.observable_counter_group::<Id, u64>("jobs").build().unwrap();
    let _steady = jobs.observe_with(|observer| observer.observe(Id(1), 100));
    let now = round.clone();
    let _shaky = jobs.observe_with(move |observer| {
        assert_ne!(now.load(SeqCst), 1, "the database is down");
        observer.observe(Id(2), 1000);
    });
    let pipeline = builder.views(without_attributes()).start().unwrap();
    let now = round.clone();
    let _foreign = MeterProvider::new(meter.registry().clone())
        .meter("other")
        .u64_observable_counter("rows")
        .with_callback(move |observer| {
            observer.observe(100, &[KeyValue::new("id", 1)]);
            if now.load(SeqCst) % 2 == 0 {
                observer.observe(1000, &[KeyValue::new("id", 2)]);
            }
        })
        .build();
    for now in 0..5 {
        round.store(now, SeqCst);
        let snapshot = pipeline.source().snapshot_blocking();
        assert_eq!(value(&snapshot, &name("jobs")), Some(1100.0), "round {now}");
        assert_eq!(value(&snapshot, "rows"), Some(1100.0), "round {now}");
    }
}

#[test]
fn a_series_that_is_older_than_the_total_does_not_make_it_another_one() {
    let (clock, meter, builder) = catalog();
    let sizes = meter.histogram_group::<Id, f64>("sizes").buckets([1.0]).build().unwrap();
    let early = sizes.with(Id(1));
    clock.advance(Duration::from_secs(1));
    let late = sizes.with(Id(2));
    let (pipeline, seen) = start(builder, without_attributes());
    (0..10).for_each(|_| late.record(0.5));
    pipeline.flush_blocking(PATIENCE).unwrap();
    early.record(0.5);
    pipeline.flush_blocking(PATIENCE).unwrap();
    let counts =
        seen.exports().iter().map(|it| histogram(it, &name("sizes")).count).collect::<Vec<_>>();
    assert_eq!(counts, [10, 1]);
}

#[test]
fn instruments_that_became_one_metric_count_once_when_one_goes() {
    let (clock, meter, builder) = catalog();
    let (pipeline, seen) = start(builder, as_one());
    let a = meter.counter_group::<Id, u64>("a").build().unwrap();
    clock.advance(Duration::from_secs(1));
    let b = meter.counter_group::<Id, u64>("b").build().unwrap();
    a.with(Id(1)).add(100);
    clock.advance(Duration::from_secs(1));
    b.with(Id(1)).add(1000);
    pipeline.flush_blocking(PATIENCE).unwrap();
    a.clear();
    b.with(Id(1)).add(1);
    pipeline.flush_blocking(PATIENCE).unwrap();
    b.clear();
    a.with(Id(1)).add(7);
    pipeline.flush_blocking(PATIENCE).unwrap();
    let rises: Vec<_> = seen.exports().iter().map(|export| value(export, "calls")).collect();
    assert_eq!(rises, [1100.0, 1.0, 7.0].map(Some));
}

#[test]
fn series_that_were_removed_are_in_no_export() {
    let (_clock, meter, builder) = catalog();
    let all = KeyFilter { included: None, excluded: vec!["nothing".into()] };
    let (pipeline, seen) = start(builder, keeping(all));
    let group = meter.counter_group::<Id, u64>("t").cardinality_limit(100).build().unwrap();
    let mut recorded = 0.0;
    for round in 0..4 {
        (0..50).for_each(|id| group.with(Id(round * 50 + id)).increment());
        // One series stays.
        group.with(Id(7)).add(2);
        recorded += 52.0;
        pipeline.flush_blocking(PATIENCE).unwrap();
        (0..50).for_each(|id| {
            group.remove(Id(round * 50 + id));
        });
    }
    pipeline.flush_blocking(PATIENCE).unwrap();
    let exports = seen.exports();
    let series: Vec<_> = exports.iter().map(|it| points(it, &name("t")).len()).collect();
    assert_eq!(series, [50, 51, 51, 51, 0], "nothing was recorded before the last series");
    assert_eq!(delivered(&exports, &name("t")), recorded);
}

#[test]
fn more_series_than_are_remembered_still_count_once_each() {
    let (_clock, meter, builder) = catalog();
    let (pipeline, seen) = start(builder, without_attributes());
    let group = meter.counter_group::<Id, u64>("t").cardinality_limit(20_000).build().unwrap();
    (0..10_001).for_each(|id| group.with(Id(id)).increment());
    pipeline.flush_blocking(PATIENCE).unwrap();
    group.clear();
    for _ in 0..3 {
        group.with(Id(7)).add(3);
        pipeline.flush_blocking(PATIENCE).unwrap();
        group.remove(Id(7));
        group.with(Id(99_999)).add(1);
        pipeline.flush_blocking(PATIENCE).unwrap();
    }
    assert_eq!(delivered(&seen.exports(), &name("t")), 10_013.0);
}

#[test]
fn metrics_that_look_alike_stay_apart() {
    let (_clock, meter, builder) = catalog();
    let pipeline = builder.views(without_attributes()).start().unwrap();
    let other = MeterProvider::new(meter.registry().clone()).meter("other");
    let (whole, broken) = (other.u64_counter("calls").build(), other.f64_counter("calls").build());
    whole.add(5, &[KeyValue::new("a", 1)]);
    broken.add(7.0, &[KeyValue::new("b", 1)]);
    for round in 0..3 {
        let snapshot = pipeline.source().snapshot_blocking();
        let mut values: Vec<f64> = Vec::new();
        for metric in metrics(&snapshot, "calls") {
            let Data::Sum { points, .. } = &metric.data else { panic!("{metric:?}") };
            values.extend(points.iter().map(|point| point.value.as_f64()));
        }
        values.sort_by(f64::total_cmp);
        assert_eq!(values, [5.0, 7.0], "round {round}");
    }
}

#[test]
fn a_foreign_callback_that_falls_has_begun_anew() {
    let (_clock, meter, builder) = catalog();
    let (pipeline, seen) = start(builder, without_attributes());
    let readings = Arc::new(AtomicU64::new(100));
    let now = readings.clone();
    let _rows = MeterProvider::new(meter.registry().clone())
        .meter("other")
        .u64_observable_counter("rows")
        .with_callback(move |observer| {
            observer.observe(now.load(SeqCst), &[KeyValue::new("id", 1)]);
            observer.observe(100, &[KeyValue::new("id", 2)]);
        })
        .build();
    for reading in [100, 4, 54] {
        readings.store(reading, SeqCst);
        pipeline.flush_blocking(PATIENCE).unwrap();
    }
    assert_eq!(delivered(&seen.exports(), "rows"), 254.0);
}

#[test]
fn a_metric_that_an_older_one_joins_later_stays_the_same_one() {
    let (clock, meter, builder) = catalog();
    let stream = ViewStream { name: Some(name("sizes")), ..ViewStream::default() };
    let (pipeline, seen) = start(builder, Views::new(vec![view("*.old", stream)]));
    let old = meter.histogram_group::<Id, f64>("old").buckets([1.0]).build().unwrap();
    let old = old.with(Id(1));
    clock.advance(Duration::from_secs(1));
    let sizes = meter.histogram_group::<Id, f64>("sizes").buckets([1.0]).build().unwrap();
    let sizes = sizes.with(Id(1));
    (0..10).for_each(|_| sizes.record(0.5));
    pipeline.flush_blocking(PATIENCE).unwrap();
    (0..5).for_each(|_| old.record(0.5));
    pipeline.flush_blocking(PATIENCE).unwrap();
    let counts =
        seen.exports().iter().map(|it| histogram(it, &name("sizes")).count).collect::<Vec<_>>();
    assert_eq!(counts, [10, 5]);
}
