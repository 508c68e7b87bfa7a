//! How long to wait before another attempt.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// Waiting times that double, each cut by up to a half at random, so that many senders do not return together.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

impl Backoff {
    pub(crate) fn new() -> Self {
        Self { next: FIRST }
    }

    /// The next waiting time: at least what the receiver asked for.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(LONGEST);
        let cut = f64::from(random() >> 1) / f64::from(u32::MAX);
        full.mul_f64(1.0 - cut).max(asked.unwrap_or_default())
    }
}

fn random() -> u32 {
    // A new state has new random keys: enough to spread waiting times.
    RandomState::new().hash_one(0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_times_double_up_to_a_limit_and_are_spread() {
        let mut backoff = Backoff::new();
        let mut full = FIRST;
        for _ in 0..12 {
            let wait = backoff.next(None);
            assert!(wait <= full && wait >= full / 2, "{wait:?} of {full:?}");
            full = (full * 2).min(LONGEST);
        }
    }

    #[test]
    fn the_receiver_can_ask_for_more() {
        let asked = Duration::from_secs(90);
        assert_eq!(Backoff::new().next(Some(asked)), asked);
    }
}
