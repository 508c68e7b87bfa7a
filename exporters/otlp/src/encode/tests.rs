//! Tests that each part of a snapshot is encoded.

use std::sync::Arc;
use std::time::Duration;

use meterkit_core::{Descriptor, Exemplars, SeriesId, SpanIds};
use opentelemetry::{InstrumentationScope, KeyValue};
use proto::number_data_point::Value as Number;

use super::*;

fn at(milliseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(milliseconds)
}

fn metric(data: Data) -> Metric {
    let descriptor = Descriptor {
        name: "catalog.requests".to_owned(),
        unit: "{request}".to_owned(),
        description: "Requests.".to_owned(),
        kind: data.kind(),
    };
    Metric { descriptor: Arc::new(descriptor), data }
}

fn snapshot(scope: InstrumentationScope, metrics: Vec<Metric>) -> Snapshot {
    Snapshot::new(
        Attributes::from_pairs([
            ("service.name".into(), "catalog".into()),
            ("process.pid".into(), 7.into()),
        ]),
        at(2500),
        vec![ScopeMetrics { scope: Arc::new(scope), metrics }],
    )
}

fn number(value: Value) -> NumberPoint {
    NumberPoint { series: SeriesId::new(), attributes: Attributes::empty(), start: at(1000), value }
}

/// Returns the encoded data of one metric.
fn encoded(data: Data) -> proto::metric::Data {
    let scope = InstrumentationScope::builder("catalog").build();
    let mut request = encode(&snapshot(scope, vec![metric(data)]), &Exemplars::default());
    let mut resource = request.resource_metrics.remove(0);
    resource.scope_metrics.remove(0).metrics.remove(0).data.expect("a metric has data")
}

fn any(value: common::any_value::Value) -> common::AnyValue {
    common::AnyValue { value: Some(value) }
}

fn pair(key: &str, value: common::any_value::Value) -> common::KeyValue {
    common::KeyValue { key: key.to_owned(), value: Some(any(value)), key_strindex: 0 }
}

#[test]
fn resource_scope_and_metric_are_encoded_completely() {
    use common::any_value::Value::{ArrayValue, BoolValue, DoubleValue, IntValue, StringValue};
    let list = opentelemetry::Array::I64(vec![1, 2]);
    let scope = InstrumentationScope::builder("backstage.plugin.catalog")
        .with_version("1.2.3")
        .with_schema_url("https://opentelemetry.io/schemas/1.30.0")
        .with_attributes([
            KeyValue::new("tier", 1.5),
            KeyValue::new("beta", true),
            KeyValue::new("shards", opentelemetry::Value::Array(list)),
        ])
        .build();
    let request = encode(
        &snapshot(scope, vec![metric(Data::Gauge(vec![number(Value::I64(1))].into()))]),
        &Exemplars::default(),
    );
    let [resource] = request.resource_metrics.as_slice() else {
        panic!("{request:?}");
    };
    let about = resource.resource.as_ref().expect("a resource").attributes.as_slice();
    let service = pair("service.name", StringValue("catalog".to_owned()));
    assert_eq!(about, [pair("process.pid", IntValue(7)), service]);
    let [scope] = resource.scope_metrics.as_slice() else {
        panic!("{resource:?}");
    };
    assert_eq!(scope.schema_url, "https://opentelemetry.io/schemas/1.30.0");
    let of = scope.scope.as_ref().expect("a scope");
    assert_eq!((of.name.as_str(), of.version.as_str()), ("backstage.plugin.catalog", "1.2.3"));
    let shards = common::ArrayValue { values: vec![any(IntValue(1)), any(IntValue(2))] };
    for expected in [
        pair("tier", DoubleValue(1.5)),
        pair("beta", BoolValue(true)),
        pair("shards", ArrayValue(shards)),
    ] {
        assert!(of.attributes.contains(&expected), "{expected:?} in {:?}", of.attributes);
    }
    let [metric] = scope.metrics.as_slice() else {
        panic!("{scope:?}");
    };
    assert_eq!(metric.name, "catalog.requests");
    assert_eq!((metric.unit.as_str(), metric.description.as_str()), ("{request}", "Requests."));
}

#[test]
fn sums_have_their_monotonicity_and_start() {
    for (temporality, number_of) in [(Temporality::Delta, 1), (Temporality::Cumulative, 2)] {
        for monotonic in [true, false] {
            let points = vec![number(Value::F64(0.5))];
            let proto::metric::Data::Sum(sum) =
                encoded(Data::Sum { monotonic, temporality, points: points.into() })
            else {
                panic!("no sum");
            };
            assert_eq!((sum.is_monotonic, sum.aggregation_temporality), (monotonic, number_of));
            let [point] = sum.data_points.as_slice() else {
                panic!("{sum:?}");
            };
            assert_eq!(point.start_time_unix_nano, 1_000_000_000);
            assert_eq!(point.time_unix_nano, 2_500_000_000);
            assert_eq!((point.value, point.flags), (Some(Number::AsDouble(0.5)), 0));
        }
    }
}

#[test]
fn points_of_sums_and_histograms_have_exemplars() {
    use proto::exemplar::Value::{AsDouble, AsInt};
    let exemplar = |value| Exemplar {
        time: at(2000),
        value,
        span: Some(SpanIds { trace_id: [7; 16], span_id: [9; 8] }),
        filtered: Some(Attributes::from_pairs([("user.id".into(), 5.into())])),
    };
    let outside = Exemplar { span: None, filtered: None, ..exemplar(Value::F64(0.5)) };
    let point = number(Value::U64(3));
    let mut all = Exemplars::default();
    all.insert(point.series, [exemplar(Value::U64(3)), outside].into());
    let temporality = Temporality::Cumulative;
    let scope = InstrumentationScope::builder("catalog").build();
    for (data, expected) in [
        (Data::Sum { monotonic: true, temporality, points: vec![point.clone()].into() }, 2),
        (Data::Gauge(vec![point].into()), 0),
    ] {
        let request = encode(&snapshot(scope.clone(), vec![metric(data)]), &all);
        let metric = &request.resource_metrics[0].scope_metrics[0].metrics[0];
        let (Some(proto::metric::Data::Sum(proto::Sum { data_points, .. }))
        | Some(proto::metric::Data::Gauge(proto::Gauge { data_points }))) = &metric.data
        else {
            panic!("{metric:?}");
        };
        let exemplars = &data_points[0].exemplars;
        assert_eq!(exemplars.len(), expected);
        let [first, second] = &**exemplars else { continue };
        assert_eq!((&*first.trace_id, &*first.span_id), (&[7; 16][..], &[9; 8][..]));
        assert_eq!((first.value, first.time_unix_nano), (Some(AsInt(3)), 2_000_000_000));
        let value = common::any_value::Value::IntValue(5);
        assert_eq!(first.filtered_attributes, [pair("user.id", value)]);
        assert_eq!((second.trace_id.len(), second.filtered_attributes.len()), (0, 0));
        assert_eq!(second.value, Some(AsDouble(0.5)));
    }
}

#[test]
fn integers_above_the_largest_of_otlp_become_doubles() {
    for (value, expected) in [
        (Value::I64(i64::MIN), Number::AsInt(i64::MIN)),
        (Value::U64(7), Number::AsInt(7)),
        (Value::U64(i64::MAX as u64), Number::AsInt(i64::MAX)),
        (Value::U64(i64::MAX as u64 + 1), Number::AsDouble(9_223_372_036_854_775_808.0)),
        (Value::U64(10_000_000_000_000_000_000), Number::AsDouble(1e19)),
        (Value::U64(u64::MAX), Number::AsDouble(u64::MAX as f64)),
    ] {
        let proto::metric::Data::Gauge(gauge) = encoded(Data::Gauge(vec![number(value)].into()))
        else {
            panic!("no gauge");
        };
        assert_eq!(gauge.data_points[0].value, Some(expected), "{value:?}");
    }
}

#[test]
fn histograms_have_buckets_and_known_extremes() {
    let point = |min, max| HistogramPoint {
        series: SeriesId::new(),
        attributes: Attributes::from_pairs([("route".into(), "/".into())]),
        start: at(1000),
        count: 3,
        sum: 6.5,
        min,
        max,
        buckets: [1, 0, 2].into(),
    };
    let points = vec![point(Some(0.5), Some(4.0)), point(None, None)];
    let (temporality, bounds) = (Temporality::Delta, [1.0, 2.0].into());
    let proto::metric::Data::Histogram(histogram) =
        encoded(Data::Histogram { temporality, bounds, points })
    else {
        panic!("no histogram");
    };
    assert_eq!(histogram.aggregation_temporality, 1);
    let [first, second] = histogram.data_points.as_slice() else {
        panic!("{histogram:?}");
    };
    let expected = proto::HistogramDataPoint {
        attributes: vec![pair("route", common::any_value::Value::StringValue("/".to_owned()))],
        start_time_unix_nano: 1_000_000_000,
        time_unix_nano: 2_500_000_000,
        count: 3,
        sum: Some(6.5),
        bucket_counts: vec![1, 0, 2],
        explicit_bounds: vec![1.0, 2.0],
        min: Some(0.5),
        max: Some(4.0),
        ..proto::HistogramDataPoint::default()
    };
    assert_eq!(*first, expected);
    assert_eq!(*second, proto::HistogramDataPoint { min: None, max: None, ..expected });
}

#[test]
fn exponential_histograms_keep_their_scale_and_buckets() {
    let buckets = |offset, counts: &[u64]| ExponentialBuckets { offset, counts: counts.to_vec() };
    let point = ExponentialHistogramPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start: at(1000),
        count: 6,
        sum: 4.5,
        min: Some(-1.0),
        max: Some(4.0),
        scale: -1,
        zero_count: 2,
        zero_threshold: 0.25,
        positive: buckets(-2, &[1, 0, 2]),
        negative: buckets(3, &[1]),
    };
    let (temporality, points) = (Temporality::Cumulative, vec![point]);
    let proto::metric::Data::ExponentialHistogram(histogram) =
        encoded(Data::ExponentialHistogram { temporality, points })
    else {
        panic!("no exponential histogram");
    };
    assert_eq!(histogram.aggregation_temporality, 2);
    let buckets = |offset, counts: &[u64]| {
        use proto::exponential_histogram_data_point::Buckets;
        Some(Buckets { offset, bucket_counts: counts.to_vec() })
    };
    let expected = proto::ExponentialHistogramDataPoint {
        start_time_unix_nano: 1_000_000_000,
        time_unix_nano: 2_500_000_000,
        count: 6,
        sum: Some(4.5),
        scale: -1,
        zero_count: 2,
        zero_threshold: 0.25,
        positive: buckets(-2, &[1, 0, 2]),
        negative: buckets(3, &[1]),
        min: Some(-1.0),
        max: Some(4.0),
        ..proto::ExponentialHistogramDataPoint::default()
    };
    assert_eq!(histogram.data_points, [expected]);
}

#[test]
fn metrics_without_points_are_left_out() {
    let scope = InstrumentationScope::builder("catalog").build();
    let request = encode(
        &snapshot(scope, vec![metric(Data::Gauge(Vec::new().into()))]),
        &Exemplars::default(),
    );
    assert!(request.resource_metrics[0].scope_metrics.is_empty());
}

#[test]
fn no_point_starts_after_it_ends() {
    // The time of the snapshot is 2.5 s.
    let late = at(9000);
    let points = vec![NumberPoint { start: late, ..number(Value::U64(3)) }];
    let temporality = Temporality::Cumulative;
    let sum = encoded(Data::Sum { monotonic: true, temporality, points: points.into() });
    let histogram = HistogramPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start: late,
        count: 1,
        sum: 3.0,
        min: None,
        max: None,
        buckets: [1].into(),
    };
    let bounds = Arc::default();
    let explicit = encoded(Data::Histogram { temporality, bounds, points: vec![histogram] });
    let exponential = ExponentialHistogramPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start: late,
        count: 1,
        sum: 3.0,
        min: None,
        max: None,
        scale: 0,
        zero_count: 1,
        zero_threshold: 0.0,
        positive: ExponentialBuckets::default(),
        negative: ExponentialBuckets::default(),
    };
    let exponential =
        encoded(Data::ExponentialHistogram { temporality, points: vec![exponential] });
    for data in [sum, explicit, exponential] {
        let times = match &data {
            proto::metric::Data::Sum(sum) => {
                let point = &sum.data_points[0];
                (point.start_time_unix_nano, point.time_unix_nano)
            }
            proto::metric::Data::Histogram(histogram) => {
                let point = &histogram.data_points[0];
                (point.start_time_unix_nano, point.time_unix_nano)
            }
            proto::metric::Data::ExponentialHistogram(histogram) => {
                let point = &histogram.data_points[0];
                (point.start_time_unix_nano, point.time_unix_nano)
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(times, (2_500_000_000, 2_500_000_000));
    }
}
