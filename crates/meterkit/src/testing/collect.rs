//! A collection without a pipeline.

use std::time::SystemTime;

use meterkit_core::{Attributes, Registry};
use meterkit_pipeline::{RefreshError, Snapshot, run_due_refreshes, run_due_refreshes_async};

use super::seen::Seen;

/// Runs all callbacks that are due, and gives what a target would see then.
pub(super) fn collect(registry: &Registry, time: impl FnOnce() -> SystemTime) -> Seen {
    expect_ended(run_due_refreshes(registry));
    read(registry, time)
}

/// Returns the same, while the runtime of the caller goes on.
pub(super) async fn collect_async(registry: &Registry, time: impl FnOnce() -> SystemTime) -> Seen {
    expect_ended(run_due_refreshes_async(registry).await);
    read(registry, time)
}

fn expect_ended(refreshes: Result<(), RefreshError>) {
    if let Err(error) = refreshes {
        panic!("{error}");
    }
}

fn read(registry: &Registry, time: impl FnOnce() -> SystemTime) -> Seen {
    registry.refresh();
    Seen::from(Snapshot::new(Attributes::empty(), time(), registry.read()))
}
