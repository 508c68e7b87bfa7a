//! Targets that wait for the pipeline, and the lines that say where metrics go.

use meterkit_core::Temporality;
use meterkit_pipeline::{Schedule, Target};

/// A push target that waits for the pipeline.
pub(crate) struct AddTarget {
    pub(crate) target: Box<dyn Target>,
    pub(crate) schedule: Option<Schedule>,
}

impl AddTarget {
    pub(crate) fn new(target: impl Into<Box<dyn Target>>, schedule: Option<Schedule>) -> Self {
        Self { target: target.into(), schedule }
    }

    pub(crate) fn line(&self, schedule: Schedule) -> StartLine {
        StartLine {
            name: self.target.name().to_owned(),
            endpoint: self.target.endpoint(),
            interval: format!("{} ms", schedule.interval.as_millis()),
            temporality: match self.target.temporality() {
                Temporality::Cumulative => "cumulative",
                Temporality::Delta => "delta",
            },
        }
    }
}

/// What is logged of a live target.
pub(crate) struct StartLine {
    name: String,
    endpoint: String,
    interval: String,
    temporality: &'static str,
}

impl StartLine {
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
