//! A collection without a pipeline.

use std::time::SystemTime;

use meterkit_core::{Attributes, Registry};
use meterkit_pipeline::{Snapshot, run_due_refreshes};

use super::seen::Seen;

/// Runs all callbacks that are due, and gives what a target would see then.
pub(super) fn collect(registry: &Registry, time: impl FnOnce() -> SystemTime) -> Seen {
    run_due_refreshes(registry);
    registry.refresh();
    Seen::from(Snapshot { resource: Attributes::empty(), time: time(), scopes: registry.read() })
}
