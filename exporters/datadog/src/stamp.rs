//! Assigns a unique timestamp to each export.
//!
//! If two points of a series have the same second, Datadog keeps only the last one. Two exports of a count within one
//! second would therefore lose the first value, so that no two batches may have the same timestamp.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

/// The maximum age of a timestamp, in seconds. Datadog drops points that are older than an hour, and the agent may
/// delay them.
const STALE: u64 = 15 * 60;
/// How far in the future a timestamp may be, in seconds. Datadog drops points that are further ahead.
const FUTURE: u64 = 10 * 60;
/// How far timestamps may run ahead of the clock if there is more than one export per second, in seconds. Datadog
/// accepts ten minutes.
const LEAD: u64 = 60;

/// The number of remembered timestamps, which prevent reuse after the clock is set back: three hours at one per
/// second.
const REMEMBERED: usize = 3 * 3600;

/// The timestamps that one target has used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamps {
    last: u64,
    used: BTreeSet<u64>,
    /// The reading of the system clock when the last timestamp was assigned, and the instant of that reading.
    read: Option<(u64, Instant)>,
}

impl Stamps {
    /// Returns an unused timestamp for a snapshot that was taken at `time`: that time, or `now` if `time` is stale.
    /// If that timestamp is used or not later than the last one, the next unused one after both is returned.
    ///
    /// Timestamps rise even if the system clock, which shows `now`, was set back. If it was set back by more than ten
    /// minutes, they follow the clock, because Datadog would silently drop points that far in the future.
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

    /// Returns the time that the system clock, which shows `now`, would show if it had not been set back since the
    /// last timestamp was assigned. A clock that was set back must not give a batch that may have arrived another
    /// timestamp.
    pub(crate) fn not_set_back(&self, now: SystemTime) -> u64 {
        let passed = |(shown, at): (u64, Instant)| shown.saturating_add(at.elapsed().as_secs());
        seconds(now).max(self.read.map_or(0, passed))
    }

    /// Returns the time to wait until the next timestamp is not too far ahead of the clock.
    pub(crate) fn wait(&self, now: SystemTime) -> Duration {
        let ahead = (self.last + 1).saturating_sub(seconds(now));
        let excess = ahead.saturating_sub(LEAD);
        if excess > LEAD { Duration::ZERO } else { Duration::from_secs(excess) }
    }
}

/// Returns whether `stamp` is too far from `now` to be sent. Both are in seconds since 1970.
pub(crate) fn is_stale(stamp: u64, now: u64) -> bool {
    now.saturating_sub(stamp) > STALE || stamp.saturating_sub(now) > FUTURE
}

/// Returns a time in seconds since 1970.
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
            // Stale: too far in the past or the future.
            (110, 2000, 2000),
            (9000, 2003, 2003),
            // Late, but not stale.
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
