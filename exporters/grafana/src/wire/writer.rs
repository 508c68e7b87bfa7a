//! A Protobuf encoder with the features that remote write needs.
//!
//! Follows the encoding of Protocol Buffers, version 3: fields with their default value are left out.

use meterkit_prometheus_model::{NativeBuckets, NativeHistogram};

/// A message that is being encoded.
#[derive(Debug, Default)]
pub(crate) struct Writer(Vec<u8>);

const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const DELIMITED: u64 = 2;

impl Writer {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// Writes a field of type `uint32`, `uint64`, `int64` or an enum.
    pub(crate) fn number(&mut self, field: u64, value: u64) {
        if value != 0 {
            self.number_of_choice(field, value);
        }
    }

    /// Writes a field of type `int64`.
    pub(crate) fn signed(&mut self, field: u64, value: i64) {
        self.number(field, value as u64);
    }

    /// Writes a field of type `sint32`.
    pub(crate) fn zigzag(&mut self, field: u64, value: i32) {
        self.number(field, zigzag(i64::from(value)));
    }

    pub(crate) fn double(&mut self, field: u64, value: f64) {
        // Negative zero is not the default value.
        if value.to_bits() != 0 {
            self.varint(field << 3 | FIXED_64);
            self.0.extend_from_slice(&value.to_bits().to_le_bytes());
        }
    }

    pub(crate) fn text(&mut self, field: u64, text: &str) {
        if !text.is_empty() {
            self.delimited(field, text.as_bytes());
        }
    }

    /// Writes an element of a repeated field, even if the element is empty.
    pub(crate) fn element(&mut self, field: u64, message: &Self) {
        self.delimited(field, &message.0);
    }

    /// Writes an element of a repeated string field, even if it is empty.
    pub(crate) fn text_element(&mut self, field: u64, text: &str) {
        self.delimited(field, text.as_bytes());
    }

    /// Writes a packed list of numbers. `scratch` is overwritten.
    pub(crate) fn packed(
        &mut self,
        field: u64,
        numbers: impl Iterator<Item = u64>,
        scratch: &mut Self,
    ) {
        scratch.clear();
        for number in numbers {
            scratch.varint(number);
        }
        if !scratch.0.is_empty() {
            self.delimited(field, &scratch.0);
        }
    }

    /// Writes a packed list of floats.
    fn doubles(&mut self, field: u64, values: &[f64]) {
        if !values.is_empty() {
            let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            self.delimited(field, &bytes);
        }
    }

    /// Writes a native histogram of 2.0.
    pub(crate) fn histogram(&mut self, histogram: &NativeHistogram, time: i64, start: i64) {
        let mut scratch = Self::default();
        self.number_of_choice(1, histogram.count);
        self.double(3, histogram.sum);
        self.zigzag(4, histogram.schema);
        self.double(5, histogram.zero_threshold);
        self.number_of_choice(6, histogram.zero_count);
        self.buckets(8, 9, &histogram.negative, &mut scratch);
        self.buckets(11, 12, &histogram.positive, &mut scratch);
        self.signed(15, time);
        self.doubles(16, &histogram.custom_values);
        self.signed(17, start);
    }

    fn buckets(&mut self, spans: u64, deltas: u64, buckets: &NativeBuckets, scratch: &mut Self) {
        for (offset, length) in &buckets.spans {
            scratch.clear();
            scratch.zigzag(1, *offset);
            scratch.number(2, u64::from(*length));
            self.element(spans, scratch);
        }
        self.packed(deltas, buckets.deltas.iter().copied().map(zigzag), scratch);
    }

    /// Writes a field of a `oneof`, which is present even if its value is 0.
    fn number_of_choice(&mut self, field: u64, value: u64) {
        self.varint(field << 3 | VARINT);
        self.varint(value);
    }

    fn delimited(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | DELIMITED);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// Returns the ZigZag encoding, which maps numbers of small magnitude to small numbers.
fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}
