//! The record of what each push and pull target did, which feeds self-metrics and [`Health`](crate::Health).

mod outage;

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Release};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use meterkit_core::{Unpoisoned, now};
use meterkit_rules::Cause;

use self::outage::Outage;
use crate::clock_skew::{ClockSkew, ClockWatch};
use crate::export_error::ExportError;
use crate::health::{TargetError, TargetHealth, TargetKind};
use crate::self_metrics::{Exporter, Failure, Labeled, SelfMetrics};
use crate::target::{Target, TargetQueue};

/// The error text of a target whose task ended because the target panicked.
const PANICKED: &str = "the target panicked and is no longer served";

/// A target is unhealthy after this many intervals without a finished export.
const SILENT_INTERVALS: u32 = 3;

/// The shortest silence that counts as a problem: a busy machine may be slow for less time than this.
const SHORTEST_SILENCE: Duration = Duration::from_millis(500);

/// All targets of a pipeline, in the order in which they were added.
pub(crate) struct Components {
    metrics: Arc<SelfMetrics>,
    known: Mutex<Vec<Arc<Component>>>,
    /// Problems with the settings of the program.
    pub(crate) warnings: Vec<String>,
}

/// The identity and the state of one target.
pub(crate) struct Component {
    /// The name and a number, such as `otlp/0`, which distinguishes targets of the same name.
    instance: String,
    component_type: String,
    /// The host and port that the target sends to.
    server: Option<(String, u16)>,
    metrics: Arc<SelfMetrics>,
    health: Mutex<TargetHealth>,
    /// The outage since the last success, if there is one.
    outage: Mutex<Option<Outage>>,
    /// Whether the first success has been logged.
    is_live: AtomicBool,
    /// Whether a push target keeps its schedule. `None` for a pull target.
    pace: Option<Mutex<Pace>>,
    /// The service of the pipeline that serves this pull target; unset if the application serves it.
    service: OnceLock<usize>,
    clock: ClockWatch,
    /// Whether an export has started, so that self-metrics of this target exist.
    has_begun: AtomicBool,
    /// Whether the pipeline has ended, after which no self-metrics of this target may be recorded.
    is_retired: AtomicBool,
}

/// Tracks whether a push target keeps its schedule.
struct Pace {
    interval: Duration,
    /// When the target last started an export or received an answer.
    moved: Instant,
    is_silence_logged: bool,
}

impl Pace {
    fn new(interval: Duration) -> Self {
        Self { interval, moved: Instant::now(), is_silence_logged: false }
    }

    /// Returns a description of the problem if the target has been silent for too long.
    fn silence(&self) -> Option<String> {
        let (silent, interval) = (self.moved.elapsed(), self.interval);
        let longest = interval.saturating_mul(SILENT_INTERVALS).max(SHORTEST_SILENCE);
        (silent > longest).then(|| {
            let (silent, interval) = (silent.as_millis(), interval.as_millis());
            format!("no export has ended for {silent} ms, though one is due every {interval} ms")
        })
    }
}

impl Components {
    pub(crate) fn new(metrics: Arc<SelfMetrics>, warnings: Vec<String>) -> Self {
        Self { metrics, known: Mutex::default(), warnings }
    }

    /// Adds a push target. Each call adds a separate component.
    pub(crate) fn push(&self, target: &dyn Target, interval: Duration) -> Arc<Component> {
        let health = TargetHealth::new(target.name(), target.endpoint(), TargetKind::Push);
        let pace = Some(Mutex::new(Pace::new(interval)));
        self.add(&mut self.lock(), health, target.component_type(), target.server(), pace)
    }

    /// Returns the pull target with this name and endpoint, or adds it.
    pub(crate) fn pull(
        &self,
        name: &str,
        component_type: &str,
        endpoint: String,
    ) -> Arc<Component> {
        let mut known = self.lock();
        let is_it = |it: &&Arc<Component>| {
            let it = it.health();
            it.kind == TargetKind::Pull && it.name == name && it.endpoint == endpoint
        };
        if let Some(component) = known.iter().find(is_it) {
            return component.clone();
        }
        // A pull target connects to no server: it is the server.
        let health = TargetHealth::new(name, endpoint, TargetKind::Pull);
        self.add(&mut known, health, component_type, None, None)
    }

    /// Reports that a service of the pipeline ended before it was told to stop, so that its endpoints are no longer
    /// served.
    pub(crate) fn service_ended(&self, service: usize, panic: Option<String>) {
        let is_its = |it: &Arc<Component>| it.service.get() == Some(&service);
        let mut its: Vec<_> = self.lock().iter().filter(|it| is_its(it)).cloned().collect();
        if its.is_empty() && panic.is_some() {
            its.push(self.pull("service", "", format!("task {service} of the pipeline")));
        }
        let reason = panic.map(|panic| format!(": {panic}")).unwrap_or_default();
        let problem = format!("the endpoint is no longer served{reason}");
        for component in its {
            let TargetHealth { component: exporter, endpoint, .. } = component.health().clone();
            tracing::error!(
                exporter,
                endpoint,
                "the task behind this endpoint has ended: {problem}"
            );
            component.note_problem(Some(problem.clone()));
        }
    }

    pub(crate) fn health(&self) -> Vec<TargetHealth> {
        self.lock().iter().map(|component| component.health_now()).collect()
    }

    /// Removes the self-metrics of all targets, because the pipeline has ended.
    pub(crate) fn retire(&self) {
        for component in self.lock().iter() {
            component.is_retired.store(true, Release);
            self.metrics.forget(component.labels());
        }
    }

    fn add(
        &self,
        known: &mut Vec<Arc<Component>>,
        mut health: TargetHealth,
        component_type: &str,
        server: Option<(String, u16)>,
        pace: Option<Mutex<Pace>>,
    ) -> Arc<Component> {
        let before = known.iter().filter(|it| it.health().name == health.name).count();
        health.component = format!("{}/{before}", health.name);
        let component = Arc::new(Component {
            instance: health.component.clone(),
            component_type: component_type.to_owned(),
            server,
            metrics: self.metrics.clone(),
            health: Mutex::new(health),
            outage: Mutex::default(),
            is_live: AtomicBool::new(false),
            pace,
            service: OnceLock::new(),
            clock: ClockWatch::default(),
            has_begun: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
        });
        known.push(component.clone());
        component
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Component>>> {
        self.known.lock().unpoisoned()
    }
}

impl fmt::Debug for Components {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.lock().iter().map(|component| &component.instance)).finish()
    }
}

impl Component {
    /// Records that the target received `points` points to export.
    pub(crate) fn begin(self: &Arc<Self>, points: usize) -> Operation {
        let points = points as u64;
        self.moved();
        if let Some(metrics) = self.metrics() {
            metrics.began(self.labels(), points);
            if self.pace.is_some() && !self.has_begun.swap(true, AcqRel) {
                metrics.succeeded(self.labels(), UNIX_EPOCH);
            }
        }
        let (component, started) = (self.clone(), Instant::now());
        Operation { component, points, started, failure: None, is_over: false }
    }

    /// Records a failed attempt, which may be retried.
    pub(crate) fn attempt_failed(&self, error: &ExportError) {
        self.moved();
        self.note_failure(error.cause(), error.to_string());
    }

    /// Records that the target panicked, which ends its task.
    pub(crate) fn panicked(&self) {
        let is_known = self.health().last_error.as_ref().is_some_and(|it| it.text == PANICKED);
        if !is_known {
            self.note_failure(Cause::Panic, PANICKED.to_owned());
        }
    }

    /// Returns the name and number of the target, such as `otlp/0`.
    pub(crate) fn instance(&self) -> &str {
        &self.instance
    }

    /// Records that this service of the pipeline serves the target.
    pub(crate) fn served_by(&self, service: usize) {
        self.service.get_or_init(|| service);
    }

    /// Sets or clears a problem that exists although no attempt failed.
    pub(crate) fn note_problem(&self, problem: Option<String>) {
        self.health().problem = problem;
    }

    /// Records by how many seconds the receiver's clock is ahead of this machine's, if known.
    pub(crate) fn note_clock_skew(&self, skew: Option<i64>) {
        let Some(skew) = skew else { return };
        let mut health = self.health();
        health.clock_skew = Some(skew);
        let endpoint = health.endpoint.clone();
        drop(health);
        if let Some(metrics) = self.metrics() {
            metrics.clock_skew(self.labels(), skew);
        }
        self.clock.note(ClockSkew(skew), &self.instance, &endpoint);
    }

    /// Records the state of the target's queue.
    pub(crate) fn note_queue(&self, queue: Option<TargetQueue>) {
        let before = std::mem::replace(&mut self.health().queue, queue);
        if let (Some(queue), Some(metrics)) = (queue, self.metrics()) {
            let dropped_before = before.map_or(0, |before| before.dropped_values);
            let dropped = queue.dropped_values.saturating_sub(dropped_before);
            metrics.queue(self.labels(), queue.bytes, dropped);
        }
    }

    pub(crate) fn fmt_as(&self, f: &mut fmt::Formatter<'_>, what: &str) -> fmt::Result {
        let TargetHealth { component, endpoint, .. } = &*self.health();
        f.debug_struct(what).field("component", component).field("endpoint", endpoint).finish()
    }

    /// Returns the current health of the target, with silence as a problem.
    fn health_now(&self) -> TargetHealth {
        let mut health = self.health().clone();
        if !(health.is_failing() || self.is_retired.load(Acquire)) {
            health.problem = self.pace().and_then(|pace| pace.silence());
        }
        health
    }

    /// Logs once that the target is silent, if it is.
    pub(crate) fn log_silence(&self) {
        let Some(mut pace) = self.pace() else { return };
        let Some(silence) = pace.silence() else { return };
        if !std::mem::replace(&mut pace.is_silence_logged, true) {
            drop(pace);
            self.outage(|it| it.logged(None));
            let TargetHealth { component: exporter, endpoint, .. } = self.health().clone();
            tracing::warn!(exporter, endpoint, "{silence}; the receiver or the target hangs");
        }
    }

    /// Records that the target started an export or received an answer.
    fn moved(&self) {
        if let Some(mut pace) = self.pace() {
            *pace = Pace::new(pace.interval);
        }
    }

    fn pace(&self) -> Option<MutexGuard<'_, Pace>> {
        self.pace.as_ref().map(|pace| pace.lock().unpoisoned())
    }

    fn note_failure(&self, cause: Cause, text: String) {
        self.outage(|_| {});
        let mut health = self.health();
        health.consecutive_failures = health.consecutive_failures.saturating_add(1);
        health.last_error = Some(TargetError { text, cause, time: now() });
    }

    fn labels(&self) -> Exporter<'_> {
        Exporter {
            component: Labeled { component_type: &self.component_type, name: &self.instance },
            server: self.server.as_ref().map(|(host, port)| (host.as_str(), *port)),
        }
    }

    fn metrics(&self) -> Option<&SelfMetrics> {
        (!self.is_retired.load(Acquire)).then_some(&self.metrics)
    }

    fn health(&self) -> MutexGuard<'_, TargetHealth> {
        self.health.lock().unpoisoned()
    }
}

/// An export under way, with all its attempts. Counts as cut off if it is dropped before it is over.
pub(crate) struct Operation {
    component: Arc<Component>,
    points: u64,
    started: Instant,
    /// Why the target has not accepted the points so far.
    failure: Option<Failure>,
    is_over: bool,
}

impl Operation {
    /// Moves the start of the operation back by `took`, for work that was done before the operation was created.
    pub(crate) fn began_before(mut self, took: Duration) -> Self {
        self.started = self.started.checked_sub(took).unwrap_or(self.started);
        self
    }

    /// Adds points that share the outcome of this export.
    pub(crate) fn add(&mut self, points: usize) {
        let points = points as u64;
        self.points += points;
        if let Some(metrics) = self.component.metrics() {
            metrics.began(self.component.labels(), points);
        }
    }

    /// Records that the target accepted all points except those that its receiver `rejected`.
    pub(crate) fn succeeded(mut self, rejected: u64) {
        self.settle(rejected, Some(now()));
    }

    /// Records a failure whose points may still be delivered from the target's queue; shutdown decides their outcome.
    pub(crate) fn waits(&mut self, error: &ExportError) {
        self.failure = Some(error.into());
    }

    /// Records that the receiver `rejected` some or all of the queued points.
    pub(crate) fn refused(mut self, rejected: u64) {
        self.settle(rejected, None);
    }

    fn settle(&mut self, rejected: u64, success: Option<SystemTime>) {
        let rejected = rejected.min(self.points);
        let taken = self.points - rejected;
        // A push target may send no request for an empty export, so its success does not prove that the receiver is up.
        let success = success.filter(|_| self.points > 0 || self.component.pace.is_none());
        self.is_over = true;
        let failed_attempts = {
            let mut health = self.component.health();
            let failed_attempts = health.consecutive_failures;
            if success.is_some() {
                health.last_success = success;
                health.consecutive_failures = 0;
            }
            health.exported_points += taken;
            health.rejected_points += rejected;
            failed_attempts
        };
        let (labels, took) = (self.component.labels(), self.started.elapsed());
        if let Some(metrics) = self.component.metrics() {
            let failure = (rejected > 0).then_some(Cause::Rejected);
            metrics.ended(labels, self.points, took, failure.map(Failure::from));
            metrics.count(labels, taken, None);
            if rejected > 0 {
                metrics.count(labels, rejected, Some(Cause::Rejected));
            }
            if let Some(now) = success {
                metrics.succeeded(labels, now);
            }
        }
        if success.is_some() {
            self.component.log_success(failed_attempts, taken > 0);
        }
    }

    /// Records that the export failed and is not retried.
    pub(crate) fn failed(mut self, error: &ExportError) {
        self.fail(error.into());
    }

    fn fail(&mut self, failure: Failure) {
        self.is_over = true;
        self.component.health().failed_points += self.points;
        if let Some(metrics) = self.component.metrics() {
            let (labels, took) = (self.component.labels(), self.started.elapsed());
            metrics.ended(labels, self.points, took, Some(failure));
            metrics.count(labels, self.points, Some(failure.cause));
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        match self.failure {
            _ if std::thread::panicking() => {
                self.component.panicked();
                self.fail(Cause::Panic.into());
            }
            // The reason was recorded when the attempt failed.
            Some(failure) => self.fail(failure),
            None => {
                let text = "cut off by the end of the pipeline".to_owned();
                self.component.note_failure(Cause::CutOff, text);
                self.fail(Cause::CutOff.into());
            }
        }
    }
}
