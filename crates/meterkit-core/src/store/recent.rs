//! The values that histograms recorded since the last collection, on their way to the collector.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use crate::data::{Interval, Intervals, SeriesId};
use crate::unpoisoned::Unpoisoned;

/// The intervals of one collection. They are kept only on request, because only targets that take deltas need them.
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

    /// Returns the intervals that were pushed since the last call.
    pub(crate) fn take(&self) -> Intervals {
        std::mem::take(&mut *self.taken.lock().unpoisoned()).into_iter().collect()
    }
}
