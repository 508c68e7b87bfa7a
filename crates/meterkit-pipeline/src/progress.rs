//! The progress of targets: which collections they have acknowledged, so that no value is lost silently.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use meterkit_core::{AbsentSeries, Registry, ScopeMetrics, Temporality, Unpoisoned};

use crate::delta::counted_something;

/// How long ended series are kept for a pull target after its last scrape. After that time, Prometheus considers them
/// stale.
const PATIENCE: Duration = Duration::from_secs(300);

/// The last collections that the targets of a pipeline have received.
#[derive(Debug)]
pub(crate) struct Progress {
    registry: Registry,
    /// The number of collections that earlier pipelines took from the registry.
    before: u64,
    targets: Mutex<Targets>,
    /// Whether a loss has been logged since a target last acknowledged something.
    is_logged: AtomicBool,
}

#[derive(Debug, Default)]
struct Targets {
    push: Vec<Option<Acknowledged>>,
    /// The number of the last collection that was served to a pull target, and the time.
    served: Option<(u64, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    temporality: Temporality,
    number: u64,
    /// The number of the last collection whose export has started.
    begun: u64,
}

/// The progress of one target. When dropped, the pipeline no longer waits for the target.
#[derive(Debug)]
pub(crate) struct TargetProgress {
    progress: Arc<Progress>,
    place: usize,
}

impl Progress {
    pub(crate) fn new(registry: Registry) -> Self {
        let (before, targets) = (registry.last_collection(), Mutex::default());
        Self { registry, before, targets, is_logged: AtomicBool::new(false) }
    }

    /// Reads the registry for the collection with this number.
    pub(crate) fn collect(&self, number: u64) -> Vec<ScopeMetrics> {
        // Update the store first: scrapes may have stopped.
        self.tell_store(&self.lock());
        self.registry.collect(self.before + number)
    }

    /// Records that a pull target received the collection with this number.
    pub(crate) fn served(&self, number: u64) {
        let mut targets = self.lock();
        let last = targets.served.map_or(0, |(last, _)| last);
        targets.served = Some((last.max(number), Instant::now()));
        self.tell_store(&targets);
    }

    /// Adds a target that has not acknowledged any collection yet.
    pub(crate) fn of_target(self: &Arc<Self>, temporality: Temporality) -> TargetProgress {
        let mut targets = self.lock();
        targets.push.push(Some(Acknowledged { temporality, number: 0, begun: 0 }));
        self.tell_store(&targets);
        TargetProgress { progress: self.clone(), place: targets.push.len() - 1 }
    }

    /// Returns the numbers of the collections from which deltas start, now or once the current exports have succeeded.
    pub(crate) fn needed(&self) -> Vec<u64> {
        let targets = self.lock();
        targets.of(Temporality::Delta).flat_map(|it| [it.number, it.begun]).collect()
    }

    /// Counts and logs the series that snapshots no longer list as absent although a delta target still lacks their
    /// last values.
    pub(crate) fn forget(&self, forgotten: &[Arc<AbsentSeries>]) {
        let Some(acknowledged) = self.lock().last_of_all(Temporality::Delta) else { return };
        let missed = forgotten.iter().filter(|absent| absent.number > acknowledged);
        let series =
            missed.flat_map(|absent| absent.metrics()).map(|it| counted_something(&it.data));
        let series: usize = series.sum();
        if series > 0 {
            self.registry.count_undelivered(series as u64);
            if !self.is_logged.swap(true, Relaxed) {
                tracing::warn!(
                    series,
                    "series ended more than an hour ago, or more than 100,000 other series ended after them, before a \
                     target received their last values; these are lost for the target and counted in `meterkit.dropped`"
                );
            }
        }
    }

    /// Informs the store which collections have been delivered, and whether intervals are needed. Delta targets do not
    /// count here: their next delta includes the values of ended series, so the store need not keep those.
    fn tell_store(&self, targets: &Targets) {
        let pulled = targets.served.filter(|(_, at)| at.elapsed() < PATIENCE);
        let pushed = targets.last_of_all(Temporality::Cumulative);
        let delivered = pushed.into_iter().chain(pulled.map(|(number, _)| number)).min();
        self.registry.set_delivered(delivered.map(|number| self.before + number));
        self.registry.want_intervals(targets.of(Temporality::Delta).next().is_some());
    }

    fn lock(&self) -> MutexGuard<'_, Targets> {
        self.targets.lock().unpoisoned()
    }
}

impl Targets {
    /// Returns the last collection that all push targets of this temporality have acknowledged, if there are such
    /// targets.
    fn last_of_all(&self, temporality: Temporality) -> Option<u64> {
        self.of(temporality).map(|it| it.number).min()
    }

    fn of(&self, temporality: Temporality) -> impl Iterator<Item = &Acknowledged> {
        self.push.iter().flatten().filter(move |it| it.temporality == temporality)
    }
}

impl TargetProgress {
    /// Records that the target has started to export the collection with this number.
    pub(crate) fn begin(&self, number: u64) {
        self.change(|known| known.iter_mut().for_each(|it| it.begun = it.begun.max(number)));
    }

    /// Records that the target acknowledged the collection with this number.
    pub(crate) fn acknowledge(&self, number: u64) {
        self.change(|known| known.iter_mut().for_each(|it| it.number = it.number.max(number)));
        self.progress.is_logged.store(false, Relaxed);
    }

    fn change(&self, change: impl FnOnce(&mut Option<Acknowledged>)) {
        let mut targets = self.progress.lock();
        if let Some(known) = targets.push.get_mut(self.place) {
            change(known);
        }
        self.progress.tell_store(&targets);
    }
}

impl Drop for TargetProgress {
    fn drop(&mut self) {
        self.change(|known| *known = None);
    }
}
