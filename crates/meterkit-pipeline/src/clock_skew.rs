//! Clock skew: the difference between a receiver's clock and the clock of this machine.

use std::fmt::{self, Write};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::AcqRel;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use humantime::format_rfc3339_seconds;

/// The largest skew, in seconds, that is not logged: receivers refuse or misplace values that are much further from
/// their own time.
const LARGEST: i64 = 10;

/// Remembers whether a clock skew has been logged.
#[derive(Default)]
pub(crate) struct ClockWatch {
    is_off: AtomicBool,
}

/// The number of seconds by which the receiver's clock is ahead of this machine's; negative if it is behind.
#[derive(Clone, Copy)]
pub(crate) struct ClockSkew(pub(crate) i64);

impl ClockWatch {
    /// Logs once when the skew becomes large, and once when the clocks agree again.
    pub(crate) fn note(&self, ClockSkew(skew): ClockSkew, exporter: &str, endpoint: &str) {
        if ClockSkew(skew).is_large() && !self.is_off.swap(true, AcqRel) {
            let own = SystemTime::now();
            tracing::warn!(
                exporter,
                endpoint,
                clock_skew_s = skew,
                "the receiver's clock is {}: it says {}, and this machine {}; correct the one that is wrong, or values \
                 are refused or stored at a wrong time",
                ClockSkew(skew),
                reading(own, skew),
                reading(own, 0)
            );
        }
        // Between the two limits nothing is logged, because the measurement varies by about a second.
        if skew.saturating_abs() <= LARGEST / 2 && self.is_off.swap(false, AcqRel) {
            tracing::info!(
                exporter,
                endpoint,
                "the receiver's clock and this machine's agree again"
            );
        }
    }
}

impl ClockSkew {
    /// Returns whether the skew is large enough to be reported.
    pub(crate) fn is_large(self) -> bool {
        self.0.saturating_abs() > LARGEST
    }
}

impl fmt::Display for ClockSkew {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.0 < 0 { "behind" } else { "ahead of" };
        write!(f, "{} s {direction} this machine's", self.0.unsigned_abs())
    }
}

/// Returns the time that a clock shows if it is `ahead` seconds ahead of one that shows `own`, as text for people.
fn reading(own: SystemTime, ahead: i64) -> String {
    let off = Duration::from_secs(ahead.unsigned_abs());
    let time = if ahead < 0 { own.checked_sub(off) } else { own.checked_add(off) };
    let mut text = String::new();
    // Times before 1970 or after 9999 cannot be formatted.
    let is_shown = time
        .filter(|time| *time >= UNIX_EPOCH)
        .is_some_and(|time| write!(text, "{}", format_rfc3339_seconds(time)).is_ok());
    if is_shown { text } else { "a time that cannot be shown".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_readings_are_shown_whatever_they_are() {
        let own = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        for (ahead, expected) in [
            (0, "2027-01-15T08:00:00Z"),
            (3600, "2027-01-15T09:00:00Z"),
            (-7200, "2027-01-15T06:00:00Z"),
            (-1_800_000_001, "a time that cannot be shown"),
            (i64::MAX, "a time that cannot be shown"),
            (i64::MIN, "a time that cannot be shown"),
            (300_000_000_000, "a time that cannot be shown"),
        ] {
            assert_eq!(reading(own, ahead), expected);
        }
    }
}
