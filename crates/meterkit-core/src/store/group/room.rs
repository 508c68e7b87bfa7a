//! How many series a group has, and may have.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::store::settings::Settings;

/// What a group may have that is not part of its identity.
#[derive(Clone, Copy, Debug, Default)]
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
    taken: AtomicUsize,
    /// What an operator allows this very instrument; 0 for nothing said.
    asked: AtomicUsize,
    /// What the code declares, once it does.
    options: OnceLock<GroupOptions>,
    settings: Arc<Settings>,
}

impl Room {
    pub(crate) fn new(settings: Arc<Settings>) -> Self {
        let (taken, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Self { taken, asked, options: OnceLock::new(), settings }
    }

    /// Sets the options that the code declares. Returns whether it is the first time; later ones have no effect.
    pub(crate) fn declare(&self, options: GroupOptions) -> bool {
        self.options.set(options).is_ok()
    }

    /// Returns the idle timeout of the series, if the code declares one.
    pub(crate) fn idle_timeout(&self) -> Option<Duration> {
        self.options.get()?.idle_timeout
    }

    /// Returns how many series there are.
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Relaxed)
    }

    /// Returns how many the instrument itself allows, if it says so.
    pub(crate) fn own_limit(&self) -> Option<usize> {
        self.options.get()?.limit
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
        self.taken() < self.limit() && (self.is_self_metric() || self.settings.series.has_room())
    }

    /// Takes the room of one more, if there is any.
    pub(crate) fn try_take(&self) -> bool {
        let limit = self.limit();
        let one_more = |taken| (taken < limit).then_some(taken + 1);
        let has_room = self.taken.fetch_update(Relaxed, Relaxed, one_more).is_ok();
        if has_room && !self.is_self_metric() && !self.settings.series.try_take() {
            self.taken.fetch_sub(1, Relaxed);
            return false;
        }
        has_room
    }

    /// Takes the room of one more in any case.
    pub(crate) fn take(&self) {
        self.taken.fetch_add(1, Relaxed);
        if !self.is_self_metric() {
            self.settings.series.take();
        }
    }

    pub(crate) fn give_back(&self) {
        self.taken.fetch_sub(1, Relaxed);
        if !self.is_self_metric() {
            self.settings.series.give_back(1);
        }
    }

    /// Returns whether this is a metric of the library itself: one that reports a limit must not be stopped by it.
    fn is_self_metric(&self) -> bool {
        self.options.get().is_some_and(|options| options.is_self_metric)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.is_self_metric() {
            self.settings.series.give_back(self.taken());
        }
    }
}
