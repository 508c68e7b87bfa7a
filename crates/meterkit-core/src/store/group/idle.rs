//! When idle series go.

use std::time::Duration;

use super::room::Room;
use crate::data::SeriesId;
use crate::store::handle::AnyHandle;

/// When something was last recorded in a series, as far as readings have seen it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Activity(Option<Seen>);

#[derive(Clone, Copy)]
struct Seen {
    series: SeriesId,
    mark: u64,
    since: Duration,
    /// The first collection that certainly has what was recorded.
    collection: u64,
}

/// When idle series of a group go, for one reading.
pub(crate) struct IdleRule<'a> {
    pub(crate) timeout: Duration,
    pub(crate) now: Duration,
    /// The first collection that certainly has what this reading sees.
    pub(crate) collection: u64,
    /// The last collection that everyone has who waits for one.
    pub(crate) delivered: u64,
    /// The room of the group: series that wait must not keep new ones out.
    pub(crate) room: &'a Room,
}

/// How a series went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gone {
    Delivered,
    /// Someone who waited for its last value has not got it.
    Undelivered,
}

impl IdleRule<'_> {
    /// How long a series stays beyond its timeout, for a target that is down.
    const LONGEST_WAIT: Duration = Duration::from_secs(3600);
}

impl Activity {
    /// Resets the series when nothing was recorded in it for the timeout, and its last value was delivered or can be
    /// waited for no longer. Returns how it went, if it did.
    ///
    /// What is recorded meanwhile is kept, in this series or in the one that begins after it.
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
        // What was just recorded is exported first, however short the timeout.
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
