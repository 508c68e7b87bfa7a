//! Payloads contain every point once and unchanged, and stay below Datadog's limits.

use std::io::Read;

use meterkit_core::{Attributes, Data, HistogramPoint, Value as Number};
use meterkit_fakes::datadog::messages::{
    self, Dogsketch, MetricPayload, MetricPoint, MetricSeries, Resource, SketchPayload,
    SketchSeries,
};
use meterkit_pipeline::Snapshot;
use prost::Message;
use serde_json::{Value as Json, json};

use super::*;
use crate::tests::random::Random;
use crate::tests::samples::{counter, histogram, metric, number, of, recorded};

const TIME: i64 = 1_700_000_000;

/// Returns a snapshot with a counter and a histogram with these numbers of series, and a gauge with one. Labels have
/// `length` characters.
fn snapshot(counters: usize, histograms: usize, length: usize) -> Snapshot {
    let mut random = Random(5);
    let mut labels = |at: usize| {
        let letters = (0..length).map(|_| char::from(b'a' + random.below(26) as u8));
        let text: String = letters.collect();
        Attributes::from_pairs([("n".into(), (at as i64).into()), ("text".into(), text.into())])
    };
    let counts: Vec<_> =
        (0..counters).map(|at| number(labels(at), Number::U64(at as u64 + 1))).collect();
    let points = (0..histograms).map(|at| {
        let point = recorded(labels(at), &[1, at as u64 + 70_000, 1], 2.5);
        HistogramPoint { min: Some(-1.0), max: Some(3.0), ..point }
    });
    let gauge = number(Attributes::empty(), Number::F64(-0.5));
    of(vec![
        metric("requests", "{request}", counter(counts)),
        metric("sizes", "By", histogram(&[1.0, 1.0], points.collect())),
        metric("queue \"é\"", "s", Data::Gauge(vec![gauge].into())),
    ])
}

fn payloads_of(snapshot: &Snapshot, format: Format, compression: Compression) -> Vec<Payload> {
    let tagging = Tagging { common: vec!["env:prod".to_owned()], scopes: false };
    let writing = Writing { host: Some("web-1".to_owned()), format, compression };
    let (payloads, left_out) = payloads(Points::of(snapshot, &tagging), writing);
    assert_eq!(left_out, 0);
    payloads
}

/// Encodes all payloads.
fn all(payloads: Vec<Payload>, max_compressed: usize) -> Vec<Written> {
    let mut all = Vec::new();
    for payload in payloads {
        let mut rest = Some(payload);
        while let Some(payload) = rest {
            let mut written = payload.write(TIME, max_compressed).expect("in memory");
            rest = written.rest.take();
            all.push(written);
        }
    }
    all
}

fn unpacked(bytes: &[u8], compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => bytes.to_vec(),
        Compression::Gzip => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).expect("gzip");
            plain
        }
        Compression::Zstd => zstd::decode_all(bytes).expect("zstd"),
        other => panic!("{other}"),
    }
}

fn tags(tags: &[&str]) -> Vec<String> {
    tags.iter().map(ToString::to_string).collect()
}

#[test]
fn protobuf_says_what_the_points_say() {
    let payloads = payloads_of(&snapshot(1, 1, 1), Format::Protobuf, Compression::None);
    assert_eq!(
        payloads.iter().map(Payload::kind).collect::<Vec<_>>(),
        [Kind::Series, Kind::Sketches]
    );
    assert_eq!(payloads.iter().map(Payload::len).collect::<Vec<_>>(), [2, 1]);
    assert!(payloads.iter().all(|it| it.content_type() == "application/x-protobuf"));
    let written = all(payloads, MAX_COMPRESSED);

    let payload = MetricPayload::decode(written[0].bytes.clone()).expect("protobuf");
    let text = payload.series[0].tags[1].clone();
    let resources = vec![Resource { kind: "host".to_owned(), name: "web-1".to_owned() }];
    let counter = MetricSeries {
        resources: resources.clone(),
        metric: "requests".to_owned(),
        tags: tags(&["n:0", &text, "env:prod"]),
        points: vec![MetricPoint { value: 1.0, timestamp: TIME }],
        kind: 1,
        unit: String::new(),
        source_type_name: String::new(),
        interval: 10,
    };
    let gauge = MetricSeries {
        resources,
        metric: "queue".to_owned(),
        tags: tags(&["env:prod"]),
        points: vec![MetricPoint { value: -0.5, timestamp: TIME }],
        kind: 3,
        unit: "second".to_owned(),
        source_type_name: String::new(),
        interval: 0,
    };
    assert_eq!(payload.series, [counter, gauge]);

    let payload = SketchPayload::decode(written[1].bytes.clone()).expect("protobuf");
    assert_eq!(payload.metadata, Some(messages::Metadata {}));
    let [SketchSeries { metric, host, tags: of, dogsketches }] = payload.sketches.as_slice() else {
        panic!("{payload:?}");
    };
    assert_eq!((metric.as_str(), host.as_str()), ("sizes", "web-1"));
    assert_eq!((&*of[0], &*of[2]), ("n:0", "env:prod"));
    let [Dogsketch { ts, cnt, min, max, avg, sum, k, n }] = dogsketches.as_slice() else {
        panic!("{payload:?}");
    };
    assert_eq!((*ts, *cnt, *min, *max, *sum), (TIME, 70_002, -1.0, 3.0, 2.5));
    assert_eq!(*avg, 2.5 / 70_002.0);
    assert_eq!(k.as_slice(), [0, 1338, 1338, 1382]);
    assert_eq!(n.as_slice(), [1, 65_535, 4465, 1]);
}

#[test]
fn json_says_what_the_points_say() {
    let payloads = payloads_of(&snapshot(1, 1, 0), Format::Json, Compression::None);
    let types: Vec<_> = payloads.iter().map(Payload::content_type).collect();
    assert_eq!(types, ["application/json", "application/x-protobuf"]);
    let written = all(payloads, MAX_COMPRESSED);
    let payload: Json = serde_json::from_slice(&written[0].bytes).expect("JSON");
    let resources = json!([{ "type": "host", "name": "web-1" }]);
    let expected = json!({ "series": [
        {
            "metric": "requests",
            "type": 1,
            "interval": 10,
            "points": [{ "timestamp": TIME, "value": 1.0 }],
            "tags": ["n:0", "text:n/a", "env:prod"],
            "resources": resources,
        },
        {
            "metric": "queue",
            "type": 3,
            "points": [{ "timestamp": TIME, "value": -0.5 }],
            "tags": ["env:prod"],
            "unit": "second",
            "resources": resources,
        },
    ] });
    assert_eq!(payload, expected);
}

#[test]
fn without_a_host_none_is_named() {
    for format in [Format::Protobuf, Format::Json] {
        let snapshot = snapshot(1, 1, 1);
        let points = Points::of(&snapshot, &Tagging { common: Vec::new(), scopes: false });
        let writing = Writing { host: None, format, compression: Compression::None };
        let (payloads, _) = payloads(points, writing);
        for Written { bytes, .. } in all(payloads, MAX_COMPRESSED) {
            let bytes = String::from_utf8_lossy(&bytes);
            assert!(!bytes.contains("host") && !bytes.contains("web-1"), "{bytes}");
        }
    }
}

#[test]
fn what_has_no_point_has_no_payload() {
    let nothing = Snapshot { scopes: Vec::new(), ..snapshot(0, 0, 0) };
    assert!(payloads_of(&nothing, Format::Protobuf, Compression::None).is_empty());
    let kinds = |counters, histograms| -> Vec<_> {
        let payloads =
            payloads_of(&snapshot(counters, histograms, 0), Format::Json, Compression::None);
        payloads.iter().map(Payload::kind).collect()
    };
    assert_eq!(kinds(0, 0), [Kind::Series]);
    assert_eq!(kinds(0, 1), [Kind::Series, Kind::Sketches]);
}

/// Returns the sum of all counters, and the count of all distributions by their summary and by their bins.
fn counted(written: &[Written], format: Format, compression: Compression) -> (f64, u64, u64) {
    let (mut counts, mut summaries, mut bins) = (0.0, 0, 0);
    for Written { payload, bytes, size, .. } in written {
        let plain = unpacked(bytes, compression);
        assert_eq!(plain.len(), *size);
        let points = match (payload.kind(), format) {
            (Kind::Sketches, _) => {
                let message = SketchPayload::decode(plain.as_slice()).expect("protobuf");
                for sketch in message.sketches.iter().flat_map(|series| &series.dogsketches) {
                    summaries += sketch.cnt as u64;
                    bins += sketch.n.iter().copied().map(u64::from).sum::<u64>();
                }
                message.sketches.len()
            }
            (Kind::Series, Format::Protobuf) => {
                let message = MetricPayload::decode(plain.as_slice()).expect("protobuf");
                let counters = message.series.iter().filter(|series| series.kind == 1);
                counts += counters.map(|series| series.points[0].value).sum::<f64>();
                message.series.len()
            }
            (Kind::Series, Format::Json) => {
                let message: Json = serde_json::from_slice(&plain).expect("JSON");
                let series = message["series"].as_array().expect("series");
                let counters = series.iter().filter(|series| series["type"] == 1);
                counts += counters.filter_map(|it| it["points"][0]["value"].as_f64()).sum::<f64>();
                series.len()
            }
        };
        assert_eq!(points, payload.len());
    }
    (counts, summaries, bins)
}

#[test]
fn payloads_are_below_all_limits_and_lose_nothing() {
    let (counters, histograms) = (11_000, 2_500);
    let snapshot = snapshot(counters, histograms, 150);
    let counts = (1..=counters).sum::<usize>() as f64;
    let recorded = (0..histograms as u64).map(|at| at + 70_002).sum::<u64>();
    for (format, compression, at_least) in [
        (Format::Protobuf, Compression::None, 7),
        (Format::Json, Compression::None, 8),
        (Format::Protobuf, Compression::default(), 4),
    ] {
        let written = all(payloads_of(&snapshot, format, compression), MAX_COMPRESSED);
        assert_eq!(counted(&written, format, compression), (counts, recorded, recorded));
        assert!(written.len() >= at_least, "{}", written.len());
        for Written { payload, bytes, size, .. } in &written {
            assert!(
                bytes.len() < MAX_COMPRESSED && *size < MAX_SIZE && payload.len() <= MAX_POINTS
            );
        }
        // Payloads before the last one of a kind are not needlessly small.
        let filled = written.iter().filter(|it| it.bytes.len() > MAX_COMPRESSED / 2).count();
        assert!(filled + 3 >= written.len(), "{filled} of {}", written.len());
    }
}

#[test]
fn a_payload_has_at_most_ten_thousand_points() {
    let payloads = payloads_of(&snapshot(20_001, 0, 0), Format::Protobuf, Compression::Gzip);
    let lengths: Vec<_> =
        all(payloads, MAX_COMPRESSED).iter().map(|written| written.payload.len()).collect();
    assert_eq!(lengths, [10_000, 10_000, 2]);
}

#[test]
fn the_size_before_compression_is_a_limit_of_its_own() {
    let mut payloads = payloads_of(&snapshot(400, 0, 100), Format::Protobuf, Compression::Gzip);
    payloads.iter_mut().for_each(|payload| payload.max_size = 10_000);
    let written = all(payloads, MAX_COMPRESSED);
    assert!(written.len() > 4);
    assert!(written.iter().all(|written| written.size < 10_000));
    let counts = counted(&written, Format::Protobuf, Compression::Gzip);
    assert_eq!(counts, ((1..=400).sum::<usize>() as f64, 0, 0));
}

#[test]
fn a_single_point_is_written_however_long_it_is() {
    for format in [Format::Protobuf, Format::Json] {
        let payloads = payloads_of(&snapshot(3, 3, 100), format, Compression::Gzip);
        let written = all(payloads, 10);
        assert!(written.iter().all(|written| written.payload.len() == 1));
        assert_eq!(counted(&written, format, Compression::Gzip), (6.0, 210_009, 210_009));
    }
}

#[test]
fn a_payload_is_halved_down_to_its_points() {
    let payload = payloads_of(&snapshot(4, 0, 5), Format::Json, Compression::Gzip).remove(0);
    let (mut waiting, mut single) = (vec![payload], Vec::new());
    while let Some(payload) = waiting.pop() {
        if payload.len() == 1 {
            single.push(payload);
            continue;
        }
        let [first, second] = payload.parts(payload.len() / 2);
        assert_eq!(first.len() + second.len(), payload.len());
        waiting.extend([second, first]);
    }
    assert_eq!(single.len(), 5);
    let written = all(single, MAX_COMPRESSED);
    assert_eq!(counted(&written, Format::Json, Compression::Gzip).0, 10.0);
}

#[test]
fn the_rest_can_be_sent_with_another_time() {
    let payload = payloads_of(&snapshot(4, 0, 5), Format::Protobuf, Compression::None).remove(0);
    let [first, second] = payload.parts(2);
    for (payload, time) in [(first, TIME), (second, TIME + 4000)] {
        let bytes = payload.write(time, MAX_COMPRESSED).expect("in memory").bytes;
        let message = MetricPayload::decode(bytes.clone()).expect("protobuf");
        assert!(message.series.iter().all(|series| series.points[0].timestamp == time));
    }
}
