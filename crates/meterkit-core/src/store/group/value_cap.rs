//! Caps on the number of distinct values of a label.

use foldhash::fast::RandomState;
use std::hash::{BuildHasher, Hasher};

use super::table::SeriesTable;
use crate::attributes::{AttributeRef, AttributeValue};
use crate::labels::{LabelKey, LabelRef, LabelVisitor, Labels};

/// The value that replaces values beyond the cap.
const OTHER: LabelRef<'static> = LabelRef::Static("other");

/// The values that one label has had so far, up to its limit.
pub(crate) struct ValueCap {
    values: SeriesTable<Option<AttributeValue>>,
    limit: usize,
    hasher: RandomState,
}

impl ValueCap {
    /// Returns a cap for each key that has a limit, or an empty list if no key has one.
    pub(crate) fn of(keys: &[LabelKey]) -> Box<[Option<Self>]> {
        if keys.iter().all(|key| key.value_limit().is_none()) {
            return Box::default();
        }
        let cap =
            |limit| Self { values: SeriesTable::new(), limit, hasher: RandomState::default() };
        keys.iter().map(|key| key.value_limit().map(cap)).collect()
    }

    /// Returns whether these labels identify a series of their own: each capped value is known, or is itself `other`.
    pub(crate) fn let_through(caps: &[Option<Self>], labels: &impl Labels) -> bool {
        let (mut caps, mut are_let_through) = (caps.iter(), true);
        labels.visit(&mut |value: LabelRef<'_>| {
            if let Some(Some(cap)) = caps.next() {
                let is_other = matches!(value, LabelRef::Static("other") | LabelRef::Str("other"));
                are_let_through &= is_other || cap.admit(value, false) == value;
            }
        });
        are_let_through
    }

    /// Returns the value, or `other` if it exceeds the cap. Takes no lock once the limit is reached.
    #[inline]
    fn admit<'a>(&self, value: LabelRef<'a>, learns: bool) -> LabelRef<'a> {
        if value == LabelRef::Absent || self.knows(value) || (learns && self.learn(value)) {
            value
        } else {
            OTHER
        }
    }

    fn knows(&self, value: LabelRef<'_>) -> bool {
        self.values.get(self.hash(value), |known| is(value, known)).is_some()
    }

    fn learn(&self, value: LabelRef<'_>) -> bool {
        if self.values.len() >= self.limit {
            return false;
        }
        let hash = self.hash(value);
        let writer = self.values.lock();
        let known = self.values.get(hash, |known| is(value, known)).is_some();
        known || self.values.insert(&writer, hash, self.limit, value.to_value()).is_ok()
    }

    fn hash(&self, value: LabelRef<'_>) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        value.hash_into(&mut hasher);
        hasher.finish()
    }
}

fn is(value: LabelRef<'_>, known: &Option<AttributeValue>) -> bool {
    value.is(known.as_ref().map(AttributeRef::from))
}

/// Labels whose values beyond the caps are replaced by `other`.
pub(crate) struct Capped<'a, L> {
    pub(crate) labels: &'a L,
    pub(crate) caps: &'a [Option<ValueCap>],
    /// Whether unknown values are added to the cap while it has room.
    pub(crate) learns: bool,
}

impl<L: Labels> Labels for Capped<'_, L> {
    type Set = L::Set;
    const KEYS: &'static [LabelKey] = L::KEYS;

    #[inline]
    fn visit(&self, visitor: &mut impl LabelVisitor) {
        let mut caps = self.caps.iter();
        self.labels.visit(&mut |value: LabelRef<'_>| {
            visitor.visit(match caps.next() {
                Some(Some(cap)) => cap.admit(value, self.learns),
                _ => value,
            });
        });
    }
}
