//! The pipeline, which serves all targets on one thread with one runtime.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::mpsc::{self as std_mpsc, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use meterkit_core::{Attributes, Claim, ExemplarFilter, Registry};
use tokio::sync::mpsc;

use crate::collector::Collector;
use crate::companion::{Companion, Start};
use crate::component::Components;
use crate::error::{FlushError, StartError};
use crate::filter::TargetFilter;
use crate::health::Health;
use crate::moment::after;
use crate::news::News;
use crate::progress::Progress;
use crate::self_metrics::SelfMetrics;
use crate::source::{Closed, Source};
use crate::target::{Schedule, Target};
use crate::views::{StreamDefaults, Views, set_streams};
use crate::work::{Command, Outcome, Service, Stop, Work};

/// The time that dropping a pipeline may take.
const DROP_DEADLINE: Duration = Duration::from_secs(1);

/// The default maximum age of a shared snapshot. Long enough that targets that are due together share a collection and
/// that many scrapes at once do not run callbacks as often; short enough that a scrape every second sees the values of
/// that second.
const MAX_AGE: Duration = Duration::from_millis(100);

/// A running pipeline, which collects from a registry and serves its targets.
///
/// The pipeline owns one thread with a current-thread runtime. Callbacks and everything else that may block run on the
/// blocking threads of that runtime, so that no target waits for them.
pub struct Pipeline {
    registry: Registry,
    source: Source,
    commands: mpsc::UnboundedSender<Command>,
    /// The outcome of the shutdown, once it has ended.
    outcome: Arc<OnceLock<Outcome>>,
    /// Whether a call to `shutdown` has returned, with the outcome or because its deadline passed.
    is_answered: AtomicBool,
}

/// The settings and targets of a pipeline that has not started yet.
#[must_use = "the pipeline does not run until `start` is called"]
pub struct PipelineBuilder {
    registry: Registry,
    claim: Claim,
    resource: Attributes,
    max_age: Duration,
    targets: Vec<(Box<dyn Target>, Schedule, TargetFilter)>,
    services: Vec<Service>,
    companions: Vec<StartCompanion>,
    views: Views,
    stream_defaults: StreamDefaults,
    exemplar_filter: ExemplarFilter,
    warnings: Vec<String>,
}

impl Pipeline {
    /// Returns a builder for a pipeline that collects from `registry`, or `None` while another pipeline collects from
    /// it.
    pub fn builder(registry: Registry) -> Option<PipelineBuilder> {
        Some(PipelineBuilder {
            claim: registry.claim()?,
            registry,
            resource: Attributes::empty(),
            max_age: MAX_AGE,
            targets: Vec::new(),
            services: Vec::new(),
            companions: Vec::new(),
            views: Views::default(),
            stream_defaults: StreamDefaults::default(),
            exemplar_filter: ExemplarFilter::default(),
            warnings: Vec::new(),
        })
    }

    /// Returns the source of snapshots for pull targets.
    pub fn source(&self) -> Source {
        self.source.clone()
    }

    /// Returns the state of collection and delivery.
    pub fn health(&self) -> Health {
        self.source.health()
    }

    /// Exports everything recorded so far to all push targets, within `deadline`.
    ///
    /// If the pipeline is shutting down, returns the outcome of the shutdown.
    ///
    /// # Errors
    ///
    /// Returns an error that lists the failed targets with their reasons, or says that the deadline passed or that the
    /// pipeline has shut down.
    pub async fn flush(&self, deadline: Duration) -> Result<(), FlushError> {
        wait(self.ask(false, deadline), deadline).await
    }

    /// Like [`flush`](Self::flush), but blocks the calling thread. For programs without an async runtime.
    ///
    /// # Errors
    ///
    /// Returns an error that lists the failed targets with their reasons, or says that the deadline passed or that the
    /// pipeline has shut down.
    pub fn flush_blocking(&self, deadline: Duration) -> Result<(), FlushError> {
        answer(&self.ask(false, deadline), deadline)
    }

    /// Exports once more and stops, within `deadline`. Recording remains safe and cheap afterwards.
    ///
    /// The pipeline shuts down only once. Dropping this future does not interrupt the shutdown. Further calls,
    /// concurrent or later, return the same outcome.
    ///
    /// # Errors
    ///
    /// Returns an error that lists the failed targets with their reasons, or says that the deadline passed. The
    /// pipeline has stopped nevertheless, unless an earlier call gave it more time.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), FlushError> {
        self.answered(wait(self.ask(true, deadline), deadline).await)
    }

    /// Like [`shutdown`](Self::shutdown), but blocks the calling thread. For programs without an async runtime.
    ///
    /// # Errors
    ///
    /// Returns the same errors as [`shutdown`](Self::shutdown).
    pub fn shutdown_blocking(&self, deadline: Duration) -> Result<(), FlushError> {
        self.answered(answer(&self.ask(true, deadline), deadline))
    }

    fn ask(&self, is_last: bool, deadline: Duration) -> Reply {
        let (reply, outcome) = std_mpsc::channel();
        // If the pipeline is gone, the reply is dropped and the caller gets `Closed`.
        let _ = self.commands.send(Command { is_last, deadline: after(deadline), reply });
        outcome
    }

    /// Returns the outcome of the shutdown for a call that received `answer`.
    fn answered(&self, answer: Outcome) -> Outcome {
        self.is_answered.store(true, Release);
        match (&answer, self.outcome.get()) {
            (Err(FlushError::Closed(_)), Some(outcome)) => outcome.clone(),
            _ => answer,
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if self.is_answered.load(Acquire) {
            return;
        }
        if let Err(error) = self.shutdown_blocking(DROP_DEADLINE) {
            tracing::warn!(
                %error,
                "metrics pipeline dropped without shutdown(), which would have waited longer"
            );
        }
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline")
            .field("registry", &self.registry)
            .field("outcome", &self.outcome.get())
            .finish_non_exhaustive()
    }
}

/// A function that starts a companion.
type StartCompanion = Box<dyn FnOnce(&Start<'_>) -> Arc<dyn Companion> + Send>;

type Reply = std_mpsc::Receiver<Outcome>;

/// Waits on a separate thread, so that the deadline holds even if the pipeline's thread or the caller's runtime is
/// blocked.
async fn wait(reply: Reply, deadline: Duration) -> Outcome {
    let (waited, outcome) = tokio::sync::oneshot::channel();
    let waiter = thread::Builder::new().name("meterkit-deadline".to_owned());
    let started = waiter.spawn(move || {
        let _ = waited.send(answer(&reply, deadline));
    });
    match started {
        Ok(_) => outcome.await.unwrap_or(Err(FlushError::Deadline(deadline))),
        Err(_) => Err(FlushError::Deadline(deadline)),
    }
}

fn answer(reply: &Reply, deadline: Duration) -> Outcome {
    // The pipeline enforces the deadline itself and reports which target missed it. Give it a moment to do so.
    let grace = Duration::from_millis(200);
    match reply.recv_timeout(deadline.saturating_add(grace)) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => Err(FlushError::Deadline(deadline)),
        Err(RecvTimeoutError::Disconnected) => Err(FlushError::Closed(Closed)),
    }
}

impl PipelineBuilder {
    /// Sets the resource that the metrics describe, such as service name, version and host. Empty by default.
    pub fn resource(mut self, resource: Attributes) -> Self {
        self.resource = resource;
        self
    }

    /// Sets what is wrong with the settings of the program, which [`Health::settings`] lists. Empty by default.
    pub fn warnings(mut self, warnings: Vec<String>) -> Self {
        self.warnings = warnings;
        self
    }

    /// Sets the maximum age of a snapshot that scrapes and exports share. 100 ms by default;
    /// `METERKIT_SNAPSHOT_MAX_AGE` overrides it. A push target never receives the same snapshot for two exports.
    pub fn snapshot_max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Adds a push target.
    pub fn target(self, target: impl Into<Box<dyn Target>>, schedule: Schedule) -> Self {
        self.filtered_target(target, schedule, TargetFilter::default())
    }

    /// Adds a push target that receives snapshots reduced by `filter`. For a pull target, use [`Source::filtered`].
    pub fn filtered_target(
        mut self,
        target: impl Into<Box<dyn Target>>,
        schedule: Schedule,
        filter: TargetFilter,
    ) -> Self {
        self.targets.push((target.into(), schedule, filter));
        self
    }

    /// Adds a pull target. `serve` is called on the pipeline's runtime, and its future must end when [`Stop`] asks for
    /// it.
    pub fn service<F>(mut self, serve: impl FnOnce(Source, Stop) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.services.push(Box::new(move |source, stop| Box::pin(serve(source, stop))));
        self
    }

    /// Sets the views, which change metrics on their way to the targets. Companions see the metrics as they were
    /// recorded.
    pub fn views(mut self, views: Views) -> Self {
        self.views = views;
        self
    }

    /// Sets how instruments that no view configures aggregate their values.
    pub fn stream_defaults(mut self, defaults: StreamDefaults) -> Self {
        self.stream_defaults = defaults;
        self
    }

    /// Sets which measurements may become exemplars. [`ExemplarFilter::TraceBased`] by default. Exemplars require a
    /// build with the feature `exemplars` and a target that [takes](Target::takes_exemplars) them.
    pub fn exemplar_filter(mut self, filter: ExemplarFilter) -> Self {
        self.exemplar_filter = filter;
        self
    }

    /// Adds a companion, which runs beside the targets. `start` is called while the pipeline starts. Until then,
    /// histograms buffer their first values for companions that listen to them.
    pub fn companion(
        mut self,
        start: impl FnOnce(&Start<'_>) -> Arc<dyn Companion> + Send + 'static,
    ) -> Self {
        self.companions.push(Box::new(start));
        self
    }

    /// Starts the pipeline's thread and everything on it.
    ///
    /// # Errors
    ///
    /// Returns an error if the operating system does not provide a thread or an event queue.
    pub fn start(self) -> Result<Pipeline, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name("meterkit-blocking")
            .build()
            .map_err(StartError::Thread)?;
        let (registry, views) = (self.registry, self.views);
        set_streams(&registry, &views, &self.stream_defaults);
        let metrics = Arc::new(SelfMetrics::new(registry.clone()));
        let components = Arc::new(Components::new(metrics.clone(), self.warnings));
        let progress = Arc::new(Progress::new(registry.clone()));
        let targets = self.targets.into_iter().map(|(target, schedule, filter)| {
            let component = components.push(&*target, schedule.interval);
            let progress = progress.of_target(target.temporality());
            (target, schedule, filter, component, progress)
        });
        let targets: Vec<(Box<dyn Target>, _, _, _, _)> = targets.collect();
        let (resource, max_age) = (self.resource.clone(), self.max_age);
        let (registry_of_it, views_of_it) = (registry.clone(), views.clone());
        let collector =
            Collector::new(registry_of_it, resource, max_age, metrics, views_of_it, progress);
        let handle = runtime.handle().clone();
        let source = Source::new(Arc::new(collector), components, handle, self.exemplar_filter);
        if targets.iter().any(|(target, ..)| target.takes_exemplars()) {
            source.take_exemplars();
        }
        let news = Arc::new(News::default());
        registry.tap(news.clone());
        registry.expect_listener(!self.companions.is_empty());
        let (registry, resource, views) = (&registry, &self.resource, &views);
        let start = Start { registry, source: &source, resource, views };
        let companions = self.companions.into_iter().map(|companion| companion(&start)).collect();
        let (commands, inbox) = mpsc::unbounded_channel();
        let outcome = Arc::<OnceLock<Outcome>>::default();
        let work = Work {
            registry: registry.clone(),
            claim: self.claim,
            source: source.clone(),
            companions,
            targets,
            services: self.services,
            news,
            outcome: outcome.clone(),
        };
        // The thread is never joined: a target that blocks must not block the caller of `shutdown`.
        thread::Builder::new()
            .name("meterkit".to_owned())
            .spawn(move || work.run(runtime, inbox))
            .map_err(StartError::Thread)?;
        Ok(Pipeline {
            registry: registry.clone(),
            source,
            commands,
            outcome,
            is_answered: AtomicBool::new(false),
        })
    }
}

impl fmt::Debug for PipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<_> = self.targets.iter().map(|(target, ..)| target.name()).collect();
        f.debug_struct("PipelineBuilder")
            .field("targets", &targets)
            .field("services", &self.services.len())
            .finish_non_exhaustive()
    }
}
