//! Encodes series and sketches as Protobuf, following DataDog/agent-payload's `agent_payload.proto`.
//!
//! The encoder is written by hand, so that texts are not copied before they are encoded.

use super::of_series;
use crate::points::{Point, Value};
use crate::sketch::Sketch;

/// `SketchPayload.metadata`, an empty message, which ends each payload.
const METADATA: [u8; 2] = [2 << 3 | LENGTH, 0];

/// Returns a `MetricPayload` with as many points as fit into less than `max_size` bytes, but at least one, and their
/// number.
pub(super) fn series(
    points: &[Point<Sketch>],
    host: Option<&str>,
    time: i64,
    max_size: usize,
) -> (Vec<u8>, usize) {
    repeated(points, max_size, |out, point| one_series(out, point, host, time))
}

/// Returns a `SketchPayload` in the same way as [`series`].
pub(super) fn sketches(
    points: &[Point<Sketch>],
    host: Option<&str>,
    time: i64,
    max_size: usize,
) -> (Vec<u8>, usize) {
    let max_size = max_size.saturating_sub(METADATA.len());
    let mut packed = Vec::new();
    let (mut out, written) = repeated(points, max_size, |out, point| {
        if let Value::Distribution(sketch) = &point.value {
            one_sketch(out, point, sketch, host, time, &mut packed);
        }
    });
    out.extend_from_slice(&METADATA);
    (out, written)
}

/// Writes a `MetricSeries`.
fn one_series(out: &mut Vec<u8>, point: &Point<Sketch>, host: Option<&str>, time: i64) {
    if let Some(host) = host {
        nested(out, 1, |out| {
            text(out, 1, "host");
            text(out, 2, host);
        });
    }
    text(out, 2, &point.name);
    point.tags.iter().for_each(|tag| text(out, 3, tag));
    let (kind, value, interval) = of_series(&point.value);
    nested(out, 4, |out| {
        double(out, 1, value);
        integer(out, 2, time as u64);
    });
    integer(out, 5, kind.into());
    if let Some(unit) = point.unit {
        text(out, 6, unit);
    }
    if let Some(interval) = interval {
        integer(out, 8, interval);
    }
}

/// Writes a `SketchPayload.Sketch`. `packed` is a buffer that is reused to avoid allocations.
fn one_sketch(
    out: &mut Vec<u8>,
    point: &Point<Sketch>,
    sketch: &Sketch,
    host: Option<&str>,
    time: i64,
    packed: &mut Vec<u8>,
) {
    text(out, 1, &point.name);
    if let Some(host) = host {
        text(out, 2, host);
    }
    point.tags.iter().for_each(|tag| text(out, 4, tag));
    nested(out, 7, |out| {
        integer(out, 1, time as u64);
        integer(out, 2, sketch.count);
        double(out, 3, sketch.min);
        double(out, 4, sketch.max);
        double(out, 5, sketch.mean());
        double(out, 6, sketch.sum);
        packed.clear();
        sketch.written().for_each(|(key, _)| varint(packed, zigzag(key)));
        bytes(out, 7, packed);
        packed.clear();
        sketch.written().for_each(|(_, count)| varint(packed, count.into()));
        bytes(out, 8, packed);
    });
}

/// Writes a message in field 1 for each point that fits.
fn repeated(
    points: &[Point<Sketch>],
    max_size: usize,
    mut write: impl FnMut(&mut Vec<u8>, &Point<Sketch>),
) -> (Vec<u8>, usize) {
    let mut out = Vec::new();
    let mut written = 0;
    for point in points {
        let end = out.len();
        nested(&mut out, 1, |out| write(out, point));
        if out.len() >= max_size && written > 0 {
            out.truncate(end);
            break;
        }
        written += 1;
    }
    (out, written)
}

// --- The wire format ---

/// The wire types.
const VARINT: u8 = 0;
const FIXED64: u8 = 1;
const LENGTH: u8 = 2;

fn tag(out: &mut Vec<u8>, field: u8, wire_type: u8) {
    out.push(field << 3 | wire_type);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns the ZigZag encoding, which is small for keys near zero of either sign.
fn zigzag(key: i16) -> u64 {
    let key = i32::from(key);
    u64::from((key << 1 ^ key >> 31) as u32)
}

fn integer(out: &mut Vec<u8>, field: u8, value: u64) {
    tag(out, field, VARINT);
    varint(out, value);
}

fn double(out: &mut Vec<u8>, field: u8, value: f64) {
    tag(out, field, FIXED64);
    out.extend_from_slice(&value.to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, field: u8, value: &[u8]) {
    tag(out, field, LENGTH);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn text(out: &mut Vec<u8>, field: u8, value: &str) {
    bytes(out, field, value.as_bytes());
}

/// Writes a nested message. Its length, which is known only afterwards, is moved in front of it.
fn nested(out: &mut Vec<u8>, field: u8, write: impl FnOnce(&mut Vec<u8>)) {
    tag(out, field, LENGTH);
    let start = out.len();
    write(out);
    let end = out.len();
    varint(out, (end - start) as u64);
    let of_length = out.len() - end;
    if let Some(message) = out.get_mut(start..) {
        message.rotate_right(of_length);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_protobuf_has_them() {
        for (value, expected) in [
            (0, &[0][..]),
            (127, &[0x7f]),
            (128, &[0x80, 0x01]),
            (300, &[0xac, 0x02]),
            (u64::MAX, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        ] {
            let mut out = Vec::new();
            varint(&mut out, value);
            assert_eq!(out, expected, "{value}");
        }
        for (key, expected) in
            [(0, 0), (-1, 1), (1, 2), (1338, 2676), (i16::MAX, 65_534), (-i16::MAX, 65_533)]
        {
            assert_eq!(zigzag(key), expected, "{key}");
        }
    }

    #[test]
    fn a_length_stands_before_its_message_however_long_it_is() {
        for length in [0, 1, 127, 128, 20_000] {
            let content = vec![7; length];
            let (mut out, mut expected) = (vec![1, 2], vec![1, 2]);
            nested(&mut out, 3, |out| out.extend_from_slice(&content));
            bytes(&mut expected, 3, &content);
            assert_eq!(out, expected, "{length}");
        }
    }
}
