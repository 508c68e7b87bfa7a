//! Encoded requests can be decoded by prost, in both versions, whole and in parts.

use std::collections::BTreeMap;

use meterkit_core::{Collections, Data, ExponentialBuckets, ScopeMetrics, SeriesId};
use prost::Message;

use super::*;
use crate::series::{self, SeriesValue};
use crate::tests::samples::{self, exponential, histogram, metric, point, scope};
use crate::wire::messages::{Label, Request, TimeSeries1, WriteRequest};

const AS_RECORDED: RemoteWriteHistograms = RemoteWriteHistograms::AsRecorded;
const NO_LIMITS: Limits = Limits { series: usize::MAX, bytes: usize::MAX };

/// Returns the form of histograms in this version.
fn form(version: Version) -> RemoteWriteHistograms {
    match version {
        Version::V1 => RemoteWriteHistograms::Classic,
        Version::V2 => AS_RECORDED,
    }
}

fn written(version: Version, limits: Limits) -> Vec<Batch> {
    let mut batches = Batches::new(9, version, limits);
    let snapshot = samples::all_kinds(100);
    let exemplars = (version == Version::V2).then_some(&*snapshot.exemplars);
    series::for_each(&snapshot, exemplars, form(version), &mut |series| batches.add(series));
    batches.finish().expect("in memory")
}

fn shown(series: &Series<'_>) -> String {
    // Compare bits, because a NaN is not equal to itself.
    let bits = match &series.value {
        SeriesValue::Number(value) => value.to_bits(),
        SeriesValue::Histogram(histogram) => histogram.sum.to_bits(),
    };
    format!("{series:?} {bits:x}")
}

/// Returns the series as they are in a request of this version.
fn given_series(version: Version) -> Vec<String> {
    let mut all = Vec::new();
    let snapshot = samples::all_kinds(100);
    let exemplars = (version == Version::V2).then_some(&*snapshot.exemplars);
    series::for_each(&snapshot, exemplars, form(version), &mut |series| {
        let start = if version == Version::V2 { series.start } else { 0 };
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
    assert_eq!(read(std::slice::from_ref(two)), given_series(Version::V2));
    assert_eq!((two.samples, two.histograms, two.time), (10, 1, 9));

    let [one] = &*written(Version::V1, NO_LIMITS) else { panic!("one request") };
    assert_eq!(read(std::slice::from_ref(one)), given_series(Version::V1), "1.0 has no start");
}

#[test]
fn a_request_can_be_made_one_of_the_other_version() {
    let two = written(Version::V2, NO_LIMITS).remove(0);
    let one = two.in_version(Version::V1).expect("it was written");
    let directly = written(Version::V1, NO_LIMITS).remove(0);
    assert_eq!(one.body, directly.body, "the same as encoding in 1.0 directly");
    assert_eq!(
        (one.version, one.samples, one.histograms, one.time),
        (Version::V1, directly.samples, 0, 9)
    );
    assert_eq!(one.samples, given_series(Version::V1).len() as u64, "histograms are classic ones");

    let back = one.in_version(Version::V2).expect("it was written");
    assert_eq!(read(&[back]), given_series(Version::V1));
    assert_eq!(two.in_version(Version::V2).expect("it is").body, two.body);
}

#[test]
fn halves_have_all_series_once() {
    for version in [Version::V1, Version::V2] {
        let [whole] = &*written(version, NO_LIMITS) else { panic!("one request") };
        let halves = whole.split(&[6]).expect("it was written");
        let rest = whole.len() - 6;
        assert_eq!(halves.iter().map(Batch::len).collect::<Vec<_>>(), [6, rest]);
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
        for at in 0..whole.len() {
            let parts = whole.split(&[at, at + 1]).expect("it was written");
            let expected = [at, 1, whole.len() - 1 - at].into_iter().filter(|len| *len > 0);
            assert!(parts.iter().map(Batch::len).eq(expected), "{at}");
            assert_eq!(read(&parts), all, "{at}");
        }
    }
}

#[test]
fn a_request_ends_where_its_limits_are() {
    for version in [Version::V1, Version::V2] {
        let sizes = |limits| written(version, limits).iter().map(Batch::len).collect::<Vec<_>>();
        let all = given_series(version).len();
        let fours = sizes(Limits { series: 4, ..NO_LIMITS });
        assert!(fours[..fours.len() - 1].iter().all(|size| *size == 4), "{fours:?}");
        assert_eq!(fours.iter().sum::<u64>(), all as u64);
        assert_eq!(sizes(Limits { series: 1, ..NO_LIMITS }), vec![1; all]);
        assert_eq!(sizes(Limits { bytes: 1, ..NO_LIMITS }), vec![1; all]);
        let batches = written(version, Limits { bytes: 400, ..NO_LIMITS });
        assert!(batches.len() > 1 && batches.len() < all, "{}", batches.len());
        assert!(batches[..batches.len() - 1].iter().all(|batch| batch.size >= 400));
        assert_eq!(read(&batches), given_series(version));
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

/// Takes numbered snapshots, as a pipeline does.
#[derive(Default)]
struct Taken {
    collections: Collections,
    last: Vec<ScopeMetrics>,
}

impl Taken {
    /// Takes a snapshot of metrics with these names, which always have the same series.
    fn take(&mut self, second: u64, kinds: &[&str]) -> Snapshot {
        let metrics = kinds.iter().map(|kind| {
            let mut data = match *kind {
                "histogram" => histogram(&[], [1, 2, 3]),
                "exponential" => exponential(&[]),
                _ => Data::Gauge(vec![point(&[], 4.0)].into()),
            };
            let series = SeriesId::from_hash(kind.bytes().map(u64::from).sum());
            match &mut data {
                Data::Gauge(points) => points.to_mut()[0].series = series,
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

/// Returns the name of each series, with `!` appended if it ends. All must have this time.
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
        let write = |snapshot: &Snapshot, since| {
            write(snapshot, since, version, form(version), FEW).expect("in memory")
        };
        let mut taken = Taken::default();
        let first = taken.take(1, &["exponential", "gauge", "histogram"]);
        let all = names(&write(&first, None), 1000);
        let of = |metric: &str| {
            let of_it = all.iter().filter(|name| name.starts_with(metric)).cloned();
            of_it.collect::<Vec<String>>()
        };
        let histogram = ["_bucket", "_bucket", "_bucket", "_sum", "_count"];
        assert_eq!(of("histogram"), histogram.map(|part| format!("histogram{part}")));
        assert_eq!(of("exponential").contains(&"exponential".to_owned()), version == Version::V2);
        assert_eq!(all, [of("exponential"), of("gauge"), of("histogram")].concat());

        let second = taken.take(2, &["gauge"]);
        let batches = write(&second, Some(&first));
        let ended = [of("exponential"), of("histogram")].concat();
        let ended: Vec<String> = ended.into_iter().map(|name| name + "!").collect();
        assert_eq!(names(&batches, 2000), [vec!["gauge".to_owned()], ended].concat());
        assert_eq!(
            batches.len(),
            all.len().div_ceil(3),
            "the limits apply to staleness markers too"
        );

        let third = taken.take(3, &["gauge"]);
        assert_eq!(names(&write(&third, Some(&second)), 3000), ["gauge"]);
        let fourth = taken.take(4, &["gauge", "other"]);
        assert_eq!(names(&write(&fourth, Some(&third)), 4000), ["gauge", "other"]);
    }
}

#[test]
fn a_series_that_went_in_a_snapshot_that_others_took_is_ended() {
    let write = |snapshot: &Snapshot, since| {
        let batches = write(snapshot, since, Version::V2, AS_RECORDED, FEW).expect("in memory");
        names(&batches, series::milliseconds(snapshot.time))
    };
    let mut taken = Taken::default();
    let first = taken.take(1, &["gauge", "other"]);
    taken.take(2, &["gauge"]);
    assert_eq!(write(&taken.take(3, &["gauge"]), Some(&first)), ["gauge", "other!"]);
    let back = taken.take(4, &["gauge", "other"]);
    assert_eq!(write(&back, Some(&first)), ["gauge", "other"], "the series is back");
    assert_eq!(write(&back, None), ["gauge", "other"], "nothing was written before");
}

#[test]
fn a_series_that_others_took_the_place_of_is_not_ended() {
    let mut taken = Taken::default();
    let first = taken.take(1, &["gauge"]);
    let next = taken.take(2, &["gauge'"]);
    let batches = write(&next, Some(&first), Version::V2, AS_RECORDED, FEW).expect("in memory");
    assert_eq!(names(&batches, 2000), ["gauge"]);
    // One marker ends both series.
    let none = taken.take(3, &[]);
    let before = Snapshot { number: first.number - 1, ..first };
    let batches = write(&none, Some(&before), Version::V2, AS_RECORDED, FEW).expect("in memory");
    assert_eq!(names(&batches, 3000), ["gauge!"]);
}

#[test]
fn at_the_end_all_series_end_after_their_last_value() {
    let last = Taken::default().take(5, &["gauge"]);
    for (now, time) in [(4000, 5001), (5000, 5001), (7000, 7000)] {
        let batches = farewell(&last, now, Version::V2, AS_RECORDED, FEW).expect("in memory");
        assert_eq!(names(&batches, time), ["gauge!"]);
    }
}

/// Returns the value of each series by its name and label `le`; `None` if it ends.
fn values(batches: &[Batch]) -> BTreeMap<String, Option<f64>> {
    let mut all = BTreeMap::new();
    for batch in batches {
        let visit = &mut |series: &Series<'_>| {
            let (value, is_native) = match &series.value {
                SeriesValue::Number(value) => (*value, ""),
                SeriesValue::Histogram(histogram) => (histogram.sum, " native"),
            };
            let bound = series.labels.iter().find(|(name, _)| name == "le");
            let bound = bound.map_or("", |(_, bound)| bound);
            let name = format!("{} {bound}{is_native}", series::name(&series.labels));
            let is_end = value.to_bits() == 0x7ff0_0000_0000_0002;
            all.insert(name, (!is_end).then_some(value));
        };
        batch.for_each(visit).expect("it was written");
    }
    all
}

/// Returns a snapshot of an exponential histogram with one series, which has a value in the bucket with this index.
fn wide(second: u64, scale: i32, index: i32) -> Snapshot {
    let mut data = exponential(&[]);
    if let Data::ExponentialHistogram { points, .. } = &mut data {
        let point = &mut points[0];
        point.series = SeriesId::from_hash(7);
        (point.scale, point.count, point.zero_count) = (scale, 1, 0);
        point.negative = ExponentialBuckets::default();
        point.positive = ExponentialBuckets { offset: index, counts: vec![1] };
    }
    samples::snapshot(second, vec![scope("a", vec![metric("x", "", "", data)])])
}

#[test]
fn buckets_that_a_histogram_no_longer_has_are_ended() {
    let classic = RemoteWriteHistograms::Classic;
    let (first, second) = (wide(1, 0, 3), wide(2, -4, 0));
    let before = values(&write(&first, None, Version::V1, classic, FEW).expect("in memory"));
    let after =
        values(&write(&second, Some(&first), Version::V1, classic, FEW).expect("in memory"));
    for name in before.keys() {
        assert!(after.contains_key(name), "{name} is neither there nor ended: {after:?}");
    }
    assert!(after.values().filter(|value| value.is_none()).count() < before.len(), "{after:?}");
    // A wide histogram cannot be native, so that its earlier native series is ended.
    let third = wide(3, -5, 0);
    let after = write(&third, Some(&second), Version::V2, AS_RECORDED, FEW).expect("in memory");
    let after = values(&after);
    assert_eq!(after.get("x  native"), Some(&None), "{after:?}");
    assert_eq!(after.get("x_bucket +Inf"), Some(&Some(1.0)), "{after:?}");
    let back = write(&wide(4, -4, 0), Some(&third), Version::V2, AS_RECORDED, FEW);
    let back = values(&back.expect("in memory"));
    assert_eq!(back.get("x_bucket +Inf"), Some(&None), "{back:?}");
    assert!(back["x  native"].is_some(), "{back:?}");
}

#[test]
fn a_native_histogram_that_an_earlier_release_wrote_in_1_is_classic_when_it_is_sent() {
    let native = written(Version::V2, NO_LIMITS).remove(0);
    let directly = written(Version::V1, NO_LIMITS).remove(0);
    assert!(!native.is_in(Version::V1) && directly.is_in(Version::V1));
    let plain = snap::raw::Decoder::new().decompress_vec(&native.body).expect("snappy");
    let request = Request::decode(plain.as_slice()).expect("protobuf");
    let histogram = request.timeseries.iter().find(|it| !it.histograms.is_empty());
    let histograms = histogram.expect("a native histogram").histograms.clone();
    let labels = [("__name__", "sizes_bytes"), ("at", "a"), ("otel_scope_name", "catalog")];
    let labels =
        labels.map(|(name, value)| Label { name: name.to_owned(), value: value.to_owned() });
    let series = TimeSeries1 { labels: labels.to_vec(), samples: Vec::new(), histograms };
    let old = WriteRequest { timeseries: vec![series], metadata: Vec::new() }.encode_to_vec();
    let body = snap::raw::Encoder::new().compress_vec(&old).expect("in memory");
    let old =
        Batch { version: Version::V1, body: body.into(), samples: 0, histograms: 1, ..native };
    let sent = values(&[old.in_version(Version::V1).expect("it can be read")]);
    let expected = values(&[directly]).into_iter().filter(|(name, _)| name.starts_with("sizes"));
    assert_eq!(sent, expected.collect());
}
