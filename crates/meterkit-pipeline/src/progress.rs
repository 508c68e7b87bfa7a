//! How far push targets have come: what they have not acknowledged must not get lost without a word.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard};

use meterkit_core::{AbsentSeries, Registry, Temporality, Unpoisoned};

use crate::delta::counted_something;

/// The last collections that the push targets of a pipeline have acknowledged.
#[derive(Debug)]
pub(crate) struct Progress {
    registry: Registry,
    /// How many collections earlier pipelines made of the registry.
    before: u64,
    targets: Mutex<Vec<Option<Acknowledged>>>,
    /// Whether a loss has been logged since a target last acknowledged something.
    is_logged: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
struct Acknowledged {
    temporality: Temporality,
    number: u64,
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

    /// Begins the collection with this number.
    pub(crate) fn begin(&self, number: u64) {
        self.registry.begin_collection(self.before + number);
    }

    /// Adds a target, which has nothing yet.
    pub(crate) fn of_target(self: &Arc<Self>, temporality: Temporality) -> TargetProgress {
        let mut targets = self.lock();
        targets.push(Some(Acknowledged { temporality, number: 0 }));
        self.tell_store(&targets);
        TargetProgress { progress: self.clone(), place: targets.len() - 1 }
    }

    /// Counts the series that are listed as absent no longer, although targets that take deltas lack them.
    pub(crate) fn forget(&self, forgotten: &[Arc<AbsentSeries>]) {
        let Some(acknowledged) = self.last_of_all(Temporality::Delta) else { return };
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

    /// Returns the last collection that all targets with this temporality have, if there are any.
    fn last_of_all(&self, temporality: Temporality) -> Option<u64> {
        last_of_all(&self.lock(), temporality)
    }

    /// Targets that take deltas get what ended series counted with the next delta: the store need not keep these.
    fn tell_store(&self, targets: &[Option<Acknowledged>]) {
        let delivered = last_of_all(targets, Temporality::Cumulative);
        self.registry.set_delivered(delivered.map(|number| self.before + number));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Option<Acknowledged>>> {
        self.targets.lock().unpoisoned()
    }
}

fn last_of_all(targets: &[Option<Acknowledged>], temporality: Temporality) -> Option<u64> {
    let of_temporality = targets.iter().flatten().filter(|it| it.temporality == temporality);
    of_temporality.map(|it| it.number).min()
}

impl TargetProgress {
    /// The target has the collection with this number.
    pub(crate) fn acknowledge(&self, number: u64) {
        self.change(|known| known.iter_mut().for_each(|it| it.number = it.number.max(number)));
        self.progress.is_logged.store(false, Relaxed);
    }

    fn change(&self, change: impl FnOnce(&mut Option<Acknowledged>)) {
        let mut targets = self.progress.lock();
        if let Some(known) = targets.get_mut(self.place) {
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
