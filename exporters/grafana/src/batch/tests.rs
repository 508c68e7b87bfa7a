//! What is written can be read by prost, in both versions, whole and in halves.

use meterkit_core::{Collections, Data, ScopeMetrics, SeriesId};
use prost::Message;

use super::*;
use crate::series;
use crate::tests::samples::{self, exponential, histogram, metric, point, scope};
use crate::wire::messages::{Request, WriteRequest};

const NO_LIMITS: Limits = Limits { series: usize::MAX, bytes: usize::MAX };

fn written(version: Version, limits: Limits) -> Vec<Batch> {
    let mut batches = Batches::new(9, version, limits);
    series::for_each(&samples::all_kinds(100), &mut |series| batches.add(series));
    batches.finish().expect("in memory")
}

fn shown(series: &Series<'_>) -> String {
    // Bits, as a NaN is not equal to itself.
    let bits = match &series.value {
        SeriesValue::Number(value) => value.to_bits(),
        SeriesValue::Histogram(histogram) => histogram.sum.to_bits(),
    };
    format!("{series:?} {bits:x}")
}

fn given_series(start: bool) -> Vec<String> {
    let mut all = Vec::new();
    series::for_each(&samples::all_kinds(100), &mut |series| {
        let start = if start { series.start } else { 0 };
        all.push(shown(&Series { start, ..series.clone() }));
    });
    all
}

fn read(batches: &[Batch]) -> Vec<String> {
    let mut all = Vec::new();
    for batch in batches {
        let before = all.len();
        batch.for_each(&mut |series| all.push(shown(series))).expect("it was written");
        assert_eq!(all.len() - before, batch.len() as usize);
    }
    all
}

#[test]
fn what_is_written_is_what_is_read() {
    let [two] = &*written(Version::V2, NO_LIMITS) else { panic!("one request") };
    assert_eq!(read(std::slice::from_ref(two)), given_series(true));
    assert_eq!((two.samples, two.histograms, two.time), (10, 1, 9));

    let [one] = &*written(Version::V1, NO_LIMITS) else { panic!("one request") };
    assert_eq!(read(std::slice::from_ref(one)), given_series(false), "1.0 has no start");
}

#[test]
fn a_request_can_be_made_one_of_the_other_version() {
    let two = written(Version::V2, NO_LIMITS).remove(0);
    let one = two.in_version(Version::V1).expect("it was written");
    let directly = written(Version::V1, NO_LIMITS).remove(0);
    assert_eq!(one.body, directly.body, "the same as if it were written so");
    assert_eq!((one.version, one.samples, one.histograms, one.time), (Version::V1, 10, 1, 9));

    let back = one.in_version(Version::V2).expect("it was written");
    assert_eq!(read(&[back]), given_series(false));
    assert_eq!(two.in_version(Version::V2).expect("it is").body, two.body);
}

#[test]
fn halves_have_all_series_once() {
    for version in [Version::V1, Version::V2] {
        let [whole] = &*written(version, NO_LIMITS) else { panic!("one request") };
        let halves = whole.split(&[6]).expect("it was written");
        assert_eq!(halves.iter().map(Batch::len).collect::<Vec<_>>(), [6, 5]);
        assert_eq!(read(&halves), read(std::slice::from_ref(whole)));
        let first = &halves[0].split(&[3]).expect("it was written")[0];
        assert_eq!((first.len(), first.time), (3, 9));
    }
}

#[test]
fn one_series_is_taken_from_anywhere() {
    for version in [Version::V1, Version::V2] {
        let [whole] = &*written(version, NO_LIMITS) else { panic!("one request") };
        let all = read(std::slice::from_ref(whole));
        for at in 0..11 {
            let parts = whole.split(&[at, at + 1]).expect("it was written");
            let expected = [at, 1, 10 - at].into_iter().filter(|len| *len > 0);
            assert!(parts.iter().map(Batch::len).eq(expected), "{at}");
            assert_eq!(read(&parts), all, "{at}");
        }
    }
}

#[test]
fn a_request_ends_where_its_limits_are() {
    for version in [Version::V1, Version::V2] {
        let sizes = |limits| written(version, limits).iter().map(Batch::len).collect::<Vec<_>>();
        assert_eq!(sizes(Limits { series: 4, ..NO_LIMITS }), [4, 4, 3]);
        assert_eq!(sizes(Limits { series: 1, ..NO_LIMITS }), [1; 11]);
        assert_eq!(sizes(Limits { bytes: 1, ..NO_LIMITS }), [1; 11]);
        let batches = written(version, Limits { bytes: 400, ..NO_LIMITS });
        assert!(batches.len() > 1 && batches.len() < 11, "{}", batches.len());
        assert!(batches[..batches.len() - 1].iter().all(|batch| batch.size >= 400));
        assert_eq!(read(&batches), given_series(version == Version::V2));
    }
    assert!(Batches::new(9, Version::V2, NO_LIMITS).finish().expect("nothing").is_empty());
}

#[test]
fn a_request_in_2_has_each_text_once_and_the_empty_one_first() {
    let batch = written(Version::V2, NO_LIMITS).remove(0);
    let plain = snap::raw::Decoder::new().decompress_vec(&batch.body).expect("snappy");
    let request = Request::decode(plain.as_slice()).expect("protobuf");
    assert_eq!(request.symbols[0], "");
    let mut symbols = request.symbols.clone();
    symbols.sort();
    symbols.dedup();
    assert_eq!(symbols.len(), request.symbols.len());
    for series in &request.timeseries {
        assert_eq!(series.labels_refs.len() % 2, 0);
        assert!(series.labels_refs.iter().all(|at| (*at as usize) < request.symbols.len()));
        assert_eq!(series.samples.len() + series.histograms.len(), 1, "one or the other");
        assert!(series.metadata.is_some());
    }
}

#[test]
fn a_request_in_1_has_the_metadata_of_each_family_once() {
    let batch = written(Version::V1, NO_LIMITS).remove(0);
    let plain = snap::raw::Decoder::new().decompress_vec(&batch.body).expect("snappy");
    let request = WriteRequest::decode(plain.as_slice()).expect("protobuf");
    let families: Vec<_> = request
        .metadata
        .iter()
        .map(|it| (it.metric_family_name.as_str(), it.metric_type, &*it.help, &*it.unit))
        .collect();
    assert_eq!(
        families,
        [
            ("load_ratio", 2, "", "ratio"),
            ("requests_total", 1, "Requests.", ""),
            ("sent_bytes_total", 1, "", "bytes"),
            ("sizes_bytes", 3, "How large.", "bytes"),
            ("tasks", 2, "Tasks.", ""),
            ("took_seconds", 3, "How long.", "seconds"),
        ]
    );
    assert!(
        request.timeseries.iter().all(|it| it.samples.iter().all(|it| it.start_timestamp == 0))
    );
}

#[test]
fn garbage_is_an_error() {
    let batch = written(Version::V2, NO_LIMITS).remove(0);
    let torn = Batch { body: batch.body.slice(..20), ..batch };
    assert!(matches!(torn.in_version(Version::V1), Err(BatchError::Snappy(_))));
    let body = snap::raw::Encoder::new().compress_vec(b"\xff\xff").expect("in memory");
    let wrong = Batch { body: body.into(), ..batch };
    assert!(matches!(wrong.split(&[1]), Err(BatchError::Message(_))));
}

const FEW: Limits = Limits { series: 3, bytes: usize::MAX };

/// Takes snapshots.
#[derive(Default)]
struct Taken {
    collections: Collections,
    last: Vec<ScopeMetrics>,
}

impl Taken {
    /// Of metrics with these names, which have the same series each time.
    fn take(&mut self, second: u64, kinds: &[&str]) -> Snapshot {
        let metrics = kinds.iter().map(|kind| {
            let mut data = match *kind {
                "histogram" => histogram(&[], [1, 2, 3]),
                "exponential" => exponential(&[]),
                _ => Data::Gauge(vec![point(&[], 4.0)]),
            };
            let series = SeriesId::from_hash(kind.bytes().map(u64::from).sum());
            match &mut data {
                Data::Gauge(points) => points[0].series = series,
                Data::Histogram { points, .. } => points[0].series = series,
                Data::ExponentialHistogram { points, .. } => points[0].series = series,
                other => panic!("{other:?}"),
            }
            metric(kind.trim_end_matches('\''), "", "", data)
        });
        let mut snapshot = samples::snapshot(second, vec![scope("a", metrics.collect())]);
        self.collections.add(&self.last, &snapshot.scopes, snapshot.time);
        self.last.clone_from(&snapshot.scopes);
        snapshot.number = self.collections.number();
        snapshot.absent = self.collections.absent().to_vec();
        snapshot
    }
}

/// The name of each series, with `!` where it ends; all at this moment.
fn names(batches: &[Batch], time: i64) -> Vec<String> {
    let mut all = Vec::new();
    for batch in batches {
        let visit = &mut |series: &Series<'_>| {
            let value = match &series.value {
                SeriesValue::Number(value) => *value,
                SeriesValue::Histogram(histogram) => histogram.sum,
            };
            let is_end = value.to_bits() == 0x7ff0_0000_0000_0002;
            assert_eq!((series.time, batch.time), (time, time), "{series:?}");
            assert!(!is_end || series.start == 0);
            let name = series::name(&series.labels);
            all.push(format!("{name}{}", if is_end { "!" } else { "" }));
        };
        batch.for_each(visit).expect("it was written");
    }
    all
}

#[test]
fn series_that_went_are_ended_once() {
    for version in [Version::V1, Version::V2] {
        let write =
            |snapshot: &Snapshot, since| write(snapshot, since, version, FEW).expect("in memory");
        let mut taken = Taken::default();
        let first = taken.take(1, &["exponential", "gauge", "histogram"]);
        let batches = write(&first, None);
        let histogram = ["_bucket", "_bucket", "_bucket", "_sum", "_count"];
        let histogram = histogram.map(|part| format!("histogram{part}"));
        let all = [&["exponential".to_owned(), "gauge".to_owned()][..], &histogram].concat();
        assert_eq!(names(&batches, 1000), all);

        let second = taken.take(2, &["gauge"]);
        let batches = write(&second, Some(first.number));
        let ended = [&["exponential!".to_owned()][..], &histogram.map(|it| it + "!")].concat();
        assert_eq!(names(&batches, 2000), [&["gauge".to_owned()][..], &ended].concat());
        assert_eq!(batches.len(), 3, "the limits hold for them too");

        let third = taken.take(3, &["gauge"]);
        assert_eq!(names(&write(&third, Some(second.number)), 3000), ["gauge"]);
        let fourth = taken.take(4, &["gauge", "other"]);
        assert_eq!(names(&write(&fourth, Some(third.number)), 4000), ["gauge", "other"]);
    }
}

#[test]
fn a_series_that_went_in_a_snapshot_that_others_took_is_ended() {
    let write = |snapshot: &Snapshot, since| {
        let batches = write(snapshot, since, Version::V2, FEW).expect("in memory");
        names(&batches, series::milliseconds(snapshot.time))
    };
    let mut taken = Taken::default();
    let first = taken.take(1, &["gauge", "other"]);
    taken.take(2, &["gauge"]);
    assert_eq!(write(&taken.take(3, &["gauge"]), Some(first.number)), ["gauge", "other!"]);
    let back = taken.take(4, &["gauge", "other"]);
    assert_eq!(write(&back, Some(first.number)), ["gauge", "other"], "it is not gone any more");
    assert_eq!(write(&back, None), ["gauge", "other"], "nothing was written before");
}

#[test]
fn a_series_that_others_took_the_place_of_is_not_ended() {
    let mut taken = Taken::default();
    let first = taken.take(1, &["gauge"]);
    let next = taken.take(2, &["gauge'"]);
    let batches = write(&next, Some(first.number), Version::V2, FEW).expect("in memory");
    assert_eq!(names(&batches, 2000), ["gauge"]);
    // Both of them end, with one marker.
    let none = taken.take(3, &[]);
    let batches = write(&none, Some(first.number - 1), Version::V2, FEW).expect("in memory");
    assert_eq!(names(&batches, 3000), ["gauge!"]);
}

#[test]
fn at_the_end_all_series_end_after_their_last_value() {
    let last = Taken::default().take(5, &["gauge"]);
    for (now, time) in [(4000, 5001), (5000, 5001), (7000, 7000)] {
        let batches = farewell(&last, now, Version::V2, FEW).expect("in memory");
        assert_eq!(names(&batches, time), ["gauge!"]);
    }
}
