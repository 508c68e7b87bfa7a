//! A series as its group sees it.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::Duration;

use super::room::Room;
use crate::data::SeriesId;
use crate::store::cell::Cell;
use crate::store::handle::Handle;
use crate::store::label_set::LabelSet;

/// A series of a group. Its labels stand here too, so that a look-up does not touch the series itself, whose line of
/// memory other threads are writing to.
pub(crate) struct TrackedSeries<H> {
    pub(crate) labels: LabelSet,
    is_hidden: AtomicBool,
    /// Whether another member has the series now.
    has_moved: AtomicBool,
    pub(crate) handle: H,
}

impl<H: Handle> TrackedSeries<H> {
    pub(crate) fn new(labels: LabelSet, handle: H) -> Self {
        let (is_hidden, has_moved) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { labels, is_hidden, has_moved, handle }
    }

    /// Returns whether another member has the series now: a recording by attributes made it, and labels that it matches
    /// were declared afterwards.
    pub(crate) fn has_moved(&self) -> bool {
        self.has_moved.load(Acquire)
    }

    /// Leaves the series to the member that is returned, which finds it by `labels`.
    pub(crate) fn move_to(&self, labels: LabelSet) -> Self {
        self.has_moved.store(true, Release);
        let moved = Self::new(labels, self.handle.clone());
        moved.set_hidden(self.is_hidden());
        moved
    }

    /// Returns whether the series was removed and is in no export.
    #[inline]
    pub(crate) fn is_hidden(&self) -> bool {
        self.is_hidden.load(Relaxed)
    }

    /// Changes whether the series is in exports. Returns whether that was a change.
    pub(crate) fn set_hidden(&self, hidden: bool) -> bool {
        self.is_hidden.swap(hidden, AcqRel) != hidden
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.handle.series().cell().is_empty()
    }
}

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
    pub(crate) fn resets<H: Handle>(&mut self, handle: &H, rule: &IdleRule<'_>) -> Option<Gone> {
        let (series, now, collection) = (handle.series(), rule.now, rule.collection);
        let id = series.id();
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
