//! What the plugin `catalog` counts.

use meterkit::{
    CounterGroup, InstrumentError, LabelKey, LabelRef, LabelValue, LabelVisitor, Labels, Registry,
};

use super::Action;

/// The metrics of the plugin: `backstage.plugin.catalog`.
#[derive(Debug, Clone)]
pub(super) struct CatalogMetrics {
    pub(super) operations: CounterGroup<Attempt>,
}

impl CatalogMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, InstrumentError> {
        let meter = registry.scoped("plugin", "catalog");
        Ok(Self {
            operations: meter
                .counter_group("entities.operations")
                .unit("{operation}")
                .description("Attempts to change an entity, by action and success.")
                .build()?,
        })
    }
}

/// An attempt to change an entity.
pub(super) struct Attempt {
    pub(super) action: Action,
    pub(super) success: bool,
}

impl Labels for Attempt {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("action"), LabelKey::new("success")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.action.label());
        visitor.visit(self.success.label());
    }
}

impl LabelValue for Action {
    fn label(&self) -> LabelRef<'_> {
        LabelRef::Static(self.as_str())
    }
}
