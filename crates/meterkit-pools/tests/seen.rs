//! What an observed pool looks like in a registry.
#![allow(dead_code, reason = "each pool crate has a feature of its own")]

use std::time::{Duration, Instant};

use meterkit_core::Registry;
use meterkit_fakes::readings::series;

/// A registry that waits for callbacks however busy the machine is.
pub(crate) fn registry() -> Registry {
    let registry = Registry::new();
    registry.set_callback_budget(Duration::from_secs(60));
    registry
}

/// Returns the series of all pool metrics in a collection of its own: `metric{labels} value`, without what all names and
/// labels begin with.
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

/// Waits until the metrics are these: pools return and open connections in the background.
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
