//! The scope that most tests record in: the plugin `catalog`.

use std::time::Duration;

use meterkit_core::{ManualClock, Meter, Registry};
use meterkit_pipeline::{Pipeline, PipelineBuilder};

/// How long callbacks may run, in real time: a callback on a busy machine must not look like a slow one.
const BUDGET: Duration = Duration::from_secs(60);

/// Creates a registry of its own and the meter of its plugin `catalog`.
pub fn catalog() -> (Registry, Meter) {
    of(Registry::new())
}

/// Like [`catalog`], with a clock that the test moves.
pub fn catalog_with_clock() -> (ManualClock, Registry, Meter) {
    let clock = ManualClock::new();
    let (registry, meter) = of(Registry::with_clock(&clock));
    (clock, registry, meter)
}

/// Like [`catalog`], with a pipeline to build that collects for each snapshot.
///
/// # Panics
///
/// Panics if the registry already has a pipeline, which a new registry does not.
pub fn catalog_pipeline() -> (Meter, PipelineBuilder) {
    let (registry, meter) = catalog();
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    (meter, builder.snapshot_max_age(Duration::ZERO))
}

fn of(registry: Registry) -> (Registry, Meter) {
    registry.set_callback_budget(BUDGET);
    let meter = registry.scoped("plugin", "catalog");
    (registry, meter)
}
