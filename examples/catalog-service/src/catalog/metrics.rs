//! The metrics of the plugin `catalog`.

use meterkit::{CounterGroup, Labels, Metrics};

use super::Action;

/// The metrics of the plugin: `backstage.plugin.catalog`.
#[derive(Debug, Clone, Metrics)]
#[metrics(scope = "plugin", name = "catalog")]
pub(super) struct CatalogMetrics {
    /// Attempts to change an entity, by action and success.
    #[metric(name = "entities.operations", unit = "{operation}")]
    pub(super) operations: CounterGroup<Attempt>,
}

/// An attempt to change an entity.
#[derive(Labels)]
pub(super) struct Attempt {
    pub(super) action: Action,
    pub(super) success: bool,
}
