//! Where pull targets get their snapshots.

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

/// The source of snapshots for a scrape endpoint, or for a handler in the application's own server.
///
/// Concurrent requests share one collection, and one younger than `METERKIT_SNAPSHOT_MAX_AGE` (100 ms by default) is
/// used again, whoever it was for. Works on any runtime, and without one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Source {
    collector: Arc<Collector>,
    components: Arc<Components>,
    runtime: Handle,
    /// Which measurements may become exemplars once a target takes some.
    exemplar_filter: ExemplarFilter,
    /// The service of the pipeline that it was handed to.
    service: Option<usize>,
    /// What its snapshots leave out.
    filtered: Option<Arc<Filtered>>,
    /// All filters of the pipeline: targets with the same filter share its snapshots.
    filters: Arc<std::sync::Mutex<Vec<Arc<Filtered>>>>,
    /// Who waits for a collection waits here, not on a thread.
    turn: Arc<Mutex<()>>,
    /// The runtime ends a moment after the pipeline has answered that it has shut down.
    is_closed: Arc<AtomicBool>,
}

/// The pipeline has shut down.
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

    /// Returns a source of what `filter` leaves, for a pull target that is not to receive everything. It replaces a filter
    /// that this source has. Sources with equal filters share their snapshots.
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

    /// Returns a source for a service of the pipeline, which serves the endpoints that it asks for.
    pub(crate) fn for_service(&self, service: usize) -> Self {
        Self { service: Some(service), ..self.clone() }
    }

    /// Starts to record [exemplars](Snapshot::exemplars). To be called by those who export them.
    pub fn take_exemplars(&self) {
        self.collector.sample_exemplars(self.exemplar_filter);
    }

    /// Ends collections that run on the pipeline's threads, and the recording of exemplars.
    pub(crate) fn close(&self) {
        self.collector.sample_exemplars(ExemplarFilter::AlwaysOff);
        self.is_closed.store(true, Release);
    }

    /// Returns a pull target that serves these snapshots. Self-metrics and [`Health`](crate::Health) report on it.
    ///
    /// `name` is the target's, as in `OTEL_METRICS_EXPORTER`; `component_type` is one of those that OpenTelemetry's
    /// Semantic Conventions know, if one fits; `endpoint` is where it can be asked, without secrets. Asking twice for
    /// the same name and endpoint gives the same one.
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

    /// Returns the state of collection and delivery, as [`Pipeline::health`](crate::Pipeline::health) does. No filter
    /// changes it.
    pub fn health(&self) -> Health {
        let last = self.collector.last();
        Health {
            targets: self.components.health(),
            store: self.collector.registry().store_health(),
            snapshot_age: last.as_ref().map(|(age, _)| *age),
            snapshot_points: last.map_or(0, |(_, snapshot)| snapshot.len()),
            settings: Vec::new(),
        }
    }

    pub(crate) fn components(&self) -> &Components {
        &self.components
    }

    /// Returns a recent snapshot. Callbacks run on a thread of the pipeline, not on the caller's.
    ///
    /// # Errors
    ///
    /// [`Closed`] after `shutdown()`, once the last snapshot is too old.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Closed> {
        let snapshot = self.take(Freshness::default()).await?;
        Ok(self.collector.served(snapshot))
    }

    /// Returns a recent snapshot like [`snapshot`](Self::snapshot), or `None` if that takes longer than `limit`. The
    /// collection then goes on for later requests.
    ///
    /// # Errors
    ///
    /// [`Closed`] after `shutdown()`, once the last snapshot is too old.
    pub async fn snapshot_within(&self, limit: Duration) -> Result<Option<Arc<Snapshot>>, Closed> {
        let source = self.clone();
        // The caller's runtime, if it has any, may have no clock.
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

    /// Runs work that takes long, such as writing a snapshot of many series, on a thread of the pipeline that may
    /// block.
    ///
    /// # Errors
    ///
    /// [`Closed`] after `shutdown()`.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Closed> {
        let (reply, answer) = oneshot::channel();
        let work = move || drop(reply.send(work()));
        task::run_blocking(&self.runtime, Box::new(work));
        answer.await.map_err(|_| Closed)
    }

    /// Returns a recent snapshot, for programs without a runtime. Callbacks may run on this thread.
    ///
    /// Works after `shutdown()` too.
    pub fn snapshot_blocking(&self) -> Arc<Snapshot> {
        let snapshot = self.collector.collect(Freshness::default());
        self.collector.served(match &self.filtered {
            Some(filtered) => filtered.apply(&snapshot),
            None => snapshot,
        })
    }

    // Boxed, so that it is compiled in this crate only.
    pub(crate) fn take(&self, freshness: Freshness) -> Boxed<'_, Result<Arc<Snapshot>, Closed>> {
        Box::pin(async move {
            let snapshot = self.take_all(freshness).await?;
            match self.filtered.clone() {
                Some(filtered) => self.run(move || filtered.apply(&snapshot)).await,
                None => Ok(snapshot),
            }
        })
    }

    /// Returns a snapshot with all metrics.
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
            // Whoever asked may have gone: the snapshot then serves the next one, who waits as long as this runs.
            let _turn = turn;
            let _ = reply.send(collector.collect(freshness));
        };
        task::run_blocking(&self.runtime, Box::new(collect));
        answer.await.map_err(|_| Closed)
    }
}
