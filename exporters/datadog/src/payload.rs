//! Payloads: the points that one request carries.

mod json;
mod protobuf;

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use meterkit_http::Compression;
use meterkit_pipeline::Snapshot;

use crate::points::{Point, Points, Tagging, Value};
use crate::sketch::Sketch;

/// The limit for the size of a payload before compression, in bytes. A single larger point is still sent, and Datadog
/// may refuse it.
const MAX_SIZE: usize = 5_242_880;

/// The limit for the size of a compressed payload, in bytes.
pub(crate) const MAX_COMPRESSED: usize = 512_000;

/// The maximum number of points in a payload.
const MAX_POINTS: usize = 10_000;

/// The options for encoding payloads.
#[derive(Clone, Debug)]
pub(crate) struct Writing {
    /// The name of the host to which the points belong.
    pub(crate) host: Option<String>,
    pub(crate) format: Format,
    pub(crate) compression: Compression,
}

/// The encoding of counts and gauges. Distributions are always encoded as Protobuf.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Protobuf, the default.
    #[default]
    Protobuf,
    /// JSON, which is readable when requests are inspected.
    Json,
}

/// The kind of a payload, which determines its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// `/api/v2/series`
    Series,
    /// `/api/beta/sketches`
    Sketches,
}

/// Points for one path that are not encoded yet. Clones are cheap: they share the points.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    kind: Kind,
    batch: Arc<Batch>,
    range: Range<usize>,
    /// The limit before compression. It is lowered if the compressed payload is too long.
    max_size: usize,
}

#[derive(Debug)]
struct Batch {
    points: Vec<Point<Sketch>>,
    writing: Writing,
}

/// Encoded bytes, and the payload that they contain.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) payload: Payload,
    pub(crate) bytes: Bytes,
    /// The size before compression, in bytes.
    pub(crate) size: usize,
    /// The points that did not fit.
    pub(crate) rest: Option<Payload>,
}

/// Returns the payloads for these points: at most one of series and one of sketches. Also returns the number of
/// points that cannot be sent.
pub(crate) fn payloads(points: Points<'_>, writing: Writing) -> (Vec<Payload>, u64) {
    let Points { points, left_out } = points;
    let mut left_out = left_out.points();
    let (mut all, mut sketches) = (Vec::with_capacity(points.len()), Vec::new());
    for point in points {
        match point.map(|histograms| Sketch::of(&histograms)) {
            None => left_out += 1,
            Some(point) if matches!(point.value, Value::Distribution(_)) => sketches.push(point),
            Some(point) => all.push(point),
        }
    }
    let series = all.len();
    all.append(&mut sketches);
    let ranges = [(Kind::Series, 0..series), (Kind::Sketches, series..all.len())];
    let max_size = match writing.compression {
        Compression::None => MAX_SIZE.min(MAX_COMPRESSED),
        _ => MAX_SIZE,
    };
    let batch = Arc::new(Batch { points: all, writing });
    let payloads = ranges.into_iter().filter(|(_, range)| !range.is_empty());
    let payloads =
        payloads.map(|(kind, range)| Payload { kind, batch: batch.clone(), range, max_size });
    (payloads.collect(), left_out)
}

impl Payload {
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the media type of the encoded payload.
    pub(crate) fn content_type(&self) -> &'static str {
        match self.format() {
            Format::Protobuf => "application/x-protobuf",
            Format::Json => "application/json",
        }
    }

    /// Returns the number of points, at least one.
    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    /// Splits the payload into the first `count` points and the others.
    pub(crate) fn parts(&self, count: usize) -> [Self; 2] {
        let middle = self.range.start + count;
        [self.part(self.range.start..middle), self.part(middle..self.range.end)]
    }

    /// Encodes the first points: as many as fit into less than `max_compressed` bytes, but at least one. `time` is in
    /// seconds since 1970.
    pub(crate) fn write(mut self, time: i64, max_compressed: usize) -> io::Result<Written> {
        loop {
            let (plain, points) = self.plain(time)?;
            let size = plain.len();
            let bytes = Bytes::from(self.batch.writing.compression.compress(plain)?);
            if bytes.len() >= max_compressed && points > 1 {
                // Estimate the size that fits from this compression ratio, minus a margin, because points compress
                // differently.
                let fitting = size as f64 * max_compressed as f64 / bytes.len() as f64 * 0.9;
                self.max_size = (fitting as usize).min(size - 1);
                continue;
            }
            let middle = self.range.start + points;
            let rest = (points < self.len()).then(|| self.part(middle..self.range.end));
            let payload = self.part(self.range.start..middle);
            return Ok(Written { payload, bytes, size, rest });
        }
    }

    /// Returns the encoded points before compression, and their number.
    fn plain(&self, time: i64) -> io::Result<(Vec<u8>, usize)> {
        let points = self.batch.points.get(self.range.clone()).unwrap_or_default();
        let points = &points[..points.len().min(MAX_POINTS)];
        let host = self.batch.writing.host.as_deref();
        match (self.kind, self.format()) {
            (Kind::Series, Format::Json) => json::series(points, host, time, self.max_size),
            (Kind::Series, Format::Protobuf) => {
                Ok(protobuf::series(points, host, time, self.max_size))
            }
            (Kind::Sketches, _) => Ok(protobuf::sketches(points, host, time, self.max_size)),
        }
    }

    fn format(&self) -> Format {
        match self.kind {
            Kind::Series => self.batch.writing.format,
            Kind::Sketches => Format::Protobuf,
        }
    }

    fn part(&self, range: Range<usize>) -> Self {
        Self { range, ..self.clone() }
    }
}

/// Encodes and compresses all payloads of a snapshot of deltas, with these tags. For benchmarks.
#[doc(hidden)]
pub fn written(
    snapshot: &Snapshot,
    tags: &[String],
    format: Format,
    compression: Compression,
) -> io::Result<Vec<Bytes>> {
    let tagging = Tagging { common: tags.to_vec(), scopes: false };
    let writing = Writing { host: Some("web-1".to_owned()), format, compression };
    let mut all = Vec::new();
    for payload in payloads(Points::of(snapshot, &tagging), writing).0 {
        let mut rest = Some(payload);
        while let Some(payload) = rest {
            let written = payload.write(0, MAX_COMPRESSED)?;
            all.push(written.bytes);
            rest = written.rest;
        }
    }
    Ok(all)
}

/// Returns the fields of a value in a series: Datadog's number for its type, the value, and the interval of a count.
fn of_series(value: &Value<Sketch>) -> (u8, f64, Option<u64>) {
    const COUNT: u8 = 1;
    const GAUGE: u8 = 3;
    match value {
        Value::Count { value, interval } => (COUNT, value.as_f64(), Some(*interval)),
        Value::Gauge(value) => (GAUGE, value.as_f64(), None),
        // Unreachable: sketches are in another payload.
        Value::Distribution(sketch) => (GAUGE, sketch.mean(), None),
    }
}

#[cfg(test)]
mod tests;
