//! Metrics about collection and delivery, in the scope `meterkit`.
//!
//! By OpenTelemetry's Semantic Conventions for SDK metrics, which are in development; `meterkit.target.*` are ours.
//! What is recorded here shows in the next snapshot, also when it tells of this one: a collection never waits for
//! itself.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meterkit_core::{
    CounterGroup, GaugeGroup, HistogramGroup, LabelKey, LabelRef, LabelVisitor, Labels, Registry,
    UpDownCounterGroup,
};

/// The one reader that a pipeline has.
const READER: Labeled<'static> =
    Labeled { component_type: "meterkit_pipeline::Pipeline", name: "pipeline/0" };

/// What a pipeline records about itself.
///
/// The metrics are made with the first value, at the end of the first collection: a mirror that is being read for the
/// first time does not come to see what that reading itself takes.
pub(crate) struct SelfMetrics {
    registry: Registry,
    groups: OnceLock<Groups>,
}

/// Each stays away if the program has made a different metric of its name.
struct Groups {
    exported: CounterGroup<Ended<'static>>,
    inflight: UpDownCounterGroup<Exporter<'static>>,
    operations: HistogramGroup<Ended<'static>>,
    collections: HistogramGroup<Labeled<'static>>,
    last_success: GaugeGroup<Labeled<'static>, f64>,
    queue_size: GaugeGroup<Labeled<'static>, u64>,
    queue_dropped: CounterGroup<Labeled<'static>>,
}

/// A component, as the conventions name it.
#[derive(Clone, Copy)]
pub(crate) struct Labeled<'a> {
    pub(crate) component_type: &'a str,
    pub(crate) name: &'a str,
}

/// A target: the component, and for one that sends over a network, to whom.
#[derive(Clone, Copy)]
pub(crate) struct Exporter<'a> {
    pub(crate) component: Labeled<'a>,
    /// Host and port.
    pub(crate) server: Option<(&'a str, u16)>,
}

/// The receiver took an export, but not all of its points. Of the last one, it may have refused all in the end.
pub(crate) const REJECTED: &str = "rejected";
/// The target panicked.
pub(crate) const PANIC: &str = "panic";
/// The pipeline ended before the export did.
pub(crate) const CUT_OFF: &str = "cut_off";

/// All that may stand in `error.type`.
const ERROR_TYPES: [&str; 6] = ["retryable", "permanent", "timeout", REJECTED, PANIC, CUT_OFF];

impl Groups {
    fn new(registry: &Registry) -> Self {
        let operations = "otel.sdk.exporter.operation.duration";
        let collections = "otel.sdk.metric_reader.collection.duration";
        Self {
            exported: registry
                .self_metric("otel.sdk.exporter.metric_data_point.exported")
                .unit("{data_point}")
                .description("Points whose export has finished, well or not.")
                .register_silently(),
            inflight: registry
                .self_metric("otel.sdk.exporter.metric_data_point.inflight")
                .unit("{data_point}")
                .description("Points that are being exported.")
                .register_silently(),
            operations: registry
                .self_metric::<HistogramGroup<_>>(operations)
                .unit("s")
                .buckets([])
                .description("How long exports took, with all their attempts.")
                .register_silently(),
            collections: registry
                .self_metric::<HistogramGroup<_>>(collections)
                .unit("s")
                .buckets([])
                .description("How long collections took.")
                .register_silently(),
            last_success: registry
                .self_metric("meterkit.target.last_success")
                .unit("s")
                .description("When an export last succeeded, since 1970.")
                .register_silently(),
            queue_size: registry
                .self_metric("meterkit.target.queue.size")
                .unit("By")
                .description("What waits for the receiver.")
                .register_silently(),
            queue_dropped: registry
                .self_metric("meterkit.target.queue.dropped")
                .unit("{value}")
                .description("Values given up: no room for them, or too old.")
                .register_silently(),
        }
    }
}

impl SelfMetrics {
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry, groups: OnceLock::new() }
    }

    /// Points were given to a target.
    pub(crate) fn began(&self, of: Exporter<'_>, points: u64) {
        self.groups().inflight.with(of).add(signed(points));
    }

    /// An export is over, after all its attempts: `error` says what went wrong with some of its points or with all.
    pub(crate) fn ended(
        &self,
        of: Exporter<'_>,
        points: u64,
        took: Duration,
        error: Option<&'static str>,
    ) {
        self.groups().inflight.with(of).add(-signed(points));
        self.groups().operations.with(Ended { of, error }).record(took.as_secs_f64());
    }

    /// Points for which the export has finished.
    pub(crate) fn count(&self, of: Exporter<'_>, points: u64, error: Option<&'static str>) {
        self.groups().exported.with(Ended { of, error }).add(points);
    }

    /// An export ended well at this time.
    pub(crate) fn succeeded(&self, of: Exporter<'_>, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.groups().last_success.with(of.component).set(since.as_secs_f64());
    }

    /// So much waits in a target, and so many values more were given up.
    pub(crate) fn queue(&self, of: Exporter<'_>, bytes: u64, dropped: u64) {
        self.groups().queue_size.with(of.component).set(bytes);
        self.groups().queue_dropped.with(of.component).add(dropped);
    }

    /// A collection is over.
    pub(crate) fn collected(&self, took: Duration) {
        self.groups().collections.with(READER).record(took.as_secs_f64());
    }

    /// The component has gone.
    pub(crate) fn forget(&self, of: Exporter<'_>) {
        let Some(groups) = self.groups.get() else { return };
        groups.inflight.remove(of);
        groups.last_success.remove(of.component);
        groups.queue_size.remove(of.component);
        groups.queue_dropped.remove(of.component);
        let errors = ERROR_TYPES.map(Some);
        for error in [None].into_iter().chain(errors) {
            groups.exported.remove(Ended { of, error });
            groups.operations.remove(Ended { of, error });
        }
    }

    fn groups(&self) -> &Groups {
        self.groups.get_or_init(|| Groups::new(&self.registry))
    }
}

impl fmt::Debug for SelfMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SelfMetrics").finish_non_exhaustive()
    }
}

fn signed(points: u64) -> i64 {
    i64::try_from(points).unwrap_or(i64::MAX)
}

impl Labels for Labeled<'_> {
    type Set = Labeled<'static>;
    const KEYS: &'static [LabelKey] =
        &[LabelKey::new("otel.component.type"), LabelKey::new("otel.component.name")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Str(self.component_type));
        visitor.visit(LabelRef::Str(self.name));
    }
}

impl Labels for Exporter<'_> {
    type Set = Exporter<'static>;
    const KEYS: &'static [LabelKey] = &[
        Labeled::KEYS[0],
        Labeled::KEYS[1],
        LabelKey::of::<Option<&'static str>>("server.address"),
        LabelKey::of::<Option<u16>>("server.port"),
    ];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        self.component.visit(visitor);
        let (address, port) = self.server.unzip();
        visitor.visit(address.map_or(LabelRef::Absent, LabelRef::Str));
        visitor.visit(port.map_or(LabelRef::Absent, |port| LabelRef::I64(port.into())));
    }
}

/// Operations of a target, by how they ended.
struct Ended<'a> {
    of: Exporter<'a>,
    error: Option<&'static str>,
}

impl Labels for Ended<'_> {
    type Set = Ended<'static>;
    const KEYS: &'static [LabelKey] = &[
        Exporter::KEYS[0],
        Exporter::KEYS[1],
        Exporter::KEYS[2],
        Exporter::KEYS[3],
        LabelKey::of::<Option<&'static str>>("error.type"),
    ];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        self.of.visit(visitor);
        visitor.visit(self.error.map_or(LabelRef::Absent, LabelRef::Static));
    }
}
