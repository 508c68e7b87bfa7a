//! Deltas: the values recorded since the last acknowledged snapshot.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    Attributes, Data, Descriptor, HistogramPoint, Metric, NumberPoint, ScopeMetrics, SeriesId,
    Temporality, Value,
};
use meterkit_pipeline::Snapshot;
use opentelemetry::InstrumentationScope;

/// Returns the time `seconds` after the start of the process.
fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
}

fn route(name: &'static str) -> Attributes {
    Attributes::from_pairs([("route".into(), name.into())])
}

/// Returns an id that is the same in each snapshot.
fn series(name: &str) -> SeriesId {
    SeriesId::from_hash(name.bytes().map(u64::from).sum())
}

fn point(name: &'static str, value: u64) -> NumberPoint {
    NumberPoint {
        series: series(name),
        attributes: route(name),
        start: at(0),
        value: Value::U64(value),
    }
}

fn counter(points: impl Into<Vec<NumberPoint>>) -> Data {
    sum(true, points)
}

fn sum(monotonic: bool, points: impl Into<Vec<NumberPoint>>) -> Data {
    Data::Sum { monotonic, temporality: Temporality::Cumulative, points: points.into().into() }
}

fn histogram(bounds: &[f64], buckets: &[u64], sum: f64) -> Data {
    let point = HistogramPoint {
        series: series("a"),
        attributes: route("a"),
        start: at(0),
        count: buckets.iter().sum(),
        sum,
        min: Some(0.5),
        max: Some(9.0),
        buckets: buckets.into(),
    };
    let (bounds, points) = (bounds.into(), vec![point]);
    Data::Histogram { temporality: Temporality::Cumulative, bounds, points }
}

/// Returns a snapshot with one metric in each of these scopes.
fn snapshot(seconds: u64, scopes: &[(&'static str, Data)]) -> Snapshot {
    let scopes = scopes.iter().map(|(scope, data)| {
        let descriptor = Descriptor {
            name: "requests".to_owned(),
            unit: String::new(),
            description: String::new(),
            kind: data.kind(),
        };
        ScopeMetrics {
            scope: Arc::new(InstrumentationScope::builder(*scope).build()),
            metrics: vec![Metric { descriptor: Arc::new(descriptor), data: data.clone() }],
        }
    });
    let resource = Attributes::from_pairs([("service.name".into(), "shop".into())]);
    Snapshot::new(resource, at(seconds), scopes.collect())
}

/// Returns the data of the only metric in a snapshot.
fn alone(seconds: u64, data: Data) -> Snapshot {
    snapshot(seconds, &[("catalog", data)])
}

fn data(snapshot: &Snapshot) -> &Data {
    &snapshot.scopes[0].metrics[0].data
}

/// Returns route, value and start of each point of a delta sum.
#[track_caller]
fn rises(snapshot: &Snapshot) -> Vec<(String, Value, SystemTime)> {
    let Data::Sum { monotonic: true, temporality: Temporality::Delta, points } = data(snapshot)
    else {
        panic!("not a delta of a monotonic sum: {snapshot:?}")
    };
    let route = |point: &NumberPoint| point.attributes.get("route").map(|value| value.to_string());
    points
        .iter()
        .map(|point| (route(point).unwrap_or_default(), point.value, point.start))
        .collect()
}

fn rise(route: &str, value: u64, start: SystemTime) -> (String, Value, SystemTime) {
    (route.to_owned(), Value::U64(value), start)
}

#[test]
fn with_nothing_acknowledged_everything_is_new() {
    let now = alone(10, counter([point("a", 5)]));
    let delta = now.delta_since(None);
    assert_eq!(rises(&delta), [rise("a", 5, at(0))]);
    assert_eq!((delta.time, delta.resource), (at(10), now.resource));
}

#[test]
fn a_counter_gives_its_difference_from_the_time_of_the_acknowledged_snapshot() {
    let then = alone(10, counter([point("a", 5), point("b", 7)]));
    let now = alone(20, counter([point("a", 8), point("b", 7)]));
    let delta = now.delta_since(Some(&then));
    assert_eq!(rises(&delta), [rise("a", 3, at(10)), rise("b", 0, at(10))]);
    assert_eq!(delta.time, at(20));
}

#[test]
fn a_difference_of_floats_is_not_rounded_further() {
    let total = |value| counter([NumberPoint { value: Value::F64(value), ..point("a", 0) }]);
    let delta = alone(20, total(0.3)).delta_since(Some(&alone(10, total(0.1))));
    assert_eq!(rises(&delta)[0].1, Value::F64(0.3 - 0.1));
    assert_ne!(0.3 - 0.1, 0.2);
}

#[test]
fn a_failure_between_leaves_the_whole_difference_to_the_next_success() {
    let acknowledged = alone(10, counter([point("a", 5)]));
    let failed = alone(20, counter([point("a", 8)]));
    let next = alone(30, counter([point("a", 9)]));
    assert_eq!(rises(&failed.delta_since(Some(&acknowledged))), [rise("a", 3, at(10))]);
    assert_eq!(rises(&next.delta_since(Some(&acknowledged))), [rise("a", 4, at(10))]);
}

#[test]
fn deltas_of_consecutive_snapshots_add_up_to_the_last_one() {
    let values = [0, 3, 3, 10, 11];
    let snapshots: Vec<_> =
        (0..).zip(values).map(|(time, value)| alone(time, counter([point("a", value)]))).collect();
    let mut total = 0.0;
    let mut acknowledged = None;
    for snapshot in &snapshots {
        let delta = snapshot.delta_since(acknowledged);
        total += rises(&delta)[0].1.as_f64();
        acknowledged = Some(snapshot);
    }
    assert_eq!(total, 11.0);
}

#[test]
fn a_counter_that_fell_is_exported_in_full() {
    let then = alone(10, counter([point("a", 100)]));
    let now = alone(20, counter([point("a", 4)]));
    assert_eq!(rises(&now.delta_since(Some(&then))), [rise("a", 4, at(10))]);
}

#[test]
fn a_series_with_a_new_start_is_exported_in_full_even_if_it_did_not_fall() {
    let then = alone(10, counter([point("a", 5)]));
    let anew = NumberPoint { series: SeriesId::new(), start: at(15), ..point("a", 50) };
    let now = alone(20, counter([anew]));
    assert_eq!(rises(&now.delta_since(Some(&then))), [rise("a", 50, at(15))]);
}

#[test]
fn new_series_are_exported_in_full_and_ended_ones_are_missing() {
    let then = alone(10, counter([point("a", 1), point("c", 10), point("d", 20)]));
    let now = alone(20, counter([point("b", 2), point("c", 11), point("d", 22), point("e", 5)]));
    let expected =
        [rise("b", 2, at(0)), rise("c", 1, at(10)), rise("d", 2, at(10)), rise("e", 5, at(0))];
    assert_eq!(rises(&now.delta_since(Some(&then))), expected);
}

#[test]
fn a_metric_that_changed_its_type_is_exported_in_full() {
    let float = NumberPoint { value: Value::F64(2.0), ..point("a", 0) };
    for before in [
        counter([float]),
        sum(false, [point("a", 2)]),
        Data::Gauge(vec![point("a", 2)].into()),
        histogram(&[1.0], &[1, 1], 2.0),
    ] {
        let now = alone(20, counter([point("a", 5)]));
        let delta = now.delta_since(Some(&alone(10, before)));
        let values: Vec<_> = rises(&delta).into_iter().map(|(_, value, _)| value).collect();
        assert_eq!(values, [Value::U64(5)]);
    }
}

#[test]
fn metrics_of_the_same_name_in_two_scopes_are_not_mixed_up() {
    let in_b = |value| NumberPoint { series: series("in b"), ..point("a", value) };
    let then = snapshot(10, &[("a", counter([point("a", 1)])), ("b", counter([in_b(100)]))]);
    let now = snapshot(20, &[("a", counter([point("a", 4)])), ("b", counter([in_b(105)]))]);
    let delta = now.delta_since(Some(&then));
    assert_eq!(rises(&delta), [rise("a", 3, at(10))]);
    let second = Snapshot { scopes: vec![delta.scopes[1].clone()], ..delta };
    assert_eq!(rises(&second), [rise("a", 5, at(10))]);
}

#[test]
fn gauges_and_sums_that_fall_stay_as_they_are() {
    for before in [Data::Gauge(vec![point("a", 9)].into()), sum(false, [point("a", 9)])] {
        let now = match before {
            Data::Gauge(_) => Data::Gauge(vec![point("a", 4)].into()),
            _ => sum(false, [point("a", 4)]),
        };
        let delta = alone(20, now).delta_since(Some(&alone(10, before)));
        let (Data::Gauge(points)
        | Data::Sum { monotonic: false, temporality: Temporality::Cumulative, points }) =
            data(&delta)
        else {
            panic!("{delta:?}")
        };
        assert_eq!(points[..], [point("a", 4)]);
    }
}

/// Returns the only point of a delta histogram.
#[track_caller]
fn distribution(snapshot: &Snapshot) -> &HistogramPoint {
    match data(snapshot) {
        Data::Histogram { temporality: Temporality::Delta, points, .. } if points.len() == 1 => {
            &points[0]
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_histogram_gives_the_difference_of_its_buckets() {
    let then = alone(10, histogram(&[1.0, 5.0], &[2, 1, 1], 12.0));
    let now = alone(20, histogram(&[1.0, 5.0], &[2, 4, 2], 30.5));
    let delta = now.delta_since(Some(&then));
    let point = distribution(&delta);
    assert_eq!(*point.buckets, [0, 3, 1]);
    assert_eq!((point.count, point.sum, point.start), (4, 18.5, at(10)));
    assert_eq!((point.min, point.max), (None, None), "minimum and maximum may be older");
}

#[test]
fn an_extreme_that_is_further_out_than_before_came_in_between() {
    let with = |min, max| match histogram(&[1.0], &[1, 1], 8.0) {
        Data::Histogram { temporality, bounds, mut points } => {
            (points[0].min, points[0].max) = (Some(min), Some(max));
            Data::Histogram { temporality, bounds, points }
        }
        other => panic!("{other:?}"),
    };
    for (now, known) in [
        ((0.5, 9.0), (None, None)),
        ((0.25, 9.0), (Some(0.25), None)),
        ((0.5, 10.0), (None, Some(10.0))),
        ((-1.0, 11.0), (Some(-1.0), Some(11.0))),
    ] {
        let (then, now) = (alone(10, with(0.5, 9.0)), alone(20, with(now.0, now.1)));
        let delta = now.delta_since(Some(&then));
        let point = distribution(&delta);
        assert_eq!((point.min, point.max), known);
    }
}

#[test]
fn a_histogram_that_fell_or_has_other_buckets_is_exported_in_full() {
    for before in [
        histogram(&[1.0, 5.0], &[2, 9, 1], 50.0),
        histogram(&[1.0, 6.0], &[1, 1, 1], 8.0),
        histogram(&[1.0], &[1, 1], 8.0),
        counter([point("a", 1)]),
    ] {
        let now = alone(20, histogram(&[1.0, 5.0], &[2, 4, 2], 30.5));
        let delta = now.delta_since(Some(&alone(10, before)));
        let point = distribution(&delta);
        assert_eq!(*point.buckets, [2, 4, 2]);
        assert_eq!((point.count, point.sum), (8, 30.5));
        assert_eq!((point.min, point.max), (Some(0.5), Some(9.0)));
    }
}

#[test]
fn the_snapshot_itself_is_not_changed() {
    let then = alone(10, counter([point("a", 5)]));
    let now = alone(20, counter([point("a", 8)]));
    let _delta = now.delta_since(Some(&then));
    let Data::Sum { points, temporality: Temporality::Cumulative, .. } = data(&now) else {
        panic!("{now:?}")
    };
    assert_eq!(points[..], [point("a", 8)]);
}
