//! A series as its group sees it.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{AcqRel, Relaxed};
use std::time::Duration;

use crate::data::SeriesId;
use crate::store::cell::Cell;
use crate::store::handle::Handle;
use crate::store::shared::LabelSet;

/// A series of a group. Its labels stand here too, so that a look-up does not touch the series itself, whose line of
/// memory other threads are writing to.
pub(crate) struct Member<H> {
    pub(crate) labels: LabelSet,
    is_hidden: AtomicBool,
    pub(crate) handle: H,
}

impl<H: Handle> Member<H> {
    pub(crate) fn new(handle: H) -> Self {
        let labels = handle.series().labels().clone();
        Self { labels, is_hidden: AtomicBool::new(false), handle }
    }

    /// Whether the series was removed and is in no export.
    #[inline]
    pub(crate) fn is_hidden(&self) -> bool {
        self.is_hidden.load(Relaxed)
    }

    /// Changes whether the series is in exports. Whether that was a change.
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
}

impl Activity {
    /// Resets the series when nothing was recorded in it for `timeout`. Whether it did.
    ///
    /// What is recorded meanwhile is kept, in this series or in the one that begins after it.
    pub(crate) fn resets<H: Handle>(
        &mut self,
        handle: &H,
        timeout: Duration,
        now: Duration,
    ) -> bool {
        let series = handle.series();
        let id = series.id();
        let known = self.0.filter(|seen| seen.series == id);
        let mut seen = known.unwrap_or(Seen { series: id, mark: 0, since: now });
        let is_touched = series.cell().was_touched(&mut seen.mark);
        if is_touched {
            seen.since = now;
        }
        // What was just recorded is exported first, however short the timeout.
        let is_idle = !is_touched && now.saturating_sub(seen.since) >= timeout;
        if is_idle && series.reset_unless_touched(seen.mark) {
            self.0 = None;
            return true;
        }
        self.0 = Some(seen);
        false
    }
}
