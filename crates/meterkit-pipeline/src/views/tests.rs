use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    AttributeValue, Attributes, Collections, Data, Exemplars, ExponentialBuckets,
    ExponentialHistogramPoint, HistogramPoint, Kind, NumberPoint, SeriesId, Temporality, Value,
};

use super::*;

const START: SystemTime = SystemTime::UNIX_EPOCH;

fn attributes(pairs: &[(&'static str, &'static str)]) -> Attributes {
    let pair = |(key, value): &(&'static str, &'static str)| {
        (Cow::Borrowed(*key), AttributeValue::from(*value))
    };
    Attributes::from_pairs(pairs.iter().map(pair))
}

fn number(pairs: &[(&'static str, &'static str)], value: Value) -> NumberPoint {
    NumberPoint { series: SeriesId::new(), attributes: attributes(pairs), start: START, value }
}

fn metric(name: &str, data: Data) -> Metric {
    let descriptor = Descriptor {
        name: name.to_owned(),
        unit: "{item}".to_owned(),
        description: "Items.".to_owned(),
        kind: data.kind(),
    };
    Metric { descriptor: Arc::new(descriptor), data }
}

fn sum(name: &str, points: Vec<NumberPoint>) -> Metric {
    let temporality = Temporality::Cumulative;
    metric(name, Data::Sum { monotonic: true, temporality, points: points.into() })
}

fn gauge(name: &str, points: Vec<NumberPoint>) -> Metric {
    metric(name, Data::Gauge(points.into()))
}

fn histogram(name: &str, points: Vec<HistogramPoint>) -> Metric {
    let bounds: Arc<[f64]> = [1.0, 2.0, 4.0].into();
    metric(name, Data::Histogram { temporality: Temporality::Cumulative, bounds, points })
}

fn distribution(
    pairs: &[(&'static str, &'static str)],
    buckets: [u64; 4],
    sum: f64,
) -> HistogramPoint {
    HistogramPoint {
        series: SeriesId::new(),
        attributes: attributes(pairs),
        start: START,
        count: buckets.iter().sum(),
        sum,
        min: Some(sum / 10.0),
        max: Some(sum),
        buckets: buckets.into(),
    }
}

fn scopes(metrics: Vec<Metric>) -> Vec<ScopeMetrics> {
    let scope = InstrumentationScope::builder("catalog")
        .with_version("1.2")
        .with_schema_url("https://opentelemetry.io/schemas/1.30.0")
        .build();
    vec![ScopeMetrics { scope: Arc::new(scope), metrics }]
}

fn selector(name: &str) -> ViewSelector {
    ViewSelector { instrument_name: Some(name.into()), ..ViewSelector::default() }
}

fn view(name: &str, stream: ViewStream) -> Views {
    Views::new(vec![View { selector: selector(name), stream }])
}

fn dropping() -> ViewStream {
    ViewStream { aggregation: Some(Aggregation::Drop), ..ViewStream::default() }
}

fn named(name: &str) -> ViewStream {
    ViewStream { name: Some(name.to_owned()), ..ViewStream::default() }
}

fn keeping(keys: &[&str]) -> ViewStream {
    let included = Some(keys.iter().map(|key| NamePattern::from(*key)).collect());
    let filter = KeyFilter { included, excluded: Vec::new() };
    ViewStream { attribute_keys: Some(filter), ..ViewStream::default() }
}

fn names(scopes: &[ScopeMetrics]) -> Vec<&str> {
    let metrics = scopes.iter().flat_map(|scope| &scope.metrics);
    metrics.map(|metric| &*metric.descriptor.name).collect()
}

fn numbers(metric: &Metric) -> Vec<(String, Value)> {
    match &metric.data {
        Data::Gauge(points) | Data::Sum { points, .. } => {
            let shown = |point: &NumberPoint| (format!("{:?}", point.attributes), point.value);
            points.iter().map(shown).collect()
        }
        other => panic!("no numbers: {other:?}"),
    }
}

impl Views {
    /// Returns the metrics with these views applied, as in a first collection.
    pub(super) fn applied(&self, scopes: Vec<ScopeMetrics>) -> Vec<ScopeMetrics> {
        self.apply_with(scopes, &mut Totals::default(), START, &mut Exemplars::default()).0
    }
}

/// Turns counters into observable counters, as if callbacks reported their values.
fn observed(mut scopes: Vec<ScopeMetrics>) -> Vec<ScopeMetrics> {
    for metric in scopes.iter_mut().flat_map(|scope| &mut scope.metrics) {
        let descriptor = Arc::make_mut(&mut metric.descriptor);
        descriptor.kind = match descriptor.kind {
            Kind::Counter => Kind::ObservableCounter,
            _ => Kind::ObservableGauge,
        };
    }
    scopes
}

fn two() -> Vec<ScopeMetrics> {
    let point = || vec![number(&[], Value::U64(1))];
    scopes(vec![sum("jobs", point()), gauge("queue.length", point())])
}

#[test]
fn a_view_that_selects_nothing_changes_nothing() {
    assert_eq!(names(&view("other", dropping()).applied(two())), ["jobs", "queue.length"]);
    assert_eq!(names(&Views::default().applied(two())), ["jobs", "queue.length"]);
}

#[test]
fn a_dropped_metric_is_gone_and_a_scope_without_metrics_too() {
    assert_eq!(names(&view("queue.*", dropping()).applied(two())), ["jobs"]);
    assert!(view("*", dropping()).applied(two()).is_empty());
}

#[test]
fn all_criteria_must_hold() {
    let full = ViewSelector {
        instrument_name: Some("jobs".into()),
        instrument_type: Some(Kind::Counter),
        unit: Some("{item}".to_owned()),
        meter_name: Some("catalog".to_owned()),
        meter_version: Some("1.2".to_owned()),
        meter_schema_url: Some("https://opentelemetry.io/schemas/1.30.0".to_owned()),
    };
    let other = || Some("other".to_owned());
    let misses = [
        ViewSelector { instrument_name: Some("jobs?".into()), ..full.clone() },
        ViewSelector { instrument_type: Some(Kind::UpDownCounter), ..full.clone() },
        ViewSelector { unit: other(), ..full.clone() },
        ViewSelector { meter_name: other(), ..full.clone() },
        ViewSelector { meter_version: other(), ..full.clone() },
        ViewSelector { meter_schema_url: other(), ..full.clone() },
    ];
    let apply = |selector| Views::new(vec![View { selector, stream: dropping() }]).applied(two());
    assert_eq!(names(&apply(full)), ["queue.length"]);
    for selector in misses {
        let shown = format!("{selector:?}");
        assert_eq!(names(&apply(selector)), ["jobs", "queue.length"], "{shown}");
    }
}

#[test]
fn a_type_tells_observable_counters_apart() {
    let selector =
        ViewSelector { instrument_type: Some(Kind::ObservableCounter), ..ViewSelector::default() };
    let views = Views::new(vec![View { selector, stream: dropping() }]);
    assert_eq!(names(&views.applied(observed(two()))), ["queue.length"]);
    assert_eq!(names(&views.applied(two())), ["jobs", "queue.length"]);
}

#[test]
fn a_renamed_metric_takes_its_place_in_the_order() {
    let stream = ViewStream { description: Some("All jobs.".to_owned()), ..named("work.done") };
    let applied = view("jobs", stream).applied(two());
    assert_eq!(names(&applied), ["queue.length", "work.done"]);
    let descriptor = &applied[0].metrics[1].descriptor;
    assert_eq!((&*descriptor.unit, &*descriptor.description), ("{item}", "All jobs."));
}

#[test]
fn a_view_changes_the_unit_and_no_value() {
    let stream = ViewStream { unit: Some("By".to_owned()), ..ViewStream::default() };
    let (before, applied) = (two(), view("jobs", stream).applied(two()));
    let [before, after] = [&before, &applied].map(|scopes| {
        let mut metrics = scopes[0].metrics.iter();
        metrics.find(|it| it.descriptor.name == "jobs").expect("it has no other name")
    });
    assert_eq!((&*before.descriptor.unit, &*after.descriptor.unit), ("{item}", "By"));
    assert_eq!(format!("{:?}", after.data.kind()), format!("{:?}", before.data.kind()));
    assert_eq!(after.data.len(), before.data.len());
}

#[test]
fn metrics_that_get_one_name_become_one_if_they_are_alike() {
    let points = |value| vec![number(&[], Value::U64(value))];
    let metrics = vec![sum("jobs.a", points(1)), sum("jobs.b", points(2)), sum("jobs", points(4))];
    let views: Views = ["jobs.a", "jobs.b"]
        .map(|name| View { selector: selector(name), stream: named("jobs") })
        .into_iter()
        .collect();
    let applied = views.applied(scopes(metrics));
    assert_eq!(names(&applied), ["jobs"]);
    assert_eq!(numbers(&applied[0].metrics[0]), [("{}".to_owned(), Value::U64(7))]);
}

#[test]
fn metrics_of_other_kinds_stay_apart_under_one_name() {
    let applied = view("queue.length", named("jobs")).applied(two());
    assert_eq!(names(&applied), ["jobs", "jobs"]);

    let points = || vec![number(&[], Value::I64(1))];
    let others = [(false, Temporality::Cumulative), (true, Temporality::Delta)];
    for (monotonic, temporality) in others {
        let other = metric("other", Data::Sum { monotonic, temporality, points: points().into() });
        let applied =
            view("other", named("jobs")).applied(scopes(vec![sum("jobs", points()), other]));
        assert_eq!(names(&applied), ["jobs", "jobs"], "{monotonic} {temporality:?}");
    }

    let bounds: Arc<[f64]> = [1.0].into();
    let temporality = Temporality::Cumulative;
    let coarse = metric("other", Data::Histogram { temporality, bounds, points: Vec::new() });
    let applied =
        view("other", named("size")).applied(scopes(vec![histogram("size", vec![]), coarse]));
    assert_eq!(names(&applied), ["size", "size"], "other buckets");
}

#[test]
fn each_view_that_selects_an_instrument_gives_a_metric() {
    let views = Views::new(vec![
        View { selector: selector("jobs"), stream: named("jobs.renamed") },
        View { selector: selector("*"), stream: ViewStream::default() },
        View { selector: selector("jobs"), stream: dropping() },
    ]);
    assert_eq!(names(&views.applied(two())), ["jobs", "jobs.renamed", "queue.length"]);
}

#[test]
fn the_first_of_two_views_with_one_name_applies() {
    let points = vec![number(&[("a", "1")], Value::U64(1)), number(&[("a", "2")], Value::U64(2))];
    let views = Views::new(vec![
        View { selector: selector("jobs"), stream: keeping(&["none"]) },
        View { selector: selector("*"), stream: ViewStream::default() },
    ]);
    let applied = views.applied(scopes(vec![sum("jobs", points)]));
    assert_eq!(numbers(&applied[0].metrics[0]), [("{}".to_owned(), Value::U64(3))]);
}

#[test]
fn sums_of_series_that_do_not_differ_any_more_add_up() {
    let later = START + Duration::from_secs(60);
    let mut points = vec![
        number(&[("host", "a"), ("user", "1")], Value::U64(1)),
        number(&[("host", "a"), ("user", "2")], Value::U64(2)),
        number(&[("host", "b"), ("user", "1")], Value::U64(u64::MAX)),
        number(&[("host", "b"), ("user", "2")], Value::U64(1)),
    ];
    points[0].start = later;
    let applied = view("*", keeping(&["host"])).applied(scopes(vec![sum("jobs", points)]));
    let expected = [(r#"{"host": Str("a")}"#.to_owned(), Value::U64(3)), {
        (r#"{"host": Str("b")}"#.to_owned(), Value::U64(u64::MAX))
    }];
    assert_eq!(numbers(&applied[0].metrics[0]), expected);
    let Data::Sum { points, .. } = &applied[0].metrics[0].data else {
        panic!("a sum stays a sum");
    };
    assert_eq!(points[0].start, START, "the total starts with the earlier member");
}

#[test]
fn the_last_of_gauges_that_no_longer_differ_stays() {
    let points =
        vec![number(&[("user", "1")], Value::I64(5)), number(&[("user", "2")], Value::I64(-3))];
    let applied = view("*", keeping(&["host"])).applied(scopes(vec![gauge("length", points)]));
    assert_eq!(numbers(&applied[0].metrics[0]), [("{}".to_owned(), Value::I64(-3))]);
}

#[test]
fn histograms_of_series_that_do_not_differ_any_more_add_up() {
    let points = vec![
        distribution(&[("user", "1")], [1, 0, 2, 0], 10.0),
        distribution(&[("user", "2")], [0, 3, 1, 1], 20.0),
    ];
    let applied = view("*", keeping(&["host"])).applied(scopes(vec![histogram("size", points)]));
    let Data::Histogram { points, .. } = &applied[0].metrics[0].data else {
        panic!("a histogram stays one");
    };
    let mut expected = distribution(&[], [1, 3, 3, 1], 30.0);
    expected.series = points[0].series;
    (expected.min, expected.max) = (Some(1.0), Some(20.0));
    assert_eq!(*points, [expected]);
}

#[test]
fn exponential_histograms_lose_their_attributes_too() {
    let point = |user: &'static str| ExponentialHistogramPoint {
        series: SeriesId::new(),
        attributes: attributes(&[("user", user)]),
        start: START,
        count: 1,
        sum: 1.0,
        min: Some(1.0),
        max: Some(1.0),
        scale: 0,
        zero_count: 0,
        zero_threshold: 0.0,
        positive: ExponentialBuckets { offset: 0, counts: vec![1] },
        negative: ExponentialBuckets::default(),
    };
    let temporality = Temporality::Cumulative;
    let points = vec![point("1"), point("2")];
    let metrics = scopes(vec![metric("size", Data::ExponentialHistogram { temporality, points })]);
    let applied = view("*", keeping(&["host"])).applied(metrics.clone());
    let Data::ExponentialHistogram { points, .. } = &applied[0].metrics[0].data else {
        panic!("an exponential histogram stays one");
    };
    assert_eq!((points.len(), points[0].count, points[0].attributes.is_empty()), (1, 2, true));

    let stream = ViewStream { aggregation: Some(Aggregation::Sum), ..keeping(&["host"]) };
    let applied = view("*", stream).applied(metrics);
    assert_eq!(numbers(&applied[0].metrics[0]), [("{}".to_owned(), Value::F64(2.0))]);
}

#[test]
fn the_overflow_series_keeps_its_attribute_and_comes_last() {
    let points = vec![
        number(&[("z", "1")], Value::U64(1)),
        number(&[("z", "2")], Value::U64(2)),
        number(&[("otel.metric.overflow", "true")], Value::U64(4)),
    ];
    let applied = view("*", keeping(&["z"])).applied(scopes(vec![sum("jobs", points)]));
    let values: Vec<_> =
        numbers(&applied[0].metrics[0]).into_iter().map(|(_, value)| value).collect();
    assert_eq!(values, [Value::U64(1), Value::U64(2), Value::U64(4)]);
}

#[test]
fn buckets_can_be_joined_but_not_divided() {
    let buckets = |boundaries: &[f64], record_min_max| {
        let aggregation =
            Aggregation::ExplicitBuckets { boundaries: Some(boundaries.to_vec()), record_min_max };
        let stream = ViewStream { aggregation: Some(aggregation), ..ViewStream::default() };
        let points = vec![distribution(&[], [1, 2, 3, 4], 10.0)];
        let applied = view("*", stream).applied(scopes(vec![histogram("size", points)]));
        let Data::Histogram { bounds, points, .. } = &applied[0].metrics[0].data else {
            panic!("a histogram stays one");
        };
        (bounds.to_vec(), points[0].buckets.to_vec(), points[0].max)
    };
    assert_eq!(buckets(&[2.0], false), (vec![2.0], vec![3, 7], None));
    assert_eq!(buckets(&[], true), (vec![], vec![10], Some(10.0)));
    assert_eq!(buckets(&[1.0, 4.0], true), (vec![1.0, 4.0], vec![1, 5, 4], Some(10.0)));
    let unchanged = (vec![1.0, 2.0, 4.0], vec![1, 2, 3, 4], Some(10.0));
    assert_eq!(buckets(&[3.0], true), unchanged);
}

#[test]
fn a_histogram_can_be_reduced_to_its_sum() {
    let stream = ViewStream { aggregation: Some(Aggregation::Sum), ..ViewStream::default() };
    let points = vec![distribution(&[("user", "1")], [1, 0, 2, 0], 10.0)];
    let applied = view("*", stream).applied(scopes(vec![histogram("size", points)]));
    let only = &applied[0].metrics[0];
    assert!(matches!(only.data, Data::Sum { monotonic: true, .. }));
    assert_eq!(numbers(only), [(r#"{"user": Str("1")}"#.to_owned(), Value::F64(10.0))]);
}

#[test]
fn the_last_value_stands_only_where_callbacks_report_totals() {
    let stream = ViewStream { aggregation: Some(Aggregation::LastValue), ..ViewStream::default() };
    let views = view("jobs", stream);
    let is_gauge = |scopes: Vec<ScopeMetrics>| matches!(scopes[0].metrics[0].data, Data::Gauge(_));
    assert!(!is_gauge(views.applied(two())));
    let applied = views.applied(observed(two()));
    assert_eq!(applied[0].metrics[0].descriptor.kind, Kind::ObservableGauge);
    assert!(is_gauge(applied));
}

#[test]
fn the_registry_can_ask_what_views_want_of_an_instrument() {
    let stream = ViewStream { cardinality_limit: Some(7), ..ViewStream::default() };
    let views = view("jobs", stream);
    let all = two();
    let ask = |at: usize| {
        let descriptor = &all[0].metrics[at].descriptor;
        let streams = views.streams(&all[0].scope, descriptor);
        streams.filter_map(|stream| stream.cardinality_limit).collect::<Vec<_>>()
    };
    assert_eq!((ask(0), ask(1)), (vec![7], vec![]));
}

/// Takes consecutive collections.
#[derive(Default)]
struct Collector {
    totals: Totals,
    collections: Collections,
    last: Vec<ScopeMetrics>,
}

impl Collector {
    fn apply(
        &mut self,
        views: &Views,
        registry: &Registry,
        read: Vec<ScopeMetrics>,
        now: SystemTime,
    ) -> &[ScopeMetrics] {
        let applied =
            views.apply_in(registry, read, &mut self.totals, now, &mut Exemplars::default());
        let forgotten = self.collections.add(&self.last, &applied, now);
        self.totals.forget(&forgotten);
        self.last = applied;
        &self.last
    }
}

/// A collection: its time in seconds, and the host, shard and value of each series.
type Collection<'a> = (u64, &'a [(&'static str, &'static str, u64)]);

/// Returns the total of host `a` after each collection. A counter without series is missing altogether.
fn totals_of_a(collections: &[Collection<'_>]) -> Vec<Option<f64>> {
    let (registry, views) = (Registry::new(), view("jobs", keeping(&["host"])));
    let (mut collector, mut ids) = (Collector::default(), HashMap::new());
    let total = |(seconds, series): &Collection<'_>| {
        let point = |(host, shard, value): &(_, _, u64)| NumberPoint {
            series: *ids.entry((*host, *shard)).or_insert_with(SeriesId::new),
            ..number(&[("host", *host), ("shard", *shard)], Value::U64(*value))
        };
        let points: Vec<_> = series.iter().map(point).collect();
        let read = if points.is_empty() { Vec::new() } else { scopes(vec![sum("jobs", points)]) };
        let now = START + Duration::from_secs(*seconds);
        let applied = collector.apply(&views, &registry, read, now);
        let Data::Sum { points, .. } = &applied.first()?.metrics[0].data else {
            panic!("a sum stays one");
        };
        let of_a = points.iter().find(|point| point.attributes == attributes(&[("host", "a")]))?;
        Some(of_a.value.as_f64())
    };
    collections.iter().map(total).collect()
}

#[test]
fn a_total_does_not_fall_when_its_metric_is_absent_after_a_long_pause() {
    let before = (0, &[("a", "1", 100)][..]);
    let totals = totals_of_a(&[before, (9000, &[]), (9010, &[("a", "2", 3)])]);
    assert_eq!(totals, [Some(100.0), None, Some(103.0)]);
    // The series was back in between, so it counts as newly absent.
    let back = (9010, &[("a", "1", 100)][..]);
    let totals =
        totals_of_a(&[before, (9000, &[]), back, (18_000, &[]), (18_010, &[("a", "2", 3)])]);
    assert_eq!(totals, [Some(100.0), None, Some(100.0), None, Some(103.0)]);
}

#[test]
fn a_total_is_forgotten_after_an_hour_of_collections_without_its_metric() {
    let before = (0, &[("a", "1", 100)][..]);
    let totals = totals_of_a(&[before, (10, &[]), (5000, &[]), (5010, &[("a", "2", 3)])]);
    assert_eq!(totals, [Some(100.0), None, None, Some(3.0)]);
}

#[test]
fn a_total_without_series_is_forgotten_after_an_hour_of_collections() {
    let (before, other) = (&[("a", "1", 100), ("b", "1", 5)][..], &[("b", "1", 5)][..]);
    let after = &[("a", "2", 3), ("b", "1", 5)][..];
    let totals = totals_of_a(&[(0, before), (9000, other), (9010, after)]);
    assert_eq!(totals, [Some(100.0), None, Some(103.0)]);
    let totals = totals_of_a(&[(0, before), (10, other), (5000, other), (5010, after)]);
    assert_eq!(totals, [Some(100.0), None, None, Some(3.0)]);
}
