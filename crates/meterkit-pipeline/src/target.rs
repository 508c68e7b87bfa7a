//! Push targets: where snapshots are sent.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use meterkit_core::Temporality;

use crate::export_error::ExportError;
use crate::snapshot::Snapshot;

/// A destination that snapshots are sent to.
///
/// The pipeline calls [`export`](Self::export) once per interval, on its own runtime, bounded by the timeout. It
/// retries what is worth retrying and derives deltas, so that an implementation only encodes and sends. One call at a
/// time; another target's trouble never shows here.
pub trait Target: Debug + Send + 'static {
    /// Returns the target's name, as in `OTEL_METRICS_EXPORTER`.
    fn name(&self) -> &str;

    /// Returns where it sends to, for people. Must not hold secrets.
    fn endpoint(&self) -> String;

    /// Returns the attribute `otel.component.type` of its self-metrics: one of those that OpenTelemetry's Semantic
    /// Conventions know, such as `otlp_grpc_metric_exporter`. The name of the Rust type by default, as they ask for.
    fn component_type(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// Returns the host and the port that it sends to, by default none: the attributes `server.address` and
    /// `server.port` of its self-metrics `otel.sdk.exporter.*`. Asked for once, when the pipeline starts.
    ///
    /// The host is a name or an address without brackets, `collector.example.com` or `::1`, and a port that is not
    /// written out is that of the protocol, as OpenTelemetry's Semantic Conventions ask for. Must not hold secrets.
    fn server(&self) -> Option<(String, u16)> {
        None
    }

    /// Returns whether the target receives cumulative snapshots or [deltas](Snapshot::delta_since) since the last
    /// snapshot that it acknowledged.
    ///
    /// A delta has only those counters and histograms that were recorded in since, and all observable counters that
    /// callbacks have reported. Gauges, and sums that also fall, come in full with every snapshot.
    ///
    /// Deltas that are accepted add up to what was counted, whichever exports fail and whoever else collects in between:
    /// what a series counted before it ended is part of the next delta. A series that is missing for a while goes on
    /// where its last delta ended. One that returns after more than an hour is a new series and comes in full.
    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }

    /// Returns the temporality of observable counters for a target that otherwise receives deltas. OpenTelemetry's
    /// preference `lowmemory` has them cumulative.
    fn observed_temporality(&self) -> Temporality {
        self.temporality()
    }

    /// Returns whether the receiver knows summaries, which only come from registries of other libraries. Otherwise,
    /// the target receives three metrics in place of each: the sums `….count` and `….sum`, and the gauge `….quantile`,
    /// whose series have the label `quantile`. A summary has no delta.
    fn takes_summaries(&self) -> bool {
        true
    }

    /// Returns whether the target sends [exemplars](Snapshot::exemplars), as few formats can. By default it does not. None
    /// are recorded if no target does.
    fn takes_exemplars(&self) -> bool {
        false
    }

    /// Asks the receiver whether it would accept an export, without one: with an empty request, or with a question about
    /// the credentials. Returns what came back. By default, nothing can be said.
    ///
    /// The pipeline calls this once when it starts, if [`is_checked_at_start`](Self::is_checked_at_start). An error that is
    /// not [retryable](ExportError::is_retryable) is logged then, and appears in [`Health`](crate::Health) until an export
    /// succeeds. Others are not: a receiver that is down now may be up by the first export. An export that becomes due
    /// cancels the check.
    fn check(&mut self) -> CheckFuture<'_> {
        Box::pin(std::future::ready(Ok(Checked::Unknown("it has no check".to_owned()))))
    }

    /// Returns whether the pipeline calls [`check`](Self::check) when it starts. It does by default; a target whose first
    /// export says the same saves its receiver a request from every process that starts.
    fn is_checked_at_start(&self) -> bool {
        true
    }

    /// Sends one snapshot. `Ok` acknowledges it: what it holds will not come again as a delta.
    ///
    /// Must not block the thread: the other targets share it.
    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a>;

    /// Queues `snapshot` and sends nothing: an export has failed, and the next attempt has to wait. Then comes
    /// [`export`](Self::export), with this snapshot or a later one.
    ///
    /// Matters for a target with a [`queue`](Self::queue) only, and does nothing by default: others get the newest
    /// snapshot once the wait is over.
    fn enqueue<'a>(&'a mut self, _snapshot: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Returns how many points of the last export the receiver refused though it took the others. Asked for after each
    /// success; counted as `error.type=rejected` in self-metrics, and in [`Health`](crate::Health).
    ///
    /// If the last export failed for now, a target with a [`queue`](Self::queue) is asked once more after
    /// [`shutdown`](Self::shutdown): how many were refused since the first attempt at that snapshot, some or all of
    /// them, in `shutdown` too.
    fn rejected(&self) -> u64 {
        0
    }

    /// Returns whether the destination has some of the snapshot already, although the export failed.
    ///
    /// The pipeline then gives the same snapshot again, in later intervals too, until it was delivered or this is
    /// `false`; [`export`](Self::export) goes on with the rest of it. So a delta that takes several requests counts
    /// once. Matters with [`Temporality::Delta`] only: a total may be sent twice.
    fn is_partway(&self) -> bool {
        false
    }

    /// Returns whether requests stay on their way when the future of [`export`](Self::export) is dropped, and the next
    /// call goes on with them. Otherwise, the default, they end with it.
    ///
    /// A target that [queues](Self::queue) what it is given can so be given each snapshot when it is due, however long
    /// the receiver takes to answer: the pipeline drops a future that has no outcome by then, and calls
    /// [`export`](Self::export) with the next snapshot. So work on a snapshot must not begin anew with each call, or
    /// what takes longer than the interval never ends. With [`Temporality::Delta`], the pipeline waits for the outcome.
    ///
    /// A target that does not send in the background is given the newest snapshot once it has an outcome, and none of
    /// those in between.
    fn sends_in_background(&self) -> bool {
        false
    }

    /// Returns what waits for the receiver, for a target that keeps what could not be delivered. Asked for after each
    /// attempt to export, and at the end; tells of it in the self-metrics `meterkit.target.queue.*`, and in
    /// [`Health`](crate::Health). By default there is no queue.
    ///
    /// An export that failed has been delivered after all if nothing waits after [`shutdown`](Self::shutdown), nothing
    /// was dropped in it, and nothing was [`rejected`](Self::rejected).
    fn queue(&self) -> Option<TargetQueue> {
        None
    }

    /// Returns what is wrong although exports succeed, such as a queue that cannot be kept on disk. Asked for after each
    /// attempt to export, and at the end; the target is not healthy while there is something. By default there is not.
    /// Must not hold secrets.
    fn problem(&self) -> Option<String> {
        None
    }

    /// Returns by how many seconds the receiver's clock is ahead of this machine's, or behind if negative, if that is known.
    /// Asked for after each attempt to export. By default it is not known.
    fn clock_skew(&self) -> Option<i64> {
        None
    }

    /// Called once, after the last export.
    fn shutdown(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

impl<T: Target> From<T> for Box<dyn Target> {
    fn from(target: T) -> Self {
        Box::new(target)
    }
}

/// What waits in a target for its receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "targets make it")]
pub struct TargetQueue {
    /// How many requests wait.
    pub requests: u64,
    /// How many bytes they have.
    pub bytes: u64,
    /// How many values were given up, since the start: there was no room for them, or they grew too old.
    pub dropped_values: u64,
    /// Whether the requests that wait outlive this process, in a spool on disk.
    pub is_durable: bool,
}

/// What a [check](Target::check) of a target found, if nothing is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "targets make it")]
pub enum Checked {
    /// The receiver would accept an export: what it answered.
    Accepted(String),
    /// Only an export can show that: why.
    Unknown(String),
}

/// What [`Target::check`] returns.
pub type CheckFuture<'a> = Pin<Box<dyn Future<Output = Result<Checked, ExportError>> + Send + 'a>>;

/// What [`Target::export`] returns.
pub type ExportFuture<'a> = Pin<Box<dyn Future<Output = Result<(), ExportError>> + Send + 'a>>;

/// When a push target is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two settings of OpenTelemetry's periodic reader")]
pub struct Schedule {
    /// Time between two exports. 60 s by default; `OTEL_METRIC_EXPORT_INTERVAL` and
    /// `METERKIT_<TARGET>_INTERVAL` override.
    pub interval: Duration,
    /// Time that one attempt may take. 30 s by default; `OTEL_METRIC_EXPORT_TIMEOUT` overrides.
    pub timeout: Duration,
}

impl Default for Schedule {
    fn default() -> Self {
        Self { interval: Duration::from_secs(60), timeout: Duration::from_secs(30) }
    }
}
