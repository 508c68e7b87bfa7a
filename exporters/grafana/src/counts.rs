//! What became of the values that were to be sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use meterkit_http::News;

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
    /// What was logged, so that it is not logged again with every export.
    told: News,
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

    /// How many bytes those have.
    pub fn waiting_bytes(&self) -> u64 {
        self.0.waiting_bytes.load(Relaxed)
    }

    pub(crate) fn add_written(&self, values: u64) {
        self.0.written.fetch_add(values, Relaxed);
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

    /// Whether `message` is new to all clones.
    pub(crate) fn is_news(&self, message: &str) -> bool {
        self.0.told.is_new(message)
    }
}
