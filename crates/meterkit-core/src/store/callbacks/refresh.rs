//! A refresh: has callbacks run, and waits for them as long as their budgets allow.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::Callbacks;
use super::callback::{Callback, Work};
use super::run::{Next, Run};
use super::workers::{Batch, Job, in_callback};

/// When nothing was begun for this part of the time that there is, another thread helps.
const PATIENCE: u32 = 20;

/// The longest time without looking at what became of those who are waited for.
const STEP: Duration = Duration::from_millis(10);

impl Callbacks {
    /// Runs each callback once and waits for what they report. Gives up on one when its budget is spent, on all when the
    /// largest of their budgets is. `now` is what the registry's clock says.
    ///
    /// From within a callback, it does nothing: that one would wait for itself.
    pub(crate) fn refresh(&self, now: Duration) {
        if in_callback() {
            return;
        }
        let mut awaited = Vec::new();
        let (mut due, mut in_background) = (Vec::new(), Vec::new());
        let is_collected =
            |it: &Arc<Callback>| matches!(it.work(), Work::Collect(_)) && !it.is_off();
        for callback in self.registered().into_iter().filter(is_collected) {
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
        if self.workers.run(due.chain(in_background).collect()) {
            self.wait_for(awaited, &batch);
        }
    }

    fn wait_for(&self, mut awaited: Vec<Arc<Callback>>, batch: &Batch) {
        let began = Instant::now();
        let longest = awaited.iter().map(|callback| callback.budget()).max().unwrap_or_default();
        let end = began + longest;
        let (mut begun, _) = self.workers.progress();
        let mut last_progress = began;
        while !awaited.is_empty() {
            let is_done = batch.wait(pause(&awaited, end));
            let now = Instant::now();
            awaited.retain(|callback| is_awaited(callback, now, end));
            let (now_begun, is_more) = self.workers.progress();
            if now_begun != begun {
                (begun, last_progress) = (now_begun, now);
            } else if is_more && now >= last_progress + longest / PATIENCE {
                // Those who run are held up: others shall not be, whoever waits for them.
                self.workers.add();
                last_progress = now;
            }
            if is_done && !awaited.is_empty() {
                // Only such are left as another collection has run.
                thread::sleep(pause(&awaited, end));
            }
        }
    }
}

/// Whether to go on waiting for a callback.
fn is_awaited(callback: &Callback, now: Instant, end: Instant) -> bool {
    match callback.doing() {
        Run::Nothing => false,
        Run::Waiting | Run::Ending => now < end,
        Run::Running { since, .. } if now < since + callback.budget() => true,
        Run::Running { .. } => {
            callback.overran();
            false
        }
    }
}

/// How long to wait before looking again: until the next of these moments, at most a step.
fn pause(awaited: &[Arc<Callback>], end: Instant) -> Duration {
    let ends = awaited.iter().map(|callback| match callback.doing() {
        Run::Running { since, .. } => since + callback.budget(),
        _ => end,
    });
    let next = ends.min().unwrap_or(end).saturating_duration_since(Instant::now());
    next.clamp(Duration::from_micros(100), STEP)
}
