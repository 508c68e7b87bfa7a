//! Views change metrics on their way to the targets.

use meterkit_core::{Data, ExponentialLimits, HistogramBuckets, Kind};
use meterkit_fakes::catalog_pipeline;
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget};
use meterkit_fakes::snapshots::{histogram, metrics, points, value};
use meterkit_otel::MeterProvider;
use meterkit_pipeline::{
    Aggregation, KeyFilter, Snapshot, StreamDefaults, View, ViewSelector, ViewStream, Views,
};
use opentelemetry::metrics::MeterProvider as _;

fn name(metric: &str) -> String {
    format!("backstage.plugin.catalog.{metric}")
}

fn view(selector: ViewSelector, stream: ViewStream) -> View {
    View { selector, stream }
}

fn named(metric: &str) -> ViewSelector {
    ViewSelector { instrument_name: Some((&*name(metric)).into()), ..ViewSelector::default() }
}

fn all_of(kind: Kind) -> ViewSelector {
    ViewSelector { instrument_type: Some(kind), ..ViewSelector::default() }
}

fn kept_as(aggregation: Aggregation) -> ViewStream {
    ViewStream { aggregation: Some(aggregation), ..ViewStream::default() }
}

fn without_attributes() -> ViewStream {
    let none = KeyFilter { included: Some(Vec::new()), excluded: Vec::new() };
    ViewStream { attribute_keys: Some(none), ..ViewStream::default() }
}

fn names(snapshot: &Snapshot) -> Vec<&str> {
    let scopes = snapshot.scopes.iter().filter(|it| it.scope.name().contains("catalog"));
    scopes.flat_map(|it| &it.metrics).map(|metric| &*metric.descriptor.name).collect()
}

#[test]
fn targets_and_scrapes_see_what_the_views_make_of_metrics() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let queue = meter.gauge::<i64>("queue").build().unwrap();
    let tenants = meter.counter_group::<Id, u64>("tenants").build().unwrap();
    let renamed = ViewStream { name: Some("calls".to_owned()), ..ViewStream::default() };
    let views = Views::new(vec![
        view(named("requests"), renamed),
        view(named("queue"), kept_as(Aggregation::Drop)),
        view(named("tenants"), without_attributes()),
    ]);
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder.views(views).target(target, ONLY_WHEN_ASKED).start().unwrap();
    requests.add(3);
    queue.set(1);
    tenants.with(Id(1)).add(10);
    tenants.with(Id(2)).add(100);
    pipeline.flush_blocking(PATIENCE).unwrap();

    for snapshot in [&seen.exports()[0], &*pipeline.source().snapshot_blocking()] {
        assert_eq!(names(snapshot), [&name("tenants"), "calls"]);
        assert_eq!(value(snapshot, "calls"), Some(3.0));
        assert_eq!(value(snapshot, &name("tenants")), Some(110.0));
    }
}

#[test]
fn kinds_are_told_apart_where_points_look_alike() {
    let (meter, builder) = catalog_pipeline();
    let recorded = meter.counter::<u64>("recorded").build().unwrap();
    let observed = meter.observable_counter::<u64>("observed").build().unwrap();
    let _guard = observed.observe(|| 7);
    let drop = view(all_of(Kind::Counter), kept_as(Aggregation::Drop));
    let last = view(all_of(Kind::ObservableCounter), kept_as(Aggregation::LastValue));
    let pipeline = builder.views(Views::new(vec![drop, last])).start().unwrap();
    recorded.add(1);
    let snapshot = pipeline.source().snapshot_blocking();
    assert_eq!(names(&snapshot), [name("observed")]);
    assert!(matches!(metrics(&snapshot, &name("observed"))[0].data, Data::Gauge(_)));
}

#[test]
fn views_choose_buckets_and_limits_before_values_are_recorded() {
    let (meter, builder) = catalog_pipeline();
    let early = meter.histogram::<f64>("early").build().unwrap();
    early.record(3.0);
    let explicit =
        Aggregation::ExplicitBuckets { boundaries: Some(vec![2.0]), record_min_max: true };
    let exponential =
        Aggregation::ExponentialBuckets { max_scale: 4, max_size: 10, record_min_max: false };
    let limited = ViewStream { cardinality_limit: Some(2), ..ViewStream::default() };
    let views = Views::new(vec![
        view(named("early"), kept_as(exponential)),
        view(named("late"), kept_as(explicit)),
        view(named("tenants"), limited),
    ]);
    let pipeline = builder.views(views).start().unwrap();
    let late = meter.histogram::<f64>("late").build().unwrap();
    late.record(1.0);
    late.record(9.0);
    let tenants = meter.counter_group::<Id, u64>("tenants").build().unwrap();
    (0..10).for_each(|id| tenants.with(Id(id)).increment());

    let snapshot = pipeline.source().snapshot_blocking();
    assert_eq!(*histogram(&snapshot, &name("late")).buckets, [1, 1]);
    assert_eq!(points(&snapshot, &name("tenants")).len(), 3);
    match &metrics(&snapshot, &name("early"))[0].data {
        Data::ExponentialHistogram { points, .. } => {
            assert_eq!((points[0].scale, points[0].positive.counts.as_slice()), (4, &[1][..]));
            assert_eq!((points[0].min, points[0].max), (None, None));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn defaults_hold_where_neither_a_view_nor_the_code_says_it() {
    let (meter, builder) = catalog_pipeline();
    let defaults = StreamDefaults::new()
        .histogram(HistogramBuckets::Exponential(ExponentialLimits::default()))
        .cardinality_limit(4)
        .cardinality_limit_of(Kind::Counter, 2);
    let explicit =
        Aggregation::ExplicitBuckets { boundaries: Some(vec![2.0]), record_min_max: true };
    let views = Views::new(vec![view(named("viewed"), kept_as(explicit))]);
    let pipeline = builder.views(views).stream_defaults(defaults).start().unwrap();
    for short in ["viewed", "plain"] {
        meter.histogram::<f64>(short).buckets([5.0]).build().unwrap().record(1.0);
    }
    let counters = meter.counter_group::<Id, u64>("counters").build().unwrap();
    let limited = meter.counter_group::<Id, u64>("limited").cardinality_limit(6).build().unwrap();
    let gauges = meter.gauge_group::<Id, u64>("gauges").build().unwrap();
    for id in 0..10 {
        counters.with(Id(id)).increment();
        limited.with(Id(id)).increment();
        gauges.with(Id(id)).set(1);
    }
    let snapshot = pipeline.source().snapshot_blocking();
    assert_eq!(*histogram(&snapshot, &name("viewed")).buckets, [1, 0]);
    let plain = &metrics(&snapshot, &name("plain"))[0].data;
    assert!(matches!(plain, Data::ExponentialHistogram { .. }), "{plain:?}");
    for (short, series) in [("counters", 2), ("limited", 6), ("gauges", 4)] {
        assert_eq!(points(&snapshot, &name(short)).len(), series + 1, "{short}");
    }
}

#[test]
fn histograms_of_other_libraries_have_the_same_defaults_and_views() {
    let (meter, builder) = catalog_pipeline();
    let limits = ExponentialLimits { max_size: 20, max_scale: 3 };
    let defaults = StreamDefaults::new().histogram(HistogramBuckets::Exponential(limits));
    let selector =
        ViewSelector { instrument_name: Some("wait*".into()), ..ViewSelector::default() };
    let explicit =
        Aggregation::ExplicitBuckets { boundaries: Some(vec![2.0]), record_min_max: true };
    let views = Views::new(vec![view(selector, kept_as(explicit))]);
    let pipeline = builder.views(views).stream_defaults(defaults).start().unwrap();
    let foreign = MeterProvider::new(meter.registry().clone()).meter("http.client");
    foreign.f64_histogram("sizes").build().record(1.5, &[]);
    foreign.f64_histogram("waits").build().record(1.5, &[]);
    foreign.u64_counter("calls").build().add(1, &[]);
    let snapshot = pipeline.source().snapshot_blocking();
    assert_eq!(*histogram(&snapshot, "waits").buckets, [1, 0]);
    match &metrics(&snapshot, "sizes")[0].data {
        Data::ExponentialHistogram { points, .. } => assert_eq!(points[0].scale, 3),
        other => panic!("{other:?}"),
    }
    assert_eq!(value(&snapshot, "calls"), Some(1.0));
}
