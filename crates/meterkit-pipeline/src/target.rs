//! Push targets, to which snapshots are sent.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use meterkit_core::Temporality;

use crate::export_error::ExportError;
use crate::snapshot::Snapshot;

/// A destination that snapshots are sent to.
///
/// The pipeline calls [`export`](Self::export) once per interval, on its own runtime, limited by the timeout. It
/// retries failed exports where that makes sense and computes deltas, so that an implementation only encodes and sends.
/// Only one call runs at a time, and problems of other targets have no effect here.
pub trait Target: Debug + Send + 'static {
    /// Returns the target's name, as in `OTEL_METRICS_EXPORTER`.
    fn name(&self) -> &str;

    /// Returns where the target sends to, as text for people. Must not contain secrets.
    fn endpoint(&self) -> String;

    /// Returns the attribute `otel.component.type` of the target's self-metrics: one of the types that OpenTelemetry's
    /// Semantic Conventions define, such as `otlp_grpc_metric_exporter`. By default the name of the Rust type, as the
    /// conventions ask for.
    fn component_type(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// Returns the host and port that the target sends to, as the attributes `server.address` and `server.port` of its
    /// self-metrics `otel.sdk.exporter.*`. `None` by default. Called once, when the pipeline starts.
    ///
    /// The host is a name or an address without brackets, such as `collector.example.com` or `::1`. If the URL has no
    /// port, return the default port of the protocol, as OpenTelemetry's Semantic Conventions ask for. Must not contain
    /// secrets.
    fn server(&self) -> Option<(String, u16)> {
        None
    }

    /// Returns whether the target receives cumulative snapshots or [deltas](Snapshot::delta_since) since the last
    /// snapshot that it acknowledged.
    ///
    /// A delta contains only those counters and histograms that were recorded to since then, and all observable
    /// counters that callbacks have reported. Gauges and non-monotonic sums are sent in full with every snapshot.
    ///
    /// Accepted deltas add up to the total, whichever exports fail and whoever else collects in between. Values that a
    /// series recorded before it ended are part of the next delta. A series that is missing for a while continues where
    /// its last delta ended. A series that returns after more than an hour is a new series and is sent in full.
    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }

    /// Returns the temporality of observable counters for a target that otherwise receives deltas. By default, the
    /// temporality of all other sums. With OpenTelemetry's temporality preference `lowmemory`, observable counters are
    /// cumulative.
    fn observed_temporality(&self) -> Temporality {
        self.temporality()
    }

    /// Returns whether the receiver supports summaries, which only come from registries of other libraries. `true` by
    /// default. If `false`, the target receives three metrics in place of each summary: the sums `….count` and `….sum`,
    /// and the gauge `….quantile`, whose series have the label `quantile`. A summary has no delta.
    fn takes_summaries(&self) -> bool {
        true
    }

    /// Returns whether the target sends [exemplars](Snapshot::exemplars), which few formats support. `false` by
    /// default. No exemplars are recorded unless some target sends them.
    fn takes_exemplars(&self) -> bool {
        false
    }

    /// Asks the receiver whether it would accept an export, without exporting anything: for example with an empty
    /// request, or with a request that only verifies the credentials. Returns what the receiver answered, or
    /// [`Checked::Unknown`] by default.
    ///
    /// The pipeline calls this once when it starts, if [`is_checked_at_start`](Self::is_checked_at_start) returns
    /// `true`. An error that is not [retryable](ExportError::is_retryable) is then logged and appears in
    /// [`Health`](crate::Health) until an export succeeds. Retryable errors are ignored: a receiver that is down now
    /// may be up by the first export. An export that becomes due cancels the check.
    fn check(&mut self) -> CheckFuture<'_> {
        Box::pin(std::future::ready(Ok(Checked::Unknown("this target has no check".to_owned()))))
    }

    /// Returns whether the pipeline calls [`check`](Self::check) when it starts. `true` by default. Return `false` if
    /// the first export reveals the same problems, to save the receiver one request from every process that starts.
    fn is_checked_at_start(&self) -> bool {
        true
    }

    /// Sends one snapshot. `Ok` acknowledges the snapshot, whose values are then not sent again as a delta.
    ///
    /// Must not block the thread, because all targets share it.
    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a>;

    /// Queues `snapshot` without sending anything. Called after a failed export, while the next attempt has to wait.
    /// The pipeline then calls [`export`](Self::export) with this snapshot or a later one.
    ///
    /// Only a target with a [`queue`](Self::queue) needs to implement this. The default implementation does nothing,
    /// and the target receives the newest snapshot after the wait.
    fn enqueue<'a>(&'a mut self, _snapshot: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Returns how many points of the last export the receiver refused although it accepted the others. Called after
    /// each successful export. The points are counted with `error.type=rejected` in self-metrics, and in
    /// [`Health`](crate::Health).
    ///
    /// If the last export before shutdown failed with a retryable error, the pipeline calls this once more after
    /// [`shutdown`](Self::shutdown) for a target with a [`queue`](Self::queue). The result then includes all points of
    /// that snapshot that were refused since its first attempt, including during `shutdown`.
    fn rejected(&self) -> u64 {
        0
    }

    /// Returns whether the destination has already accepted a part of the snapshot although the export failed.
    ///
    /// If so, the pipeline passes the same snapshot again, in later intervals too, until it is delivered or this
    /// returns `false`. [`export`](Self::export) then continues with the rest of the snapshot, so that a delta that
    /// takes several requests is counted once. Only relevant for [`Temporality::Delta`], as a cumulative total may be
    /// sent twice.
    fn is_partway(&self) -> bool {
        false
    }

    /// Returns whether requests continue when the future of [`export`](Self::export) is dropped, so that the next call
    /// can wait for them. `false` by default, which means that requests end with the future.
    ///
    /// A target that [queues](Self::queue) snapshots can thereby receive each snapshot when it is due, however long the
    /// receiver takes to answer: the pipeline drops a future that has no outcome by then, and calls
    /// [`export`](Self::export) with the next snapshot. Work on a snapshot must therefore not start again with each
    /// call, because work that takes longer than the interval would never end. With [`Temporality::Delta`], the
    /// pipeline always waits for the outcome.
    ///
    /// A target that does not send in the background receives the newest snapshot once an export has an outcome, and
    /// none of the snapshots in between.
    fn sends_in_background(&self) -> bool {
        false
    }

    /// Returns the state of the queue, for a target that keeps undelivered requests. `None` by default, which means
    /// that the target has no queue. Called after each attempt to export, and after shutdown. The queue is reported in
    /// the self-metrics `meterkit.target.queue.*` and in [`Health`](crate::Health).
    ///
    /// A failed last export counts as delivered if, after [`shutdown`](Self::shutdown), the queue is empty, nothing was
    /// dropped during shutdown, and nothing was [`rejected`](Self::rejected).
    fn queue(&self) -> Option<TargetQueue> {
        None
    }

    /// Returns a problem that exists although exports succeed, such as a queue that cannot be kept on disk. Called
    /// after each attempt to export, and after shutdown. The target is unhealthy while there is a problem. `None` by
    /// default. Must not contain secrets.
    fn problem(&self) -> Option<String> {
        None
    }

    /// Returns by how many seconds the receiver's clock is ahead of this machine's; negative if it is behind. `None` if
    /// unknown, which is the default. Called after each attempt to export.
    fn clock_skew(&self) -> Option<i64> {
        None
    }

    /// Releases resources and delivers queued requests, if possible. Called once, after the last export.
    fn shutdown(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

impl<T: Target> From<T> for Box<dyn Target> {
    fn from(target: T) -> Self {
        Box::new(target)
    }
}

/// The state of a target's queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "targets construct it")]
pub struct TargetQueue {
    /// The number of queued requests.
    pub requests: u64,
    /// The size of the queued requests in bytes.
    pub bytes: u64,
    /// The number of values dropped since the start, because the queue was full or they were too old.
    pub dropped_values: u64,
    /// Whether queued requests outlive this process, in a spool on disk.
    pub is_durable: bool,
}

/// The result of a [check](Target::check) that found no problem.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "targets construct it")]
pub enum Checked {
    /// The receiver would accept an export. Contains what it answered.
    Accepted(String),
    /// Only an export can show whether the receiver accepts it. Contains the reason.
    Unknown(String),
}

/// The future that [`Target::check`] returns.
pub type CheckFuture<'a> = Pin<Box<dyn Future<Output = Result<Checked, ExportError>> + Send + 'a>>;

/// The future that [`Target::export`] returns.
pub type ExportFuture<'a> = Pin<Box<dyn Future<Output = Result<(), ExportError>> + Send + 'a>>;

/// The export interval and timeout of a push target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two settings of OpenTelemetry's periodic reader")]
pub struct Schedule {
    /// The time between two exports. 60 s by default; `OTEL_METRIC_EXPORT_INTERVAL` and `METERKIT_<TARGET>_INTERVAL`
    /// override it.
    pub interval: Duration,
    /// The time that one attempt may take. 30 s by default; `OTEL_METRIC_EXPORT_TIMEOUT` overrides it.
    pub timeout: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { interval: Duration::from_secs(60), timeout: Duration::from_secs(30) }
    }
}
