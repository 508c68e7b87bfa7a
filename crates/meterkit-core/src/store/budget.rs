//! Counts how much of a limited resource is in use.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

/// How much of a resource is in use. The limit is passed to each call, because it may change.
#[derive(Debug, Default)]
pub(crate) struct Budget(AtomicUsize);

impl Budget {
    pub(crate) fn taken(&self) -> usize {
        self.0.load(Relaxed)
    }

    /// Takes one unit, unless `limit` units are in use. Returns whether it was taken.
    pub(crate) fn try_take(&self, limit: usize) -> bool {
        let one_more = |taken| (taken < limit).then_some(taken + 1);
        self.0.fetch_update(Relaxed, Relaxed, one_more).is_ok()
    }

    /// Takes one unit regardless of the limit.
    pub(crate) fn take(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(crate) fn give_back(&self, taken: usize) {
        self.0.fetch_sub(taken, Relaxed);
    }
}
