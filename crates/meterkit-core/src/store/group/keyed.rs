//! Series found by OpenTelemetry's attributes: any keys, in any order, with values of any type.
//!
//! Code hands out the same keys in the same order again and again. Each such [layout](KeyLayout) is looked at once; from
//! then on only values are hashed, and a look-up takes no lock and allocates nothing.

use std::hash::{BuildHasher, Hasher};
use std::sync::OnceLock;

use foldhash::fast::RandomState;
use opentelemetry::{Array, Key, KeyValue, Value};

use super::addresses::{AddressHasher, Addresses};
use super::table::SeriesTable;
use crate::attributes::{AttributeList, AttributeRef, AttributeValue};
use crate::labels::text::{hash_text, same_text};
use crate::labels::{LabelKey, LabelRef, LabelVisitor, Labels};
use crate::order;
use crate::store::label_set::{KeySetId, LabelSet, Query};
use crate::store::shared::Shared;

/// The layouts of attributes that one instrument has seen.
pub(crate) struct KeyLayouts {
    /// The first one: most instruments have no other.
    first: OnceLock<KeyLayout>,
    others: SeriesTable<KeyLayout>,
    hasher: RandomState,
}

/// How many layouts are remembered. Further ones are looked at anew each time.
const REMEMBERED: usize = 4096;

impl Default for KeyLayouts {
    fn default() -> Self {
        let (first, others) = (OnceLock::new(), SeriesTable::new());
        Self { first, others, hasher: RandomState::default() }
    }
}

impl KeyLayouts {
    /// Returns the layout of these attributes, if it has been seen before.
    #[inline]
    pub(crate) fn find(&self, attributes: &[KeyValue]) -> Option<&KeyLayout> {
        let first = self.first.get()?;
        if first.is(attributes) { Some(first) } else { self.find_other(attributes) }
    }

    #[inline(never)]
    fn find_other(&self, attributes: &[KeyValue]) -> Option<&KeyLayout> {
        self.others.get(self.hash(attributes), |layout| layout.is(attributes))
    }

    /// Calls `work` with the layout of these attributes, or without one if the instrument has too many key sets.
    #[cold]
    pub(crate) fn with_new<R>(
        &self,
        attributes: &[KeyValue],
        shared: &Shared,
        work: impl FnOnce(Option<&KeyLayout>) -> R,
    ) -> R {
        match self.add(attributes, shared) {
            Ok(()) => work(self.find(attributes)),
            Err(layout) => work(layout.as_ref()),
        }
    }

    /// Remembers the layout of these attributes. Returns it if as many are remembered as may be, and `None` if the
    /// instrument has too many key sets.
    fn add(&self, attributes: &[KeyValue], shared: &Shared) -> Result<(), Option<KeyLayout>> {
        let layout = KeyLayout::of(attributes, shared, &self.hasher).ok_or(None)?;
        let writer = self.others.lock();
        if self.find(attributes).is_some() {
            return Ok(());
        }
        let kept = self.first.set(layout).or_else(|layout| {
            let hash = self.hash(attributes);
            self.others.insert(&writer, hash, REMEMBERED, layout).map(|_| ())
        });
        kept.map_err(Some)
    }

    fn hash(&self, attributes: &[KeyValue]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for attribute in attributes {
            hasher.write(attribute.key.as_str().as_bytes());
        }
        hasher.write_usize(attributes.len());
        hasher.finish()
    }
}

/// Which keys some attributes have, in which order.
pub(crate) struct KeyLayout {
    key_set: KeySetId,
    /// How many different keys there are.
    len: usize,
    keys: Box<[Key]>,
    /// By position: what makes the hash of a value that of an attribute.
    seeds: Box<[u64]>,
    /// By position: the place among the stored values, or none if a later attribute has the same key, and wins. Empty
    /// if these are the positions themselves.
    places: Box<[Option<usize>]>,
}

impl KeyLayout {
    /// Returns the layout of these attributes; `None` if the instrument would have too many key sets.
    fn of(attributes: &[KeyValue], shared: &Shared, hasher: &RandomState) -> Option<Self> {
        let keys: Box<[Key]> = attributes.iter().map(|it| it.key.clone()).collect();
        let mut names: Vec<&str> = keys.iter().map(Key::as_str).collect();
        order::sort(&mut names);
        names.dedup();
        let places: Box<[Option<usize>]> = keys
            .iter()
            .enumerate()
            .map(|(at, key)| {
                let is_last = !keys[at + 1..].contains(key);
                names.binary_search(&key.as_str()).ok().filter(|_| is_last)
            })
            .collect();
        let is_stored_order = places.iter().copied().eq((0..names.len()).map(Some));
        let places = if is_stored_order { Box::default() } else { places };
        let seeds = keys.iter().map(|key| hasher.hash_one(key.as_str())).collect();
        let (key_set, len) = (shared.key_set(&names)?, names.len());
        Some(Self { key_set, len, keys, seeds, places })
    }

    #[inline]
    fn is(&self, attributes: &[KeyValue]) -> bool {
        self.keys.len() == attributes.len()
            && self.keys.iter().zip(attributes).all(|(known, attribute)| {
                let (known, key) = (known.as_str(), attribute.key.as_str());
                std::ptr::eq(known, key) || same_text(known, key)
            })
    }
}

/// Attributes with their layout.
pub(crate) struct ByKey<'a> {
    pub(crate) attributes: &'a [KeyValue],
    pub(crate) layout: &'a KeyLayout,
}

impl ByKey<'_> {
    /// Returns the addresses of the values, after those of the table.
    #[inline]
    pub(crate) fn addresses(&self, mut hasher: AddressHasher) -> Addresses {
        for attribute in self.attributes {
            match &attribute.value {
                Value::String(text) => hasher.add_text(text.as_str()),
                Value::Bool(value) => hasher.add(u64::from(*value)),
                Value::I64(value) => hasher.add(*value as u64),
                Value::F64(value) => hasher.add(value.to_bits()),
                other => hasher.add(std::ptr::from_ref(other).addr() as u64),
            }
        }
        hasher.finish()
    }

    /// Returns the attributes that count, each with the place among the stored values, where these are not in order.
    fn in_places(&self) -> impl Iterator<Item = (usize, &Value, u64)> {
        let KeyLayout { seeds, places, .. } = self.layout;
        self.attributes.iter().zip(seeds).enumerate().filter_map(|(at, (attribute, seed))| {
            let place = if places.is_empty() { at } else { places[at]? };
            Some((place, &attribute.value, *seed))
        })
    }
}

impl Query for ByKey<'_> {
    #[inline]
    fn hash(&self, hasher: &RandomState) -> u64 {
        let hash = |value: &Value, seed: u64| {
            let mut hasher = hasher.build_hasher();
            hash_value(value, &mut hasher);
            hasher.finish() ^ seed
        };
        // A sum: attributes in another order have the same hash.
        let mut sum = 0_u64;
        if self.layout.places.is_empty() {
            for (attribute, seed) in self.attributes.iter().zip(&*self.layout.seeds) {
                sum = sum.wrapping_add(hash(&attribute.value, *seed));
            }
        } else {
            for (_, value, seed) in self.in_places() {
                sum = sum.wrapping_add(hash(value, seed));
            }
        }
        sum
    }

    fn hash_stored(&self, hasher: &RandomState, _: &LabelSet) -> u64 {
        self.hash(hasher)
    }

    #[inline]
    fn is(&self, stored: &LabelSet) -> bool {
        if stored.keys() != self.layout.key_set {
            return false;
        }
        if self.layout.places.is_empty() {
            let mut values = self.attributes.iter().zip(stored.values());
            return values.all(|(attribute, stored)| is_value(&attribute.value, stored));
        }
        self.in_places().all(|(place, value, _)| {
            stored.values().nth(place).is_some_and(|stored| is_value(value, stored))
        })
    }

    fn to_stored(&self) -> LabelSet {
        let mut values = vec![None; self.layout.len];
        for (place, value, _) in self.in_places() {
            if let Some(stored) = values.get_mut(place) {
                *stored = Some(AttributeValue::from(value));
            }
        }
        LabelSet::new(self.layout.key_set, values)
    }

    fn is_empty(&self) -> bool {
        self.layout.len == 0
    }
}

/// Attributes as the labels that the code declares.
pub(crate) struct AsDeclared<'a> {
    keys: &'static [LabelKey],
    attributes: &'a [KeyValue],
}

impl<'a> AsDeclared<'a> {
    /// Returns the attributes as labels with these keys; `None` if they have others, or values that no label has.
    pub(crate) fn new(keys: &'static [LabelKey], attributes: &'a [KeyValue]) -> Option<Self> {
        let is_declared = |it: &KeyValue| {
            let is_label = !matches!(it.value, Value::F64(_) | Value::Array(_));
            is_label && keys.iter().any(|key| key.name() == it.key.as_str())
        };
        let declared = Self { keys, attributes };
        let is_there = |key: &LabelKey| key.is_optional() || declared.value(key).is_some();
        (attributes.iter().all(is_declared) && keys.iter().all(is_there)).then_some(declared)
    }

    /// Returns the values as they are stored; `None` if a closed key has a value that is not in its list.
    pub(crate) fn to_values(
        &self,
        keys: &'static [LabelKey],
    ) -> Option<Vec<Option<AttributeValue>>> {
        let is_known =
            LabelKey::closed_sets(keys).is_none() || LabelKey::place_of(keys, self).is_some();
        let values = keys.iter().map(|key| self.value(key).map(AttributeValue::from));
        is_known.then(|| values.collect())
    }

    fn value(&self, key: &LabelKey) -> Option<&'a Value> {
        let mut last_first = self.attributes.iter().rev();
        last_first.find(|it| it.key.as_str() == key.name()).map(|it| &it.value)
    }
}

impl Labels for AsDeclared<'_> {
    type Set = AsDeclared<'static>;
    /// Each instrument has its own.
    const KEYS: &'static [LabelKey] = &[];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        for key in self.keys {
            visitor.visit(match self.value(key) {
                Some(Value::String(text)) => LabelRef::Str(text.as_str()),
                Some(Value::Bool(value)) => LabelRef::Bool(*value),
                Some(Value::I64(value)) => LabelRef::I64(*value),
                _ => LabelRef::Absent,
            });
        }
    }
}

#[inline(always)]
fn hash_value(value: &Value, hasher: &mut impl Hasher) {
    match value {
        Value::String(text) => hash_text(text.as_str(), hasher),
        Value::Bool(value) => hasher.write_u8(1 + u8::from(*value)),
        Value::I64(value) => hasher.write_i64(*value),
        Value::F64(value) => hasher.write_u64(value.to_bits()),
        Value::Array(array) => hash_array(array, hasher),
        other => hasher.write(other.as_str().as_bytes()),
    }
}

fn hash_array(array: &Array, hasher: &mut impl Hasher) {
    match array {
        Array::Bool(values) => values.iter().for_each(|it| hasher.write_u8(1 + u8::from(*it))),
        Array::I64(values) => values.iter().for_each(|it| hasher.write_i64(*it)),
        Array::F64(values) => values.iter().for_each(|it| hasher.write_u64(it.to_bits())),
        Array::String(values) => values.iter().for_each(|it| hasher.write(it.as_str().as_bytes())),
        _ => {}
    }
}

#[inline(always)]
fn is_value(value: &Value, stored: Option<AttributeRef<'_>>) -> bool {
    match (value, stored) {
        (Value::String(text), Some(AttributeRef::Str(stored))) => same_text(text.as_str(), stored),
        (Value::Bool(value), Some(AttributeRef::Bool(stored))) => *value == stored,
        (Value::I64(value), Some(AttributeRef::I64(stored))) => *value == stored,
        (Value::F64(value), Some(AttributeRef::F64(stored))) => value.to_bits() == stored.to_bits(),
        (Value::Array(array), Some(AttributeRef::List(stored))) => is_array(array, stored),
        (Value::String(_) | Value::Bool(_) | Value::I64(_) | Value::F64(_), _) => false,
        (other, Some(stored)) => AttributeRef::from(&AttributeValue::from(other)) == stored,
        (_, None) => false,
    }
}

fn is_array(array: &Array, stored: AttributeList<'_>) -> bool {
    fn all<'a, T>(
        values: &[T],
        stored: AttributeList<'a>,
        to_ref: impl Fn(&T) -> AttributeRef<'_>,
    ) -> bool {
        values.iter().map(to_ref).eq(stored.iter())
    }
    match array {
        Array::Bool(values) => all(values, stored, |it| AttributeRef::Bool(*it)),
        Array::I64(values) => all(values, stored, |it| AttributeRef::I64(*it)),
        Array::F64(values) => all(values, stored, |it| AttributeRef::F64(*it)),
        Array::String(values) => all(values, stored, |it| AttributeRef::Str(it.as_str())),
        _ => false,
    }
}
