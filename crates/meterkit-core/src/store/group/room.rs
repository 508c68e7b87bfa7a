//! How many series a group has, and how many it may have.

use std::cell::Cell;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::Usage;
use super::idle::IdleRule;
use crate::store::budget::Budget;
use crate::store::settings::Settings;

thread_local! {
    /// Whether this thread is reading for a collection.
    static IS_COLLECTING: Cell<bool> = const { Cell::new(false) };
}

/// Calls `read` on behalf of the last collection that has begun.
pub(crate) fn collecting<R>(read: impl FnOnce() -> R) -> R {
    /// Ends the collection even if a label of the user's panics.
    struct Collecting;
    impl Drop for Collecting {
        fn drop(&mut self) {
            IS_COLLECTING.set(false);
        }
    }
    IS_COLLECTING.set(true);
    let _collecting = Collecting;
    read()
}

/// Returns whether this thread is reading for a collection.
pub(crate) fn is_collecting() -> bool {
    IS_COLLECTING.get()
}

/// Options of a group that are not part of its identity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct GroupOptions {
    /// The instrument's own limit. If `None`, the registry's limit applies.
    pub(crate) limit: Option<usize>,
    /// The time without recordings after which a series is removed.
    pub(crate) idle_timeout: Option<Duration>,
    /// Whether the instrument reports on the store itself.
    pub(crate) is_self_metric: bool,
}

/// The room that a group has for series, bounded by its own limit and by the limit of all groups together.
pub(crate) struct Room {
    taken: Budget,
    /// The limit that an operator set for this instrument, or 0 if none was set.
    asked: AtomicUsize,
    /// The options that the code declares, once it does.
    options: OnceLock<Option<Box<GroupOptions>>>,
    settings: Arc<Settings>,
}

impl Room {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let asked = AtomicUsize::new(0);
        Self { taken: Budget::default(), asked, options: OnceLock::new(), settings }
    }

    /// Sets the options that the code declares. Returns whether this is the first call; later calls have no effect.
    pub(crate) fn declare(&self, options: GroupOptions) -> bool {
        let is_default = options == GroupOptions::default();
        self.options.set((!is_default).then(|| Box::new(options))).is_ok()
    }

    /// Returns the declared options, if there are any.
    fn options(&self) -> Option<&GroupOptions> {
        self.options.get()?.as_deref()
    }

    /// Returns when idle series are removed, as of now, if the code declares an idle timeout.
    pub(crate) fn idle_rule(&self) -> Option<IdleRule<'_>> {
        Some(IdleRule {
            timeout: self.options()?.idle_timeout?,
            now: self.settings.clock.elapsed(),
            // Other readers may see values that come too late for the current collection.
            collection: self.settings.collection.load(Relaxed) + u64::from(!IS_COLLECTING.get()),
            delivered: self.settings.delivered.load(Relaxed),
            room: self,
        })
    }

    /// Returns the number of series.
    pub(crate) fn taken(&self) -> usize {
        self.taken.taken()
    }

    /// Returns how much of the room is used. `overflowed` is the number of recordings in the group's overflow series.
    pub(crate) fn usage(&self, overflowed: u64) -> Usage {
        let (series, limit) = (self.taken(), self.limit());
        // If a limit is very large, both sides saturate.
        let is_nearly_full = series.saturating_mul(10) >= limit.saturating_mul(9);
        Usage { series, overflowed, is_nearly_full }
    }

    /// Returns the limit that the instrument itself declares, if any.
    pub(crate) fn own_limit(&self) -> Option<usize> {
        self.options()?.limit
    }

    /// Sets a limit that overrides the instrument's own. `None` removes it.
    pub(crate) fn set_limit(&self, series: Option<usize>) {
        self.asked.store(series.map_or(0, |series| series.max(1)), Relaxed);
    }

    /// Returns how many series the group may have.
    pub(crate) fn limit(&self) -> usize {
        match self.asked.load(Relaxed) {
            0 => {
                let default = || self.settings.cardinality_limit.load(Relaxed);
                self.own_limit().unwrap_or_else(default)
            }
            asked => asked,
        }
    }

    /// Returns whether there is room for one more series.
    pub(crate) fn is_free(&self) -> bool {
        let Settings { series, series_limit, .. } = &*self.settings;
        let has_room = || series.taken() < series_limit.load(Relaxed);
        self.taken() < self.limit() && (self.is_self_metric() || has_room())
    }

    /// Takes the room of one series, if there is any. Returns whether it was taken.
    pub(crate) fn try_take(&self) -> bool {
        let Settings { series, series_limit, .. } = &*self.settings;
        let has_room = self.taken.try_take(self.limit());
        if has_room && !self.is_self_metric() && !series.try_take(series_limit.load(Relaxed)) {
            self.taken.give_back(1);
            return false;
        }
        has_room
    }

    /// Takes the room of one series, ignoring the limits.
    pub(crate) fn take(&self) {
        self.taken.take();
        if !self.is_self_metric() {
            self.settings.series.take();
        }
    }

    pub(crate) fn give_back(&self) {
        self.taken.give_back(1);
        if !self.is_self_metric() {
            self.settings.series.give_back(1);
        }
    }

    /// Returns whether this is a metric of the library itself. A metric that reports a limit must not be stopped by it.
    fn is_self_metric(&self) -> bool {
        self.options().is_some_and(|options| options.is_self_metric)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.is_self_metric() {
            self.settings.series.give_back(self.taken());
        }
    }
}
