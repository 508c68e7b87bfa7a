//! The metrics of the plugin `scaffolder`.

use meterkit::{CounterGroup, Gauge, HistogramGroup, Labels, Metrics, ObservableUpDownCounter};

use super::{Outcome, Template};

/// The metrics of the plugin: `backstage.plugin.scaffolder`.
#[derive(Debug, Clone, Metrics)]
#[metrics(scope = "plugin", name = "scaffolder")]
pub(super) struct ScaffolderMetrics {
    /// Tasks that ended, by template and outcome.
    #[metric(unit = "{task}", zero_initialized)]
    pub(super) tasks: CounterGroup<Ended>,
    /// Time from the start of a task to its end, by template.
    #[metric(
        name = "tasks.duration",
        unit = "s",
        buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0],
    )]
    pub(super) duration: HistogramGroup<ByTemplate>,
    /// Tasks that are queued or running.
    // An up-down counter: totals of several instances can be added up, unlike values of gauges.
    #[metric(name = "tasks.in_flight", unit = "{task}")]
    pub(super) in_flight: ObservableUpDownCounter,
    /// The most tasks that were queued or running at the same time.
    #[metric(name = "tasks.in_flight.peak", unit = "{task}")]
    pub(super) peak: Gauge<u64>,
}

/// A task that ended.
#[derive(Labels)]
pub(super) struct Ended {
    pub(super) template: Template,
    pub(super) outcome: Outcome,
}

/// Tasks of one template.
#[derive(Labels)]
pub(super) struct ByTemplate {
    pub(super) template: Template,
}
