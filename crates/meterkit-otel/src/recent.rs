//! A cache of the series that a thread has recorded to recently, by their attributes.
//!
//! A call site records with the same attributes again and again, and their strings are mostly at the same addresses.
//! Such a series is found by comparing attributes, without hashing their contents.

use std::cell::Cell;

use opentelemetry::{Array, KeyValue, Value};

/// How many series each thread remembers per type of instrument.
const REMEMBERED: usize = 32;

/// The series that a thread has recorded to recently, for one type of instrument. `H` is the handle of a series.
pub(crate) struct Recent<H> {
    slots: [Cell<Option<Box<Slot<H>>>>; REMEMBERED],
}

struct Slot<H> {
    /// The address of the instrument. The handle keeps the instrument alive, so no other one can have this address.
    instrument: usize,
    attributes: Box<[KeyValue]>,
    series: H,
}

impl<H: Clone> Recent<H> {
    pub(crate) const fn new() -> Self {
        Self { slots: [const { Cell::new(None) }; REMEMBERED] }
    }

    /// Calls `record` with the instrument's series for these attributes if it is remembered. Returns whether it was.
    #[inline]
    pub(crate) fn record(
        &self,
        instrument: usize,
        attributes: &[KeyValue],
        record: impl FnOnce(&H),
    ) -> bool {
        let place = &self.slots[slot(instrument, attributes)];
        // The slot is empty meanwhile: recording may log, and a logger may record on this thread.
        let Some(found) = place.take() else { return false };
        let is_it = found.instrument == instrument && are_same(attributes, &found.attributes);
        if is_it {
            record(&found.series);
        }
        place.set(Some(found));
        is_it
    }

    /// Remembers a series, in place of the one that had its slot.
    pub(crate) fn remember(&self, instrument: usize, attributes: &[KeyValue], series: &H) {
        let (attributes, series) = (attributes.to_vec(), series.clone());
        let remembered = Slot { instrument, attributes: attributes.into(), series };
        self.slots[slot(remembered.instrument, &remembered.attributes)]
            .set(Some(Box::new(remembered)));
    }
}

/// Returns the slot for these attributes, derived from the addresses of their strings.
#[inline]
fn slot(instrument: usize, attributes: &[KeyValue]) -> usize {
    const SPREAD: usize = 0x9e37_79b9_7f4a_7c15_u64 as usize;
    let hash = attributes.iter().fold(instrument, |hash, attribute| {
        let word = match &attribute.value {
            Value::String(text) => text.as_str().as_ptr() as usize,
            Value::I64(value) => *value as usize,
            Value::Bool(value) => usize::from(*value),
            _ => 0,
        };
        (hash ^ word).wrapping_mul(SPREAD)
    });
    hash >> (usize::BITS - REMEMBERED.ilog2())
}

#[inline]
fn are_same(attributes: &[KeyValue], known: &[KeyValue]) -> bool {
    attributes.len() == known.len()
        && attributes.iter().zip(known).all(|(one, other)| {
            let (key, known) = (one.key.as_str(), other.key.as_str());
            is_same(key, known) && is_same_value(&one.value, &other.value)
        })
}

/// Returns whether two values are the same to the store, which compares floats by their bits: `0.0` is not `-0.0`.
#[inline]
fn is_same_value(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::String(text), Value::String(known)) => is_same(text.as_str(), known.as_str()),
        (Value::F64(value), Value::F64(known)) => value.to_bits() == known.to_bits(),
        (Value::Array(Array::F64(values)), Value::Array(Array::F64(known))) => {
            values.iter().map(|it| it.to_bits()).eq(known.iter().map(|it| it.to_bits()))
        }
        (value, known) => value == known,
    }
}

/// Returns whether two strings are equal. Strings that share their memory are not read.
#[inline]
fn is_same(one: &str, other: &str) -> bool {
    std::ptr::eq(one, other) || one == other
}
