//! Each series becomes one point, and series with the same tags are merged into one point.

use meterkit_core::{
    AttributeValue, ExponentialBuckets, ExponentialHistogramPoint, NumberPoint, SeriesId,
    Temporality,
};

use super::*;
use crate::tests::samples::{
    at, counter, histogram, labels, metric, number, of, recorded, scope, snapshot, up_down,
};

/// Returns the name, tags and value of each point that is a number.
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
        metric("load", "%", Data::Gauge(value(Number::F64(0.0)).into())),
        metric("duration", "s", histogram(&[1.0], vec![recorded(labels(NONE), &[1, 2], 1.5)])),
    ]);
    let points = Points::of(&snapshot, &Tagging::default());
    let expected = [
        ("requests_total", Value::Count { value: Number::U64(7), interval: 10 }),
        ("in.flight", Value::Gauge(Number::I64(-3))),
        ("load", Value::Gauge(Number::F64(0.0))),
        ("duration", Value::Distribution(())),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), Vec::new(), value));
    assert_eq!(numbers(&points), expected);
    let units: Vec<_> = points.points.iter().map(|point| point.unit).collect();
    assert_eq!(units, [None, Some("byte"), Some("percent"), Some("second")]);
    assert_eq!(points.left_out, LeftOut::default());
}

#[test]
fn the_interval_of_a_count_is_in_whole_seconds_and_one_at_least() {
    for (start, interval) in
        [(0, 60), (49_600, 10), (49_400, 11), (59_400, 1), (59_900, 1), (60_000, 1), (61_000, 1)]
    {
        let point = NumberPoint { start: at(start), ..number(labels(NONE), Number::U64(1)) };
        let snapshot = of(vec![metric("a", "", counter(vec![point]))]);
        assert_eq!(
            values(&snapshot),
            [Value::Count { value: Number::U64(1), interval }],
            "{start}"
        );
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
        metric("c", "", Data::Gauge(pair(earlier, later).into())),
        metric(
            "d",
            "",
            histogram(
                &[1.0],
                vec![
                    recorded(labels(&[("kind", "GET")]), &[1, 2], 1.5),
                    recorded(labels(&[("kind", "get")]), &[3, 0], 1.5),
                ],
            ),
        ),
        // Another metric that Datadog stores under the same name.
        metric("a_", "", counter(vec![number(labels(&[("kind", "get")]), Number::U64(4))])),
        metric("A", "", counter(vec![number(labels(&[("kind", "get")]), Number::U64(8))])),
    ]);
    let points = Points::of(&snapshot, &Tagging::default());
    let count = |value| Value::Count { value, interval: 10 };
    let found: Vec<_> = numbers(&points).into_iter().map(|point| (point.0, point.2)).collect();
    let expected = [
        ("a", count(Number::F64(6.5))),
        ("b", Value::Gauge(Number::F64(2.5))),
        ("c", Value::Gauge(Number::F64(0.5))),
        ("d", Value::Distribution(())),
        ("A", count(Number::U64(8))),
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
    assert_eq!(values(&snapshot), [Value::Count { value: Number::F64(f64::MAX), interval: 60 }]);
}

#[test]
fn sums_stay_whole_as_long_as_they_can() {
    for (a, b, expected) in [
        (Number::U64(u64::MAX - 1), Number::U64(1), Number::U64(u64::MAX)),
        (Number::I64(-3), Number::I64(1), Number::I64(-2)),
        (Number::U64(1), Number::F64(0.5), Number::F64(1.5)),
        (Number::U64(u64::MAX), Number::U64(u64::MAX), Number::F64(2.0 * u64::MAX as f64)),
    ] {
        assert_eq!(sum(a, b), expected);
    }
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
    let odd = [0.0, -0.0, 1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for (data, sent, not_finite) in [
        (counter(all(&odd)), 1, 3),
        (Data::Gauge(all(&odd).into()), 3, 3),
        (up_down(all(&odd)), 3, 3),
        (histogram(&[1.0], vec![recorded(labels(NONE), &[0, 0], 1.5)]), 0, 0),
        (histogram(&[1.0], vec![recorded(labels(NONE), &[0, 2], f64::NAN)]), 1, 0),
        (histogram(&[], vec![recorded(labels(NONE), &[2], f64::NAN)]), 0, 1),
    ] {
        let snapshot = of(vec![metric("a", "", data)]);
        let points = Points::of(&snapshot, &Tagging::default());
        let left_out = LeftOut { not_finite, nameless: 0 };
        assert_eq!((points.points.len(), points.left_out), (sent, left_out));
    }
    let nameless = of(vec![metric("42", "", counter(all(&[1.0, 2.0])))]);
    let left_out = LeftOut { not_finite: 0, nameless: 2 };
    assert_eq!(Points::of(&nameless, &Tagging::default()).left_out, left_out);
}

#[test]
fn exponential_histograms_are_distributions_too() {
    let mut point = ExponentialHistogramPoint {
        series: SeriesId::new(),
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
fn tags_of_labels_come_in_order_before_those_of_the_scope_and_of_all_and_each_once() {
    let point = number(
        Attributes::from_pairs([
            ("zone".into(), "EU 1".into()),
            ("ok".into(), true.into()),
            ("9".into(), "nameless".into()),
            ("service".into(), "shop".into()),
            ("long".into(), "x".repeat(300).into()),
            ("Zone".into(), "eu_1".into()),
        ]),
        Number::U64(1),
    );
    let metrics = || vec![metric("a", "", counter(vec![point.clone()]))];
    let common = ["service:shop", "env:prod", "service:shop"].map(str::to_owned).to_vec();
    let long = format!("long:{}", "x".repeat(195));
    let (name, of_version) =
        ("instrumentation_scope:backstage.catalog", "instrumentation_scope_version:1.0");
    for (scopes, version, of_scope) in [
        (false, Some("1.0"), &[][..]),
        (true, None, &[name]),
        (true, Some(""), &[name]),
        (true, Some("1.0"), &[name, of_version]),
    ] {
        let all = [&[&*long, "ok:true", "zone:eu_1"], of_scope, &["service:shop", "env:prod"]];
        let snapshot = snapshot(vec![scope(version, metrics())]);
        let tagging = Tagging { common: common.clone(), scopes };
        assert_eq!(numbers(&Points::of(&snapshot, &tagging))[0].1, all.concat(), "{version:?}");
    }
}

#[test]
fn a_label_that_all_points_have_anyway_makes_no_series_of_its_own() {
    let value = |pairs: &[(&'static str, &'static str)]| number(labels(pairs), Number::U64(2));
    let points = vec![value(&[("a", "b"), ("env", "prod")]), value(&[("a", "b")])];
    let snapshot = of(vec![metric("m", "", counter(points))]);
    let tagging = Tagging { common: vec!["env:prod".to_owned()], scopes: false };
    let count = Value::Count { value: Number::U64(4), interval: 10 };
    let tags = ["a:b", "env:prod"].map(str::to_owned).to_vec();
    assert_eq!(numbers(&Points::of(&snapshot, &tagging)), [("m".to_owned(), tags, count)]);
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
                Value::Count { value, .. } => value.as_f64(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(values, expected);
    }
}
