//! Metrics that another library counts, and how the store treats them.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::{
    CallbackGuard, Data, HistogramReading, Import, ImportedFamily, Kind, ManualClock, Metric,
    NumberPoint, Reading, Registry, ScopeMetrics, SummaryReading, Value,
};
use meterkit_fakes::catalog_with_clock;
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::dropped;
use meterkit_rules::prometheus_name::Translation;
use opentelemetry::KeyValue;

/// A series of the other library.
#[derive(Clone)]
struct Series {
    family: ImportedFamily<'static>,
    labels: Vec<KeyValue>,
    reading: Reading,
}

const COUNTER: ImportedFamily<'_> = family("jobs", Kind::ObservableCounter);

const fn family(name: &'static str, kind: Kind) -> ImportedFamily<'static> {
    ImportedFamily { name, unit: "", description: "", kind }
}

fn series(
    family: ImportedFamily<'static>,
    labels: &[(&'static str, &'static str)],
    reading: impl Into<Reading>,
) -> Series {
    let labels = labels.iter().map(|(key, value)| KeyValue::new(*key, *value)).collect();
    Series { family, labels, reading: reading.into() }
}

fn jobs(queue: &'static str, count: f64) -> Series {
    series(COUNTER, &[("queue", queue)], Value::F64(count))
}

fn histogram(buckets: &[(f64, u64)], count: u64, sum: f64) -> Reading {
    Reading::Histogram(Arc::new(
        HistogramReading::from_cumulative(buckets, count, sum).expect("buckets"),
    ))
}

fn summary(count: u64, sum: f64, quantiles: &[(f64, f64)]) -> Reading {
    Reading::Summary(Arc::new(SummaryReading { count, sum, quantiles: quantiles.into() }))
}

/// A registry of another library.
#[derive(Clone, Default)]
struct Other(Arc<Mutex<Vec<Series>>>);

impl Other {
    fn set(&self, series: &[Series]) {
        *self.0.lock().expect("no panic") = series.to_vec();
    }

    fn import_into(&self, registry: &Registry) -> CallbackGuard {
        let other = self.clone();
        registry.import("prometheus", move |import: &mut Import<'_>| {
            let series = other.0.lock().expect("no panic").clone();
            series.into_iter().for_each(|it| import.observe(&it.family, it.labels, it.reading));
            Ok(())
        })
    }
}

fn imported() -> (ManualClock, Registry, Other) {
    let (clock, registry, _) = catalog_with_clock();
    let other = Other::default();
    other.import_into(&registry).forget();
    (clock, registry, other)
}

fn read(registry: &Registry) -> Vec<ScopeMetrics> {
    registry.refresh();
    let mut scopes = registry.read();
    scopes.retain(|scope| scope.scope.name() != "meterkit");
    scopes
}

fn metrics(registry: &Registry) -> Vec<Metric> {
    read(registry).into_iter().flat_map(|scope| scope.metrics).collect()
}

/// Returns the points of the only metric, which has numbers.
fn points(registry: &Registry) -> Vec<NumberPoint> {
    let metrics = metrics(registry);
    match metrics.as_slice() {
        [] => Vec::new(),
        [Metric { data: Data::Sum { points, .. } | Data::Gauge(points), .. }] => points.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn values(registry: &Registry) -> Vec<f64> {
    points(registry).iter().map(|point| point.value.as_f64()).collect()
}

#[test]
fn a_series_continues_until_it_falls_and_is_absent_while_the_other_registry_lacks_it() {
    let (clock, registry, other) = imported();
    let made = clock.now();
    clock.advance(Duration::from_secs(10));
    other.set(&[jobs("a", 5.0), jobs("b", 1.0)]);
    let first = points(&registry);
    assert_eq!(first.iter().map(|it| it.start).collect::<Vec<_>>(), [made, made]);

    clock.advance(Duration::from_secs(10));
    other.set(&[jobs("b", 2.0)]);
    let second = points(&registry);
    assert_eq!((second.len(), second[0].series), (1, first[1].series));

    clock.advance(Duration::from_secs(10));
    other.set(&[jobs("b", 0.5), jobs("a", 6.0)]);
    let third = points(&registry);
    assert_eq!(
        (third[0].series, third[0].start),
        (first[0].series, made),
        "the series was only absent"
    );
    assert_ne!(third[1].series, first[1].series, "the series fell");
    assert!(third[1].start > made);

    other.set(&[]);
    assert!(points(&registry).is_empty());
}

#[test]
fn histograms_and_summaries_are_imported_as_counted() {
    let (_, registry, other) = imported();
    let sizes = family("sizes_bytes", Kind::Histogram);
    let quantiles = [(0.5, 0.2), (0.99, f64::NAN)];
    other.set(&[
        series(family("latency", Kind::Summary), &[], summary(7, 3.5, &quantiles)),
        series(sizes, &[], histogram(&[(1.0, 2), (2.0, 2)], 5, 9.25)),
    ]);
    let metrics = metrics(&registry);
    let Data::Summary(points) = &metrics[0].data else { panic!("{metrics:?}") };
    assert_eq!((points[0].count, points[0].sum), (7, 3.5));
    assert_eq!(points[0].quantiles[0], quantiles[0]);
    assert!(points[0].quantiles[1].1.is_nan());
    let Data::Histogram { bounds, points, .. } = &metrics[1].data else { panic!("{metrics:?}") };
    assert_eq!(bounds[..], [1.0, 2.0]);
    assert_eq!((points[0].count, points[0].sum, &points[0].buckets[..]), (5, 9.25, &[2, 0, 3][..]));

    // A bucket has a lower count, so the series was reset.
    let before = points[0].series;
    other.set(&[series(sizes, &[], histogram(&[(1.0, 1), (2.0, 3)], 6, 9.25))]);
    let metrics = metrics_of(&registry, "sizes_bytes");
    assert_ne!(metrics[0].data.series().next(), Some(before));
}

fn metrics_of(registry: &Registry, name: &str) -> Vec<Metric> {
    metrics(registry).into_iter().filter(|metric| metric.descriptor.name == name).collect()
}

#[test]
fn series_with_other_buckets_are_a_metric_of_their_own() {
    let (_, registry, other) = imported();
    let sizes = family("sizes", Kind::Histogram);
    other.set(&[
        series(sizes, &[("of", "a")], histogram(&[(1.0, 2)], 5, 9.0)),
        series(sizes, &[("of", "b")], histogram(&[(2.0, 3)], 6, 8.0)),
    ]);
    let bounds = metrics_of(&registry, "sizes").into_iter().map(|metric| match metric.data {
        Data::Histogram { bounds, points, .. } => (bounds[0], points.len()),
        other => panic!("{other:?}"),
    });
    assert_eq!(bounds.collect::<Vec<_>>(), [(1.0, 1), (2.0, 1)]);
}

#[test]
fn names_stay_as_prometheus_has_them_in_every_translation_and_show_no_scope() {
    let (_, registry, other) = imported();
    let names = ["jobs", "Jobs", "jobs__done_total", "node:jobs:rate5m"];
    other.set(
        &names.map(|name| series(family(name, Kind::ObservableCounter), &[], Value::F64(1.0))),
    );
    let scopes = read(&registry);
    assert_eq!(scopes[0].metrics.len(), names.len(), "case tells names apart");
    for translation in Translation::ALL {
        for names_in in [translation.utf8(), translation.escaped()] {
            let meetings = registry.prometheus_names().meetings(names_in);
            assert!(!meetings.shows_scope(scopes[0].scope.name()));
            for metric in &scopes[0].metrics {
                let (descriptor, kind) = (&metric.descriptor, metric.data.kind());
                let name = meetings.family("prometheus", descriptor, kind, names_in);
                assert_eq!(name, descriptor.name, "{translation}");
                assert!(!meetings.hide(&name, kind.into()));
            }
        }
    }
    let catalog = registry.catalog();
    let mut listed: Vec<_> = catalog.entries.iter().map(|it| &*it.prometheus_name).collect();
    listed.retain(|name| names.contains(name));
    assert_eq!(listed.len(), names.len());
    assert!(catalog.entries.iter().all(|entry| entry.foreign));
}

#[test]
fn labels_of_a_scope_become_the_scope() {
    let (_, registry, other) = imported();
    let labels = [
        ("otel_scope_name", "db"),
        ("otel_scope_version", "2"),
        ("otel_scope_tier", "gold"),
        ("queue", "a"),
        ("empty", ""),
    ];
    other.set(&[series(COUNTER, &labels, Value::F64(1.0)), jobs("b", 2.0)]);
    let scopes = read(&registry);
    let names: Vec<_> = scopes.iter().map(|it| (it.scope.name(), it.scope.version())).collect();
    assert_eq!(names, [("db", Some("2")), ("prometheus", None)]);
    let attributes: Vec<_> = scopes[0].scope.attributes().collect();
    assert_eq!(attributes, [&KeyValue::new("tier", "gold")]);
    let Data::Sum { points, .. } = &scopes[0].metrics[0].data else { panic!("{scopes:?}") };
    let keys: Vec<_> = points[0].attributes.iter().map(|(key, _)| key).collect();
    assert_eq!(keys, ["queue"]);
}

#[test]
fn metrics_of_this_library_in_the_other_registry_do_not_come_back() {
    let (_, registry, other) = imported();
    let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
    requests.expect("a good name").increment();
    let scope = |name| series(COUNTER, &[("otel_scope_name", name)], Value::F64(9.0));
    other.set(&[
        scope("backstage.plugin.catalog"),
        scope("prometheus"),
        jobs("a", 1.0),
        series(family("target_info", Kind::ObservableGauge), &[("host", "x")], Value::F64(1.0)),
    ]);
    let (metrics, lines) = log_lines::of(|| (0..3).map(|_| metrics(&registry)).next_back());
    let names = metrics.expect("three").into_iter().map(|it| it.descriptor.name.clone());
    assert_eq!(names.collect::<Vec<_>>(), ["backstage.plugin.catalog.requests", "jobs"]);
    let lines: Vec<_> =
        lines.iter().filter(|line| line.contains("contains metrics of this library")).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
}

#[test]
fn past_the_limit_totals_stay_right() {
    let (_, registry, other) = imported();
    registry.set_cardinality_limit(1);
    let latency = family("latency", Kind::Summary);
    let sizes = family("sizes", Kind::Histogram);
    let with = |of: &'static str| {
        let of = [("of", of)];
        [
            series(COUNTER, &of, Value::F64(2.0)),
            series(latency, &of, summary(2, 1.0, &[(0.5, 1.0)])),
            series(sizes, &of, histogram(&[(1.0, 1)], 2, 3.0)),
        ]
    };
    other.set(&["a", "b", "c"].map(with).concat());
    let metrics = metrics(&registry);
    let [jobs, latency, sizes] = &metrics[..] else { panic!("{metrics:?}") };
    let Data::Sum { points, .. } = &jobs.data else { panic!("{jobs:?}") };
    assert_eq!((points.len(), points[1].value), (2, Value::F64(4.0)));
    let Data::Summary(points) = &latency.data else { panic!("{latency:?}") };
    assert_eq!((points[1].count, points[1].sum, points[1].quantiles.len()), (4, 2.0, 0));
    let Data::Histogram { points, .. } = &sizes.data else { panic!("{sizes:?}") };
    assert_eq!((points[1].count, points[1].sum, &points[1].buckets[..]), (4, 6.0, &[2, 2][..]));
    assert!(points[1].attributes.get("otel.metric.overflow").is_some());
}

#[test]
fn invalid_counter_values_are_dropped_and_gauges_may_have_any_value() {
    let (_, registry, other) = imported();
    let load = family("load", Kind::ObservableGauge);
    other.set(&[
        jobs("a", -1.0),
        jobs("b", f64::NAN),
        jobs("c", f64::INFINITY),
        series(load, &[("of", "a")], Value::F64(f64::NAN)),
        series(load, &[("of", "b")], Value::F64(f64::NEG_INFINITY)),
    ]);
    let values = values(&registry);
    assert!(values[0].is_nan() && values[1] == f64::NEG_INFINITY, "{values:?}");
    registry.refresh();
    assert_eq!((dropped(&registry, "negative"), dropped(&registry, "not_finite")), (2, 4));
}

#[test]
fn integers_are_exact() {
    let (_, registry, other) = imported();
    other.set(&[series(COUNTER, &[], Value::U64(u64::MAX))]);
    assert_eq!(points(&registry)[0].value, Value::U64(u64::MAX));
}

#[test]
fn two_registries_share_a_family_and_a_removed_registry_removes_its_own_series() {
    let (_, registry, other) = imported();
    let second = Other::default();
    let guard = second.import_into(&registry);
    other.set(&[jobs("a", 1.0)]);
    second.set(&[jobs("b", 2.0)]);
    assert_eq!(values(&registry), [1.0, 2.0]);
    // If both registries have the same series, one of them is exported, and a warning is logged.
    second.set(&[jobs("a", 7.0)]);
    let (values_of_both, lines) = log_lines::of(|| [values(&registry), values(&registry)]);
    assert_eq!(values_of_both, [[7.0], [7.0]]);
    assert_eq!(
        lines.iter().filter(|it| it.contains("have the same series")).count(),
        1,
        "{lines:?}"
    );
    drop(guard);
    assert_eq!(values(&registry), [1.0]);
}

#[test]
fn an_import_that_panics_or_fails_loses_only_its_own_values_and_is_named() {
    let (_, registry, other) = imported();
    other.set(&[jobs("a", 1.0)]);
    let runs = Arc::new(AtomicU64::new(0));
    let guard = registry.import("elsewhere", move |import| {
        let load = family("load", Kind::ObservableGauge);
        import.observe(&load, Vec::new(), Value::F64(0.5).into());
        match runs.fetch_add(1, SeqCst) {
            0 => Ok(()),
            1 => Err("it is away".to_owned()),
            _ => panic!("a panic that the test wants"),
        }
    });
    assert_eq!(metrics(&registry).len(), 2);
    let (_, lines) = log_lines::of(|| {
        assert_eq!(metrics(&registry).len(), 2, "the last values are exported once more");
        assert_eq!(metrics(&registry).len(), 1);
    });
    assert!(
        lines.iter().any(|it| it.contains("elsewhere") && it.contains("it is away")),
        "{lines:?}"
    );
    drop(guard);
    assert_eq!(values(&registry), [1.0]);
}

#[test]
fn a_collection_goes_on_without_one_that_hangs() {
    let (_, registry, other) = imported();
    other.set(&[jobs("a", 1.0)]);
    registry.set_callback_budget(Duration::from_millis(20));
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let held = Mutex::new(held);
    let guard = registry.import("elsewhere", move |_| {
        // Blocks until the test ends.
        let _ = held.lock().expect("no panic").recv();
        Ok(())
    });
    assert_eq!(values(&registry), [1.0]);
    other.set(&[jobs("a", 2.0)]);
    assert_eq!(values(&registry), [2.0]);
    drop((hold, guard));
}

#[test]
fn a_disabled_scope_imports_nothing_until_it_is_enabled() -> Result<(), Box<dyn std::error::Error>>
{
    let (_, registry, other) = imported();
    other.set(&[jobs("a", 1.0)]);
    registry.set_disabled_scopes("prometheus".parse()?);
    assert!(values(&registry).is_empty());
    assert_eq!(registry.unmatched_disabled_scopes(), <[String; 0]>::default());
    registry.set_disabled_scopes("".parse()?);
    assert_eq!(values(&registry), [1.0]);
    Ok(())
}

#[test]
fn an_unloaded_scope_stays_unloaded() {
    let (_, registry, other) = imported();
    other.set(&[jobs("a", 1.0)]);
    assert_eq!(values(&registry), [1.0]);
    registry.semconv("prometheus").unload();
    assert!(values(&registry).is_empty());
}
