//! The log lines at startup that name the targets.

use meterkit_core::Temporality;
use meterkit_pipeline::{Schedule, Target, TargetHealth, TargetKind};

/// The part of a push target's configuration that its health does not show.
pub(crate) struct StartLine {
    interval_ms: u64,
    temporality: &'static str,
}

impl StartLine {
    pub(crate) fn new(target: &dyn Target, schedule: Schedule) -> Self {
        Self {
            interval_ms: schedule.interval.as_millis().try_into().unwrap_or(u64::MAX),
            temporality: match (target.temporality(), target.observed_temporality()) {
                (Temporality::Cumulative, _) => "cumulative",
                (Temporality::Delta, Temporality::Delta) => "delta",
                (Temporality::Delta, Temporality::Cumulative) => "lowmemory",
            },
        }
    }
}

/// Logs one line per target. `pushed` describes the push targets among them, in the same order.
pub(crate) fn log(targets: &[TargetHealth], pushed: Vec<StartLine>) {
    let mut pushed = pushed.into_iter();
    for TargetHealth { component: exporter, endpoint, kind, .. } in targets {
        match pushed.next().filter(|_| *kind == TargetKind::Push) {
            Some(StartLine { interval_ms, temporality }) => tracing::info!(
                exporter,
                endpoint,
                interval_ms,
                temporality,
                "metrics target is configured"
            ),
            None => tracing::info!(exporter, endpoint, "scrape endpoint is configured"),
        }
    }
    if targets.is_empty() {
        tracing::info!("metrics are collected, but no target is selected");
    }
}
