//! Reads the metrics of observed pools from a registry.
#![allow(dead_code, reason = "each pool crate has a feature of its own")]

use std::time::{Duration, Instant};

use meterkit_core::Registry;
use meterkit_fakes::readings::series;

/// Returns a registry that waits for callbacks even on a busy machine.
pub(crate) fn registry() -> Registry {
    let registry = Registry::new();
    registry.set_callback_budget(Duration::from_secs(60));
    registry
}

/// Collects, and returns the series of all pool metrics as `metric{labels} value`, without the common prefix of names
/// and labels.
pub(crate) fn pools(registry: &Registry) -> Vec<String> {
    registry.refresh();
    let metrics = ["count", "max", "idle.max", "idle.min", "pending_requests", "timeouts"];
    let mut lines = Vec::new();
    for metric in metrics {
        for (labels, value) in series(registry, &format!("db.client.connection.{metric}")) {
            let labels = labels.replace("db.client.connection.", "");
            lines.push(format!("{metric}{{{labels}}} {value}"));
        }
    }
    lines
}

/// Waits until the metrics equal `expected`: pools return and open connections in the background.
pub(crate) fn wait_for(registry: &Registry, expected: &[&str]) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let now = pools(registry);
        if now == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{now:#?} instead of {expected:#?}");
        std::thread::yield_now();
    }
}
