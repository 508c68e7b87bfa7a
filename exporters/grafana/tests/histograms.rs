//! The form of histograms: native, classic or with custom buckets, and always classic in 1.0.

use std::time::{Duration, SystemTime};

use meterkit_core::{
    Attributes, Data, ExponentialBuckets, ExponentialHistogramPoint, HistogramPoint, SeriesId,
    Temporality,
};
use meterkit_fakes::remote_write::message::{Count, Row, Span};
use meterkit_fakes::remote_write::{Answer, Receiver, Speaks};
use meterkit_grafana::{
    RemoteWriteConfig, RemoteWriteHistograms, RemoteWriteTarget, RemoteWriteVersion,
};
use meterkit_pipeline::{Snapshot, Target};

use crate::snapshots::{config, of, snapshot};

const START: Duration = Duration::from_secs(1);

fn fixed(second: u64, bounds: &[f64], buckets: &[u64], count: u64) -> Snapshot {
    let point = HistogramPoint {
        series: SeriesId::from_hash(1),
        attributes: Attributes::empty(),
        start: SystemTime::UNIX_EPOCH + START,
        count,
        sum: 30.5,
        min: None,
        max: None,
        buckets: buckets.into(),
    };
    let temporality = Temporality::Cumulative;
    of(second, "x", Data::Histogram { temporality, bounds: bounds.into(), points: vec![point] })
}

fn exponential(second: u64, scale: i32, positive: (i32, &[u64])) -> Snapshot {
    let (offset, counts) = positive;
    let point = ExponentialHistogramPoint {
        series: SeriesId::from_hash(2),
        attributes: Attributes::empty(),
        start: SystemTime::UNIX_EPOCH + START,
        count: counts.iter().sum(),
        sum: 2.5,
        min: None,
        max: None,
        scale,
        zero_count: 0,
        zero_threshold: 0.0,
        positive: ExponentialBuckets { offset, counts: counts.to_vec() },
        negative: ExponentialBuckets::default(),
    };
    let temporality = Temporality::Cumulative;
    of(second, "x", Data::ExponentialHistogram { temporality, points: vec![point] })
}

/// Returns the values that a receiver of 2.0 gets.
async fn sent(
    snapshot: &Snapshot,
    settings: impl FnOnce(RemoteWriteConfig) -> RemoteWriteConfig,
) -> Vec<Row> {
    let receiver = Receiver::start([]).await;
    let mut target = RemoteWriteTarget::new(settings(config(&receiver))).expect("a target");
    assert_eq!(target.export(snapshot).await, Ok(()));
    let mut taken = receiver.taken();
    assert_eq!(taken.len(), 1);
    let values = taken[0].content.len() as u64;
    assert_eq!((target.counts().written(), target.counts().refused()), (values, 0));
    taken.remove(0).content
}

/// Returns the label `le` and the value of each bucket.
fn buckets(rows: &[Row]) -> Vec<(f64, f64)> {
    let buckets = rows.iter().filter(|row| row.name() == "x_seconds_bucket");
    let bound = |row: &Row| row.label("le").expect("a bound").replace("Inf", "inf");
    buckets.map(|row| (bound(row).parse().expect("a number"), row.value)).collect()
}

#[tokio::test]
async fn a_histogram_with_fixed_buckets_can_be_a_native_one_with_custom_buckets() {
    for (bounds, buckets, count, spans, deltas) in [
        (&[0.5, 10.0][..], &[1, 2, 4][..], 7, &[(0, 3)][..], &[1, 1, 2][..]),
        (&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[0, 0, 0, 0, 0, 3, 0], 3, &[(5, 1)], &[3]),
        (&[-1.0, 1.0], &[4, 0, 0], 4, &[(0, 1)], &[4]),
        (&[1.0], &[0, 0], 0, &[], &[]),
        // Histograms of other libraries may have only a count.
        (&[], &[], 9, &[(0, 1)], &[9]),
    ] {
        let snapshot = fixed(3, bounds, buckets, count);
        let native =
            |config: RemoteWriteConfig| config.with_histograms(RemoteWriteHistograms::Native);
        let rows = sent(&snapshot, native).await;
        let [row] = &*rows else { panic!("{rows:?}") };
        assert_eq!((row.name(), row.metadata.0), ("x_seconds", 3));
        let native = row.native.as_ref().expect("a native histogram");
        assert_eq!((native.schema, native.sum), (-53, 30.5));
        assert_eq!((native.count, native.zero_count), (Some(Count::Whole(count)), Some(0)));
        assert_eq!(native.custom_values, bounds);
        let spans_of =
            |spans: &[Span]| spans.iter().map(|it| (it.offset, it.length)).collect::<Vec<_>>();
        assert_eq!(spans_of(&native.positive_spans), spans);
        assert_eq!(native.positive_deltas, deltas);
        assert!(native.negative_spans.is_empty() && native.zero_threshold == 0.0);
        assert_eq!((native.time, native.start), (3000, 1000));
    }
}

#[tokio::test]
async fn an_exponential_histogram_can_be_a_classic_one_in_2() {
    let snapshot = exponential(3, 0, (0, &[1, 0, 5]));
    let classic =
        |config: RemoteWriteConfig| config.with_histograms(RemoteWriteHistograms::Classic);
    let rows = sent(&snapshot, classic).await;
    assert!(
        rows.iter().all(|row| row.native.is_none() && row.metadata.0 == 3 && row.start == 1000)
    );
    let buckets = buckets(&rows);
    for (bound, below) in [(2.0, 1.0), (4.0, 1.0), (8.0, 6.0), (f64::INFINITY, 6.0)] {
        assert!(buckets.contains(&(bound, below)), "{bound}: {buckets:?}");
    }
    assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
    let value = |name: &str| rows.iter().find(|row| row.name() == name).map(|row| row.value);
    assert_eq!((value("x_seconds_sum"), value("x_seconds_count")), (Some(2.5), Some(6.0)));
}

#[tokio::test]
async fn no_scale_of_an_exponential_histogram_is_lost() {
    for scale in -10..=20 {
        let rows = sent(&exponential(3, scale, (-1, &[3, 4])), |config| config).await;
        if scale >= -4 {
            let native = rows[0].native.as_ref().expect("a native histogram");
            assert_eq!(native.schema, scale.min(8), "{scale}");
            assert_eq!(native.count, Some(Count::Whole(7)), "{scale}");
        } else {
            // Native histograms do not support buckets this wide.
            let buckets = buckets(&rows);
            assert!(buckets.contains(&(1.0, 3.0)), "{scale}: {buckets:?}");
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, 7.0)), "{scale}");
        }
    }
}

#[tokio::test]
async fn a_target_that_is_told_1_never_tries_2_and_sends_no_native_histogram() {
    for histograms in [RemoteWriteHistograms::AsRecorded, RemoteWriteHistograms::Native] {
        let receiver =
            Receiver::speaking(Speaks::Two, [Answer::status(400), Answer::status(503)]).await;
        let config =
            config(&receiver).with_version(RemoteWriteVersion::V1).with_histograms(histograms);
        let mut target = RemoteWriteTarget::new(config).expect("a target");
        assert!(target.export(&snapshot(1, &[1])).await.is_err(), "it is refused");
        assert!(target.export(&exponential(2, 3, (5, &[2]))).await.is_err(), "it waits");
        assert_eq!(target.export(&fixed(3, &[1.0], &[1, 1], 2)).await, Ok(()));
        target.shutdown().await;
        for arrival in receiver.arrivals() {
            assert_eq!(arrival.version(), "0.1.0");
            assert!(arrival.content.iter().all(|row| row.native.is_none()), "{arrival:?}");
        }
    }
}

#[tokio::test]
async fn native_histograms_that_wait_become_classic_where_the_receiver_knows_1_only() {
    for speaks in [Speaks::One, Speaks::OneBadly, Speaks::OneSilently] {
        let receiver = Receiver::speaking(speaks, [Answer::status(503), Answer::status(503)]).await;
        let config = config(&receiver).with_histograms(RemoteWriteHistograms::Native);
        let mut target = RemoteWriteTarget::new(config).expect("a target");
        assert!(target.export(&exponential(1, 0, (0, &[1, 0, 5]))).await.is_err());
        assert!(target.export(&fixed(2, &[0.5, 10.0], &[1, 2, 4], 7)).await.is_err());
        assert_eq!(target.export(&exponential(3, 0, (0, &[1, 0, 6]))).await, Ok(()));
        let taken: Vec<_> =
            receiver.taken().into_iter().filter(|it| it.version() == "0.1.0").collect();
        let (bound, infinity) = (8.0, f64::INFINITY);
        for (second, expected) in [
            (1, &[(bound, 6.0), (infinity, 6.0)][..]),
            (2, &[(0.5, 1.0), (10.0, 3.0), (infinity, 7.0)]),
            (3, &[(bound, 7.0), (infinity, 7.0)]),
        ] {
            let arrival = taken.iter().find(|it| it.time() == second * 1000).expect("a request");
            assert!(arrival.content.iter().all(|row| row.native.is_none()), "{arrival:?}");
            let buckets = buckets(&arrival.content);
            for bucket in expected {
                assert!(buckets.contains(bucket), "{speaks:?} {second} {bucket:?}: {buckets:?}");
            }
        }
        assert_eq!(target.counts().refused(), 0, "{speaks:?}");
    }
}
