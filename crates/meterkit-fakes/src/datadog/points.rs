//! The points of a payload in any of its formats.

use bytes::Bytes;
use prost::Message;
use serde_json::Value as Json;

use super::messages::{MetricPayload, SketchPayload};

/// One point of a series.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the protocol's names")]
pub struct Point {
    pub metric: String,
    pub tags: Vec<String>,
    pub host: Option<String>,
    pub unit: Option<String>,
    pub timestamp: i64,
    pub value: Value,
}

/// The value of a point.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the protocol's names")]
pub enum Value {
    Count {
        value: f64,
        /// The interval in seconds.
        interval: i64,
    },
    Gauge(f64),
    Sketch {
        count: u64,
        sum: f64,
        min: f64,
        max: f64,
        /// The keys and counts of the bins.
        bins: Vec<(i32, u32)>,
    },
}

pub(super) fn of_protobuf(body: &Bytes) -> Vec<Point> {
    let payload = MetricPayload::decode(body.clone()).expect("a MetricPayload");
    let points = payload.series.into_iter().map(|series| {
        let [point] = series.points.as_slice() else { panic!("{series:?}") };
        let hosts: Vec<_> = series.resources.iter().filter(|it| it.kind == "host").collect();
        assert!(hosts.len() <= 1 && hosts.len() == series.resources.len(), "{series:?}");
        Point {
            host: hosts.first().map(|host| host.name.clone()),
            unit: Some(series.unit).filter(|unit| !unit.is_empty()),
            timestamp: point.timestamp,
            value: number(series.kind.into(), point.value, series.interval),
            metric: series.metric,
            tags: series.tags,
        }
    });
    points.collect()
}

pub(super) fn of_json(body: &[u8]) -> Vec<Point> {
    let payload: Json = serde_json::from_slice(body).expect("JSON");
    let series = payload["series"].as_array().expect("series");
    let text = |json: &Json| json.as_str().expect("text").to_owned();
    let points = series.iter().map(|series| {
        let [point] = series["points"].as_array().expect("points").as_slice() else {
            panic!("{series}")
        };
        let tags = series["tags"].as_array().expect("tags");
        let host = series["resources"].as_array().map(|resources| {
            let [host] = resources.as_slice() else { panic!("{series}") };
            assert_eq!(host["type"], "host");
            text(&host["name"])
        });
        let interval = series["interval"].as_i64().unwrap_or_default();
        let value = point["value"].as_f64().expect("a number");
        Point {
            metric: text(&series["metric"]),
            tags: tags.iter().map(text).collect(),
            host,
            unit: series["unit"].as_str().map(str::to_owned),
            timestamp: point["timestamp"].as_i64().expect("a whole second"),
            value: number(series["type"].as_i64().expect("a type"), value, interval),
        }
    });
    points.collect()
}

pub(super) fn of_sketches(body: &Bytes) -> Vec<Point> {
    let payload = SketchPayload::decode(body.clone()).expect("a SketchPayload");
    let points = payload.sketches.into_iter().map(|series| {
        let [sketch] = series.dogsketches.as_slice() else { panic!("{series:?}") };
        let bins: Vec<_> = sketch.k.iter().copied().zip(sketch.n.iter().copied()).collect();
        let binned: u64 = bins.iter().map(|(_, count)| u64::from(*count)).sum();
        assert_eq!((sketch.k.len(), binned), (sketch.n.len(), sketch.cnt as u64), "{series:?}");
        let (sum, min, max) = (sketch.sum, sketch.min, sketch.max);
        Point {
            metric: series.metric,
            tags: series.tags,
            host: Some(series.host).filter(|host| !host.is_empty()),
            unit: None,
            timestamp: sketch.ts,
            value: Value::Sketch { count: binned, sum, min, max, bins },
        }
    });
    points.collect()
}

fn number(kind: i64, value: f64, interval: i64) -> Value {
    match kind {
        1 => Value::Count { value, interval },
        3 => Value::Gauge(value),
        other => panic!("type {other}"),
    }
}
