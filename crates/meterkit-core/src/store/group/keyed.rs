//! Series that are found by attributes: with any keys, in any order, and with values of any OpenTelemetry type.
//!
//! Code passes the same keys in the same order again and again. Each such [layout](KeyLayout) is analyzed once. From
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
use crate::store::label_set::{KeySetId, LabelSet, Query, are_plainly};
use crate::store::shared::Shared;

/// The attribute layouts that one instrument has seen.
pub(crate) struct KeyLayouts {
    /// The first layout. Most instruments have no other.
    first: OnceLock<KeyLayout>,
    others: SeriesTable<KeyLayout>,
    hasher: RandomState,
}

/// How many layouts are remembered. Further layouts are analyzed on each use.
const REMEMBERED: usize = 4096;

impl Default for KeyLayouts {
    fn default() -> Self {
        let (first, others) = (OnceLock::new(), SeriesTable::new());
        Self { first, others, hasher: RandomState::default() }
    }
}

impl KeyLayouts {
    /// Returns the layout of these attributes, if it is remembered.
    #[inline]
    pub(crate) fn find(&self, attributes: &[impl Attribute]) -> Option<&KeyLayout> {
        let first = self.first.get()?;
        if first.is(attributes) { Some(first) } else { self.find_other(attributes) }
    }

    #[inline(never)]
    fn find_other(&self, attributes: &[impl Attribute]) -> Option<&KeyLayout> {
        self.others.get(self.hash(attributes), |layout| layout.is(attributes))
    }

    /// Calls `work` with the layout of these attributes, or with `None` if the instrument has too many key sets.
    #[cold]
    pub(crate) fn with_new<R>(
        &self,
        attributes: &[impl Attribute],
        shared: &Shared,
        work: impl FnOnce(Option<&KeyLayout>) -> R,
    ) -> R {
        match self.add(attributes, shared) {
            Ok(()) => work(self.find(attributes)),
            Err(layout) => work(layout.as_ref()),
        }
    }

    /// Returns the layout of these attributes if the instrument has their key set.
    #[cold]
    pub(crate) fn known(
        &self,
        attributes: &[impl Attribute],
        shared: &Shared,
    ) -> Option<KeyLayout> {
        self.layout(attributes, |names| shared.known_key_set(names))
    }

    fn layout(
        &self,
        attributes: &[impl Attribute],
        key_set: impl FnOnce(&[&str]) -> Option<KeySetId>,
    ) -> Option<KeyLayout> {
        let keys = attributes.iter().map(Attribute::to_key).collect();
        KeyLayout::of(keys, &self.hasher, key_set)
    }

    /// Remembers the layout of these attributes. Fails with the layout if no more can be remembered, or with `None` if
    /// the instrument has too many key sets.
    fn add(&self, attributes: &[impl Attribute], shared: &Shared) -> Result<(), Option<KeyLayout>> {
        let layout = self.layout(attributes, |names| shared.key_set(names)).ok_or(None)?;
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

    fn hash(&self, attributes: &[impl Attribute]) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        for attribute in attributes {
            hasher.write(attribute.key().as_bytes());
        }
        hasher.write_usize(attributes.len());
        hasher.finish()
    }
}

/// The keys of a list of attributes, and their order.
pub(crate) struct KeyLayout {
    key_set: KeySetId,
    /// The number of distinct keys.
    len: usize,
    keys: Box<[Key]>,
    /// By position: the hash of the key, which turns the hash of a value into that of an attribute.
    seeds: Box<[u64]>,
    /// By position: the index among the stored values, or `None` if a later attribute with the same key overrides this
    /// one. Empty if each index equals its position.
    places: Box<[Option<usize>]>,
}

impl KeyLayout {
    /// Returns the layout of attributes with these keys, or `None` if `key_set` returns no key set for the sorted
    /// names.
    fn of(
        keys: Box<[Key]>,
        hasher: &RandomState,
        key_set: impl FnOnce(&[&str]) -> Option<KeySetId>,
    ) -> Option<Self> {
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
        let (key_set, len) = (key_set(&names)?, names.len());
        Some(Self { key_set, len, keys, seeds, places })
    }

    #[inline]
    fn is(&self, attributes: &[impl Attribute]) -> bool {
        self.keys.len() == attributes.len()
            && self.keys.iter().zip(attributes).all(|(known, attribute)| {
                let (known, key) = (known.as_str(), attribute.key());
                std::ptr::eq(known, key) || same_text(known, key)
            })
    }
}

/// Attributes together with their layout.
pub(crate) struct ByKey<'a, A> {
    pub(crate) attributes: &'a [A],
    pub(crate) layout: &'a KeyLayout,
}

impl<A: Attribute> ByKey<'_, A> {
    /// Returns the addresses of the values. `hasher` already contains the address of the group.
    #[inline]
    pub(crate) fn addresses(&self, mut hasher: AddressHasher) -> Addresses {
        self.attributes.iter().for_each(|attribute| attribute.add_address(&mut hasher));
        hasher.finish()
    }

    /// Returns whether the attributes have the stored values, in any order.
    #[inline(never)]
    fn is_otherwise(&self, stored: &LabelSet) -> bool {
        if self.layout.places.is_empty() {
            let mut values = self.attributes.iter().zip(stored.values());
            return values.all(|(attribute, stored)| attribute.is_value(stored));
        }
        self.in_places().all(|(place, attribute, _)| {
            stored.values().nth(place).is_some_and(|stored| attribute.is_value(stored))
        })
    }

    /// Returns the attributes that are not overridden, each with its index among the stored values and the seed of its
    /// key.
    fn in_places(&self) -> impl Iterator<Item = (usize, &A, u64)> {
        let KeyLayout { seeds, places, .. } = self.layout;
        self.attributes.iter().zip(seeds).enumerate().filter_map(|(at, (attribute, seed))| {
            let place = if places.is_empty() { at } else { places[at]? };
            Some((place, attribute, *seed))
        })
    }
}

impl<A: Attribute> Query for ByKey<'_, A> {
    #[inline]
    fn hash(&self, hasher: &RandomState) -> u64 {
        let hash = |attribute: &A, seed: u64| {
            let mut hasher = hasher.build_hasher();
            attribute.hash_value(&mut hasher);
            hasher.finish() ^ seed
        };
        // A sum, so that the hash does not depend on the order of attributes.
        let mut sum = 0_u64;
        if self.layout.places.is_empty() {
            for (attribute, seed) in self.attributes.iter().zip(&*self.layout.seeds) {
                sum = sum.wrapping_add(hash(attribute, *seed));
            }
        } else {
            for (_, attribute, seed) in self.in_places() {
                sum = sum.wrapping_add(hash(attribute, seed));
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
        let labels = self.attributes.iter().map(Attribute::label);
        (self.layout.places.is_empty() && are_plainly(labels, stored)) || self.is_otherwise(stored)
    }

    fn to_stored(&self) -> LabelSet {
        let mut values = vec![None; self.layout.len];
        for (place, attribute, _) in self.in_places() {
            if let Some(stored) = values.get_mut(place) {
                *stored = attribute.to_value();
            }
        }
        LabelSet::new(self.layout.key_set, values)
    }

    fn is_empty(&self) -> bool {
        self.layout.len == 0
    }
}

/// Attributes viewed as the labels that the code declares.
pub(crate) struct AsDeclared<'a, A> {
    keys: &'static [LabelKey],
    attributes: &'a [A],
}

impl<'a, A: Attribute> AsDeclared<'a, A> {
    /// Returns the attributes as labels with these keys, or `None` if they have other keys, or values that labels
    /// cannot have.
    pub(crate) fn new(keys: &'static [LabelKey], attributes: &'a [A]) -> Option<Self> {
        let is_declared =
            |it: &A| it.label().is_some() && keys.iter().any(|key| key.name() == it.key());
        let declared = Self { keys, attributes };
        let is_there = |key: &LabelKey| key.is_optional() || declared.find(key).is_some();
        (attributes.iter().all(is_declared) && keys.iter().all(is_there)).then_some(declared)
    }

    /// Returns the values in stored form, or `None` if a closed key has a value that is not in its list.
    pub(crate) fn to_values(
        &self,
        keys: &'static [LabelKey],
    ) -> Option<Vec<Option<AttributeValue>>> {
        let is_known =
            LabelKey::closed_sets(keys).is_none() || LabelKey::place_of(keys, self).is_some();
        let values = keys.iter().map(|key| self.find(key)?.to_value());
        is_known.then(|| values.collect())
    }

    fn find(&self, key: &LabelKey) -> Option<&'a A> {
        self.attributes.iter().rev().find(|it| it.key() == key.name())
    }
}

impl<A: Attribute> Labels for AsDeclared<'_, A> {
    type Set = AsDeclared<'static, KeyValue>;
    /// Empty, because each instrument has keys of its own.
    const KEYS: &'static [LabelKey] = &[];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        for key in self.keys {
            let label = self.find(key).and_then(Attribute::label);
            visitor.visit(label.unwrap_or(LabelRef::Absent));
        }
    }
}

/// A key and a value, as a caller passes them.
pub(crate) trait Attribute {
    fn key(&self) -> &str;
    fn to_key(&self) -> Key;
    fn to_value(&self) -> Option<AttributeValue>;
    /// Returns the value, if labels can have values of its type.
    fn label(&self) -> Option<LabelRef<'_>>;
    fn hash_value(&self, hasher: &mut impl Hasher);
    /// Returns whether the value equals the stored one.
    fn is_value(&self, stored: Option<AttributeRef<'_>>) -> bool;
    fn add_address(&self, hasher: &mut AddressHasher);
}

impl Attribute for KeyValue {
    #[inline]
    fn key(&self) -> &str {
        self.key.as_str()
    }

    fn to_key(&self) -> Key {
        self.key.clone()
    }

    fn to_value(&self) -> Option<AttributeValue> {
        Some(AttributeValue::from(&self.value))
    }

    fn label(&self) -> Option<LabelRef<'_>> {
        match &self.value {
            Value::String(text) => Some(LabelRef::Str(text.as_str())),
            Value::Bool(value) => Some(LabelRef::Bool(*value)),
            Value::I64(value) => Some(LabelRef::I64(*value)),
            _ => None,
        }
    }

    #[inline(always)]
    fn hash_value(&self, hasher: &mut impl Hasher) {
        hash_value(&self.value, hasher);
    }

    #[inline(always)]
    fn is_value(&self, stored: Option<AttributeRef<'_>>) -> bool {
        is_value(&self.value, stored)
    }

    #[inline(always)]
    fn add_address(&self, hasher: &mut AddressHasher) {
        match &self.value {
            Value::String(text) => hasher.add_text(text.as_str()),
            Value::Bool(value) => hasher.add(u64::from(*value)),
            Value::I64(value) => hasher.add(*value as u64),
            Value::F64(value) => hasher.add(value.to_bits()),
            other => hasher.add(std::ptr::from_ref(other).addr() as u64),
        }
    }
}

/// Hashes and compares like OpenTelemetry attributes with the same values, so that both find the same series.
impl Attribute for (&str, LabelRef<'_>) {
    #[inline]
    fn key(&self) -> &str {
        self.0
    }

    fn to_key(&self) -> Key {
        Key::from(self.0.to_owned())
    }

    fn to_value(&self) -> Option<AttributeValue> {
        self.1.to_value()
    }

    #[inline]
    fn label(&self) -> Option<LabelRef<'_>> {
        Some(self.1)
    }

    #[inline]
    fn hash_value(&self, hasher: &mut impl Hasher) {
        self.1.hash_into(hasher);
    }

    #[inline]
    fn is_value(&self, stored: Option<AttributeRef<'_>>) -> bool {
        self.1.is(stored)
    }

    #[inline]
    fn add_address(&self, hasher: &mut AddressHasher) {
        hasher.visit(self.1);
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
