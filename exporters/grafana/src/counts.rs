//! Counts of sent, refused, dropped and waiting values.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use meterkit_core::{LogOnce, Unpoisoned};

/// Counts of one remote write target. Clones share the same counts, so that a clone stays readable after the target
/// is handed to the pipeline.
///
/// Each sample and each native histogram counts as one value. A classic histogram has one sample for each bucket
/// boundary, and three more: the bucket `+Inf`, the sum and the count.
#[derive(Clone, Debug, Default)]
pub struct RemoteWriteCounts(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    waiting_requests: AtomicU64,
    waiting_bytes: AtomicU64,
    /// Refusals that have been logged, so that they are not logged again with every export. The fields below do the
    /// same for dropped values, disk failures and oversized requests.
    refusals: LogOnce,
    dropped_is_logged: AtomicBool,
    /// The error of the disk, until a write to it succeeds.
    disk_problem: Mutex<Option<String>>,
    too_large_is_logged: AtomicBool,
}

impl RemoteWriteCounts {
    /// Returns the number of values that the receiver accepted.
    pub fn written(&self) -> u64 {
        self.0.written.load(Relaxed)
    }

    /// Returns the number of values that the receiver refused permanently. They are not sent again.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Relaxed)
    }

    /// Returns the number of values that were dropped undelivered, because the queue was full or the values in it
    /// became too old.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Relaxed)
    }

    /// Returns the number of requests in the queue.
    pub fn waiting_requests(&self) -> u64 {
        self.0.waiting_requests.load(Relaxed)
    }

    /// Returns the memory that the queued requests take, in bytes.
    pub fn waiting_bytes(&self) -> u64 {
        self.0.waiting_bytes.load(Relaxed)
    }

    pub(crate) fn add_written(&self, values: u64) {
        self.0.written.fetch_add(values, Relaxed);
        if values > 0 {
            self.0.dropped_is_logged.store(false, Relaxed);
        }
    }

    pub(crate) fn add_refused(&self, values: u64) {
        self.0.refused.fetch_add(values, Relaxed);
    }

    pub(crate) fn add_dropped(&self, values: u64) {
        self.0.dropped.fetch_add(values, Relaxed);
    }

    pub(crate) fn set_waiting(&self, requests: usize, bytes: usize) {
        self.0.waiting_requests.store(requests as u64, Relaxed);
        self.0.waiting_bytes.store(bytes as u64, Relaxed);
    }

    /// Returns whether this reason for a refusal has not been logged yet.
    pub(crate) fn is_new_refusal(&self, reason: &str) -> bool {
        self.0.refusals.is_new(reason)
    }

    /// Returns whether to log that values were dropped: once, and again only after a delivery.
    pub(crate) fn says_dropped(&self) -> bool {
        !self.0.dropped_is_logged.swap(true, Relaxed)
    }

    /// Records a failure to write to the disk. Returns whether to log it: once, and again only after a write
    /// succeeds.
    pub(crate) fn disk_fails(&self, problem: &str) -> bool {
        self.0.disk_problem.lock().unpoisoned().replace(problem.to_owned()).is_none()
    }

    pub(crate) fn disk_works(&self) {
        *self.0.disk_problem.lock().unpoisoned() = None;
    }

    /// Returns the error of the disk, until a write to it succeeds.
    pub(crate) fn disk_problem(&self) -> Option<String> {
        self.0.disk_problem.lock().unpoisoned().clone()
    }

    /// Returns whether to log that requests were too large: only the first time.
    pub(crate) fn says_too_large(&self) -> bool {
        !self.0.too_large_is_logged.swap(true, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_refusals_do_not_suppress_other_log_lines() {
        let counts = RemoteWriteCounts::default();
        let new = (0..1000).filter(|at| counts.is_new_refusal(&format!("series {at}"))).count();
        assert!((1..1000).contains(&new));
        assert!(counts.says_dropped() && counts.disk_fails("full") && counts.says_too_large());
        assert!(!counts.says_dropped() && !counts.disk_fails("full") && !counts.says_too_large());
        counts.add_written(1);
        counts.disk_works();
        assert!(counts.says_dropped() && counts.disk_fails("full") && !counts.says_too_large());
    }
}
