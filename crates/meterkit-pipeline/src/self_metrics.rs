//! Metrics about collection and delivery, in the scope `meterkit`.
//!
//! By OpenTelemetry's Semantic Conventions for SDK metrics, which are in development; `meterkit.target.*` are ours.
//! What is recorded here shows in the next snapshot, also when it tells of this one: a collection never waits for
//! itself.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meterkit_core::{
    CounterGroup, GaugeGroup, HistogramGroup, LabelKey, LabelRef, LabelVisitor, Labels, Registry,
    Unpoisoned, UpDownCounterGroup,
};
use meterkit_rules::Cause;

use crate::export_error::ExportError;

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
    /// The failures that have series.
    failures: Mutex<BTreeSet<Failure>>,
}

/// Each stays away if the program has made a different metric of its name.
struct Groups {
    exported: CounterGroup<Exported<'static>>,
    inflight: UpDownCounterGroup<Exporter<'static>>,
    operations: HistogramGroup<Operation<'static>>,
    collections: HistogramGroup<Labeled<'static>>,
    last_success: GaugeGroup<Labeled<'static>, f64>,
    clock_skew: GaugeGroup<Labeled<'static>, i64>,
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

/// Why the points of an export, or some of them, were not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    pub(crate) is_retryable: bool,
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self { cause, is_retryable: false }
    }
}

impl From<&ExportError> for Failure {
    fn from(error: &ExportError) -> Self {
        Self { cause: error.cause(), is_retryable: error.is_retryable() }
    }
}

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
                .description("When an export last succeeded, since 1970. 0 until one has.")
                .register_silently(),
            clock_skew: registry
                .self_metric("meterkit.target.clock_skew")
                .unit("s")
                .description("By how much the receiver's clock is ahead of this machine's.")
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
        Self { registry, groups: OnceLock::new(), failures: Mutex::default() }
    }

    /// Points were given to a target.
    pub(crate) fn began(&self, of: Exporter<'_>, points: u64) {
        self.groups().inflight.with(of).add(signed(points));
    }

    /// An export is over, after all its attempts. `failure` is why some of its points, or all, were not delivered.
    pub(crate) fn ended(
        &self,
        of: Exporter<'_>,
        points: u64,
        took: Duration,
        failure: Option<Failure>,
    ) {
        self.failures.lock().unpoisoned().extend(failure);
        self.groups().inflight.with(of).add(-signed(points));
        self.groups().operations.with(Operation { of, failure }).record(took.as_secs_f64());
    }

    /// Points for which the export has finished.
    pub(crate) fn count(&self, of: Exporter<'_>, points: u64, cause: Option<Cause>) {
        self.groups().exported.with(Exported { of, cause }).add(points);
    }

    /// An export ended well at this time. None has until 1970.
    pub(crate) fn succeeded(&self, of: Exporter<'_>, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.groups().last_success.with(of.component).set(since.as_secs_f64());
    }

    /// The receiver's clock is so many seconds ahead.
    pub(crate) fn clock_skew(&self, of: Exporter<'_>, seconds: i64) {
        self.groups().clock_skew.with(of.component).set(seconds);
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
        groups.clock_skew.remove(of.component);
        groups.queue_size.remove(of.component);
        groups.queue_dropped.remove(of.component);
        let failures = self.failures.lock().unpoisoned().clone();
        for failure in [None].into_iter().chain(failures.into_iter().map(Some)) {
            groups.exported.remove(Exported { of, cause: failure.map(|it| it.cause) });
            groups.operations.remove(Operation { of, failure });
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

/// Points of a target, by how their export ended.
struct Exported<'a> {
    of: Exporter<'a>,
    cause: Option<Cause>,
}

/// Exports of a target, by how they ended.
struct Operation<'a> {
    of: Exporter<'a>,
    failure: Option<Failure>,
}

impl Labels for Exported<'_> {
    type Set = Exported<'static>;
    const KEYS: &'static [LabelKey] = &[
        Exporter::KEYS[0],
        Exporter::KEYS[1],
        Exporter::KEYS[2],
        Exporter::KEYS[3],
        LabelKey::of::<Option<&'static str>>("error.type"),
    ];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        self.of.visit(visitor);
        let error_type = self.cause.map(Cause::error_type);
        visitor.visit(error_type.as_deref().map_or(LabelRef::Absent, LabelRef::Str));
    }
}

impl Labels for Operation<'_> {
    type Set = Operation<'static>;
    const KEYS: &'static [LabelKey] = &[
        Exported::KEYS[0],
        Exported::KEYS[1],
        Exported::KEYS[2],
        Exported::KEYS[3],
        Exported::KEYS[4],
        LabelKey::of::<Option<u16>>("http.response.status_code"),
        LabelKey::of::<Option<&'static str>>("rpc.response.status_code"),
        LabelKey::of::<Option<bool>>("meterkit.retryable"),
    ];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        let cause = self.failure.map(|it| it.cause);
        Exported { of: self.of, cause }.visit(visitor);
        let http = cause.and_then(Cause::http_status);
        visitor.visit(http.map_or(LabelRef::Absent, |status| LabelRef::I64(status.into())));
        let grpc = cause.and_then(Cause::grpc_status);
        visitor.visit(grpc.as_deref().map_or(LabelRef::Absent, LabelRef::Str));
        let is_retryable = self.failure.map(|it| it.is_retryable);
        visitor.visit(is_retryable.map_or(LabelRef::Absent, LabelRef::Bool));
    }
}
