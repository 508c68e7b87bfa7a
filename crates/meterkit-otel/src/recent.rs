//! The series that a thread has recorded in lately, by the attributes that it was given.
//!
//! Code records with the same attributes again and again, and mostly with texts that are the same in memory too. Then
//! comparing them is all that finding the series takes: nothing is hashed.

use std::cell::Cell;

use opentelemetry::{KeyValue, Value};

/// How many series a thread remembers of each type of instrument.
const REMEMBERED: usize = 32;

/// The series of one type that a thread has recorded in lately. `H` is a handle on a series.
pub(crate) struct Recent<H> {
    slots: [Cell<Option<Box<Slot<H>>>>; REMEMBERED],
}

struct Slot<H> {
    /// The address of the instrument, which the handle keeps from being another one's.
    instrument: usize,
    attributes: Box<[KeyValue]>,
    series: H,
}

impl<H: Clone> Recent<H> {
    pub(crate) const fn new() -> Self {
        Self { slots: [const { Cell::new(None) }; REMEMBERED] }
    }

    /// Calls `record` with the series that the instrument has for these attributes, as far as it is remembered. Returns
    /// whether it was.
    #[inline]
    pub(crate) fn record(
        &self,
        instrument: usize,
        attributes: &[KeyValue],
        record: impl FnOnce(&H),
    ) -> bool {
        let place = &self.slots[slot(instrument, attributes)];
        // Taken out meanwhile: what is recorded may be logged, and whoever logs may record.
        let Some(found) = place.take() else { return false };
        let is_it = found.instrument == instrument && are_same(attributes, &found.attributes);
        if is_it {
            record(&found.series);
        }
        place.set(Some(found));
        is_it
    }

    /// Remembers a series in place of another one.
    pub(crate) fn remember(&self, instrument: usize, attributes: &[KeyValue], series: &H) {
        let (attributes, series) = (attributes.to_vec(), series.clone());
        let remembered = Slot { instrument, attributes: attributes.into(), series };
        self.slots[slot(remembered.instrument, &remembered.attributes)]
            .set(Some(Box::new(remembered)));
    }
}

/// Returns the place of these attributes, by where their texts are in memory.
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
            is_same(key, known)
                && match (&one.value, &other.value) {
                    (Value::String(text), Value::String(known)) => {
                        is_same(text.as_str(), known.as_str())
                    }
                    (value, known) => value == known,
                }
        })
}

/// Returns whether two texts are equal: at a glance, if they are the same in memory.
#[inline]
fn is_same(one: &str, other: &str) -> bool {
    std::ptr::eq(one, other) || one == other
}
