//! The lines that say where metrics go.

use meterkit_core::Temporality;
use meterkit_pipeline::{Schedule, Target};

/// What is logged of a live target.
pub(crate) struct StartLine {
    name: String,
    endpoint: String,
    interval: String,
    temporality: &'static str,
}

impl StartLine {
    pub(crate) fn pushed(target: &dyn Target, schedule: Schedule) -> Self {
        Self {
            name: target.name().to_owned(),
            endpoint: target.endpoint(),
            interval: format!("{} ms", schedule.interval.as_millis()),
            temporality: match (target.temporality(), target.observed_temporality()) {
                (Temporality::Cumulative, _) => "cumulative",
                (Temporality::Delta, Temporality::Delta) => "delta",
                (Temporality::Delta, Temporality::Cumulative) => "lowmemory",
            },
        }
    }

    #[cfg(feature = "prometheus")]
    pub(crate) fn scraped(endpoint: String) -> Self {
        Self {
            name: "prometheus".to_owned(),
            endpoint,
            interval: "on scrape".to_owned(),
            temporality: "cumulative",
        }
    }

    pub(crate) fn log(lines: &[Self]) {
        for Self { name, endpoint, interval, temporality } in lines {
            tracing::info!(
                target = name,
                endpoint,
                interval,
                temporality,
                "metrics target is live"
            );
        }
        if lines.is_empty() {
            tracing::info!("metrics are collected, but no target is selected");
        }
    }
}
