//! What became of the values that were to be sent.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use meterkit_core::{LogOnce, Unpoisoned};

/// Counts of one target of remote write, to keep when the target is handed to the pipeline. Clones share them.
///
/// A value here is a sample or a native histogram. A histogram with fixed buckets has one for each bucket and three
/// more.
#[derive(Clone, Debug, Default)]
pub struct RemoteWriteCounts(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    refused: AtomicU64,
    dropped: AtomicU64,
    waiting_requests: AtomicU64,
    waiting_bytes: AtomicU64,
    /// What was logged, so that it is not logged again with every export: refusals, and what is not the receiver's.
    refusals: LogOnce,
    dropped_is_told: AtomicBool,
    /// Why the disk keeps nothing.
    disk_problem: Mutex<Option<String>>,
    too_large_is_told: AtomicBool,
}

impl RemoteWriteCounts {
    /// Values that the receiver took.
    pub fn written(&self) -> u64 {
        self.0.written.load(Relaxed)
    }

    /// Values that the receiver refused for good. They are not sent again.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Relaxed)
    }

    /// Values that were never delivered, as the queue was full or they grew too old in it.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Relaxed)
    }

    /// Requests that wait for the receiver.
    pub fn waiting_requests(&self) -> u64 {
        self.0.waiting_requests.load(Relaxed)
    }

    /// Returns how many bytes of memory those take.
    pub fn waiting_bytes(&self) -> u64 {
        self.0.waiting_bytes.load(Relaxed)
    }

    pub(crate) fn add_written(&self, values: u64) {
        self.0.written.fetch_add(values, Relaxed);
        if values > 0 {
            self.0.dropped_is_told.store(false, Relaxed);
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

    /// Whether this reason to refuse values is new.
    pub(crate) fn is_new_refusal(&self, reason: &str) -> bool {
        self.0.refusals.is_new(reason)
    }

    /// Whether to say that values were dropped: once until some are delivered.
    pub(crate) fn says_dropped(&self) -> bool {
        !self.0.dropped_is_told.swap(true, Relaxed)
    }

    /// Notes that the disk keeps nothing. Returns whether to say so: once until it does.
    pub(crate) fn disk_fails(&self, problem: &str) -> bool {
        self.0.disk_problem.lock().unpoisoned().replace(problem.to_owned()).is_none()
    }

    pub(crate) fn disk_works(&self) {
        *self.0.disk_problem.lock().unpoisoned() = None;
    }

    /// Returns why the disk keeps nothing, until it does.
    pub(crate) fn disk_problem(&self) -> Option<String> {
        self.0.disk_problem.lock().unpoisoned().clone()
    }

    /// Whether to say that requests were too large: once.
    pub(crate) fn says_too_large(&self) -> bool {
        !self.0.too_large_is_told.swap(true, Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_refusals_hides_what_else_is_lost() {
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
