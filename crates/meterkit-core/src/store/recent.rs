//! What histograms recorded since the collection before, on its way to whoever collects.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use crate::data::{Interval, Intervals, SeriesId};
use crate::unpoisoned::Unpoisoned;

/// The intervals of one collection. Nothing is kept unless someone wants them: only targets that take deltas do.
#[derive(Default)]
pub(crate) struct RecentIntervals {
    are_wanted: AtomicBool,
    taken: Mutex<Vec<(SeriesId, Interval)>>,
}

impl RecentIntervals {
    pub(crate) fn are_wanted(&self) -> bool {
        self.are_wanted.load(Relaxed)
    }

    pub(crate) fn want(&self, are_wanted: bool) {
        self.are_wanted.store(are_wanted, Relaxed);
    }

    pub(crate) fn push(&self, series: SeriesId, interval: Interval) {
        self.taken.lock().unpoisoned().push((series, interval));
    }

    /// Returns what was pushed since the last time.
    pub(crate) fn take(&self) -> Intervals {
        std::mem::take(&mut *self.taken.lock().unpoisoned()).into_iter().collect()
    }
}
