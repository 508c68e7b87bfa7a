//! Timestamps, of which each export needs its own.
//!
//! Of two points of a series that have the same second, Datadog keeps the last. So counts that are sent twice within a
//! second would lose the first one, and no two batches get the same timestamp.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

/// How old a timestamp may get. Datadog drops what is older than an hour, and the agent may have to keep it for a
/// while.
const STALE: u64 = 15 * 60;
/// How far in the future a timestamp may be: Datadog drops what is further ahead.
const FUTURE: u64 = 10 * 60;
/// How far timestamps may run ahead of the clock when exports come faster than seconds do. Datadog takes ten minutes.
const LEAD: u64 = 60;

/// How many timestamps are remembered, for a clock that is set back: those of three hours at one per second.
const REMEMBERED: usize = 3 * 3600;

/// The timestamps of one target.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamps {
    last: u64,
    used: BTreeSet<u64>,
    /// What the system's clock showed when the last one was made, and when that was.
    read: Option<(u64, Instant)>,
}

impl Stamps {
    /// Returns a timestamp that no batch had before, for a snapshot taken at `time`: that time, unless it is stale.
    ///
    /// Timestamps rise, also when the system's clock, which shows `now`, was set back. If it was set back by more than
    /// ten minutes, they follow it, since Datadog would drop all of them without a word.
    pub(crate) fn next(&mut self, time: SystemTime, now: SystemTime) -> u64 {
        let (time, now) = (seconds(time), seconds(now));
        self.read = Some((now, Instant::now()));
        let wanted = if is_stale(time, now) { now } else { time };
        let is_ahead = self.last > now + FUTURE;
        let mut stamp = if is_ahead { wanted } else { wanted.max(self.last + 1) };
        while !self.used.insert(stamp) {
            stamp += 1;
        }
        if self.used.len() > REMEMBERED {
            self.used.pop_first();
        }
        self.last = stamp;
        stamp
    }

    /// Returns what the system's clock, which shows `now`, would show if it had not been set back since the last timestamp
    /// was made: a batch that may have arrived must not get another timestamp because of that.
    pub(crate) fn not_set_back(&self, now: SystemTime) -> u64 {
        let passed = |(shown, at): (u64, Instant)| shown.saturating_add(at.elapsed().as_secs());
        seconds(now).max(self.read.map_or(0, passed))
    }

    /// How long to wait until the next one is not too far ahead.
    pub(crate) fn wait(&self, now: SystemTime) -> Duration {
        let ahead = (self.last + 1).saturating_sub(seconds(now));
        let excess = ahead.saturating_sub(LEAD);
        if excess > LEAD { Duration::ZERO } else { Duration::from_secs(excess) }
    }
}

/// Returns whether `stamp` is too far from now to be sent.
pub(crate) fn is_stale(stamp: u64, now: u64) -> bool {
    now.saturating_sub(stamp) > STALE || stamp.saturating_sub(now) > FUTURE
}

/// Seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    #[test]
    fn each_batch_has_a_second_of_its_own() {
        let mut stamps = Stamps::default();
        for (time, now, expected) in [
            (100, 100, 100),
            (100, 100, 101),
            (101, 101, 102),
            (110, 110, 110),
            // Stale, of the past or the future.
            (110, 2000, 2000),
            (9000, 2003, 2003),
            // Late, but early enough.
            (2010, 2300, 2010),
            (2010, 2300, 2011),
        ] {
            let stamp = stamps.next(at(time), at(now));
            assert_eq!(stamp - 1_000_000, expected, "{time} {now}");
        }
    }

    #[test]
    fn exports_in_quick_succession_wait_before_they_are_a_minute_ahead() {
        let mut stamps = Stamps::default();
        for _ in 0..60 {
            assert_eq!(stamps.wait(at(0)), Duration::ZERO);
            stamps.next(at(0), at(0));
        }
        stamps.next(at(0), at(0));
        assert_eq!(stamps.wait(at(0)), Duration::from_secs(1));
        assert_eq!(stamps.wait(at(1)), Duration::ZERO);
    }

    #[test]
    fn no_second_is_used_twice_however_the_clock_jumps() {
        let (mut stamps, mut used) = (Stamps::default(), BTreeSet::new());
        for step in 0..200 {
            let shown = at(10_000 + step / 3 + 3600 * (step % 3));
            assert!(used.insert(stamps.next(shown, shown)), "step {step}");
        }
    }

    #[test]
    fn a_clock_that_was_put_back_makes_no_timestamp_stale() {
        let mut stamps = Stamps::default();
        let stamp = stamps.next(at(10_000), at(10_000));
        assert!(!is_stale(stamp, stamps.not_set_back(at(6400))));
        assert!(is_stale(stamp, stamps.not_set_back(at(13_600))));
    }

    #[test]
    fn timestamps_rise_when_the_clock_was_put_back_a_little() {
        let mut stamps = Stamps::default();
        for (time, now, expected) in [(1000, 1000, 1000), (600, 600, 1001), (990, 610, 1002)] {
            assert_eq!(stamps.next(at(time), at(now)) - 1_000_000, expected, "{time} {now}");
        }
    }

    #[test]
    fn a_clock_that_was_put_back_is_followed() {
        let mut stamps = Stamps::default();
        stamps.next(at(10_000), at(10_000));
        assert_eq!(stamps.wait(at(0)), Duration::ZERO);
        assert_eq!(stamps.next(at(0), at(0)), 1_000_000);
        assert_eq!(stamps.next(at(0), at(0)), 1_000_001);
    }
}
