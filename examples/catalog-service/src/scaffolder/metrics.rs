//! What the plugin `scaffolder` counts and measures.

use meterkit::{
    CallbackGuard, CounterGroup, Gauge, HistogramGroup, InstrumentError, LabelKey, LabelRef,
    LabelVisitor, Labels, Registry,
};

use super::{Outcome, Template};

/// The metrics of the plugin: `backstage.plugin.scaffolder`.
#[derive(Debug, Clone)]
pub(super) struct ScaffolderMetrics {
    pub(super) tasks: CounterGroup<Ended>,
    pub(super) duration: HistogramGroup<Template>,
    pub(super) peak: Gauge<u64>,
}

impl ScaffolderMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, InstrumentError> {
        let meter = registry.scoped("plugin", "scaffolder");
        Ok(Self {
            tasks: meter
                .counter_group("tasks")
                .unit("{task}")
                .description("Tasks that ended, by template and outcome.")
                .build()?,
            duration: meter
                .histogram_group("tasks.duration")
                .unit("s")
                .description("Time from the start of a task to its end, by template.")
                .buckets([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0])
                .build()?,
            peak: meter
                .gauge("tasks.in_flight.peak")
                .unit("{task}")
                .description("The most tasks that were queued or running at the same time.")
                .build()?,
        })
    }
}

/// Has `in_flight` asked at each collection.
pub(super) fn observe_in_flight(
    registry: &Registry,
    in_flight: impl Fn() -> u64 + Send + Sync + 'static,
) -> Result<CallbackGuard, InstrumentError> {
    registry
        .scoped("plugin", "scaffolder")
        .observable_gauge("tasks.in_flight")
        .unit("{task}")
        .description("Tasks that are queued or running.")
        .observe(in_flight)
}

/// A task that ended.
pub(super) struct Ended {
    pub(super) template: Template,
    pub(super) outcome: Outcome,
}

impl Labels for Ended {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("outcome"), LabelKey::new("template")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.outcome.as_str()));
        visitor.visit(LabelRef::Static(self.template.as_str()));
    }
}

impl Labels for Template {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("template")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.as_str()));
    }
}
