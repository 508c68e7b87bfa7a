//! Encodes series as JSON for Datadog's API `/api/v2/series`.

use std::io;

use serde::{Serialize, Serializer};

use super::of_series;
use crate::points::{Point, Tags};
use crate::sketch::Sketch;

const HEAD: &[u8] = br#"{"series":["#;
const TAIL: &[u8] = b"]}";

/// Returns a payload with as many points as fit into less than `max_size` bytes, but at least one, and their number.
pub(super) fn series(
    points: &[Point<Sketch>],
    host: Option<&str>,
    time: i64,
    max_size: usize,
) -> io::Result<(Vec<u8>, usize)> {
    let mut out = HEAD.to_vec();
    let mut written = 0;
    for point in points {
        let end = out.len();
        if written > 0 {
            out.push(b',');
        }
        serde_json::to_writer(&mut out, &Series::of(point, host, time))?;
        if out.len() + TAIL.len() >= max_size && written > 0 {
            out.truncate(end);
            break;
        }
        written += 1;
    }
    out.extend_from_slice(TAIL);
    Ok((out, written))
}

#[derive(Serialize)]
struct Series<'a> {
    metric: &'a str,
    #[serde(rename = "type")]
    kind: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<u64>,
    points: [Sample; 1],
    #[serde(serialize_with = "texts")]
    tags: &'a Tags,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<[Resource<'a>; 1]>,
}

#[derive(Serialize)]
struct Sample {
    timestamp: i64,
    value: f64,
}

#[derive(Serialize)]
struct Resource<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    name: &'a str,
}

impl<'a> Series<'a> {
    fn of(point: &'a Point<Sketch>, host: Option<&'a str>, time: i64) -> Self {
        let (kind, value, interval) = of_series(&point.value);
        Self {
            metric: &point.name,
            kind,
            interval,
            points: [Sample { timestamp: time, value }],
            tags: &point.tags,
            unit: point.unit,
            resources: host.map(|name| [Resource { kind: "host", name }]),
        }
    }
}

fn texts<S: Serializer>(tags: &Tags, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(tags.iter().map(|tag| &**tag))
}
