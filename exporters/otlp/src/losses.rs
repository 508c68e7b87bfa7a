//! Counts of points and requests that receivers did not accept.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use meterkit_core::LogOnce;

/// Counts of points and requests that the receiver of one target did not accept, for self-metrics. Clones share the
/// counts.
#[derive(Clone, Debug, Default)]
pub struct Losses(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    rejected_points: AtomicU64,
    oversized_requests: AtomicU64,
    /// The messages that were logged, so that they are not logged again with every export.
    told: LogOnce,
}

impl Losses {
    /// Returns the number of points that will not be sent again, because the receiver rejected them in a partial
    /// success or refused one of several requests, or because JSON cannot represent them.
    pub fn rejected_points(&self) -> u64 {
        self.0.rejected_points.load(Ordering::Relaxed)
    }

    /// Returns the number of requests that the receiver refused because of their size. They were split and sent again.
    pub fn oversized_requests(&self) -> u64 {
        self.0.oversized_requests.load(Ordering::Relaxed)
    }

    pub(crate) fn reject(&self, points: u64) {
        self.0.rejected_points.fetch_add(points, Ordering::Relaxed);
    }

    pub(crate) fn count_oversized(&self) {
        self.0.oversized_requests.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether neither this value nor one of its clones has seen `message` before.
    pub(crate) fn is_news(&self, message: &str) -> bool {
        self.0.told.is_new(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_new_to_only_one_of_all_clones() {
        let losses = Losses::default();
        assert!(losses.is_news("bad metric"));
        let same = losses.clone();
        assert!(!same.is_news("bad metric") && same.is_news("bad unit"));
        assert!(!losses.is_news("bad unit"));
    }
}
