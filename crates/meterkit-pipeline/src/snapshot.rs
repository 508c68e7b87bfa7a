//! What exporters are given: everything that was counted, at one moment.

use std::time::SystemTime;

use meterkit_core::{Attributes, ScopeMetrics};

/// All metrics at one moment. Never changes: targets share one behind an `Arc`.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct Snapshot {
    /// What is being measured: service name, version, host.
    pub resource: Attributes,
    /// When it was taken.
    pub time: SystemTime,
    /// Metrics by scope, ordered by the scope's name.
    pub scopes: Vec<ScopeMetrics>,
}

impl Snapshot {
    /// How many points all metrics have together.
    pub fn len(&self) -> usize {
        let metrics = self.scopes.iter().flat_map(|scope| &scope.metrics);
        metrics.map(|metric| metric.data.len()).sum()
    }

    /// Whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
