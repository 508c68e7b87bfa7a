//! Dates and times that never go back, even if the underlying clock is set back.

use std::time::{Duration, SystemTime};

/// How far a clock may be set back without a log line, because NTP does so regularly.
const UNREMARKABLE: Duration = Duration::from_secs(1);

/// Follows a clock that may be set forward and back, but never goes back itself.
///
/// When the clock is set forward, the timeline follows. When the clock is set back, the timeline continues at half the
/// speed of the monotonic clock until the clock has caught up. Intervals become shorter, but none is empty or negative.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    last: Option<Moment>,
    is_behind: bool,
}

#[derive(Clone, Copy, Debug)]
struct Moment {
    time: SystemTime,
    /// The reading of the monotonic clock.
    elapsed: Duration,
}

impl Timeline {
    pub(crate) const fn new() -> Self {
        Self { last: None, is_behind: false }
    }

    /// Returns the time when the clock shows `shown` and the monotonic clock shows `elapsed`. Also returns how far the
    /// clock was set back, once for each time that it was.
    pub(crate) fn at(
        &mut self,
        shown: SystemTime,
        elapsed: Duration,
    ) -> (SystemTime, Option<Duration>) {
        let Some(last) = self.last else {
            self.last = Some(Moment { time: shown, elapsed });
            return (shown, None);
        };
        // Threads may arrive here in a different order than they read the clocks.
        let passed = elapsed.saturating_sub(last.elapsed);
        let time = shown.max(last.time + passed / 2);
        self.last = Some(Moment { time, elapsed: elapsed.max(last.elapsed) });
        let behind = time.duration_since(shown).unwrap_or_default();
        let was_behind = std::mem::replace(&mut self.is_behind, behind > UNREMARKABLE);
        (time, Some(behind).filter(|_| self.is_behind && !was_behind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn time_continues_at_half_speed_after_the_clock_was_set_back() {
        let mut timeline = Timeline::default();
        for (shown, elapsed, expected, step_back) in [
            (5000, 0, 5000, None),
            (5010, 10, 5010, None),
            // An hour back.
            (1420, 20, 5015, Some(3595)),
            (1430, 30, 5020, None),
            (5010, 3610, 6810, None),
            // Caught up.
            (8620, 7220, 8620, None),
            (8630, 7230, 8630, None),
            // Forward, and back again.
            (9999, 7240, 9999, None),
            (8650, 7250, 10_004, Some(1354)),
        ] {
            let (time, told) = timeline.at(at(shown), seconds(elapsed));
            assert_eq!((time, told), (at(expected), step_back.map(seconds)), "{shown}");
        }
    }

    #[test]
    fn a_thread_that_comes_late_does_not_see_an_earlier_time() {
        let mut timeline = Timeline::default();
        timeline.at(at(100), seconds(100));
        assert_eq!(timeline.at(at(99), seconds(99)).0, at(100));
        assert_eq!(timeline.at(at(101), seconds(101)).0, at(101));
    }

    #[test]
    fn small_corrections_are_not_reported() {
        let mut timeline = Timeline::default();
        timeline.at(at(100), seconds(0));
        assert_eq!(timeline.at(at(99), seconds(0)), (at(100), None));
    }

    #[test]
    fn time_rises_whatever_the_clock_does() {
        let mut timeline = Timeline::default();
        let mut before = timeline.at(at(0), seconds(0)).0;
        // Any numbers will do; these are a Weyl sequence.
        for step in 1..10_000_u64 {
            let shown = step.wrapping_mul(0x9E37_79B9) % 100_000;
            let (now, _) = timeline.at(at(shown), seconds(step));
            assert!(now > before && now >= at(shown), "step {step}");
            before = now;
        }
    }
}
