//! Label sets as callers hand them out, and as they are stored.

use std::hash::{BuildHasher, Hasher};
use std::ops::Deref;
use std::sync::{Arc, LazyLock};

use foldhash::fast::RandomState;

use crate::attributes::AttributeValue;
use crate::labels::{LabelRef, LabelVisitor, Labels};

/// The labels of one series: the values, in the order of the keys that they belong to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LabelSet {
    /// Which of the instrument's key sets they belong to.
    pub(crate) keys: KeySetId,
    values: Arc<[Option<AttributeValue>]>,
}

/// One of the key sets of an instrument: those that the code declares, those of the overflow series, or those that some
/// recording by attributes brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KeySetId(pub(crate) u32);

impl KeySetId {
    /// The keys that the code declares.
    pub(crate) const DECLARED: Self = Self(0);
    /// The key of the overflow series.
    pub(crate) const OVERFLOW: Self = Self(u32::MAX);
}

impl LabelSet {
    pub(crate) fn new(keys: KeySetId, values: impl Into<Arc<[Option<AttributeValue>]>>) -> Self {
        Self { keys, values: values.into() }
    }

    pub(crate) fn declared(values: impl Into<Arc<[Option<AttributeValue>]>>) -> Self {
        Self::new(KeySetId::DECLARED, values)
    }

    /// Returns the labels of an instrument that declares none.
    pub(crate) fn none() -> Self {
        static NONE: LazyLock<LabelSet> = LazyLock::new(|| LabelSet::declared([]));
        NONE.clone()
    }

    /// Returns the labels of the overflow series, which has its mark as its only label.
    pub(crate) fn overflow() -> Self {
        static MARK: LazyLock<LabelSet> =
            LazyLock::new(|| LabelSet::new(KeySetId::OVERFLOW, [Some(AttributeValue::Bool(true))]));
        MARK.clone()
    }

    pub(crate) fn values(&self) -> &Arc<[Option<AttributeValue>]> {
        &self.values
    }
}

impl Deref for LabelSet {
    type Target = [Option<AttributeValue>];

    fn deref(&self) -> &Self::Target {
        &self.values
    }
}

/// Labels that a caller hands out, to find a series by.
pub(crate) trait Query {
    /// Returns the hash of the labels.
    fn hash(&self, hasher: &RandomState) -> u64;

    /// Returns the hash of these labels as they are stored. A caller may hand out other values each time.
    fn hash_stored(&self, hasher: &RandomState, stored: &LabelSet) -> u64;

    /// Returns whether these labels are the stored ones.
    fn is(&self, stored: &LabelSet) -> bool;

    /// Returns the labels as they are stored.
    fn to_stored(&self) -> LabelSet;

    /// Returns whether there are no labels.
    fn is_empty(&self) -> bool;
}

/// Labels by position, for so many declared keys.
pub(crate) struct Declared<'a, L> {
    pub(crate) labels: &'a L,
    pub(crate) key_count: usize,
}

impl<L: Labels> Query for Declared<'_, L> {
    #[inline]
    fn hash(&self, hasher: &RandomState) -> u64 {
        let mut visitor = Hashing { hasher: hasher.build_hasher(), room: self.key_count };
        self.labels.visit(&mut visitor);
        for _ in 0..visitor.room {
            LabelRef::Absent.hash_into(&mut visitor.hasher);
        }
        visitor.hasher.finish()
    }

    fn hash_stored(&self, hasher: &RandomState, stored: &LabelSet) -> u64 {
        hash_declared(hasher, stored)
    }

    #[inline]
    fn is(&self, stored: &LabelSet) -> bool {
        if stored.keys != KeySetId::DECLARED {
            return false;
        }
        let mut visitor = Matching { stored: stored.iter(), are_equal: true };
        self.labels.visit(&mut visitor);
        visitor.are_equal && visitor.stored.all(Option::is_none)
    }

    fn to_stored(&self) -> LabelSet {
        let mut values = Vec::with_capacity(self.key_count);
        self.labels.visit(&mut |value: LabelRef<'_>| values.push(value.to_value()));
        values.resize(self.key_count, None);
        LabelSet::declared(values)
    }

    #[inline]
    fn is_empty(&self) -> bool {
        self.key_count == 0
    }
}

/// Returns the hash of stored labels whose keys are declared.
pub(crate) fn hash_declared(hasher: &RandomState, stored: &[Option<AttributeValue>]) -> u64 {
    let mut hasher = hasher.build_hasher();
    for value in stored {
        LabelRef::of(value).hash_into(&mut hasher);
    }
    hasher.finish()
}

/// Hashes as many values as there are keys: label sets that are stored as one series have one hash.
///
/// Not a closure, and neither is [`Matching`]: every look-up runs them, and only methods can be forced inline.
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
    are_equal: bool,
}

impl LabelVisitor for Matching<'_> {
    #[inline(always)]
    fn visit(&mut self, value: LabelRef<'_>) {
        if let Some(stored) = self.stored.next() {
            self.are_equal = self.are_equal && value.is(stored);
        }
    }
}
