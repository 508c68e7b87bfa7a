//! Tests of joining series that become equal.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use meterkit_core::{
    AbsentSeries, AttributeValue, Descriptor, ExponentialBuckets, ExponentialHistogramPoint,
    HistogramPoint, NumberPoint, PrometheusNames, SeriesId, Temporality, Value,
};
use meterkit_rules::prometheus_name::{FamilyType, Names};
use opentelemetry::InstrumentationScope;

use super::*;
use crate::{families, for_each_label};

fn attributes(pairs: &[(&'static str, AttributeValue)]) -> Attributes {
    Attributes::from_pairs(pairs.iter().map(|(key, value)| ((*key).into(), value.clone())))
}

fn at(second: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(second)
}

/// Returns a point of the series `id` that started at second `start`.
fn number(id: u64, start: u64, key: &'static str, value: Value) -> NumberPoint {
    let (series, attributes) = (SeriesId::from_hash(id), attributes(&[(key, "1".into())]));
    NumberPoint { series, attributes, start: at(start), value }
}

fn histogram(id: u64, key: &'static str, buckets: &[u64]) -> HistogramPoint {
    let NumberPoint { series, attributes, start, .. } = number(id, id, key, Value::U64(0));
    let (count, sum, buckets) = (buckets.iter().sum(), 0.5, buckets.into());
    HistogramPoint { series, attributes, start, count, sum, min: None, max: None, buckets }
}

fn sum(points: Vec<NumberPoint>) -> Data {
    Data::Sum { monotonic: true, temporality: Temporality::Cumulative, points: points.into() }
}

fn histograms(bounds: &[f64], points: Vec<HistogramPoint>) -> Data {
    Data::Histogram { temporality: Temporality::Cumulative, bounds: bounds.into(), points }
}

fn metric(name: &str, data: Data) -> Metric {
    let (unit, description) = Default::default();
    let descriptor = Descriptor { name: name.to_owned(), unit, description, kind: data.kind() };
    Metric { descriptor: Arc::new(descriptor), data }
}

fn scope(metrics: Vec<Metric>) -> Vec<ScopeMetrics> {
    vec![ScopeMetrics { scope: Arc::new(InstrumentationScope::builder("a").build()), metrics }]
}

/// Returns absent series whose last collection was at second `last_seen`.
fn absent(last_seen: u64, metrics: Vec<Metric>) -> Arc<AbsentSeries> {
    let (number, since, last_seen) = (1, at(last_seen + 1), at(last_seen));
    Arc::new(AbsentSeries { number, since, last_seen, scopes: scope(metrics) })
}

/// Returns the exported points of the only family.
fn exported(metrics: Vec<Metric>, absent: &[Arc<AbsentSeries>]) -> Vec<Data> {
    let scopes = scope(metrics);
    let (of, names) = (Collection { scopes: &scopes, absent, exemplars: None }, Names::default());
    let families = families(of, names, &PrometheusNames::default(), |it| it);
    let families: Vec<_> = families.collect();
    let [family] = &families[..] else { panic!("{families:?}") };
    let joins = Joins::of(
        family,
        of,
        |key| names.series_label(key, family.family_type),
        |text, scope, attributes| {
            let _ = for_each_label(
                attributes.iter(),
                scope,
                |key| names.series_label(key, family.family_type),
                |name, value| {
                    let value = Cow::from(value);
                    text.extend([&*name, "=", &*value, ";"]);
                },
            );
        },
    );
    let mut all = Vec::new();
    for (place, member) in family.members.iter().enumerate() {
        let data = &member.metric(of).data;
        let points = (0..data.len()).filter_map(|at| joins.point(data, place, at));
        all.extend(points.map(|(data, at)| data.only_at(at)));
    }
    all
}

/// Returns the value and the start time of the only exported number.
#[track_caller]
fn number_of(metrics: Vec<Metric>, absent: &[Arc<AbsentSeries>]) -> (Value, SystemTime) {
    match &exported(metrics, absent)[..] {
        [Data::Sum { points, .. } | Data::Gauge(points)] => (points[0].value, points[0].start),
        other => panic!("{other:?}"),
    }
}

#[test]
fn sets_may_become_equal_by_key_by_type_and_by_an_empty_value() {
    let text = AttributeValue::from;
    let list = || AttributeValue::List(Arc::from([AttributeValue::from(1_i64)]));
    for (sets, expected) in [
        (vec![attributes(&[("a", text("1"))]), attributes(&[("a", text("2"))])], false),
        (vec![attributes(&[("a", text("1"))]), attributes(&[("b", text("1"))])], false),
        (vec![attributes(&[("a.b", text("1"))]), attributes(&[("a_b", text("1"))])], true),
        (vec![attributes(&[("a", text("1"))]), attributes(&[("a", 1_i64.into())])], true),
        (vec![attributes(&[("a", text(""))]), attributes(&[])], true),
        (vec![attributes(&[("a", list())])], true),
        (vec![attributes(&[("otel.scope.version", text("2"))])], true),
        (vec![attributes(&[("a", f64::NAN.into())])], true),
    ] {
        let may = may_become_equal(sets.iter(), |key| {
            Names::default().series_label(key, FamilyType::Gauge)
        });
        assert_eq!(may, expected, "{sets:?}");
    }
}

#[test]
fn sums_are_added_exactly_and_count_from_the_earlier_start() {
    for (one, other, expected) in [
        (Value::U64(u64::MAX - 1), Value::U64(1), Value::U64(u64::MAX)),
        (Value::U64(u64::MAX), Value::U64(1), Value::U64(u64::MAX)),
        (Value::I64(i64::MAX), Value::U64(2), Value::U64(i64::MAX as u64 + 2)),
        (Value::U64(3), Value::I64(-5), Value::I64(-2)),
        (Value::U64(3), Value::F64(0.5), Value::F64(3.5)),
        (Value::F64(f64::MAX), Value::F64(f64::MAX), Value::F64(f64::MAX)),
    ] {
        let points = vec![number(1, 20, "a.b", one), number(2, 10, "a_b", other)];
        let found = number_of(vec![metric("x", sum(points))], &[]);
        assert_eq!(found, (expected, at(10)));
    }
}

#[test]
fn floats_are_added_in_the_order_of_the_ids_wherever_the_series_stand() {
    let [a, b, c] = [0.1, 0.2, 0.3].map(Value::F64);
    let point = |id, key, value| number(id, 1, key, value);
    let one = vec![point(1, "a.b", a), point(2, "a_b", b), point(3, "a-b", c)];
    let mut reversed = one.clone();
    reversed.reverse();
    let ended = absent(5, vec![metric("x", sum(vec![point(1, "a.b", a)]))]);
    let expected = Value::F64(0.1 + 0.2 + 0.3);
    for (points, absent) in [(one.clone(), &[][..]), (reversed, &[]), (one[1..].to_vec(), &[ended])]
    {
        assert_eq!(number_of(vec![metric("x", sum(points))], absent).0, expected);
    }
}

#[test]
fn a_total_keeps_the_values_of_series_that_have_ended() {
    let value = Value::U64;
    let ended = |last_seen| {
        [absent(last_seen, vec![metric("x", sum(vec![number(1, 10, "a.b", value(100))]))])]
    };
    // A series without equal ones is not joined: it restarts when it returns.
    let back = number(3, 60, "a.b", value(1));
    let alone = vec![metric("x", sum(vec![back.clone()]))];
    assert_eq!(number_of(alone, &ended(50)), (value(1), at(60)));
    // The equal series existed when the other one ended, or started later.
    let other = |start| number(2, start, "a_b", value(7));
    for (start, expected) in [(50, (value(107), at(10))), (51, (value(7), at(51)))] {
        let live = vec![metric("x", sum(vec![other(start)]))];
        assert_eq!(number_of(live, &ended(50)), expected);
    }
    let live = vec![metric("x", sum(vec![back, other(50)]))];
    assert_eq!(number_of(live, &ended(50)), (value(108), at(10)));
    // The equal series belongs to another metric with the same Prometheus name.
    let live = vec![metric("x.total", sum(vec![number(2, 20, "a.b", value(7))]))];
    assert_eq!(number_of(live, &ended(50)), (value(107), at(10)));
}

#[test]
fn the_last_gauge_counts_by_metric_and_attributes() {
    let gauge = |id, key, value| Data::Gauge(vec![number(id, id, key, Value::U64(value))].into());
    let metrics = vec![metric("x_y", gauge(1, "a.b", 1)), metric("x.y", gauge(2, "a_b", 2))];
    assert_eq!(number_of(metrics, &[]).0, Value::U64(1));
    let points = vec![number(2, 2, "a.b", Value::U64(1)), number(1, 1, "a_b", Value::U64(2))];
    assert_eq!(number_of(vec![metric("x", Data::Gauge(points.into()))], &[]).0, Value::U64(2));
}

#[test]
fn histograms_of_equal_boundaries_are_added_and_the_oldest_one_decides_which() {
    let metrics = |second: &[f64], buckets: &[u64]| {
        vec![
            metric("x.y", histograms(second, vec![histogram(2, "a", buckets)])),
            metric("x_y", histograms(&[1.0, 2.0], vec![histogram(1, "a", &[1, 2, 3])])),
        ]
    };
    for (second, buckets, expected) in [
        (&[1.0, 2.0][..], &[10, 20, 30][..], [11, 22, 33]),
        (&[1.0, 3.0], &[10, 20, 30], [1, 2, 3]),
        (&[1.0], &[10, 20], [1, 2, 3]),
    ] {
        let found = exported(metrics(second, buckets), &[]);
        let [Data::Histogram { bounds, points, .. }] = &found[..] else { panic!("{found:?}") };
        assert_eq!((&**bounds, &*points[0].buckets), (&[1.0, 2.0][..], &expected[..]));
        assert_eq!(points[0].count, expected.iter().sum::<u64>());
    }
}

#[test]
fn exponential_histograms_are_added_at_the_coarser_scale() {
    let point = |id, key, scale, counts: &[u64]| {
        let NumberPoint { series, attributes, start, .. } = number(id, id, key, Value::U64(0));
        ExponentialHistogramPoint {
            series,
            attributes,
            start,
            count: counts.iter().sum(),
            sum: 1.0,
            min: None,
            max: None,
            scale,
            zero_count: 0,
            zero_threshold: 0.0,
            positive: ExponentialBuckets { offset: 0, counts: counts.to_vec() },
            negative: ExponentialBuckets::default(),
        }
    };
    let points = vec![point(1, "a.b", 1, &[1, 2, 3, 4]), point(2, "a_b", 0, &[10])];
    let temporality = Temporality::Cumulative;
    let found =
        exported(vec![metric("x", Data::ExponentialHistogram { temporality, points })], &[]);
    let [Data::ExponentialHistogram { points, .. }] = &found[..] else { panic!("{found:?}") };
    assert_eq!((points[0].scale, &points[0].positive.counts[..]), (0, &[13, 7][..]));
    assert_eq!((points[0].count, points[0].sum), (20, 2.0));
}

#[test]
fn duplicate_series_of_one_origin_are_joined() {
    let twice = |id| metric("x", sum(vec![number(id, 1, "a", Value::U64(2))]));
    assert_eq!(number_of(vec![twice(1), twice(2)], &[]).0, Value::U64(4));
}
