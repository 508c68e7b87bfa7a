//! Collects without a pipeline.

use meterkit_core::{Attributes, Registry};
use meterkit_pipeline::{RefreshError, Snapshot, run_due_refreshes, run_due_refreshes_async};

use super::seen::Seen;

/// Runs all callbacks that are due, and returns what a target would then see.
pub(super) fn collect(registry: &Registry) -> Seen {
    expect_ended(run_due_refreshes(registry));
    read(registry)
}

/// Like `collect`, but lets the tasks of the caller's runtime continue.
pub(super) async fn collect_async(registry: &Registry) -> Seen {
    expect_ended(run_due_refreshes_async(registry).await);
    read(registry)
}

fn expect_ended(refreshes: Result<(), RefreshError>) {
    if let Err(error) = refreshes {
        panic!("{error}");
    }
}

fn read(registry: &Registry) -> Seen {
    registry.refresh();
    let snapshot = Snapshot::new(Attributes::empty(), registry.time_after(None), registry.read());
    Seen::from(Snapshot { names: registry.prometheus_names(), ..snapshot })
}
