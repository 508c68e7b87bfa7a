//! The scope that most tests use: the plugin `catalog`.

use std::time::Duration;

use meterkit_core::{ManualClock, Meter, Registry};
use meterkit_pipeline::{Pipeline, PipelineBuilder};

/// The callback budget in real time, so long that a callback on a busy machine never counts as slow.
const BUDGET: Duration = Duration::from_secs(60);

/// Creates a new registry and the meter of its plugin `catalog`.
pub fn catalog() -> (Registry, Meter) {
    of(Registry::new())
}

/// Like [`catalog`], with a clock that the test controls.
pub fn catalog_with_clock() -> (ManualClock, Registry, Meter) {
    let clock = ManualClock::new();
    let (registry, meter) = of(Registry::with_clock(&clock));
    (clock, registry, meter)
}

/// Like [`catalog`], with a pipeline builder whose pipeline collects for each snapshot.
///
/// # Panics
///
/// Panics if the registry already has a pipeline, which a new registry does not.
pub fn catalog_pipeline() -> (Meter, PipelineBuilder) {
    let (registry, meter) = catalog();
    let builder = Pipeline::builder(registry).expect("no other pipeline uses the registry");
    (meter, builder.snapshot_max_age(Duration::ZERO))
}

fn of(registry: Registry) -> (Registry, Meter) {
    registry.set_callback_budget(BUDGET);
    let meter = registry.scoped("plugin", "catalog");
    (registry, meter)
}
