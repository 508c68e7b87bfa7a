//! A cache of the series that a thread has recorded to recently, by their attributes.
//!
//! A call site records with the same attributes again and again, and their strings are mostly at the same addresses.
//! Such a series is found by comparing attributes, without hashing their contents.

use std::cell::Cell;
use std::ops::RangeInclusive;

use opentelemetry::{Array, KeyValue, Value};

/// How many series each thread remembers per type of instrument.
const REMEMBERED: usize = 32;

/// How many misses in a row a remembered series outlasts before another one may take its slot. A slot begins with the
/// smallest number, which doubles each time: remembering allocates, and a thread that records to many series in turn
/// must not do so forever.
const PATIENCE: RangeInclusive<u32> = 8..=1 << 16;

/// The series that a thread has recorded to recently, for one type of instrument. `H` is the handle of a series.
pub(crate) struct Recent<H> {
    slots: [Cell<Option<Box<Slot<H>>>>; REMEMBERED],
}

struct Slot<H> {
    /// The address of the instrument. The handle keeps the instrument alive, so no other one can have this address.
    instrument: usize,
    attributes: Box<[KeyValue]>,
    series: H,
    /// How many look-ups in a row were for other series.
    misses: u32,
    patience: u32,
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
        let Some(mut found) = place.take() else { return false };
        let is_it = found.instrument == instrument && are_same(attributes, &found.attributes);
        if is_it {
            found.misses = 0;
            record(&found.series);
        } else {
            found.misses = found.misses.saturating_add(1);
        }
        place.set(Some(found));
        is_it
    }

    /// Remembers a series, unless its slot has one that was used recently.
    pub(crate) fn remember(&self, instrument: usize, attributes: &[KeyValue], series: &H) {
        // The slot is that of the given attributes: strings of a copy may have other addresses.
        let place = &self.slots[slot(instrument, attributes)];
        let mut patience = *PATIENCE.start();
        if let Some(known) = place.take() {
            if known.misses < known.patience {
                return place.set(Some(known));
            }
            patience = (known.patience * 2).min(*PATIENCE.end());
        }
        let (attributes, series) = (attributes.into(), series.clone());
        let remembered = Slot { instrument, attributes, series, misses: 0, patience };
        place.set(Some(Box::new(remembered)));
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
