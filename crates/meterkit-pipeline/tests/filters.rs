//! A filter reduces what one target receives, and does not affect other targets.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::{Data, ExemplarFilter, Meter};
use meterkit_fakes::label_sets::{Color, Id, Light, Tenant};
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Seen};
use meterkit_fakes::snapshots::{histogram, metrics, points, value};
use meterkit_fakes::spans::sampled_span;
use meterkit_fakes::{catalog_pipeline, catalog_with_clock};
use meterkit_pipeline::{
    KeyFilter, Pipeline, PipelineBuilder, Snapshot, Source, TargetFilter, View, ViewSelector,
    ViewStream, Views,
};
use meterkit_rules::prometheus_name::Names;

const REQUESTS: &str = "backstage.plugin.catalog.requests";
const SIZES: &str = "backstage.plugin.catalog.sizes";

fn instruments(instruments: KeyFilter) -> TargetFilter {
    TargetFilter { instruments, ..TargetFilter::default() }
}

fn labels(labels: KeyFilter) -> TargetFilter {
    TargetFilter { labels, ..TargetFilter::default() }
}

fn without_labels() -> TargetFilter {
    labels(KeyFilter::default().without(["*"]))
}

fn with_delta_target(builder: PipelineBuilder, filter: TargetFilter) -> (Pipeline, Seen) {
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let builder = builder.filtered_target(target.delta(), ONLY_WHEN_ASKED, filter);
    (builder.start().unwrap(), seen)
}

/// Returns the names of the metrics in a snapshot, without self-metrics.
fn names(snapshot: &Snapshot) -> Vec<&str> {
    let all = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
    let names = all.map(|metric| metric.descriptor.name.as_str());
    names.filter_map(|name| name.strip_prefix("backstage.plugin.catalog.")).collect()
}

fn record_three(meter: &Meter) {
    for name in ["requests", "requests.failed", "jobs"] {
        meter.counter::<u64>(name).build().unwrap().increment();
    }
}

#[test]
fn a_target_receives_the_instruments_that_its_filter_keeps_and_others_receive_all() {
    for (filter, expected) in [
        (KeyFilter::only(["*.requests"]), &["requests"][..]),
        (KeyFilter::only(["*.requests*"]).without(["*.failed"]), &["requests"]),
        (KeyFilter::default().without(["*requests"]), &["jobs", "requests.failed"]),
        (KeyFilter::only(["requests"]), &[]),
    ] {
        let (meter, builder) = catalog_pipeline();
        record_three(&meter);
        let (all, all_seen) = ScriptedTarget::new("all", []);
        let (some, some_seen) = ScriptedTarget::new("some", []);
        let builder = builder.target(all, ONLY_WHEN_ASKED);
        let builder = builder.filtered_target(some, ONLY_WHEN_ASKED, instruments(filter.clone()));
        let pipeline = builder.start().unwrap();
        let scraped = pipeline.source().filtered(instruments(filter)).snapshot_blocking();
        assert_eq!(names(&scraped), expected);
        pipeline.flush_blocking(PATIENCE).unwrap();
        assert_eq!(names(&some_seen.exports()[0]), expected);
        assert_eq!(names(&all_seen.exports()[0]), ["jobs", "requests", "requests.failed"]);
    }
}

#[test]
fn self_metrics_are_filtered_like_all_others() {
    let (meter, builder) = catalog_pipeline();
    record_three(&meter);
    let pipeline = builder.start().unwrap();
    let scrape = |filter| pipeline.source().filtered(instruments(filter)).snapshot_blocking();
    scrape(KeyFilter::default().without(["none"]));
    let scopes = scrape(KeyFilter::only(["backstage.*"])).scopes.len();
    assert_eq!(scopes, 1, "the metric of the plugin");
    let own = scrape(KeyFilter::default().without(["backstage.*"]));
    assert!(names(&own).is_empty() && !own.is_empty());
}

#[test]
fn a_target_without_a_filter_shares_the_snapshot_of_the_others() {
    let (meter, builder) = catalog_pipeline();
    record_three(&meter);
    let pipeline = builder.snapshot_max_age(PATIENCE).start().unwrap();
    let source = pipeline.source();
    let [one, other] =
        [&source, &source.filtered(TargetFilter::default())].map(Source::snapshot_blocking);
    assert!(Arc::ptr_eq(&one, &other));
    let same = [(); 2].map(|()| source.filtered(without_labels()).snapshot_blocking());
    assert!(Arc::ptr_eq(&same[0], &same[1]), "targets with one filter share its work");
    assert_eq!(same[0].number, one.number);
}

#[test]
fn what_exporters_keep_for_the_next_snapshot_is_apart_from_that_of_other_targets() {
    let (meter, builder) = catalog_pipeline();
    record_three(&meter);
    let pipeline = builder.start().unwrap();
    let all = pipeline.source();
    let filtered = all.filtered(instruments(KeyFilter::only(["*.jobs"])));
    let kept = |source: &Source| source.snapshot_blocking().names.kept(Names::default()).is_some();
    all.snapshot_blocking().names.keep(Names::default(), Arc::new(()));
    assert_eq!([&all, &filtered].map(kept), [true, false]);
    filtered.snapshot_blocking().names.keep(Names::default(), Arc::new(()));
    assert_eq!([&all, &filtered].map(kept), [true, true]);
}

#[test]
fn names_are_those_that_views_give() {
    let (meter, builder) = catalog_pipeline();
    record_three(&meter);
    let stream = ViewStream { name: Some("work".to_owned()), ..ViewStream::default() };
    let instrument_name = Some("*.jobs".into());
    let selector = ViewSelector { instrument_name, ..ViewSelector::default() };
    let pipeline = builder.views(Views::new(vec![View { selector, stream }])).start().unwrap();
    let source = pipeline.source().filtered(instruments(KeyFilter::only(["work", "*.jobs"])));
    assert_eq!(value(&source.snapshot_blocking(), "work"), Some(1.0));
    assert!(names(&source.snapshot_blocking()).is_empty());
}

#[test]
fn series_that_differ_in_removed_labels_alone_become_one() {
    let (meter, builder) = catalog_pipeline();
    let lights = meter.counter_group::<Light, u64>("requests").build().unwrap();
    let sizes = meter.histogram_group::<Light, f64>("sizes").buckets([1.0]).build().unwrap();
    let level = meter.gauge_group::<Light, i64>("level").build().unwrap();
    for (at, light) in Light::all().into_iter().enumerate() {
        lights.with(light).increment();
        sizes.with(light).record(at as f64);
        level.with(light).set(at as i64);
    }
    let pipeline = builder.start().unwrap();
    let filter = labels(KeyFilter::default().without(["is_*"]));
    let snapshot = pipeline.source().filtered(filter).snapshot_blocking();
    let colors = |name| {
        let points = points(&snapshot, name).into_iter();
        let color = |attributes: &meterkit_core::Attributes| {
            assert_eq!(attributes.iter().count(), 1, "{attributes:?}");
            attributes.get("color").expect("the color is kept").to_string()
        };
        points.map(|it| (color(&it.attributes), it.value.as_f64())).collect::<Vec<_>>()
    };
    let of = |[blue, green, red]: [f64; 3]| {
        [("blue", blue), ("green", green), ("red", red)].map(|(color, it)| (color.to_owned(), it))
    };
    assert_eq!(colors(REQUESTS), of([6.0, 6.0, 6.0]));
    // The last one in the order of labels is `is_on=true`, without `is_dimmed`.
    assert_eq!(colors("backstage.plugin.catalog.level"), of([15.0, 9.0, 3.0]));
    let Data::Histogram { points, .. } = &metrics(&snapshot, SIZES)[0].data else { panic!() };
    let counts: Vec<_> = points.iter().map(|it| (it.count, it.buckets[0], it.sum)).collect();
    assert_eq!(counts, [(6, 0, 87.0), (6, 0, 51.0), (6, 2, 15.0)]);
}

#[test]
fn a_total_does_not_fall_when_a_series_goes_also_between_two_scrapes() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter_group::<Id, u64>("requests").build().unwrap();
    let pipeline = builder.start().unwrap();
    let all = pipeline.source();
    let filtered = all.filtered(without_labels());
    requests.with(Id(1)).add(5);
    assert_eq!(value(&filtered.snapshot_blocking(), REQUESTS), Some(5.0));
    requests.with(Id(1)).add(2);
    requests.with(Id(2)).add(10);
    // An unfiltered target takes these snapshots; the filtered one does not.
    all.snapshot_blocking();
    requests.clear();
    all.snapshot_blocking();
    requests.with(Id(1)).add(100);
    let snapshot = filtered.snapshot_blocking();
    assert_eq!(value(&snapshot, REQUESTS), Some(117.0));
    let series = points(&snapshot, REQUESTS)[0].series;
    requests.clear();
    let gone = filtered.snapshot_blocking();
    assert_eq!(value(&gone, REQUESTS), None);
    let ended: Vec<_> = gone.absent_since(snapshot.number).flat_map(|it| it.series()).collect();
    assert_eq!(ended, [series], "one stale marker, for the series that the target knows");
    requests.with(Id(3)).add(1);
    assert_eq!(value(&filtered.snapshot_blocking(), REQUESTS), Some(118.0));
}

#[test]
fn deltas_have_what_came_and_went_between_two_exports() {
    let filters =
        [without_labels(), instruments(KeyFilter::only(["*.requests"]).without(["*.failed"]))];
    for filter in filters {
        let (meter, builder) = catalog_pipeline();
        let requests = meter.counter_group::<Id, u64>("requests").build().unwrap();
        let (pipeline, seen) = with_delta_target(builder, filter);
        let delivered = || {
            let exports = seen.exports();
            let points = exports.iter().flat_map(|export| points(export, REQUESTS));
            points.map(|point| point.value.as_f64()).sum::<f64>()
        };
        pipeline.flush_blocking(PATIENCE).unwrap();
        requests.with(Id(1)).add(5);
        pipeline.source().snapshot_blocking();
        requests.clear();
        pipeline.source().snapshot_blocking();
        pipeline.flush_blocking(PATIENCE).unwrap();
        assert_eq!(delivered(), 5.0);
        requests.with(Id(1)).add(2);
        pipeline.flush_blocking(PATIENCE).unwrap();
        assert_eq!(delivered(), 7.0);
    }
}

#[test]
fn extremes_of_deltas_are_those_of_the_interval() {
    let (meter, builder) = catalog_pipeline();
    let sizes = meter.histogram_group::<Id, f64>("sizes").buckets([1.0]).build().unwrap();
    let (pipeline, seen) = with_delta_target(builder, without_labels());
    for values in [[0.5, 9.0], [3.0, 4.0]] {
        values.into_iter().zip(1..).for_each(|(value, id)| sizes.with(Id(id)).record(value));
        pipeline.source().snapshot_blocking();
        pipeline.flush_blocking(PATIENCE).unwrap();
    }
    let exports = seen.exports();
    let extremes = exports.iter().map(|export| {
        let point = histogram(export, SIZES);
        (point.count, point.min, point.max)
    });
    let expected = [(2, Some(0.5), Some(9.0)), (2, Some(3.0), Some(4.0))];
    assert!(extremes.eq(expected));
}

#[test]
fn exemplars_lose_the_removed_labels_too() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter_group::<Tenant<'static>, u64>("requests").build().unwrap();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let builder = builder.exemplar_filter(ExemplarFilter::AlwaysOn);
    let builder =
        builder.filtered_target(target.taking_exemplars(), ONLY_WHEN_ASKED, without_labels());
    let pipeline = builder.start().unwrap();
    {
        let _span = sampled_span(7);
        requests.with(Tenant("acme")).increment();
    }
    pipeline.flush_blocking(PATIENCE).unwrap();
    let snapshot = &seen.exports()[0];
    let exemplars = snapshot.exemplars.of(points(snapshot, REQUESTS)[0].series);
    assert_eq!(exemplars.len(), 1);
    assert!(exemplars[0].filtered.is_none() && exemplars[0].span.is_some(), "{exemplars:?}");
}

#[test]
fn series_past_the_limit_stay_apart() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter_group::<Id, u64>("requests").cardinality_limit(3);
    let requests = requests.build().unwrap();
    (0..10).for_each(|id| requests.with(Id(id)).increment());
    let pipeline = builder.start().unwrap();
    let snapshot = pipeline.source().filtered(without_labels()).snapshot_blocking();
    let values: Vec<_> = points(&snapshot, REQUESTS).iter().map(|it| it.value.as_f64()).collect();
    assert_eq!(values.iter().sum::<f64>(), 10.0);
    assert_eq!(values.len(), 2, "what is known of labels, and the overflow");
}

#[test]
fn a_series_that_is_forgotten_after_an_hour_still_counts_in_the_total() {
    let (clock, registry, meter) = catalog_with_clock();
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    let pipeline = builder.snapshot_max_age(Duration::ZERO).start().unwrap();
    let jobs = meter.observable_counter_group::<Id, u64>("requests").build().unwrap();
    let rows = Arc::new(Mutex::new(vec![(1, 100), (2, 7)]));
    let reported = rows.clone();
    let _jobs = jobs.observe_with(move |observer| {
        let rows = reported.lock().unwrap().clone();
        rows.into_iter().for_each(|(id, total)| observer.observe(Id(id), total));
    });
    let filtered = pipeline.source().filtered(without_labels());
    let total = || value(&filtered.snapshot_blocking(), REQUESTS);
    assert_eq!(total(), Some(107.0));
    rows.lock().unwrap().remove(0);
    for _ in 0..3 {
        clock.advance(Duration::from_secs(1900));
        assert_eq!(total(), Some(107.0));
    }
    // The series returns as a new one, and counts from there.
    rows.lock().unwrap().push((1, 103));
    let back = total().expect("a total");
    assert!(back >= 107.0, "{back}");
    rows.lock().unwrap()[1] = (1, 104);
    assert_eq!(total(), Some(back + 1.0));
}

#[test]
fn a_callback_that_scrapes_gets_filtered_metrics_too() {
    let (meter, builder) = catalog_pipeline();
    record_three(&meter);
    let pipeline = builder.start().unwrap();
    let source = pipeline.source().filtered(instruments(KeyFilter::only(["*.jobs"])));
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let (into, scraping) = (seen.clone(), source.clone());
    let _gauge = meter.observable_gauge::<u64>("scraping").observe(move || {
        let snapshot = scraping.snapshot_blocking();
        into.lock().unwrap().extend(names(&snapshot).into_iter().map(str::to_owned));
        1
    });
    let snapshot = source.snapshot_blocking();
    assert_eq!(names(&snapshot), ["jobs"]);
    assert_eq!(*seen.lock().unwrap(), ["jobs"]);
    let light = Light { color: Color::Red, is_on: true, is_dimmed: None };
    meter.counter_group::<Light, u64>("lights").build().unwrap().with(light).increment();
    assert_eq!(names(&source.snapshot_blocking()), ["jobs"]);
}
