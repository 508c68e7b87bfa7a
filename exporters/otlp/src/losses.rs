//! What receivers did not take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use meterkit_core::LogOnce;

/// Counts of what the receiver of one target did not take, for self-metrics. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Losses(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    rejected_points: AtomicU64,
    oversized_requests: AtomicU64,
    /// What was logged, so that it is not logged again with every export.
    told: LogOnce,
}

impl Losses {
    /// Points that will not be sent again: the receiver rejected them in a partial success, or refused the one request
    /// of several that they were in, or JSON cannot express them.
    pub fn rejected_points(&self) -> u64 {
        self.0.rejected_points.load(Ordering::Relaxed)
    }

    /// Requests that the receiver refused because of their size. They were split, and sent again in smaller ones.
    pub fn oversized_requests(&self) -> u64 {
        self.0.oversized_requests.load(Ordering::Relaxed)
    }

    pub(crate) fn reject(&self, points: u64) {
        self.0.rejected_points.fetch_add(points, Ordering::Relaxed);
    }

    pub(crate) fn count_oversized(&self) {
        self.0.oversized_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether `message` is new to all clones.
    pub(crate) fn is_news(&self, message: &str) -> bool {
        self.0.told.is_new(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_news_to_one_of_all_clones() {
        let losses = Losses::default();
        assert!(losses.is_news("bad metric"));
        let same = losses.clone();
        assert!(!same.is_news("bad metric") && same.is_news("bad unit"));
        assert!(!losses.is_news("bad unit"));
    }
}
