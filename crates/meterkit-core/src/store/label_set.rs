//! Label sets as callers hand them out, and as they are stored.

use std::hash::{BuildHasher, Hasher};

use foldhash::fast::RandomState;

use super::shared::LabelSet;
use crate::attributes::AttributeValue;
use crate::labels::{LabelRef, LabelVisitor, Labels};

/// The hash of labels that are handed out for `key_count` keys.
#[inline]
pub(crate) fn hash(hasher: &RandomState, labels: &impl Labels, key_count: usize) -> u64 {
    let mut visitor = Hashing { hasher: hasher.build_hasher(), room: key_count };
    labels.visit(&mut visitor);
    for _ in 0..visitor.room {
        LabelRef::Absent.hash_into(&mut visitor.hasher);
    }
    visitor.hasher.finish()
}

/// The hash of labels that are stored: that of the same labels as they are handed out.
pub(crate) fn hash_stored(hasher: &RandomState, labels: &[Option<AttributeValue>]) -> u64 {
    let mut hasher = hasher.build_hasher();
    for value in labels {
        LabelRef::of(value).hash_into(&mut hasher);
    }
    hasher.finish()
}

/// Whether what is handed out is what is stored.
#[inline]
pub(crate) fn matches(labels: &impl Labels, stored: &[Option<AttributeValue>]) -> bool {
    let mut visitor = Matching { stored: stored.iter(), equal: true };
    labels.visit(&mut visitor);
    visitor.equal && visitor.stored.all(Option::is_none)
}

/// The labels as they are stored, for `key_count` keys.
pub(crate) fn collect(labels: &impl Labels, key_count: usize) -> LabelSet {
    let mut collecting = Collecting { values: Vec::with_capacity(key_count), room: key_count };
    labels.visit(&mut collecting);
    collecting.values.resize(key_count, None);
    collecting.values.into()
}

/// Hashes as many values as there are keys: what is one series in the end has one hash.
struct Hashing<S> {
    hasher: S,
    room: usize,
}

impl<S: Hasher> LabelVisitor for Hashing<S> {
    #[inline(always)]
    fn visit(&mut self, value: LabelRef<'_>) {
        if self.room > 0 {
            self.room -= 1;
            value.hash_into(&mut self.hasher);
        }
    }
}

struct Matching<'a> {
    stored: std::slice::Iter<'a, Option<AttributeValue>>,
    equal: bool,
}

impl LabelVisitor for Matching<'_> {
    #[inline(always)]
    fn visit(&mut self, value: LabelRef<'_>) {
        if let Some(stored) = self.stored.next() {
            self.equal &= value.is(stored);
        }
    }
}

struct Collecting {
    values: Vec<Option<AttributeValue>>,
    room: usize,
}

impl LabelVisitor for Collecting {
    fn visit(&mut self, value: LabelRef<'_>) {
        if self.values.len() < self.room {
            self.values.push(value.to_value());
        }
    }
}
