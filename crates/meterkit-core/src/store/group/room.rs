//! How many series a group has, and may have.

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
    /// Whether this thread reads for a collection.
    static IS_COLLECTING: Cell<bool> = const { Cell::new(false) };
}

/// Calls `read`, which reads for the collection that was begun last.
pub(crate) fn collecting<R>(read: impl FnOnce() -> R) -> R {
    /// Also when a label of the user's panics.
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

/// Returns whether this thread reads for a collection.
pub(crate) fn is_collecting() -> bool {
    IS_COLLECTING.get()
}

/// What a group may have that is not part of its identity.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct GroupOptions {
    /// The instrument's own limit; the registry's counts when it has none.
    pub(crate) limit: Option<usize>,
    /// After how long without recordings a series is removed.
    pub(crate) idle_timeout: Option<Duration>,
    /// Whether the instrument tells of the store itself.
    pub(crate) is_self_metric: bool,
}

/// The room that a group has for series: below its own limit, and below that of all groups together.
pub(crate) struct Room {
    taken: Budget,
    /// What an operator allows this very instrument; 0 for nothing said.
    asked: AtomicUsize,
    /// What the code declares, once it does.
    options: OnceLock<Option<Box<GroupOptions>>>,
    settings: Arc<Settings>,
}

impl Room {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let asked = AtomicUsize::new(0);
        Self { taken: Budget::default(), asked, options: OnceLock::new(), settings }
    }

    /// Sets the options that the code declares. Returns whether it is the first time; later ones have no effect.
    pub(crate) fn declare(&self, options: GroupOptions) -> bool {
        let is_default = options == GroupOptions::default();
        self.options.set((!is_default).then(|| Box::new(options))).is_ok()
    }

    /// Returns the options that the code declares, once it declares any.
    fn options(&self) -> Option<&GroupOptions> {
        self.options.get()?.as_deref()
    }

    /// Returns when idle series go by now, if the code declares an idle timeout.
    pub(crate) fn idle_rule(&self) -> Option<IdleRule<'_>> {
        Some(IdleRule {
            timeout: self.options()?.idle_timeout?,
            now: self.settings.clock.elapsed(),
            // Others read too: what they see may have come too late for the collection that is under way.
            collection: self.settings.collection.load(Relaxed) + u64::from(!IS_COLLECTING.get()),
            delivered: self.settings.delivered.load(Relaxed),
            room: self,
        })
    }

    /// Returns how many series there are.
    pub(crate) fn taken(&self) -> usize {
        self.taken.taken()
    }

    /// Returns how much of the room is used, for a group that recorded to its overflow series this often.
    pub(crate) fn usage(&self, overflowed: u64) -> Usage {
        let (series, limit) = (self.taken(), self.limit());
        // Of large limits, both sides stop at the largest number.
        let is_nearly_full = series.saturating_mul(10) >= limit.saturating_mul(9);
        Usage { series, overflowed, is_nearly_full }
    }

    /// Returns how many the instrument itself allows, if it says so.
    pub(crate) fn own_limit(&self) -> Option<usize> {
        self.options()?.limit
    }

    /// Sets how many there may be, whatever the instrument says; `None` for what that says.
    pub(crate) fn set_limit(&self, series: Option<usize>) {
        self.asked.store(series.map_or(0, |series| series.max(1)), Relaxed);
    }

    /// Returns how many there may be in this group.
    pub(crate) fn limit(&self) -> usize {
        match self.asked.load(Relaxed) {
            0 => {
                let default = || self.settings.cardinality_limit.load(Relaxed);
                self.own_limit().unwrap_or_else(default)
            }
            asked => asked,
        }
    }

    /// Returns whether there is room for one more.
    pub(crate) fn is_free(&self) -> bool {
        let Settings { series, series_limit, .. } = &*self.settings;
        let has_room = || series.taken() < series_limit.load(Relaxed);
        self.taken() < self.limit() && (self.is_self_metric() || has_room())
    }

    /// Takes the room of one more, if there is any.
    pub(crate) fn try_take(&self) -> bool {
        let Settings { series, series_limit, .. } = &*self.settings;
        let has_room = self.taken.try_take(self.limit());
        if has_room && !self.is_self_metric() && !series.try_take(series_limit.load(Relaxed)) {
            self.taken.give_back(1);
            return false;
        }
        has_room
    }

    /// Takes the room of one more in any case.
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

    /// Returns whether this is a metric of the library itself: one that reports a limit must not be stopped by it.
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
