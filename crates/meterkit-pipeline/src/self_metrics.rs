//! Self-metrics about collection and delivery, in the scope `meterkit`.
//!
//! The names `otel.sdk.*` follow OpenTelemetry's Semantic Conventions for SDK metrics, which are in development;
//! `meterkit.target.*` are our own. Values about a collection appear in the next snapshot, because a collection never
//! waits for itself.

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

/// The labels of the metric reader; a pipeline has exactly one.
const READER: Labeled<'static> =
    Labeled { component_type: "meterkit_pipeline::Pipeline", name: "pipeline/0" };

/// The self-metrics of a pipeline.
///
/// The instruments are created with the first value, at the end of the first collection. A mirror that is being read
/// for the first time therefore does not see the duration of that reading.
pub(crate) struct SelfMetrics {
    registry: Registry,
    groups: OnceLock<Groups>,
    /// The failures for which series exist, so that [`forget`](Self::forget) can remove them.
    failures: Mutex<BTreeSet<Failure>>,
}

/// The instruments. One whose name the program already uses for a different metric records nothing.
struct Groups {
    /// Points whose export has finished, by target and cause of failure.
    exported: CounterGroup<Exported<'static>>,
    /// Points that are being exported, by target.
    inflight: UpDownCounterGroup<Exporter<'static>>,
    /// Durations of exports in seconds, by target and failure.
    operations: HistogramGroup<Operation<'static>>,
    /// Durations of collections in seconds.
    collections: HistogramGroup<Labeled<'static>>,
    /// Unix times of the last successful exports in seconds, by target.
    last_success: GaugeGroup<Labeled<'static>, f64>,
    /// Seconds by which the clocks of receivers are ahead, by target.
    clock_skew: GaugeGroup<Labeled<'static>, i64>,
    /// Bytes of queued requests, by target.
    queue_size: GaugeGroup<Labeled<'static>, u64>,
    /// Values that targets dropped from their queues, by target.
    queue_dropped: CounterGroup<Labeled<'static>>,
}

/// The labels of a component, as the Semantic Conventions define them.
#[derive(Clone, Copy)]
pub(crate) struct Labeled<'a> {
    /// The attribute `otel.component.type`.
    pub(crate) component_type: &'a str,
    /// The attribute `otel.component.name`, such as `otlp/0`.
    pub(crate) name: &'a str,
}

/// The labels of a target: the component and, if it sends over a network, the server.
#[derive(Clone, Copy)]
pub(crate) struct Exporter<'a> {
    pub(crate) component: Labeled<'a>,
    /// The host and port that the target sends to: the attributes `server.address` and `server.port`.
    pub(crate) server: Option<(&'a str, u16)>,
}

/// Why some or all points of an export were not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Failure {
    /// The attribute `error.type`, and the status codes.
    pub(crate) cause: Cause,
    /// The attribute `meterkit.retryable`.
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
                .description("Points whose export has finished, successfully or not.")
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
                .description("Duration of exports with all their attempts.")
                .register_silently(),
            collections: registry
                .self_metric::<HistogramGroup<_>>(collections)
                .unit("s")
                .buckets([])
                .description("Duration of collections.")
                .register_silently(),
            last_success: registry
                .self_metric("meterkit.target.last_success")
                .unit("s")
                .description("Unix time of the last successful export, 0 before the first success.")
                .register_silently(),
            clock_skew: registry
                .self_metric("meterkit.target.clock_skew")
                .unit("s")
                .description("Seconds by which the receiver's clock is ahead of this machine's.")
                .register_silently(),
            queue_size: registry
                .self_metric("meterkit.target.queue.size")
                .unit("By")
                .description("Bytes of requests that wait for the receiver.")
                .register_silently(),
            queue_dropped: registry
                .self_metric("meterkit.target.queue.dropped")
                .unit("{value}")
                .description("Values dropped because the queue was full, or because they were too old or refused too often.")
                .register_silently(),
        }
    }
}

impl SelfMetrics {
    pub(crate) fn new(registry: Registry) -> Self {
        Self { registry, groups: OnceLock::new(), failures: Mutex::default() }
    }

    /// Records that a target started to export `points`.
    pub(crate) fn began(&self, of: Exporter<'_>, points: u64) {
        self.groups().inflight.with(of).add(signed(points));
    }

    /// Records the end of an export that `took` this long with all its attempts. `failure` says why some or all of its
    /// points were not delivered.
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

    /// Counts points whose export has finished; `cause` says why they were not delivered, if they were not.
    pub(crate) fn count(&self, of: Exporter<'_>, points: u64, cause: Option<Cause>) {
        self.groups().exported.with(Exported { of, cause }).add(points);
    }

    /// Records the time of a successful export. `UNIX_EPOCH` means that no export has succeeded yet.
    pub(crate) fn succeeded(&self, of: Exporter<'_>, at: SystemTime) {
        let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.groups().last_success.with(of.component).set(since.as_secs_f64());
    }

    /// Records by how many seconds the receiver's clock is ahead.
    pub(crate) fn clock_skew(&self, of: Exporter<'_>, seconds: i64) {
        self.groups().clock_skew.with(of.component).set(seconds);
    }

    /// Records the size of a target's queue in bytes, and counts values that were `dropped` since the last call.
    pub(crate) fn queue(&self, of: Exporter<'_>, bytes: u64, dropped: u64) {
        self.groups().queue_size.with(of.component).set(bytes);
        self.groups().queue_dropped.with(of.component).add(dropped);
    }

    /// Records the duration of a collection.
    pub(crate) fn collected(&self, took: Duration) {
        self.groups().collections.with(READER).record(took.as_secs_f64());
    }

    /// Removes the series of a component that has ended.
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

/// The labels of exported points: the target, and the cause if the export failed.
struct Exported<'a> {
    of: Exporter<'a>,
    cause: Option<Cause>,
}

/// The labels of exports: the target, and the failure if the export failed.
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
