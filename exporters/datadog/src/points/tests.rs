//! Each series becomes one point, and the same tags become one point too.

use std::time::Duration;

use meterkit_core::{
    AttributeValue, Descriptor, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint,
    NumberPoint, ScopeMetrics, Temporality, Value as Number,
};
use opentelemetry::InstrumentationScope;

use super::*;

fn at(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
}

fn labels(pairs: &[(&'static str, &'static str)]) -> Attributes {
    Attributes::from_pairs(pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())))
}

fn number(labels: Attributes, value: Number) -> NumberPoint {
    NumberPoint { attributes: labels, start: at(50_000), value }
}

fn counter(points: Vec<NumberPoint>) -> Data {
    Data::Sum { monotonic: true, temporality: Temporality::Delta, points }
}

fn up_down(points: Vec<NumberPoint>) -> Data {
    Data::Sum { monotonic: false, temporality: Temporality::Cumulative, points }
}

fn histogram(points: Vec<HistogramPoint>) -> Data {
    Data::Histogram { temporality: Temporality::Delta, bounds: [1.0].into(), points }
}

fn recorded(labels: Attributes, buckets: [u64; 2]) -> HistogramPoint {
    HistogramPoint {
        attributes: labels,
        start: at(0),
        count: buckets.iter().sum(),
        sum: 1.5,
        min: None,
        max: None,
        buckets: buckets.into(),
    }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    let descriptor =
        Descriptor { name: name.to_owned(), unit: unit.to_owned(), description: String::new() };
    Metric { descriptor: Arc::new(descriptor), data }
}

fn scope(version: Option<&'static str>, metrics: Vec<Metric>) -> ScopeMetrics {
    let scope = InstrumentationScope::builder("backstage.Catalog");
    let scope = match version {
        Some(version) => scope.with_version(version),
        None => scope,
    };
    ScopeMetrics { scope: Arc::new(scope.build()), metrics }
}

/// Taken a minute after 1970 began.
fn snapshot(scopes: Vec<ScopeMetrics>) -> Snapshot {
    Snapshot { resource: Attributes::empty(), time: at(60_000), scopes }
}

fn of(metrics: Vec<Metric>) -> Snapshot {
    snapshot(vec![scope(None, metrics)])
}

/// Name, tags and value of each point that is a number.
fn numbers(points: &Points<'_>) -> Vec<(String, Vec<String>, Value<()>)> {
    let number = |point: &Point<Histograms<'_>>| {
        let value = match &point.value {
            Value::Count { value, interval } => Value::Count { value: *value, interval: *interval },
            Value::Gauge(value) => Value::Gauge(*value),
            Value::Distribution(_) => Value::Distribution(()),
        };
        (point.name.to_string(), point.tags.iter().map(ToString::to_string).collect(), value)
    };
    points.points.iter().map(number).collect()
}

fn values(snapshot: &Snapshot) -> Vec<Value<()>> {
    let points = Points::of(snapshot, &Tagging::default());
    numbers(&points).into_iter().map(|point| point.2).collect()
}

const NONE: &[(&str, &str)] = &[];

#[test]
fn counters_are_counts_and_what_also_falls_is_a_gauge() {
    let value = |value| vec![number(labels(NONE), value)];
    let snapshot = of(vec![
        metric("requests-total", "{request}", counter(value(Number::U64(7)))),
        metric("in.flight", "By", up_down(value(Number::I64(-3)))),
        metric("load", "%", Data::Gauge(value(Number::F64(0.0)))),
        metric("duration", "s", histogram(vec![recorded(labels(NONE), [1, 2])])),
    ]);
    let points = Points::of(&snapshot, &Tagging::default());
    let expected = [
        ("requests_total", Value::Count { value: 7.0, interval: 10 }),
        ("in.flight", Value::Gauge(-3.0)),
        ("load", Value::Gauge(0.0)),
        ("duration", Value::Distribution(())),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), Vec::new(), value));
    assert_eq!(numbers(&points), expected);
    let units: Vec<_> = points.points.iter().map(|point| point.unit).collect();
    assert_eq!(units, [None, Some("byte"), Some("percent"), Some("second")]);
    assert_eq!(points.left_out, 0);
}

#[test]
fn the_interval_of_a_count_is_in_whole_seconds_and_one_at_least() {
    for (start, interval) in
        [(0, 60), (49_600, 10), (49_400, 11), (59_400, 1), (59_900, 1), (60_000, 1), (61_000, 1)]
    {
        let point = NumberPoint { start: at(start), ..number(labels(NONE), Number::U64(1)) };
        let snapshot = of(vec![metric("a", "", counter(vec![point]))]);
        assert_eq!(values(&snapshot), [Value::Count { value: 1.0, interval }], "{start}");
    }
}

#[test]
fn labels_that_become_the_same_tags_are_added_up() {
    let pair =
        |a, b| vec![number(labels(&[("kind", "GET")]), a), number(labels(&[("Kind", "get")]), b)];
    let (earlier, later) = (Number::U64(2), Number::F64(0.5));
    let snapshot = of(vec![
        metric("a", "", counter(pair(earlier, later))),
        metric("b", "", up_down(pair(earlier, later))),
        metric("c", "", Data::Gauge(pair(earlier, later))),
        metric(
            "d",
            "",
            histogram(vec![
                recorded(labels(&[("kind", "GET")]), [1, 2]),
                recorded(labels(&[("kind", "get")]), [3, 0]),
            ]),
        ),
        // Another metric that is stored under the same name.
        metric("a_", "", counter(vec![number(labels(&[("kind", "get")]), Number::U64(4))])),
        metric("A", "", counter(vec![number(labels(&[("kind", "get")]), Number::U64(8))])),
    ]);
    let points = Points::of(&snapshot, &Tagging::default());
    let count = |value| Value::Count { value, interval: 10 };
    let found: Vec<_> = numbers(&points).into_iter().map(|point| (point.0, point.2)).collect();
    let expected = [
        ("a", count(6.5)),
        ("b", Value::Gauge(2.5)),
        ("c", Value::Gauge(0.5)),
        ("d", Value::Distribution(())),
        ("A", count(8.0)),
    ];
    assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value)));
    let Value::Distribution(histograms) = &points.points[3].value else {
        panic!("{points:?}");
    };
    let counts: Vec<u64> =
        histograms.iter().flat_map(Histogram::buckets).map(|bucket| bucket.count).collect();
    assert_eq!(counts, [1, 2, 3]);
}

#[test]
fn a_sum_of_counts_stays_finite_and_the_longer_interval_counts() {
    let long = NumberPoint { start: at(0), ..number(labels(&[("a", "X")]), Number::F64(f64::MAX)) };
    let short = number(labels(&[("a", "x")]), Number::F64(f64::MAX));
    let snapshot = of(vec![metric("a", "", counter(vec![short, long]))]);
    assert_eq!(values(&snapshot), [Value::Count { value: f64::MAX, interval: 60 }]);
}

#[test]
fn what_did_not_change_and_what_cannot_be_sent_are_left_out_but_only_the_latter_is_counted() {
    let all = |values: &[f64]| -> Vec<NumberPoint> {
        let number = |(at, value): (usize, &f64)| {
            let label = AttributeValue::from(at as i64);
            number(Attributes::from_pairs([("n".into(), label)]), Number::F64(*value))
        };
        values.iter().enumerate().map(number).collect()
    };
    let odd = [0.0, 1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for (data, sent, left_out) in [
        (counter(all(&odd)), 1, 3),
        (Data::Gauge(all(&odd)), 2, 3),
        (up_down(all(&odd)), 2, 3),
        (histogram(vec![recorded(labels(NONE), [0, 0])]), 0, 0),
    ] {
        let snapshot = of(vec![metric("a", "", data)]);
        let points = Points::of(&snapshot, &Tagging::default());
        assert_eq!((points.points.len(), points.left_out), (sent, left_out));
    }
    let nameless = of(vec![metric("42", "", counter(all(&[1.0, 2.0])))]);
    assert_eq!(Points::of(&nameless, &Tagging::default()).left_out, 2);
}

#[test]
fn exponential_histograms_are_distributions_too() {
    let mut point = ExponentialHistogramPoint {
        attributes: labels(NONE),
        start: at(0),
        count: 3,
        sum: 1.0,
        min: None,
        max: None,
        scale: 0,
        zero_count: 3,
        zero_threshold: 0.0,
        positive: ExponentialBuckets::default(),
        negative: ExponentialBuckets::default(),
    };
    for (count, expected) in [(3, &[Value::Distribution(())][..]), (0, &[])] {
        (point.count, point.zero_count) = (count, count);
        let temporality = Temporality::Delta;
        let data = Data::ExponentialHistogram { temporality, points: vec![point.clone()] };
        assert_eq!(values(&of(vec![metric("a", "", data)])), expected, "{count}");
    }
}

#[test]
fn tags_are_in_order_and_each_is_there_once() {
    let point = number(
        Attributes::from_pairs([
            ("zone".into(), "EU 1".into()),
            ("ok".into(), true.into()),
            ("9".into(), "nameless".into()),
            ("service".into(), "shop".into()),
            ("long".into(), "x".repeat(300).into()),
        ]),
        Number::U64(1),
    );
    let metrics = || vec![metric("a", "", counter(vec![point.clone()]))];
    let common = ["service:shop", "env:prod"].map(str::to_owned).to_vec();
    let long = format!("long:{}", "x".repeat(195));
    let plain = ["env:prod", &long, "ok:true", "service:shop", "zone:eu_1"];

    for (scopes, version, more) in [
        (false, Some("1.0"), &[][..]),
        (true, None, &["instrumentation_scope:backstage.catalog"]),
        (
            true,
            Some("1.0"),
            &["instrumentation_scope:backstage.catalog", "instrumentation_scope_version:1.0"],
        ),
    ] {
        let mut expected: Vec<&str> = plain.iter().chain(more).copied().collect();
        expected.sort_unstable();
        let snapshot = snapshot(vec![scope(version, metrics())]);
        let tagging = Tagging { common: common.clone(), scopes };
        assert_eq!(numbers(&Points::of(&snapshot, &tagging))[0].1, expected);
    }
}

#[test]
fn scopes_keep_points_of_one_name_apart_only_where_they_are_tags() {
    let value = || counter(vec![number(labels(NONE), Number::U64(2))]);
    let metrics = || vec![metric("a", "", value())];
    let snapshot = snapshot(vec![scope(Some("1"), metrics()), scope(Some("2"), metrics())]);
    for (scopes, expected) in [(false, &[4.0][..]), (true, &[2.0, 2.0])] {
        let tagging = Tagging { common: Vec::new(), scopes };
        let points = Points::of(&snapshot, &tagging);
        let values: Vec<f64> = numbers(&points)
            .into_iter()
            .map(|point| match point.2 {
                Value::Count { value, .. } => value,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(values, expected);
    }
}
