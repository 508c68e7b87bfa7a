//! The pipeline: one thread, one runtime, all targets.

use std::fmt;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::AcqRel;
use std::sync::mpsc::{self as std_mpsc, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use meterkit_core::{Attributes, Claim, Registry, exponential_twin};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, MeterProviderBuilder, SdkMeterProvider, Stream,
};
use tokio::sync::mpsc;

use crate::collector::Collector;
use crate::component::Components;
use crate::error::{FlushError, StartError};
use crate::health::Health;
use crate::hooks::{self, News};
use crate::moment::after;
use crate::reader::SharedReader;
use crate::self_metrics::SelfMetrics;
use crate::source::{Closed, Source};
use crate::target::{Schedule, Target};
use crate::views::{StreamDefaults, Views, sdk_stream, set_streams, twin};
use crate::work::{Command, Service, Stop, Work};

/// How long a dropped pipeline takes to say good-bye.
const DROP_DEADLINE: Duration = Duration::from_secs(1);

/// A running pipeline: collects from a registry and serves its targets.
///
/// Owns one thread with a current-thread runtime. Callbacks and everything else that may block run on that runtime's
/// blocking threads, so that no target waits for them.
pub struct Pipeline {
    registry: Registry,
    source: Source,
    provider: SdkMeterProvider,
    commands: mpsc::UnboundedSender<Command>,
    thread: Mutex<Option<JoinHandle<()>>>,
    is_shut_down: AtomicBool,
}

/// What a pipeline is started from.
#[must_use = "the pipeline is started by `start`"]
pub struct PipelineBuilder {
    registry: Registry,
    claim: Claim,
    resource: Attributes,
    max_age: Duration,
    targets: Vec<(Box<dyn Target>, Schedule)>,
    services: Vec<Service>,
    provider: MeterProviderBuilder,
    has_readers: bool,
    views: Views,
    stream_defaults: StreamDefaults,
}

impl Pipeline {
    /// A pipeline that collects from `registry`. `None` while another one does.
    pub fn builder(registry: Registry) -> Option<PipelineBuilder> {
        Some(PipelineBuilder {
            claim: registry.claim()?,
            registry,
            resource: Attributes::empty(),
            max_age: Duration::from_secs(1),
            targets: Vec::new(),
            services: Vec::new(),
            provider: SdkMeterProvider::builder(),
            has_readers: false,
            views: Views::default(),
            stream_defaults: StreamDefaults::default(),
        })
    }

    /// Where pull targets get their snapshots.
    pub fn source(&self) -> Source {
        self.source.clone()
    }

    /// How collection and delivery are doing.
    pub fn health(&self) -> Health {
        self.source.health(&self.registry)
    }

    /// The SDK's provider, for libraries that use OpenTelemetry's own API.
    pub fn provider(&self) -> &SdkMeterProvider {
        &self.provider
    }

    /// Exports everything recorded so far to all push targets, within `deadline`.
    ///
    /// # Errors
    ///
    /// Which targets failed and why, or that the deadline passed.
    pub async fn flush(&self, deadline: Duration) -> Result<(), FlushError> {
        wait(self.send_flush(deadline), deadline).await
    }

    /// Like [`flush`](Self::flush), for programs without a runtime.
    ///
    /// # Errors
    ///
    /// Which targets failed and why, or that the deadline passed.
    pub fn flush_blocking(&self, deadline: Duration) -> Result<(), FlushError> {
        answer(&self.send_flush(deadline), deadline)
    }

    /// Exports once more and stops, within `deadline`. Recording stays safe and cheap afterwards.
    ///
    /// The second call does nothing.
    ///
    /// # Errors
    ///
    /// Which targets failed and why, or that the deadline passed. The pipeline has stopped all the same.
    pub async fn shutdown(&self, deadline: Duration) -> Result<(), FlushError> {
        match self.send_shutdown(deadline) {
            Some(reply) => wait(reply, deadline).await,
            None => Ok(()),
        }
    }

    /// Like [`shutdown`](Self::shutdown), for programs without a runtime.
    ///
    /// # Errors
    ///
    /// Which targets failed and why, or that the deadline passed. The pipeline has stopped all the same.
    pub fn shutdown_blocking(&self, deadline: Duration) -> Result<(), FlushError> {
        match self.send_shutdown(deadline) {
            Some(reply) => answer(&reply, deadline),
            None => Ok(()),
        }
    }

    fn send_flush(&self, deadline: Duration) -> Reply {
        let (reply, outcome) = std_mpsc::channel();
        // A pipeline that is gone drops the reply, which the caller sees.
        let _ = self.commands.send(Command::Flush { deadline: after(deadline), reply });
        outcome
    }

    fn send_shutdown(&self, deadline: Duration) -> Option<Reply> {
        if self.is_shut_down.swap(true, AcqRel) {
            return None;
        }
        let (reply, outcome) = std_mpsc::channel();
        let deadline = after(deadline);
        let _ = self.commands.send(Command::Shutdown { deadline, reply });
        // Not joined: a target that blocks must not hold up whoever shuts down.
        drop(self.thread.lock().unwrap_or_else(PoisonError::into_inner).take());
        Some(outcome)
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
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
            .field("is_shut_down", &self.is_shut_down)
            .finish_non_exhaustive()
    }
}

type Reply = std_mpsc::Receiver<Result<(), FlushError>>;

/// Waits on a thread of its own: the deadline holds whatever the pipeline's thread and the caller's runtime do.
async fn wait(reply: Reply, deadline: Duration) -> Result<(), FlushError> {
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

fn answer(reply: &Reply, deadline: Duration) -> Result<(), FlushError> {
    // The pipeline keeps the deadline itself and says which target missed it: give it a moment to do so.
    let grace = Duration::from_millis(200);
    match reply.recv_timeout(deadline.saturating_add(grace)) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => Err(FlushError::Deadline(deadline)),
        Err(RecvTimeoutError::Disconnected) => Err(FlushError::Closed(Closed)),
    }
}

impl PipelineBuilder {
    /// What is being measured: service name, version, host. Empty by default.
    pub fn resource(mut self, resource: Attributes) -> Self {
        self.resource = resource;
        self
    }

    /// How old a snapshot may be for a scrape or an export. 1 s by default; `METERKIT_SNAPSHOT_MAX_AGE` overrides.
    pub fn snapshot_max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// Adds a push target.
    pub fn target(mut self, target: impl Target, schedule: Schedule) -> Self {
        self.targets.push((Box::new(target), schedule));
        self
    }

    /// Adds a pull target: `serve` is called on the pipeline's runtime and runs until it is told to stop.
    pub fn service<F>(mut self, serve: impl FnOnce(Source, Stop) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.services.push(Box::new(move |source, stop| Box::pin(serve(source, stop))));
        self
    }

    /// Changes metrics on their way to the targets. Those that the user's own readers see keep their names and
    /// attributes: OpenTelemetry's SDK has views for them.
    pub fn views(mut self, views: Views) -> Self {
        self.views = views;
        self
    }

    /// How values are kept of which no view says it.
    pub fn stream_defaults(mut self, defaults: StreamDefaults) -> Self {
        self.stream_defaults = defaults;
        self
    }

    /// Adds a reader of OpenTelemetry's ecosystem. It sees every instrument; histograms then record twice.
    pub fn reader(mut self, reader: impl MetricReader) -> Self {
        self.provider = self.provider.with_reader(reader);
        self.has_readers = true;
        self
    }

    /// Starts the pipeline's thread and everything on it.
    ///
    /// # Errors
    ///
    /// The system gave no thread or no event queue.
    pub fn start(self) -> Result<Pipeline, StartError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .thread_name("meterkit-blocking")
            .build()
            .map_err(StartError::Thread)?;
        let reader = SharedReader::new();
        let (views, defaults) = (self.views, self.stream_defaults);
        set_streams(&self.registry, &views, &defaults);
        let (of_registry, of_views) = (self.registry.clone(), views.clone());
        let stream = move |instrument: &Instrument| {
            exponential_twin_stream(&of_registry, instrument)
                .or_else(|| sdk_stream(&of_registry, &of_views, &defaults, instrument))
        };
        let provider = self
            .provider
            .with_reader(reader.clone())
            .with_view(stream)
            .with_resource(sdk_resource(&self.resource))
            .build();
        let registry = self.registry;
        let metrics = Arc::new(SelfMetrics::new(registry.clone()));
        let components = Arc::new(Components::new(metrics.clone()));
        let targets = self.targets.into_iter().map(|(target, schedule)| {
            let component = components.push(&*target);
            (target, schedule, component)
        });
        let targets = targets.collect();
        let (resource, max_age) = (self.resource, self.max_age);
        let collector =
            Arc::new(Collector::new(registry.clone(), resource, reader, max_age, metrics, views));
        let source = Source::new(collector.clone(), components, runtime.handle().clone());
        let news = News::default();
        if self.has_readers {
            let runtime = runtime.handle().clone();
            registry.set_hooks(hooks::with_readers(collector, runtime, &news));
            registry.map_to(Arc::new(provider.clone()));
        } else {
            registry.set_hooks(hooks::without_readers(&news));
            registry.unmap();
        }
        let (commands, inbox) = mpsc::unbounded_channel();
        let work = Work {
            registry: registry.clone(),
            claim: self.claim,
            source: source.clone(),
            provider: provider.clone(),
            targets,
            services: self.services,
            news,
        };
        let thread = thread::Builder::new()
            .name("meterkit".to_owned())
            .spawn(move || work.run(runtime, inbox))
            .map_err(StartError::Thread)?;
        Ok(Pipeline {
            registry,
            source,
            provider,
            commands,
            thread: Mutex::new(Some(thread)),
            is_shut_down: AtomicBool::new(false),
        })
    }
}

impl fmt::Debug for PipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<_> = self.targets.iter().map(|(target, _)| target.name()).collect();
        f.debug_struct("PipelineBuilder")
            .field("targets", &targets)
            .field("services", &self.services.len())
            .finish_non_exhaustive()
    }
}

fn sdk_resource(resource: &Attributes) -> Resource {
    Resource::builder_empty().with_attributes(resource.to_key_values()).build()
}

/// The view that makes the twins of exponential histograms what they are, and nothing else.
fn exponential_twin_stream(registry: &Registry, instrument: &Instrument) -> Option<Stream> {
    let limits = exponential_twin()?;
    let aggregation = Aggregation::Base2ExponentialHistogram {
        max_size: limits.max_size,
        max_scale: i8::try_from(limits.max_scale).ok()?,
        record_min_max: true,
    };
    let limit = registry.limit_of(instrument.scope(), instrument.name()).unwrap_or_default();
    twin(limit).with_aggregation(aggregation).build().ok()
}
