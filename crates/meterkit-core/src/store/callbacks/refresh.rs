//! A refresh: has callbacks run, and waits for them as long as their budgets allow.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::Callbacks;
use super::callback::Callback;
use super::run::{Next, Run};
use super::workers::{Batch, Job, in_callback};

/// When nothing was begun for this part of the time that there is, another thread helps, then two, then four.
const PATIENCE: u32 = 20;

/// However much time there is, the others do not wait longer than this behind one that hangs.
const LONGEST_PATIENCE: Duration = Duration::from_millis(50);

/// The longest time without looking at what became of those who are waited for.
const STEP: Duration = Duration::from_millis(10);

impl Callbacks {
    /// Runs each callback once and waits for what they report. Gives up on one when its budget is spent, on all when
    /// the largest of their budgets is. `now` is what the registry's clock says.
    ///
    /// From within a callback, it does nothing: that one would wait for itself.
    pub(crate) fn refresh(&self, now: Duration) {
        if in_callback() {
            return;
        }
        let mut awaited = Vec::new();
        let (mut due, mut in_background) = (Vec::new(), Vec::new());
        for callback in self.registered().into_iter().filter(|callback| !callback.is_off()) {
            match callback.prepare(now) {
                Next::Skip | Next::Overrun => {}
                Next::Await => awaited.push(callback),
                Next::Run => {
                    due.push(callback.clone());
                    awaited.push(callback);
                }
                Next::RunInBackground => in_background.push(callback),
            }
        }
        let batch = Batch::of(due.len());
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let job = |callback, batch: &Arc<Batch>| Job {
            callback,
            batch: batch.clone(),
            dispatch: dispatch.clone(),
        };
        let unawaited = Batch::of(0);
        let due = due.into_iter().map(|callback| job(callback, &batch));
        let in_background = in_background.into_iter().map(|callback| job(callback, &unawaited));
        if self.workers.run(due, in_background) {
            self.wait_for(awaited, &batch);
        }
    }

    /// How long a refresh waits for callbacks at most.
    pub(crate) fn longest_refresh(&self) -> Duration {
        let registered = self.registered();
        let collected = registered.iter().filter(|callback| !callback.is_refresh());
        let longest = collected.map(|callback| callback.budget()).max().unwrap_or_default();
        longest + LONGEST_PATIENCE
    }

    fn wait_for(&self, mut awaited: Vec<Arc<Callback>>, batch: &Batch) {
        let began = Instant::now();
        let longest = awaited.iter().map(|callback| callback.budget()).max().unwrap_or_default();
        let patience = (longest / PATIENCE).min(LONGEST_PATIENCE);
        // A little later, so that one that begins at once has its whole budget.
        let end = began + longest + patience.max(STEP).min(longest);
        let step = patience.min(STEP);
        let (mut begun, _) = self.workers.progress();
        let mut last_progress = began;
        let mut helpers = 1;
        while !awaited.is_empty() {
            let is_done = batch.wait(pause(&awaited, step, end));
            let now = Instant::now();
            awaited.retain(|callback| is_awaited(callback, now, end));
            let (now_begun, waiting) = self.workers.progress();
            if now_begun != begun {
                (begun, last_progress) = (now_begun, now);
            } else if waiting > 0 && now >= last_progress + patience {
                // Those who run are held up: others shall not be, whoever waits for them, and however many hang.
                self.workers.help(waiting.min(helpers));
                (helpers, last_progress) = (helpers.saturating_mul(2), now);
            }
            if is_done && !awaited.is_empty() {
                // Only such are left as another collection has run.
                thread::sleep(pause(&awaited, step, end));
            }
        }
    }
}

/// Whether to go on waiting for a callback.
fn is_awaited(callback: &Callback, now: Instant, end: Instant) -> bool {
    match callback.doing() {
        Run::Nothing => false,
        Run::Running { since, is_late } if now >= since + callback.budget() => {
            // Another collection may have told of it.
            if !is_late {
                callback.overran();
            }
            false
        }
        _ if now < end => true,
        // One that began late, behind others, is not too slow yet: the next collection sees to it.
        Run::Waiting | Run::Running { .. } => {
            callback.left_out();
            false
        }
        Run::Ending => false,
    }
}

/// How long to wait before looking again: until the next of these moments, at most a step.
fn pause(awaited: &[Arc<Callback>], step: Duration, end: Instant) -> Duration {
    let ends = awaited.iter().map(|callback| match callback.doing() {
        Run::Running { since, .. } => since + callback.budget(),
        _ => end,
    });
    let next = ends.min().unwrap_or(end).min(end).saturating_duration_since(Instant::now());
    next.min(step).max(Duration::from_micros(100))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    #[test]
    fn one_that_began_late_is_given_up_with_the_others_and_not_told_of() {
        let registry = Registry::new();
        let rows = registry.scoped("plugin", "catalog").observable_gauge::<u64>("rows");
        rows.observe(|| 1).expect("a good name").forget();
        let callback = registry.inner.callbacks.registered().remove(0);
        let (budget, since) = (callback.budget(), Instant::now());
        callback.state().run = Run::Running { since, is_late: false };
        let half = since + budget / 2;
        assert!(is_awaited(&callback, half, half + budget / 20));
        assert!(!is_awaited(&callback, half, half));
        assert_eq!(callback.doing(), Run::Running { since, is_late: false });
        assert!(!is_awaited(&callback, since + budget, since + 2 * budget));
        assert_eq!(callback.doing(), Run::Running { since, is_late: true });
    }
}
