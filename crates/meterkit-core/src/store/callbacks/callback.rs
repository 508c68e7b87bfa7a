//! One registered callback: what it reports, and how its runs went.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use super::refreshing::Refreshing;
use super::state::{Run, State};
use crate::instrument::CallbackMetrics;
use crate::store::observed::{Draft, Sheet};
use crate::store::settings::Settings;

/// The largest budget, so that it can be added to any moment.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long a collection waits for a cached callback while it can export the values of the run before: most callbacks
/// are done by then.
const GRACE: Duration = Duration::from_millis(100);

/// One registered callback.
pub(crate) struct Callback {
    sheets: Box<[Arc<Sheet>]>,
    /// The time between two runs; zero for a callback that runs in each collection.
    interval: Duration,
    is_refresh: bool,
    budget: Option<Duration>,
    settings: Arc<Settings>,
    metrics: Arc<CallbackMetrics>,
    state: Mutex<State>,
    /// Notified when a run has ended.
    ended: Condvar,
}

type Collect = Box<dyn Fn(&mut [Draft]) -> Result<(), String> + Send + Sync>;

/// The user's code.
pub(crate) enum Work {
    /// Called by collections.
    Collect(Collect),
    /// Called once per period, in the background.
    Refresh(Refreshing),
}

/// How a callback is run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CallbackOptions {
    /// How long collections export what the callback reported before they run it again.
    pub(crate) ttl: Option<Duration>,
    /// How long a collection waits for it; the registry's budget by default.
    pub(crate) budget: Option<Duration>,
}

/// Why a run failed.
pub(super) enum Failure {
    Error(String),
    /// With the panic message, if it was text.
    Panic(String),
}

impl Callback {
    pub(crate) fn new(
        drafts: Vec<Draft>,
        work: Work,
        options: CallbackOptions,
        settings: Arc<Settings>,
        metrics: Arc<CallbackMetrics>,
    ) -> Self {
        let (interval, is_refresh) = match &work {
            Work::Collect(_) => (options.ttl.unwrap_or_default(), false),
            Work::Refresh(refreshing) => (refreshing.period, true),
        };
        Self {
            sheets: drafts.iter().map(|draft| draft.sheet().clone()).collect(),
            interval,
            is_refresh,
            budget: options.budget,
            settings,
            metrics,
            state: Mutex::new(State::new(work, drafts)),
            ended: Condvar::new(),
        }
    }

    pub(crate) fn is_refresh(&self) -> bool {
        self.is_refresh
    }

    /// The full names of the instruments that it reports.
    pub(crate) fn names(&self) -> String {
        let names = self.sheets.iter().map(|it| it.instrument().shared.descriptor().name.clone());
        names.collect::<Vec<_>>().join(", ")
    }

    /// The full name of the first of them, which identifies the callback in metrics.
    pub(super) fn name(&self) -> String {
        let first = self.sheets.first().map(|it| it.instrument().shared.descriptor().name.clone());
        first.unwrap_or_default()
    }

    /// Whether its scope records nothing.
    pub(super) fn is_off(&self) -> bool {
        self.sheets.iter().all(|sheet| sheet.instrument().shared.is_off())
    }

    pub(super) fn is_unloaded(&self) -> bool {
        self.sheets.iter().all(|sheet| sheet.instrument().shared.is_unloaded())
    }

    /// How long a collection waits for a callback that has not reported anything yet.
    pub(super) fn longest_wait(&self) -> Duration {
        self.budget.unwrap_or_else(|| self.settings.callback_budget()).min(LONGEST)
    }

    /// How long a collection waits for the current run, counted from its start.
    pub(super) fn patience(&self) -> Duration {
        self.patience_in(&self.state())
    }

    fn patience_in(&self, state: &State) -> Duration {
        match self.longest_wait() {
            _ if state.is_background => Duration::ZERO,
            longest if self.is_spared(state) => longest.min(GRACE),
            longest => longest,
        }
    }

    /// Whether the current run delays nobody: it is cached, and the values of an earlier run are there.
    fn is_spared(&self, state: &State) -> bool {
        !self.interval.is_zero() && state.has_values
    }

    /// How long the current run may take before it is an overrun.
    fn budget(&self, state: &State) -> Duration {
        let default = self.settings.callback_budget();
        let default = match self.is_refresh {
            true => self.interval,
            false if self.is_spared(state) => self.interval.max(default),
            false => default,
        };
        self.budget.unwrap_or(default).min(LONGEST)
    }

    /// Decides what a collection does that begins `now`, by the registry's clock: whether it starts a run, which is
    /// queued, and whether it waits for the current run.
    pub(super) fn prepare(&self, now: Duration) -> (bool, bool) {
        let mut state = self.state();
        let is_awaited = !state.is_background;
        match state.run {
            _ if self.is_refresh => (false, false),
            Run::Idle => {
                let starts = self.queue(&mut state, now).is_ok();
                (starts, starts && is_awaited)
            }
            Run::Running { since, .. } if is_awaited && since.elapsed() >= self.budget(&state) => {
                self.overran(state, since);
                (false, false)
            }
            Run::Queued | Run::Running { .. } => (false, is_awaited),
        }
    }

    /// Queues a refresh if one is due. Returns whether it is, and how long it is until the next look.
    pub(super) fn prepare_refresh(&self, now: Duration) -> (bool, Duration) {
        if self.is_off() {
            return (false, self.interval);
        }
        let mut state = self.state();
        let budget = self.budget(&state);
        match state.run {
            Run::Running { since, is_judged: false } if since.elapsed() >= budget => {
                self.overran(state, since);
                (false, self.interval)
            }
            _ => match self.queue(&mut state, now) {
                Ok(()) => (true, self.interval.min(budget)),
                Err(wait) => (false, wait),
            },
        }
    }

    fn queue(&self, state: &mut State, now: Duration) -> Result<(), Duration> {
        let is_outdated = self.sheets.iter().any(|sheet| sheet.is_outdated());
        state.queue(now, self.interval, is_outdated)?;
        self.sheets.iter().for_each(|sheet| sheet.ask());
        Ok(())
    }

    /// Waits for the end of the current run, for `step` at most. Returns whether to go on waiting: neither has the run
    /// ended, nor has the collection waited long enough for it, or until its own `end`.
    pub(super) fn wait(&self, step: Duration, end: Instant) -> bool {
        let mut state = self.state();
        let deadline = match state.run {
            Run::Idle => return false,
            Run::Queued => end,
            Run::Running { since, .. } => end.min(since + self.patience_in(&state)),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            drop(self.ended.wait_timeout(state, left.min(step)));
            return true;
        }
        match state.run {
            _ if self.is_spared(&state) => {}
            Run::Idle | Run::Running { is_judged: true, .. } => {}
            // A run that began late has not had its whole budget, but it holds up others.
            Run::Running { since, .. } if since.elapsed() >= step.min(self.budget(&state)) => {
                self.overran(state, since);
            }
            Run::Queued | Run::Running { .. } => {
                state.left_out();
                drop(state);
                self.tell(CallbackMetrics::overran);
            }
        }
        false
    }

    fn overran(&self, mut state: MutexGuard<'_, State>, since: Instant) {
        let budget = self.budget(&state);
        state.overran(since.elapsed(), budget);
        drop(state);
        self.tell(CallbackMetrics::overran);
    }

    /// Runs the user's code on this thread. [`finish`](Self::finish) follows.
    pub(super) fn run(&self) {
        let begun = self.begin();
        if let Some((work, since)) = begun {
            if let Work::Collect(collect) = &*work {
                self.report(since, Ok(|drafts: &mut [Draft]| collect(drafts)));
            }
        }
    }

    /// Begins a run, unless the callback was unregistered.
    pub(super) fn begin(&self) -> Option<(Arc<Work>, Instant)> {
        self.state().begin()
    }

    /// Ends a run: has `found` fill the drafts, and exports them if that goes well.
    pub(super) fn report(
        &self,
        since: Instant,
        found: Result<impl FnOnce(&mut [Draft]) -> Result<(), String>, Failure>,
    ) {
        let failure = found.and_then(|report| self.fill_drafts(report)).err();
        let (took, has_panicked) =
            (since.elapsed(), failure.as_ref().map(|it| matches!(it, Failure::Panic(_))));
        let (is_overrun, has_values) = {
            let mut state = self.state();
            let budget = self.budget(&state);
            (state.end(took, budget, failure), state.has_values)
        };
        if !has_values {
            self.sheets.iter().for_each(|sheet| sheet.hide());
        }
        self.tell(|metrics, name| {
            metrics.ran(name, took);
            if let Some(has_panicked) = has_panicked {
                metrics.failed(name, has_panicked);
            }
            if is_overrun {
                metrics.overran(name);
            }
        });
    }

    fn fill_drafts(
        &self,
        report: impl FnOnce(&mut [Draft]) -> Result<(), String>,
    ) -> Result<(), Failure> {
        let mut drafts = std::mem::take(&mut self.state().drafts);
        drafts.iter_mut().for_each(Draft::begin);
        let outcome = caught(|| report(&mut drafts));
        drafts.iter_mut().for_each(if outcome.is_ok() { Draft::commit } else { Draft::roll_back });
        self.state().drafts = drafts;
        outcome
    }

    /// Lets the next run begin, and collections that wait for this one continue. Metrics know of it by now.
    pub(super) fn finish(&self) {
        self.state().run = Run::Idle;
        self.ended.notify_all();
    }

    /// Returns whether a waiting refresh may keep waiting. Registers a waker that fires once it must stop.
    pub(super) fn may_wait(&self, waker: &Waker) -> bool {
        let mut state = self.state();
        state.waker = Some(waker.clone());
        state.work.is_some()
    }

    /// Unregisters it: nothing that it reports is exported any more, whatever it is doing.
    pub(super) fn retire(&self) {
        let (work, waker) = self.state().retire();
        // Metrics may be those of another instrument of this name, made since the first call.
        let Some(work) = work else { return };
        self.sheets.iter().for_each(Sheet::retire);
        self.forget_if_gone();
        if let Some(waker) = waker {
            waker.wake();
        }
        // Without a lock and last, because this may run the user's destructors.
        drop(work);
    }

    /// Its instrument may have another name than before.
    pub(super) fn renamed(&self, before: &str) {
        if self.name() != before {
            self.metrics.forget(before);
            self.state().unmark();
            self.mark();
        }
    }

    /// Updates metrics of the callback, unless it was unregistered: its name may be that of a later one by then.
    fn tell(&self, tell: impl FnOnce(&CallbackMetrics, &str)) {
        let is_registered = self.state().work.is_some();
        if !is_registered {
            return;
        }
        // Metrics can log a warning, which runs the user's code; it must not keep the run from ending.
        let _ = caught(|| {
            tell(&self.metrics, &self.name());
            self.mark();
            Ok(())
        });
        // It may have gone meanwhile, or have unloaded its own scope.
        self.forget_if_gone();
    }

    fn forget_if_gone(&self) {
        let is_registered = self.state().work.is_some();
        if !is_registered {
            self.mark();
            self.metrics.forget_mark(&self.name());
        }
        if self.is_unloaded() {
            self.metrics.forget(&self.name());
        }
    }

    /// Has metrics count it while it is in the background.
    fn mark(&self) {
        let change = self.state().mark();
        if let Some(is_in) = change {
            self.metrics.in_background(&self.name(), is_in);
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Callback {
    /// Instruments and sheets hold each other, also after their registry has gone.
    fn drop(&mut self) {
        self.sheets.iter().for_each(Sheet::retire);
    }
}

/// Runs the user's code, and catches its panics.
pub(super) fn caught<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(run))
        .map_err(|payload| Failure::Panic(message(payload)))
        .and_then(|outcome| outcome.map_err(Failure::Error))
}

/// Returns the text of a panic, if it has one.
fn message(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    // The payload is the user's too, and may panic when it is dropped.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use crate::registry::Registry;

    #[test]
    fn an_instrument_goes_with_its_registry_also_when_a_callback_was_forgotten() {
        let registry = Registry::new();
        let rows = registry.scoped("plugin", "catalog").observable_gauge::<u64>("rows");
        rows.observe(|| 1).expect("a good name").forget();
        let callback = registry.inner.callbacks.registered().remove(0);
        let instrument = std::sync::Arc::downgrade(callback.sheets[0].instrument());
        drop((registry, callback));
        assert!(instrument.upgrade().is_none());
    }

    #[test]
    fn a_callback_that_comes_too_late_for_the_unloading_of_its_scope_is_not_kept() {
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "catalog");
        let rows = meter.observable_gauge::<u64>("rows");
        rows.observe(|| 1).expect("a good name").forget();
        let callback = registry.inner.callbacks.registered().remove(0);
        meter.unload();
        registry.inner.callbacks.register(callback);
        assert!(registry.inner.callbacks.registered().is_empty());
    }
}
