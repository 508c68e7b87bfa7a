//! A per-thread cache of recently used series, keyed by attributes.
//!
//! A call site records with the same attributes again and again, and their strings are mostly at the same addresses.
//! The cache finds the series by comparing attributes, without hashing their contents.

use std::cell::Cell;
use std::ops::RangeInclusive;

use opentelemetry::{Array, KeyValue, Value};

/// The number of series that each thread caches per instrument type.
const REMEMBERED: usize = 32;

/// The number of consecutive misses after which another series may take a slot. A slot starts with the minimum, and the
/// number doubles with each replacement: caching a series allocates, and a thread that records to many series in turn
/// must not allocate forever.
const PATIENCE: RangeInclusive<u32> = 8..=1 << 16;

/// The series that a thread has recently recorded to, for one instrument type. `H` is the handle of a series.
pub(crate) struct Recent<H> {
    slots: [Cell<Option<Box<Slot<H>>>>; REMEMBERED],
}

struct Slot<H> {
    /// The address of the instrument. The handle keeps the instrument alive, so no other instrument can have this
    /// address.
    instrument: usize,
    attributes: Box<[KeyValue]>,
    series: H,
    /// The number of consecutive look-ups of other series.
    misses: u32,
    patience: u32,
}

impl<H: Clone> Recent<H> {
    pub(crate) const fn new() -> Self {
        Self { slots: [const { Cell::new(None) }; REMEMBERED] }
    }

    /// Calls `record` with the instrument's series for these attributes if the series is cached. Returns whether it
    /// was.
    #[inline]
    pub(crate) fn record(
        &self,
        instrument: usize,
        attributes: &[KeyValue],
        record: impl FnOnce(&H),
    ) -> bool {
        let place = &self.slots[slot(instrument, attributes)];
        // The slot stays empty while recording: `record` may log, and a logger may record on this thread.
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

    /// Caches a series, unless its slot holds a series that was used recently.
    pub(crate) fn remember(&self, instrument: usize, attributes: &[KeyValue], series: &H) {
        // Compute the slot from the caller's attributes: the strings of a copy may have other addresses.
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

/// Returns whether the store treats two values as the same. It compares floats by their bits: `0.0` is not `-0.0`.
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

/// Returns whether two strings are equal. Does not read strings that share their memory.
#[inline]
fn is_same(one: &str, other: &str) -> bool {
    std::ptr::eq(one, other) || one == other
}
