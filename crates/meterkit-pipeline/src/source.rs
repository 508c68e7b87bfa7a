//! The source of snapshots for pull targets.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::{Duration, Instant};

use meterkit_core::{ExemplarFilter, Unpoisoned};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;

use crate::collector::{Collector, Freshness};
use crate::component::Components;
use crate::endpoint::Endpoint;
use crate::filter::{Filtered, TargetFilter};
use crate::health::Health;
use crate::snapshot::Snapshot;
use crate::task::{self, Boxed};

/// A source of snapshots for a scrape endpoint, or for a handler in the application's own server.
///
/// Concurrent requests share one collection, and any request reuses a snapshot that is younger than
/// `METERKIT_SNAPSHOT_MAX_AGE` (100 ms by default). Works on any async runtime, and without one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Source {
    collector: Arc<Collector>,
    components: Arc<Components>,
    runtime: Handle,
    /// Which measurements may become exemplars once a target takes exemplars.
    exemplar_filter: ExemplarFilter,
    /// The service of the pipeline that received this source.
    service: Option<usize>,
    /// The filter that reduces the snapshots of this source, if there is one.
    filtered: Option<Arc<Filtered>>,
    /// All filters of the pipeline. Targets with equal filters share one, and thereby its snapshots.
    filters: Arc<std::sync::Mutex<Vec<Arc<Filtered>>>>,
    /// Lets requests wait for a running collection without blocking a thread.
    turn: Arc<Mutex<()>>,
    /// Whether the pipeline has shut down. The runtime itself ends a moment after `shutdown` has returned.
    is_closed: Arc<AtomicBool>,
}

/// The error after a pipeline has shut down.
#[derive(Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the metrics pipeline has shut down")]
#[non_exhaustive]
pub struct Closed;

meterkit_rules::debug_as_text!(Closed);

impl Source {
    pub(crate) fn new(
        collector: Arc<Collector>,
        components: Arc<Components>,
        runtime: Handle,
        exemplar_filter: ExemplarFilter,
    ) -> Self {
        let (filters, turn, is_closed) = Default::default();
        Self {
            collector,
            components,
            runtime,
            exemplar_filter,
            service: None,
            filtered: None,
            filters,
            turn,
            is_closed,
        }
    }

    /// Returns a source whose snapshots are reduced by `filter`, which replaces the filter of this source. Sources with
    /// equal filters share their snapshots.
    #[must_use]
    pub fn filtered(&self, filter: TargetFilter) -> Self {
        let filtered = (!filter.is_all()).then(|| {
            let mut filters = self.filters.lock().unpoisoned();
            let known = filters.iter().find(|known| *known.filter() == filter).cloned();
            known.unwrap_or_else(|| {
                let filtered = Arc::new(Filtered::new(filter, self.collector.registry().clone()));
                filters.push(filtered.clone());
                filtered
            })
        });
        Self { filtered, ..self.clone() }
    }

    /// Returns a source for a service of the pipeline. Endpoints created from it are served by this service.
    pub(crate) fn for_service(&self, service: usize) -> Self {
        Self { service: Some(service), ..self.clone() }
    }

    /// Starts recording [exemplars](Snapshot::exemplars). Call this if the target exports them.
    pub fn take_exemplars(&self) {
        self.collector.sample_exemplars(self.exemplar_filter);
    }

    /// Stops collections on the pipeline's threads and the recording of exemplars.
    pub(crate) fn close(&self) {
        self.collector.sample_exemplars(ExemplarFilter::AlwaysOff);
        self.is_closed.store(true, Release);
    }

    /// Returns a pull target that serves these snapshots. Self-metrics and [`Health`] report on it.
    ///
    /// `name` is the target's name, as in `OTEL_METRICS_EXPORTER`. `component_type` is one of the types that
    /// OpenTelemetry's Semantic Conventions define, if one fits. `endpoint` is the address that can be scraped, without
    /// secrets. A second call with the same name and endpoint returns the same pull target.
    pub fn endpoint(
        &self,
        name: &str,
        component_type: &str,
        endpoint: impl Into<String>,
    ) -> Endpoint {
        let component = self.components.pull(name, component_type, endpoint.into());
        if let Some(service) = self.service {
            component.served_by(service);
        }
        Endpoint::new(component)
    }

    /// Returns the state of collection and delivery, like [`Pipeline::health`](crate::Pipeline::health). Filters do not
    /// affect it.
    pub fn health(&self) -> Health {
        let last = self.collector.last();
        Health {
            targets: self.components.health(),
            store: self.collector.registry().store_health(),
            snapshot_age: last.as_ref().map(|(age, _)| *age),
            snapshot_points: last.map_or(0, |(_, snapshot)| snapshot.len()),
            settings: self.components.warnings.clone(),
        }
    }

    pub(crate) fn components(&self) -> &Components {
        &self.components
    }

    /// Returns a recent snapshot. Callbacks run on a thread of the pipeline, not on the caller's.
    ///
    /// # Errors
    ///
    /// Returns [`Closed`] after `shutdown()`, once the last snapshot is too old.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Closed> {
        let snapshot = self.take(Freshness::default()).await?;
        Ok(self.collector.served(snapshot))
    }

    /// Returns a recent snapshot like [`snapshot`](Self::snapshot), or `None` if the collection takes longer than
    /// `limit`. The collection then continues and serves later requests.
    ///
    /// # Errors
    ///
    /// Returns [`Closed`] after `shutdown()`, once the last snapshot is too old.
    pub async fn snapshot_within(&self, limit: Duration) -> Result<Option<Arc<Snapshot>>, Closed> {
        let source = self.clone();
        // Use the pipeline's runtime: the caller's, if there is one, may have no timer.
        let (reply, answer) = oneshot::channel();
        let waiting = async move {
            let _ = reply.send(timeout(limit, source.snapshot()).await);
        };
        task::spawn_on(&self.runtime, Box::pin(waiting));
        match answer.await {
            Ok(Ok(snapshot)) => snapshot.map(Some),
            Ok(Err(_)) => Ok(None),
            Err(_) => Err(Closed),
        }
    }

    /// Runs long work, such as encoding a snapshot with many series, on a blocking thread of the pipeline.
    ///
    /// # Errors
    ///
    /// Returns [`Closed`] after `shutdown()`.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Closed> {
        let (reply, answer) = oneshot::channel();
        let work = move || drop(reply.send(work()));
        task::run_blocking(&self.runtime, Box::new(work));
        answer.await.map_err(|_| Closed)
    }

    /// Returns a recent snapshot and blocks until it is taken. Callbacks may run on the calling thread. For programs
    /// without an async runtime.
    ///
    /// Works after `shutdown()` too.
    pub fn snapshot_blocking(&self) -> Arc<Snapshot> {
        let snapshot = self.collector.collect(Freshness::default());
        self.collector.served(match &self.filtered {
            Some(filtered) => filtered.apply(&snapshot),
            None => snapshot,
        })
    }

    // Boxed so that the future is compiled only in this crate.
    pub(crate) fn take(&self, freshness: Freshness) -> Boxed<'_, Result<Arc<Snapshot>, Closed>> {
        Box::pin(async move {
            let snapshot = self.take_all(freshness).await?;
            match self.filtered.clone() {
                Some(filtered) => self.run(move || filtered.apply(&snapshot)).await,
                None => Ok(snapshot),
            }
        })
    }

    /// Returns an unfiltered snapshot.
    async fn take_all(&self, freshness: Freshness) -> Result<Arc<Snapshot>, Closed> {
        let asked = Instant::now();
        if let Some(snapshot) = self.collector.cached(freshness, asked) {
            return Ok(snapshot);
        }
        let turn = self.turn.clone().lock_owned().await;
        if let Some(snapshot) = self.collector.cached(freshness, asked) {
            return Ok(snapshot);
        }
        if self.is_closed.load(Acquire) {
            return Err(Closed);
        }
        let (reply, answer) = oneshot::channel();
        let collector = self.collector.clone();
        let collect = move || {
            // The caller may have stopped waiting. The snapshot then serves the next request, which waits for the turn
            // until this collection ends.
            let _turn = turn;
            let _ = reply.send(collector.collect(freshness));
        };
        task::run_blocking(&self.runtime, Box::new(collect));
        answer.await.map_err(|_| Closed)
    }
}
