//! How far targets have come: what they have not acknowledged must not get lost without a word.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use meterkit_core::{AbsentSeries, Registry, ScopeMetrics, Temporality, Unpoisoned};

use crate::delta::counted_something;

/// How long a pull target is waited for after its last scrape. Prometheus forgets what it has not seen for so long.
const PATIENCE: Duration = Duration::from_secs(300);

/// The last collections that the push targets of a pipeline have acknowledged.
#[derive(Debug)]
pub(crate) struct Progress {
    registry: Registry,
    /// How many collections earlier pipelines made of the registry.
    before: u64,
    targets: Mutex<Targets>,
    /// Whether a loss has been logged since a target last acknowledged something.
    is_logged: AtomicBool,
}

#[derive(Debug, Default)]
struct Targets {
    push: Vec<Option<Acknowledged>>,
    /// The last collection that was served to a pull target, and when.
    served: Option<(u64, Instant)>,
}

#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    temporality: Temporality,
    number: u64,
    /// The collection that it has begun to export.
    begun: u64,
}

/// How far one target has come. It is not waited for any more once this is dropped.
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
        // Scrapes may have stopped.
        self.tell_store(&self.lock());
        self.registry.collect(self.before + number)
    }

    /// A pull target was given the collection with this number.
    pub(crate) fn served(&self, number: u64) {
        let mut targets = self.lock();
        let last = targets.served.map_or(0, |(last, _)| last);
        targets.served = Some((last.max(number), Instant::now()));
        self.tell_store(&targets);
    }

    /// Adds a target, which has nothing yet.
    pub(crate) fn of_target(self: &Arc<Self>, temporality: Temporality) -> TargetProgress {
        let mut targets = self.lock();
        targets.push.push(Some(Acknowledged { temporality, number: 0, begun: 0 }));
        self.tell_store(&targets);
        TargetProgress { progress: self.clone(), place: targets.push.len() - 1 }
    }

    /// Returns the collections from which deltas begin, now or once an export has succeeded.
    pub(crate) fn needed(&self) -> Vec<u64> {
        let targets = self.lock();
        targets.of(Temporality::Delta).flat_map(|it| [it.number, it.begun]).collect()
    }

    /// Counts the series that are listed as absent no longer, although targets that take deltas lack them.
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
                    "series ended more than an hour ago, or more than 100,000 others have since, and a target still \
                     lacks their last values: they are lost for it, and counted in `meterkit.dropped`"
                );
            }
        }
    }

    /// Targets that take deltas get what ended series counted with the next delta: the store need not keep these.
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
    /// Returns the last collection that all push targets with this temporality have, if there are any.
    fn last_of_all(&self, temporality: Temporality) -> Option<u64> {
        self.of(temporality).map(|it| it.number).min()
    }

    fn of(&self, temporality: Temporality) -> impl Iterator<Item = &Acknowledged> {
        self.push.iter().flatten().filter(move |it| it.temporality == temporality)
    }
}

impl TargetProgress {
    /// The target begins to export the collection with this number.
    pub(crate) fn begin(&self, number: u64) {
        self.change(|known| known.iter_mut().for_each(|it| it.begun = it.begun.max(number)));
    }

    /// The target has the collection with this number.
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
