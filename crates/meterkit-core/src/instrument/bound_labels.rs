//! Labels that a meter binds to the instruments it creates.

use std::sync::Arc;

use crate::attributes::{AttributeRef, AttributeValue};
use crate::labels::{LabelKey, LabelRef, LabelVisitor, Labels};

/// A label set without its type, for instruments that each record one series with these labels.
#[derive(Clone, Debug)]
pub(crate) struct BoundLabels {
    pub(crate) keys: &'static [LabelKey],
    values: Arc<[Option<AttributeValue>]>,
}

impl BoundLabels {
    pub(crate) fn new<L: Labels>(labels: &L) -> Self {
        let mut values = Vec::with_capacity(L::KEYS.len());
        labels.visit(&mut |value: LabelRef<'_>| values.push(value.to_value()));
        values.resize(L::KEYS.len(), None);
        Self { keys: L::KEYS, values: values.into() }
    }
}

impl Labels for BoundLabels {
    type Set = Self;
    /// Empty: each value carries its own keys in `keys`.
    const KEYS: &'static [LabelKey] = &[];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        let values = self.values.iter().map(|it| it.as_ref().map(AttributeRef::from));
        values.for_each(|value| visitor.visit(LabelRef::of(value)));
    }
}
