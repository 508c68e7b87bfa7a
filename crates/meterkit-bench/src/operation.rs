//! A closed label set: every value of every label is known at compile time.
//!
//! The enums derive the traits that other libraries require of label values, so that all libraries record the same
//! types.

#[cfg(feature = "others")]
use fastmetrics::derive::EncodeLabelValue as FastmetricsValue;
#[cfg(feature = "others")]
use measured::FixedCardinalityLabel;
use meterkit_core::{LabelKey, LabelRef, LabelValue, LabelVisitor, Labels};
#[cfg(feature = "others")]
use prometheus_client::encoding::EncodeLabelValue;

/// The keys of [`Operation`].
pub const OPERATION_KEYS: [&str; 3] = ["kind", "outcome", "cached"];

/// Three labels with few values each: 18 sets in total.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_structs, reason = "labels are written as literals")]
pub struct Operation {
    /// The kind of operation.
    pub kind: Kind,
    /// The outcome of the operation.
    pub outcome: Outcome,
    /// Whether the result came from a cache.
    pub cached: bool,
}

/// The label values in the comparisons.
pub const OPERATION: Operation =
    Operation { kind: Kind::Update, outcome: Outcome::Rejected, cached: true };

impl Labels for Operation {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[
        LabelKey::of::<Kind>(OPERATION_KEYS[0]),
        LabelKey::of::<Outcome>(OPERATION_KEYS[1]),
        LabelKey::of::<bool>(OPERATION_KEYS[2]),
    ];

    #[inline]
    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.kind.label());
        visitor.visit(self.outcome.label());
        visitor.visit(self.cached.label());
    }

    #[inline]
    fn index(&self) -> Option<usize> {
        let kind_and_outcome = self.kind.index() * Outcome::NAMES.len() + self.outcome.index();
        Some(kind_and_outcome * 2 + self.cached.index())
    }
}

/// The kind of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "others", derive(FixedCardinalityLabel, EncodeLabelValue, FastmetricsValue))]
#[expect(clippy::exhaustive_enums, reason = "a closed label")]
pub enum Kind {
    /// `create`
    Create,
    /// `update`
    Update,
    /// `delete`
    Delete,
}

/// The outcome of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "others", derive(FixedCardinalityLabel, EncodeLabelValue, FastmetricsValue))]
#[expect(clippy::exhaustive_enums, reason = "a closed label")]
pub enum Outcome {
    /// `done`
    Done,
    /// `rejected`
    Rejected,
    /// `failed`
    Failed,
}

impl Kind {
    const NAMES: [&str; 3] = ["create", "update", "delete"];

    /// Returns the label's value.
    #[inline]
    pub const fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl Outcome {
    const NAMES: [&str; 3] = ["done", "rejected", "failed"];

    /// Returns the label's value.
    #[inline]
    pub const fn as_str(self) -> &'static str {
        Self::NAMES[self as usize]
    }
}

impl LabelValue for Kind {
    const CARDINALITY: Option<usize> = Some(Self::NAMES.len());

    #[inline]
    fn label(&self) -> LabelRef<'_> {
        LabelRef::Static(self.as_str())
    }

    #[inline]
    fn index(&self) -> usize {
        *self as usize
    }

    fn nth(index: usize) -> LabelRef<'static> {
        Self::NAMES.get(index).map_or(LabelRef::Absent, |name| LabelRef::Static(name))
    }
}

impl LabelValue for Outcome {
    const CARDINALITY: Option<usize> = Some(Self::NAMES.len());

    #[inline]
    fn label(&self) -> LabelRef<'_> {
        LabelRef::Static(self.as_str())
    }

    #[inline]
    fn index(&self) -> usize {
        *self as usize
    }

    fn nth(index: usize) -> LabelRef<'static> {
        Self::NAMES.get(index).map_or(LabelRef::Absent, |name| LabelRef::Static(name))
    }
}

/// Returns a `bool` as a label's text.
#[inline]
pub const fn text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_has_an_index_of_its_own_below_their_number() {
        let mut indexes = Vec::new();
        for kind in [Kind::Create, Kind::Update, Kind::Delete] {
            for outcome in [Outcome::Done, Outcome::Rejected, Outcome::Failed] {
                for cached in [false, true] {
                    indexes.push(Operation { kind, outcome, cached }.index());
                }
            }
        }
        assert_eq!(indexes, (0..18).map(Some).collect::<Vec<_>>());
    }

    #[test]
    fn each_value_has_the_index_at_which_it_is_found() {
        for kind in [Kind::Create, Kind::Update, Kind::Delete] {
            assert_eq!(Kind::nth(kind.index()), kind.label());
        }
        for outcome in [Outcome::Done, Outcome::Rejected, Outcome::Failed] {
            assert_eq!(Outcome::nth(outcome.index()), outcome.label());
        }
    }
}
