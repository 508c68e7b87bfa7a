//! `meterkit`'s self-metrics. No catalog lists them, because each metric is created with its first value.

use meterkit_core::OWN_SCOPE;
use meterkit_rules::prometheus_name;

use crate::instrument::{Buckets, Instrument, Label, Shape};

/// A metric of the scope `meterkit`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SelfMetric {
    name: &'static str,
    unit: &'static str,
    shape: Shape,
    labels: &'static [&'static str],
    description: &'static str,
    /// The meaning of missing series; empty for a metric that every program has.
    no_data: &'static str,
}

pub(crate) const EXPORTED: SelfMetric = SelfMetric {
    name: "otel.sdk.exporter.metric_data_point.exported",
    unit: "{data_point}",
    shape: Shape::Counter,
    labels: &[COMPONENT_TYPE, COMPONENT, ERROR],
    description: "Points whose export has finished, successfully or not.",
    no_data: "",
};
pub(crate) const LAST_SUCCESS: SelfMetric = SelfMetric {
    name: "meterkit.target.last_success",
    unit: "s",
    shape: Shape::Level,
    labels: &[COMPONENT_TYPE, COMPONENT],
    description: "Unix time of the last successful export, 0 before the first success.",
    no_data: "",
};
pub(crate) const CLOCK_SKEW: SelfMetric = SelfMetric {
    name: "meterkit.target.clock_skew",
    unit: "s",
    shape: Shape::Level,
    labels: &[COMPONENT_TYPE, COMPONENT],
    description: "Seconds by which the receiver's clock is ahead of this machine's.",
    no_data: "",
};
const QUEUE_SIZE: SelfMetric = SelfMetric {
    name: "meterkit.target.queue.size",
    unit: "By",
    shape: Shape::Level,
    labels: &[COMPONENT_TYPE, COMPONENT],
    description: "Bytes of requests that wait for the receiver.",
    no_data: "no target has a queue.",
};
pub(crate) const QUEUE_DROPPED: SelfMetric = SelfMetric {
    name: "meterkit.target.queue.dropped",
    unit: "{value}",
    shape: Shape::Counter,
    labels: &[COMPONENT_TYPE, COMPONENT],
    description: "Values dropped because the queue was full, or because they were too old or refused \
                  too often.",
    no_data: "no target has a queue.",
};
pub(crate) const OVERFLOW: SelfMetric = SelfMetric {
    name: "meterkit.overflow",
    unit: "{lookup}",
    shape: Shape::Counter,
    labels: &[INSTRUMENT],
    description: "Look-ups that returned the overflow series; simultaneous look-ups may count as one.",
    no_data: "every series has found room.",
};
pub(crate) const DROPPED: SelfMetric = SelfMetric {
    name: "meterkit.dropped",
    unit: "{value}",
    shape: Shape::Counter,
    labels: &[REASON],
    description: "Values that could not be recorded, by reason.",
    no_data: "every value could be recorded.",
};
pub(crate) const OVERRUNS: SelfMetric = SelfMetric {
    name: "meterkit.callback.overruns",
    unit: "{collection}",
    shape: Shape::Counter,
    labels: &[INSTRUMENT],
    description: "Collections that continued without a callback because it, or a callback before \
                  it, took too long.",
    no_data: "every callback has kept its budget.",
};
pub(crate) const BACKGROUND: SelfMetric = SelfMetric {
    name: "meterkit.callback.background",
    unit: "{callback}",
    shape: Shape::Level,
    labels: &[INSTRUMENT],
    description: "Callbacks that are so slow that collections export their last values.",
    no_data: "no callback is in the background.",
};
pub(crate) const FAILURES: SelfMetric = SelfMetric {
    name: "meterkit.callback.failures",
    unit: "{run}",
    shape: Shape::Counter,
    labels: &[INSTRUMENT, REASON],
    description: "Runs of callbacks that ended with an error or a panic.",
    no_data: "every run has succeeded.",
};
pub(crate) const COLLECTIONS: SelfMetric = SelfMetric {
    name: "otel.sdk.metric_reader.collection.duration",
    unit: "s",
    shape: Shape::Histogram(Buckets::None),
    labels: &[COMPONENT_TYPE, COMPONENT],
    description: "Duration of collections.",
    no_data: "",
};
const OPERATIONS: SelfMetric = SelfMetric {
    name: "otel.sdk.exporter.operation.duration",
    unit: "s",
    shape: Shape::Histogram(Buckets::None),
    labels: &[COMPONENT_TYPE, COMPONENT, ERROR],
    description: "Duration of exports with all their attempts.",
    no_data: "",
};
const SERIES: SelfMetric = SelfMetric {
    name: "meterkit.series",
    unit: "{series}",
    shape: Shape::Level,
    labels: &[INSTRUMENT],
    description: "Number of series of an instrument with labels.",
    no_data: "no instrument has labels.",
};
const CALLBACKS: SelfMetric = SelfMetric {
    name: "meterkit.callback.duration",
    unit: "s",
    shape: Shape::Histogram(Buckets::Bounds),
    labels: &[INSTRUMENT],
    description: "Duration of callback runs, for callbacks that have been slow.",
    no_data: "no callback has been slow.",
};

pub(crate) const COMPONENT_TYPE: &str = "otel.component.type";
pub(crate) const COMPONENT: &str = "otel.component.name";
pub(crate) const ERROR: &str = "error.type";
pub(crate) const INSTRUMENT: &str = "instrument";
pub(crate) const REASON: &str = "reason";

/// The metrics that have a panel. The time of the last success is left out, because a line does not show it well.
const SHOWN: [SelfMetric; 12] = [
    EXPORTED,
    OPERATIONS,
    QUEUE_SIZE,
    QUEUE_DROPPED,
    COLLECTIONS,
    SERIES,
    OVERFLOW,
    DROPPED,
    CALLBACKS,
    OVERRUNS,
    BACKGROUND,
    FAILURES,
];

/// Returns these metrics as a catalog would list them.
pub(crate) fn instruments() -> Vec<Instrument> {
    SHOWN.iter().map(SelfMetric::instrument).collect()
}

impl SelfMetric {
    /// Returns the name in Prometheus.
    pub(crate) fn family(&self) -> String {
        prometheus_name::family(self.name, self.unit, self.shape.kind())
    }

    fn instrument(&self) -> Instrument {
        Instrument {
            scope: OWN_SCOPE.to_owned(),
            scope_version: None,
            name: self.name.to_owned(),
            family: self.family(),
            shape: self.shape,
            unit: self.unit.to_owned(),
            description: match self.no_data {
                "" => self.description.to_owned(),
                meaning => format!("{} No data: {meaning}", self.description),
            },
            labels: self.labels.iter().map(|key| Label::new(key, self.shape, None)).collect(),
            bounds: Vec::new(),
        }
    }
}

/// Returns the name in Prometheus of a label of these metrics.
pub(crate) fn label(key: &str) -> String {
    Label::new(key, Shape::Level, None).name
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use meterkit_core::{LabelKey, LabelRef, LabelVisitor, Labels, Registry};
    use meterkit_fakes::catalog_pipeline;
    use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget};

    use super::*;

    struct User(&'static str);

    impl Labels for User {
        type Set = Self;
        const KEYS: &'static [LabelKey] = &[LabelKey::new("user")];

        fn visit(&self, visitor: &mut impl LabelVisitor) {
            visitor.visit(LabelRef::Static(self.0));
        }
    }

    #[test]
    fn the_stores_self_metrics_have_these_names_units_and_descriptions() {
        let registry = Registry::new();
        registry.set_callback_durations(true);
        let meter = registry.scoped("plugin", "shop");
        meter.counter::<f64>("balance").build().unwrap().add(-1.0);
        let logins = meter.counter_group::<User, u64>("logins").cardinality_limit(2);
        let logins = logins.build().unwrap();
        for user in ["anna", "bert", "carl"] {
            logins.with(User(user)).increment();
        }
        let failing = meter.observable_gauge::<u64>("failing");
        let _failing = failing.observe_result(|| Err::<u64, _>("gone")).unwrap();
        registry.refresh();
        registry.refresh();

        let mut seen = BTreeSet::new();
        let scopes = registry.read().into_iter().filter(|scope| scope.scope.name() == OWN_SCOPE);
        for found in scopes.flat_map(|scope| scope.metrics) {
            let found = found.descriptor;
            let known = SHOWN.iter().find(|metric| metric.name == found.name);
            let known = known.unwrap_or_else(|| panic!("{} has no panel", found.name));
            assert_eq!((known.unit, known.description), (&*found.unit, &*found.description));
            seen.insert(known.name);
        }
        for metric in [DROPPED, SERIES, OVERFLOW, CALLBACKS, FAILURES] {
            assert!(seen.contains(metric.name), "{} is not among {seen:?}", metric.name);
        }
    }

    #[test]
    fn the_pipelines_self_metrics_have_these_names_units_and_descriptions() {
        let (_meter, builder) = catalog_pipeline();
        let (target, seen) = ScriptedTarget::new("scripted", []);
        seen.set_clock_skew(Some(60));
        let pipeline = builder.target(target.with_queue(1), ONLY_WHEN_ASKED).start().unwrap();
        // The self-metrics of an export appear in the next snapshot.
        pipeline.flush_blocking(PATIENCE).unwrap();
        pipeline.flush_blocking(PATIENCE).unwrap();

        let snapshot = seen.exports().pop().unwrap();
        let scopes = snapshot.scopes.iter().filter(|scope| scope.scope.name() == OWN_SCOPE);
        let found: Vec<_> =
            scopes.flat_map(|scope| &scope.metrics).map(|metric| &metric.descriptor).collect();
        for metric in
            [EXPORTED, OPERATIONS, COLLECTIONS, LAST_SUCCESS, CLOCK_SKEW, QUEUE_SIZE, QUEUE_DROPPED]
        {
            let found = found.iter().find(|found| found.name == metric.name);
            let found = found.unwrap_or_else(|| panic!("the pipeline has no {}", metric.name));
            assert_eq!((metric.unit, metric.description), (&*found.unit, &*found.description));
        }
    }
}
