//! Decides when idle series are removed.

use std::time::Duration;

use super::room::Room;
use crate::data::SeriesId;
use crate::store::handle::AnyHandle;

/// When something was last recorded in a series, as far as readings have noticed.
#[derive(Clone, Copy, Default)]
pub(crate) struct Activity(Option<Seen>);

#[derive(Clone, Copy)]
struct Seen {
    series: SeriesId,
    mark: u64,
    since: Duration,
    /// The first collection that is certain to include the recorded values.
    collection: u64,
}

/// When idle series of a group are removed, as of one reading.
pub(crate) struct IdleRule<'a> {
    pub(crate) timeout: Duration,
    pub(crate) now: Duration,
    /// The first collection that is certain to include the values of this reading.
    pub(crate) collection: u64,
    /// The last collection that was delivered to every target that waits for one.
    pub(crate) delivered: u64,
    /// The room of the group. Series that wait for delivery must not keep new series out.
    pub(crate) room: &'a Room,
}

/// How a series was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    Delivered,
    /// A target that waited for the last value has not received it.
    Undelivered,
}

impl IdleRule<'_> {
    /// How long a series is kept beyond its timeout for a target that is down.
    const LONGEST_WAIT: Duration = Duration::from_secs(3600);
}

impl Activity {
    /// Resets the series if nothing was recorded in it for the timeout, and its last value was delivered or the wait
    /// for delivery is over. Returns how the series was removed, or `None` if it was not.
    ///
    /// A concurrent recording is kept, in this series or in the one that begins after it.
    pub(crate) fn resets(&mut self, series: &dyn AnyHandle, rule: &IdleRule<'_>) -> Option<Gone> {
        let IdleRule { now, collection, .. } = *rule;
        let id = series.head().id();
        let known = self.0.filter(|seen| seen.series == id);
        let mut seen = known.unwrap_or(Seen { series: id, mark: 0, since: now, collection });
        let is_touched = series.cell().was_touched(&mut seen.mark);
        if is_touched {
            (seen.since, seen.collection) = (now, collection);
        }
        self.0 = Some(seen);
        let idle = now.saturating_sub(seen.since);
        // A value that was just recorded is exported first, however short the timeout is.
        if is_touched || idle < rule.timeout {
            return None;
        }
        let gone = match seen.collection > rule.delivered && !series.cell().is_empty() {
            true => Gone::Undelivered,
            false => Gone::Delivered,
        };
        let has_room = rule.room.taken() <= rule.room.limit() / 2;
        let may_wait = has_room && idle - rule.timeout < IdleRule::LONGEST_WAIT;
        if (gone == Gone::Undelivered && may_wait) || !series.reset_unless_touched(seen.mark) {
            return None;
        }
        self.0 = None;
        Some(gone)
    }
}
