//! Series whose labels become equal in Prometheus: one series with the sum of all is sent, as long as one of them
//! exists.

use std::time::{Duration, SystemTime};

use meterkit_core::{
    AttributeValue, Attributes, Data, ExponentialBuckets, ExponentialHistogramPoint,
    HistogramPoint, NumberPoint, SeriesId, Temporality, Value,
};
use meterkit_fakes::remote_write::Receiver;
use meterkit_fakes::remote_write::message::{Count, Row};
use meterkit_grafana::{RemoteWriteHistograms, RemoteWriteTarget};
use meterkit_pipeline::Target;

use crate::snapshots::{Taken, config, of, target};

type Pairs<'a> = &'a [(&'static str, AttributeValue)];

fn text(value: &'static str) -> AttributeValue {
    AttributeValue::from(value)
}

fn attributes(pairs: Pairs<'_>) -> Attributes {
    Attributes::from_pairs(pairs.iter().map(|(key, value)| ((*key).into(), value.clone())))
}

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn number(id: u64, pairs: Pairs<'_>, start: u64, value: u64) -> NumberPoint {
    let (series, value) = (SeriesId::from_hash(id), Value::U64(value));
    NumberPoint { series, attributes: attributes(pairs), start: at(start), value }
}

fn counter(points: Vec<NumberPoint>) -> Data {
    Data::Sum { monotonic: true, temporality: Temporality::Cumulative, points: points.into() }
}

async fn sent(data: Data, histograms: RemoteWriteHistograms) -> Vec<Row> {
    let receiver = Receiver::start([]).await;
    let config = config(&receiver).with_histograms(histograms);
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    assert_eq!(target.export(&of(9, "x", data)).await, Ok(()));
    receiver.taken().remove(0).content
}

#[tokio::test]
async fn sums_that_become_equal_are_added_since_the_first_of_them() {
    for (one, other, label, value) in [
        (&[("a.b", text("1"))][..], &[("a_b", text("1"))][..], "a_b", Some("1")),
        (&[("a", text("1"))], &[("a", AttributeValue::from(1_i64))], "a", Some("1")),
        (&[("a", text("true"))], &[("a", AttributeValue::from(true))], "a", Some("true")),
        (&[("a", text(""))], &[], "a", None),
        // These labels of the process are on every series.
        (&[("job", text("1"))], &[("exported_job", text("1"))], "exported_job", Some("1")),
        (
            &[("instance", text("1"))],
            &[("exported.instance", text("1"))],
            "exported_instance",
            Some("1"),
        ),
    ] {
        let data = counter(vec![number(1, one, 5, u64::MAX >> 13), number(2, other, 3, 2)]);
        let rows = sent(data, RemoteWriteHistograms::AsRecorded).await;
        let [row] = &*rows else { panic!("{one:?} {other:?}: {rows:?}") };
        assert_eq!(row.label(label), value);
        assert_eq!(row.label("job"), Some("test"));
        let sum = ((u64::MAX >> 13) + 2) as f64;
        assert_eq!((row.value, row.start), (sum, 3000), "{one:?} {other:?}");
    }
}

#[tokio::test]
async fn histograms_that_become_equal_are_added_in_each_form() {
    // The label `le` is reserved for buckets.
    let keys =
        [[("a.b", text("1")), ("le", text("2"))], [("a_b", text("1")), ("exported_le", text("2"))]];
    let temporality = Temporality::Cumulative;
    let fixed = || {
        let point = |at_key: usize, buckets: [u64; 2]| HistogramPoint {
            series: SeriesId::from_hash(at_key as u64),
            attributes: attributes(&keys[at_key]),
            start: at(2 + at_key as u64),
            count: buckets.iter().sum(),
            sum: 0.5,
            min: None,
            max: None,
            buckets: buckets.into(),
        };
        let points = vec![point(0, [1, 2]), point(1, [10, 20])];
        Data::Histogram { temporality, bounds: [1.0].into(), points }
    };
    let exponential = || {
        let point = |at_key: usize, scale, positive| ExponentialHistogramPoint {
            series: SeriesId::from_hash(at_key as u64),
            attributes: attributes(&keys[at_key]),
            start: at(2 + at_key as u64),
            count: 4,
            sum: 0.5,
            min: None,
            max: None,
            scale,
            zero_count: 1,
            zero_threshold: 0.0,
            positive,
            negative: ExponentialBuckets::default(),
        };
        let points = vec![
            point(0, 1, ExponentialBuckets { offset: 0, counts: vec![1, 2] }),
            point(1, 0, ExponentialBuckets { offset: 0, counts: vec![3] }),
        ];
        Data::ExponentialHistogram { temporality, points }
    };
    let parts = |rows: &[Row]| -> Vec<(String, Option<String>, f64)> {
        assert!(rows.iter().all(|row| row.start == 2000 && row.label("a_b") == Some("1")));
        assert!(rows.iter().all(|row| row.label("exported_le") == Some("2")), "{rows:?}");
        let part =
            |row: &Row| (row.name().to_owned(), row.label("le").map(str::to_owned), row.value);
        rows.iter().map(part).collect()
    };
    let part = |name: &str, le: Option<&str>, value| {
        (format!("x_seconds_{name}"), le.map(str::to_owned), value)
    };
    let rows = sent(fixed(), RemoteWriteHistograms::Classic).await;
    assert_eq!(
        parts(&rows),
        [
            part("bucket", Some("1"), 11.0),
            part("bucket", Some("+Inf"), 33.0),
            part("sum", None, 1.0),
            part("count", None, 33.0),
        ]
    );
    let rows = sent(fixed(), RemoteWriteHistograms::Native).await;
    let [row] = &*rows else { panic!("{rows:?}") };
    let native = row.native.as_ref().expect("a native histogram");
    assert_eq!((native.count, native.schema), (Some(Count::Whole(33)), -53));
    assert_eq!(native.positive_deltas, [11, 11]);

    let rows = sent(exponential(), RemoteWriteHistograms::AsRecorded).await;
    let [row] = &*rows else { panic!("{rows:?}") };
    let native = row.native.as_ref().expect("a native histogram");
    assert_eq!((native.count, native.zero_count), (Some(Count::Whole(8)), Some(2)));
    assert_eq!((native.schema, &*native.positive_deltas, row.start), (0, &[6][..], 2000));
    let rows = sent(exponential(), RemoteWriteHistograms::Classic).await;
    let infinity = part("bucket", Some("+Inf"), 8.0);
    let all = parts(&rows);
    assert!(all.contains(&infinity) && all.contains(&part("bucket", Some("2"), 8.0)), "{all:?}");
}

#[tokio::test]
async fn a_joined_total_does_not_fall_and_ends_with_the_last_series_that_it_is_made_of() {
    let receiver = Receiver::start([]).await;
    let mut target = target(&receiver);
    let mut taken = Taken::default();
    let one = |value| number(1, &[("a.b", text("1"))], 1, value);
    let other = |value| number(2, &[("a_b", text("1"))], 1, value);
    let beside = || number(3, &[("a_b", text("2"))], 1, 7);
    for (second, points) in [
        (2, vec![one(10), other(1), beside()]),
        (3, vec![other(2), beside()]),
        (4, vec![other(4), beside()]),
        (5, vec![beside()]),
        (6, vec![beside()]),
    ] {
        let snapshot = taken.numbered(of(second, "x", counter(points)));
        assert_eq!(target.export(&snapshot).await, Ok(()));
    }
    let of_both = receiver.taken().into_iter().map(|arrival| {
        let rows = arrival.content.into_iter().filter(|row| row.label("a_b") == Some("1"));
        rows.map(|row| (!row.is_stale()).then_some(row.value)).collect::<Vec<_>>()
    });
    let expected = [vec![Some(11.0)], vec![Some(12.0)], vec![Some(14.0)], vec![None], Vec::new()];
    assert_eq!(of_both.collect::<Vec<_>>(), expected);
}
