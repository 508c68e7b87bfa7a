//! A refresh: runs callbacks, and waits for them as long as their budgets allow.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Callbacks;
use super::callback::Callback;
use super::workers::{Job, in_callback};

/// Fraction (1/20) of the available time that may pass without progress before helper threads are added (1, then 2,
/// then 4).
const PATIENCE: u32 = 20;

/// The longest time that callbacks wait behind one that hangs, however much time is available.
const LONGEST_PATIENCE: Duration = Duration::from_millis(50);

/// The least time by which a refresh outlasts the largest budget, so that a callback that begins at once gets its whole
/// budget.
const SLACK: Duration = Duration::from_millis(10);

impl Callbacks {
    /// Runs each callback that is due and waits for its values. Abandons a callback when its budget is spent, and on
    /// all of them when the largest budget is spent. `now` is the time by the registry's clock.
    ///
    /// Does nothing when called within a callback, which would otherwise wait for itself.
    pub(crate) fn refresh(&self, now: Duration) {
        if in_callback() {
            return;
        }
        let (mut due, mut in_background, mut awaited) = (Vec::new(), Vec::new(), Vec::new());
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        for callback in self.registered().into_iter().filter(|callback| !callback.is_refresh()) {
            let (starts, is_awaited, _) = callback.prepare(now);
            if starts {
                let jobs = if is_awaited { &mut due } else { &mut in_background };
                jobs.push(Job { callback: callback.clone(), dispatch: dispatch.clone() });
            }
            if is_awaited {
                awaited.push(callback);
            }
        }
        if self.workers.run(due, in_background) {
            self.wait_for(&awaited);
        }
        self.log_events();
    }

    /// Returns the longest time for which a refresh waits for callbacks.
    pub(crate) fn longest_refresh(&self) -> Duration {
        let registered = self.registered();
        let collected = registered.iter().filter(|callback| !callback.is_refresh());
        let longest = collected.map(|callback| callback.longest_wait()).max().unwrap_or_default();
        longest + LONGEST_PATIENCE
    }

    fn wait_for(&self, awaited: &[Arc<Callback>]) {
        let began = Instant::now();
        let longest = awaited.iter().map(|callback| callback.patience()).max().unwrap_or_default();
        let patience = (longest / PATIENCE).min(LONGEST_PATIENCE);
        let end = began + longest + patience.max(SLACK).min(longest);
        // In reverse, because callbacks run in order: when the last one has ended, most others have, too.
        for callback in awaited.iter().rev() {
            while callback.wait(patience, end) {
                self.workers.help(patience);
            }
        }
    }
}
