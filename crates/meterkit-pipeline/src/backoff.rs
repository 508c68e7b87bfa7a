//! Back-off: how long to wait after a failed export before the receiver is asked again.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use crate::export_error::ExportError;
use crate::moment::after;

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// The longest wait that a receiver is granted: a wrong date in `Retry-After` must not silence a target for a year.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// The back-off of one target. Waits double until an export succeeds, and each is shortened by a random share of up to
/// one half, so that many senders do not retry at the same moment. A receiver may ask for a longer wait.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    waiting: Option<Waiting>,
}

/// A period in which nothing is sent.
#[derive(Debug)]
struct Waiting {
    until: Instant,
    /// The end of the wait that the receiver asked for, if any.
    asked_until: Option<Instant>,
    error: ExportError,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST, waiting: None }
    }
}

impl Backoff {
    /// Starts a wait after `error`, unless the receiver refuses the content of the request, which a retry would not
    /// change. A receiver that refuses the sender is asked less and less often until somebody changes a setting.
    pub(crate) fn failed(&mut self, error: &ExportError) {
        if !error.is_retryable() && !error.cause().is_of_sender() {
            return self.waiting = None;
        }
        let asked = error.retry_after().map(|asked| asked.min(LONGEST_ASKED));
        let own = self.next_wait();
        self.waiting = Some(Waiting {
            until: after(own.max(asked.unwrap_or_default())),
            asked_until: asked.map(after),
            error: error.clone(),
        });
    }

    /// Resets the back-off to its initial state.
    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Returns the remaining wait, and the error to report for an export that does not wait that long. If `is_asked` (a
    /// flush requested the export), only a wait that the receiver asked for counts.
    pub(crate) fn rest(&self, is_asked: bool) -> Option<(Duration, ExportError)> {
        let Waiting { until, asked_until, error } = self.waiting.as_ref()?;
        let until = if is_asked { (*asked_until)? } else { *until };
        let rest = until.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            return None;
        }
        let retry_after = asked_until.map(|_| rest);
        let who = if retry_after.is_some() { "the receiver asked for" } else { "back-off of" };
        let reason = format!("{error} ({who} {:.1} s more)", rest.as_secs_f64());
        let again = if error.is_retryable() {
            ExportError::retryable(reason).with_retry_after(retry_after)
        } else {
            ExportError::permanent(reason)
        };
        Some((rest, again.with_cause(error.cause())))
    }

    fn next_wait(&mut self) -> Duration {
        let full = self.next;
        self.next = (full * 2).min(LONGEST);
        let cut = f64::from(random() >> 1) / f64::from(u32::MAX);
        full.mul_f64(1.0 - cut)
    }
}

fn random() -> u32 {
    // Each `RandomState` has new random keys, which is random enough to spread waits.
    RandomState::new().hash_one(0) as u32
}

#[cfg(test)]
mod tests {
    use meterkit_rules::Cause;

    use super::*;

    fn rest(backoff: &Backoff, is_asked: bool) -> Duration {
        backoff.rest(is_asked).map_or(Duration::ZERO, |(rest, _)| rest)
    }

    fn asking_for(asked: Duration) -> ExportError {
        ExportError::retryable("busy").with_retry_after(Some(asked))
    }

    #[test]
    fn waiting_times_double_up_to_a_limit_and_are_spread() {
        let mut backoff = Backoff::default();
        let mut full = FIRST;
        for _ in 0..12 {
            let wait = backoff.next_wait();
            assert!(wait <= full && wait >= full / 2, "{wait:?} of {full:?}");
            full = (full * 2).min(LONGEST);
        }
    }

    #[test]
    fn the_receiver_can_ask_for_more() {
        let asked = Duration::from_secs(90);
        let mut backoff = Backoff::default();
        backoff.failed(&asking_for(asked));
        for is_asked in [false, true] {
            let rest = rest(&backoff, is_asked);
            assert!(rest > asked - Duration::from_secs(30) && rest <= asked, "{rest:?}");
        }
    }

    #[test]
    fn what_the_receiver_asks_for_has_a_limit() {
        let mut backoff = Backoff::default();
        for asked in [LONGEST_ASKED * 2, Duration::MAX] {
            backoff.failed(&asking_for(asked));
            assert!(rest(&backoff, true) <= LONGEST_ASKED);
            assert!(rest(&backoff, true) > LONGEST_ASKED / 2);
        }
    }

    #[test]
    fn an_export_that_someone_asks_for_waits_for_the_receiver_only() {
        let mut backoff = Backoff::default();
        for _ in 0..10 {
            backoff.failed(&ExportError::retryable("busy"));
        }
        assert!(rest(&backoff, false) > Duration::from_secs(10));
        assert_eq!(rest(&backoff, true), Duration::ZERO);
        backoff.failed(&ExportError::permanent("bad"));
        assert_eq!(rest(&backoff, false), Duration::ZERO, "waiting does not help");
        let refused = ExportError::permanent("bad key").with_cause(Cause::Http(401));
        backoff.failed(&refused);
        assert!(rest(&backoff, false) > Duration::from_secs(10), "each attempt would be refused");
        assert_eq!(rest(&backoff, true), Duration::ZERO, "the key may have been changed by now");
        backoff.failed(&ExportError::retryable("busy"));
        backoff.succeeded();
        assert_eq!(rest(&backoff, false), Duration::ZERO);
        assert_eq!(backoff.next, FIRST);
    }
}
