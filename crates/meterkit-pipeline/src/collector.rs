//! Collections. Only one runs at a time, and all requests that arrive meanwhile share its snapshot.

use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use meterkit_core::{Attributes, Collections, ExemplarFilter, Registry, Unpoisoned, in_callback};

use crate::history::History;
use crate::progress::Progress;
use crate::self_metrics::SelfMetrics;
use crate::snapshot::Snapshot;
use crate::views::{Totals, Views};

thread_local! {
    /// Whether this thread is taking a snapshot: a callback that requests a snapshot must not wait for its own
    /// collection.
    static IS_TAKING: Cell<bool> = const { Cell::new(false) };
}

/// Takes snapshots of a registry.
#[derive(Debug)]
pub(crate) struct Collector {
    registry: Registry,
    resource: Attributes,
    max_age: Duration,
    metrics: Arc<SelfMetrics>,
    views: Views,
    progress: Arc<Progress>,
    /// Locked by the thread that takes a snapshot; only one thread does at a time.
    memory: Mutex<Memory>,
    flight: Mutex<Flight>,
    landed: Condvar,
}

/// The state that is carried from one snapshot to the next.
#[derive(Debug, Default)]
struct Memory {
    collections: Collections,
    totals: Totals,
    history: History,
}

#[derive(Debug, Default)]
struct Flight {
    is_running: bool,
    last: Option<Taken>,
}

#[derive(Clone, Debug)]
struct Taken {
    snapshot: Arc<Snapshot>,
    started: Instant,
    ended: Instant,
}

/// Which snapshots satisfy a request. By default, any that is younger than `METERKIT_SNAPSHOT_MAX_AGE` or whose
/// collection is already running; the fields tighten this.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Freshness {
    /// The collection must have started after this moment, so that it contains everything recorded before.
    pub(crate) since: Option<Instant>,
    /// The snapshot must be newer than the one with this number, which the requester already has.
    pub(crate) after: u64,
}

impl Collector {
    pub(crate) fn new(
        registry: Registry,
        resource: Attributes,
        max_age: Duration,
        metrics: Arc<SelfMetrics>,
        views: Views,
        progress: Arc<Progress>,
    ) -> Self {
        Self {
            registry,
            resource,
            max_age,
            metrics,
            views,
            progress,
            memory: Mutex::default(),
            flight: Mutex::default(),
            landed: Condvar::new(),
        }
    }

    /// Returns the last snapshot if it is fresh enough for a request made at `asked`.
    pub(crate) fn cached(&self, freshness: Freshness, asked: Instant) -> Option<Arc<Snapshot>> {
        self.lock().cached(freshness, asked, self.max_age)
    }

    /// Returns the last snapshot, the one that is being taken, or a new one. May take long because it runs callbacks.
    pub(crate) fn collect(&self, freshness: Freshness) -> Arc<Snapshot> {
        if IS_TAKING.get() || in_callback() {
            return self.without_callbacks();
        }
        let asked = Instant::now();
        let mut flight = self.lock();
        loop {
            if let Some(snapshot) = flight.cached(freshness, asked, self.max_age) {
                return snapshot;
            }
            if !flight.is_running {
                break;
            }
            flight = self.landed.wait(flight).unpoisoned();
        }
        flight.is_running = true;
        drop(flight);

        let landing = Landing(self);
        IS_TAKING.set(true);
        let started = Instant::now();
        let snapshot = Arc::new(self.take());
        let taken = Taken { snapshot: snapshot.clone(), started, ended: Instant::now() };
        // This appears in the next snapshot; the current one is complete.
        self.metrics.collected(taken.ended - started);
        self.lock().last = Some(taken);
        drop(landing);
        snapshot
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn sample_exemplars(&self, filter: ExemplarFilter) {
        self.registry.sample_exemplars(filter);
    }

    /// Records that a pull target received `snapshot`, and returns the snapshot.
    pub(crate) fn served(&self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        self.progress.served(snapshot.number);
        snapshot
    }

    /// Returns the time since the last collection ended, and its snapshot.
    pub(crate) fn last(&self) -> Option<(Duration, Arc<Snapshot>)> {
        self.lock().last.as_ref().map(|last| (last.ended.elapsed(), last.snapshot.clone()))
    }

    /// Returns the last snapshot, or else the current content of the store. Runs no callbacks, so a callback may call
    /// this.
    fn without_callbacks(&self) -> Arc<Snapshot> {
        let last = self.lock().last.as_ref().map(|taken| taken.snapshot.clone());
        last.unwrap_or_else(|| {
            let mut totals = Totals::default();
            let scopes = self.registry.read();
            let time = self.registry.time_after(None);
            let mut exemplars = self.registry.exemplars(time);
            let scopes =
                self.views.apply_in(&self.registry, scopes, &mut totals, time, &mut exemplars);
            let (names, exemplars) = (self.registry.prometheus_names(), Arc::new(exemplars));
            let snapshot = Snapshot::new(self.resource.clone(), time, scopes);
            Arc::new(Snapshot { names, exemplars, ..snapshot })
        })
    }

    fn take(&self) -> Snapshot {
        self.registry.refresh();
        let number = self.memory.lock().unpoisoned().collections.number() + 1;
        let scopes = self.progress.collect(number);
        let last = self.lock().last.as_ref().map(|taken| taken.snapshot.clone());
        // The time is read after the values, because a series may have started while others were being read.
        let time = self.registry.time_after(last.as_ref().map(|last| last.time));
        let mut memory = self.memory.lock().unpoisoned();
        let Memory { collections, totals, history } = &mut *memory;
        let mut intervals = self.registry.take_intervals();
        let mut exemplars = self.registry.exemplars(time);
        let scopes = self.views.apply_in(&self.registry, scopes, totals, time, &mut exemplars);
        totals.add_intervals(&mut intervals);
        history.add(number, intervals, &self.progress.needed());
        let before = last.as_ref().map_or(&[][..], |last| &last.scopes);
        let forgotten = collections.add(before, &scopes, time);
        self.progress.forget(&forgotten);
        totals.forget(&forgotten);
        self.registry.forget(&forgotten);
        Snapshot {
            resource: self.resource.clone(),
            time,
            scopes,
            number: collections.number(),
            absent: collections.absent().to_vec(),
            names: self.registry.prometheus_names(),
            history: history.clone(),
            exemplars: Arc::new(exemplars),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Flight> {
        self.flight.lock().unpoisoned()
    }
}

impl Flight {
    fn cached(
        &self,
        freshness: Freshness,
        asked: Instant,
        max_age: Duration,
    ) -> Option<Arc<Snapshot>> {
        let last = self.last.as_ref()?;
        let is_fresh = match freshness.since {
            Some(moment) => last.started >= moment,
            None => last.ended >= asked || last.ended.elapsed() < max_age,
        };
        let is_new = last.snapshot.number > freshness.after;
        (is_fresh && is_new).then(|| last.snapshot.clone())
    }
}

/// Lets the next collection start when dropped, even after a panic.
struct Landing<'a>(&'a Collector);

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        IS_TAKING.set(false);
        self.0.lock().is_running = false;
        self.0.landed.notify_all();
    }
}
