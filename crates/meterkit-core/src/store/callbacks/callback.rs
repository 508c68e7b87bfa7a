//! A registered callback: the values it reports, and the outcome of its runs.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, RwLock, Weak};
use std::time::{Duration, Instant};

use super::refreshing::{Refreshing, Spawn};
use super::state::{Run, State};
use crate::instrument::SelfMetrics;
use crate::store::observed::{Draft, Sheet};
use crate::store::settings::Settings;
use crate::store::shared::Shared;
use crate::unpoisoned::Unpoisoned;

/// The largest budget. The limit ensures that a budget can be added to any `Instant`.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// How long a collection waits for a cached callback whose previous values it could export instead. Most callbacks
/// finish within this time.
const GRACE: Duration = Duration::from_millis(100);

/// A callback is slow if a run takes at least this fraction (1/10) of its budget.
const SLOW: u32 = 10;

/// One registered callback.
pub(crate) struct Callback {
    /// Identifies the callback. Callbacks that are registered later have higher numbers.
    number: u64,
    /// One sheet of values per instrument that the callback reports. An intake adds sheets while it runs.
    sheets: RwLock<Vec<Arc<Sheet>>>,
    this: OnceLock<Weak<Self>>,
    /// The time between two runs, or zero for a callback that runs in each collection.
    interval: Duration,
    is_refresh: bool,
    options: CallbackOptions,
    settings: Arc<Settings>,
    metrics: Arc<SelfMetrics>,
    state: Mutex<State>,
    /// Notified when a run has ended.
    ended: Condvar,
}

type Collect = Box<dyn Fn(&mut Vec<Draft>) -> Result<(), String> + Send + Sync>;

/// The user's code.
pub(crate) enum Routine {
    /// Called by collections.
    Collect(Collect),
    /// Called once per period, in the background.
    Refresh(Refreshing),
}

/// The options of a callback.
#[derive(Clone, Default)]
pub(crate) struct CallbackOptions {
    /// How long collections export the values of the last run before they run the callback again.
    pub(crate) ttl: Option<Duration>,
    /// How long a collection waits for the callback; the registry's budget by default.
    pub(crate) budget: Option<Duration>,
    /// Where a refresh runs; by default, on the runtime of the task that drives the refreshes.
    pub(crate) spawn: Option<Spawn>,
    /// The name of the callback, in place of the names of its instruments.
    pub(crate) name: Option<&'static str>,
    /// Where the program registered the callback, for the log.
    pub(crate) registered_at: Option<&'static Location<'static>>,
}

impl fmt::Debug for CallbackOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ttl, budget, .. } = self;
        f.debug_struct("CallbackOptions")
            .field("ttl", ttl)
            .field("budget", budget)
            .finish_non_exhaustive()
    }
}

/// Why a run failed.
pub(super) enum Failure {
    Error(String),
    /// Contains the panic message, or an empty string if the payload was not text.
    Panic(String),
}

impl Callback {
    pub(crate) fn new(
        drafts: Vec<Draft>,
        work: Routine,
        options: CallbackOptions,
        settings: Arc<Settings>,
        metrics: Arc<SelfMetrics>,
    ) -> Self {
        let (interval, is_refresh) = match &work {
            Routine::Collect(_) => (options.ttl.unwrap_or_default(), false),
            Routine::Refresh(refreshing) => (refreshing.period, true),
        };
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Relaxed),
            sheets: RwLock::new(drafts.iter().map(|draft| draft.sheet().clone()).collect()),
            this: OnceLock::new(),
            interval,
            is_refresh,
            options,
            settings,
            metrics,
            state: Mutex::new(State::new(work, drafts)),
            ended: Condvar::new(),
        }
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Connects the instruments to this callback, which reports their values.
    pub(super) fn connect(self: &Arc<Self>) {
        self.this.get_or_init(|| Arc::downgrade(self));
        self.each_sheet(|sheet| sheet.connect(&Arc::downgrade(self)));
    }

    /// Returns where a refresh runs, if this was set.
    pub(super) fn spawn(&self) -> Option<&Spawn> {
        self.options.spawn.as_ref()
    }

    pub(crate) fn is_refresh(&self) -> bool {
        self.is_refresh
    }

    /// Returns where the program registered the callback, if it did so through the facade.
    pub(super) fn registered_at(&self) -> Option<String> {
        self.options.registered_at.map(ToString::to_string)
    }

    /// Returns the full names of the instruments that the callback reports.
    pub(crate) fn names(&self) -> String {
        self.all_names(usize::MAX).join(", ")
    }

    /// Returns the full name of the callback's first instrument, which identifies the callback in metrics.
    pub(super) fn name(&self) -> String {
        self.all_names(1).pop().unwrap_or_default()
    }

    fn all_names(&self, most: usize) -> Vec<String> {
        if let Some(name) = self.options.name {
            return vec![name.to_owned()];
        }
        let sheets = self.sheets.read().unpoisoned();
        let names = sheets.iter().map(|it| it.instrument().shared.descriptor().name.clone());
        names.take(most).collect()
    }

    fn each_sheet(&self, each: impl FnMut(&Arc<Sheet>)) {
        self.sheets.read().unpoisoned().iter().for_each(each);
    }

    /// Returns whether `holds` is true for every instrument that the callback reports. Returns `false` for an intake
    /// that has not run yet and therefore has no instruments.
    fn all_sheets(&self, holds: impl Fn(&Shared) -> bool) -> bool {
        let sheets = self.sheets.read().unpoisoned();
        !sheets.is_empty() && sheets.iter().all(|sheet| holds(&sheet.instrument().shared))
    }

    /// Returns whether all instruments of the callback are off.
    pub(super) fn is_off(&self) -> bool {
        self.all_sheets(Shared::is_off)
    }

    pub(super) fn is_unloaded(&self) -> bool {
        self.all_sheets(Shared::is_unloaded)
    }

    /// Returns how long a collection waits for a callback that has not reported anything yet.
    pub(super) fn longest_wait(&self) -> Duration {
        self.options.budget.unwrap_or_else(|| self.settings.callback_budget()).min(LONGEST)
    }

    /// Returns how long a collection waits for the current run, counted from its start.
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

    /// Returns whether no collection needs to wait for the current run: the callback is cached, and values of an
    /// earlier run exist.
    fn is_spared(&self, state: &State) -> bool {
        !self.interval.is_zero() && state.has_values
    }

    /// Returns how long the current run may take before it counts as an overrun.
    fn budget(&self, state: &State) -> Duration {
        let default = self.settings.callback_budget();
        let default = match self.is_refresh {
            true => self.interval,
            false if self.is_spared(state) => self.interval.max(default),
            false => default,
        };
        self.options.budget.unwrap_or(default).min(LONGEST)
    }

    /// Queues a run if one is due `now`, by the registry's clock. Returns whether a run was queued, whether a
    /// collection waits for the current run, and the time until a refresh is to be checked again.
    pub(super) fn prepare(&self, now: Duration) -> (bool, bool, Duration) {
        if self.is_off() {
            return (false, false, self.interval);
        }
        let mut state = self.state();
        let is_awaited = !self.is_refresh && !state.is_background;
        let budget = self.budget(&state);
        match state.run {
            Run::Idle => match self.queue(&mut state, now) {
                Ok(()) => (true, is_awaited, self.interval.min(budget)),
                Err(wait) => (false, false, wait),
            },
            // Every collection that continues without the callback is an overrun. Nobody waits for a refresh: each of
            // its runs is one overrun at most.
            Run::Running { since, is_judged }
                if since.elapsed() >= budget && (is_awaited || self.is_refresh && !is_judged) =>
            {
                self.overran(state, since);
                (false, false, self.interval)
            }
            Run::Queued | Run::Running { .. } => (false, is_awaited, self.interval),
        }
    }

    fn queue(&self, state: &mut State, now: Duration) -> Result<(), Duration> {
        let is_outdated = self.sheets.read().unpoisoned().iter().any(|sheet| sheet.is_outdated());
        state.queue(now, self.interval, is_outdated)?;
        self.each_sheet(|sheet| sheet.ask());
        Ok(())
    }

    /// Waits for the end of the current run, for at most `step`. Returns whether to keep waiting: the run has not
    /// ended, the callback has time left, and the collection's own `end` has not come.
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
            // A run that began late has not had its whole budget, but it delays other callbacks.
            Run::Running { since, .. } if since.elapsed() >= step.min(self.budget(&state)) => {
                self.overran(state, since);
            }
            Run::Queued | Run::Running { .. } => {
                state.left_out();
                drop(state);
                self.tell(SelfMetrics::overran);
            }
        }
        false
    }

    fn overran(&self, mut state: MutexGuard<'_, State>, since: Instant) {
        let budget = self.budget(&state);
        state.overran(since.elapsed(), budget);
        drop(state);
        self.tell(SelfMetrics::overran);
    }

    /// Runs the user's code on this thread. The caller must call [`finish`](Self::finish) afterwards.
    pub(super) fn run(&self) {
        let begun = self.state().begin();
        if let Some((Routine::Collect(collect), since)) = begun.as_ref().map(|it| (&*it.0, it.1)) {
            self.report(since, Ok(|drafts: &mut Vec<Draft>| collect(drafts)));
        }
    }

    /// Ends a run: `found` fills the drafts, which are exported if it succeeds.
    pub(super) fn report(
        &self,
        since: Instant,
        found: Result<impl FnOnce(&mut Vec<Draft>) -> Result<(), String>, Failure>,
    ) {
        let failure = found.and_then(|report| self.fill_drafts(report)).err();
        let has_panicked = failure.as_ref().map(|it| matches!(it, Failure::Panic(_)));
        let took = since.elapsed();
        let mut state = self.state();
        let budget = self.budget(&state);
        let is_overrun = state.end(took, budget, failure);
        let has_values = state.has_values;
        state.is_timed |= took >= budget / SLOW || self.settings.times_callbacks.load(Relaxed);
        let timed = state.is_timed.then_some(took);
        drop(state);
        if !has_values {
            self.each_sheet(|sheet| sheet.hide());
        }
        self.tell(|metrics, name| {
            metrics.ran(name, timed, has_panicked);
            if is_overrun {
                metrics.overran(name);
            }
        });
    }

    fn fill_drafts(
        &self,
        report: impl FnOnce(&mut Vec<Draft>) -> Result<(), String>,
    ) -> Result<(), Failure> {
        let mut drafts = std::mem::take(&mut self.state().drafts);
        drafts.iter_mut().for_each(Draft::begin);
        let outcome = caught(|| report(&mut drafts)).and_then(|it| it.map_err(Failure::Error));
        self.adopt(&drafts);
        drafts.iter_mut().for_each(if outcome.is_ok() { Draft::commit } else { Draft::roll_back });
        self.state().drafts = drafts;
        outcome
    }

    /// Adds the sheets of drafts that a run has created.
    fn adopt(&self, drafts: &[Draft]) {
        let known = self.sheets.read().unpoisoned().len();
        let new = drafts.iter().skip(known).map(|draft| draft.sheet().clone());
        let new: Vec<_> = new.inspect(|it| it.connect(self.this.get_or_init(Weak::new))).collect();
        if !new.is_empty() {
            self.sheets.write().unpoisoned().extend(new.iter().cloned());
            // The callback was unregistered in the meantime, perhaps too early to retire these sheets with it.
            if self.state().work.is_none() {
                new.iter().for_each(Sheet::retire);
            }
        }
    }

    /// Marks the run as ended, so that the next one can begin and waiting collections continue. Metrics must already
    /// include the run.
    pub(super) fn finish(&self) {
        self.state().run = Run::Idle;
        self.ended.notify_all();
    }

    /// Unregisters the callback: from now on, none of its values are exported, even if it is running.
    pub(super) fn retire(&self) {
        let (work, waker) = self.state().retire();
        self.each_sheet(Sheet::retire);
        if let Some(waker) = waker {
            waker.wake();
        }
        // Dropped last and without a lock, because this may run the user's destructors.
        drop(work);
    }

    /// Updates the callback's metrics, unless it was unregistered: a later callback may have the same name by then.
    fn tell(&self, tell: impl FnOnce(&SelfMetrics, &str)) {
        let is_registered = self.state().work.is_some();
        if !is_registered {
            return;
        }
        // Updating metrics can log a warning, which runs the user's subscriber. A panic there must not keep the run
        // from ending.
        let _ = caught(|| tell(&self.metrics, &self.name()));
        // The scope may have been unloaded in the meantime, perhaps by the callback itself.
        if self.is_unloaded() {
            self.metrics.forget(&self.name());
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unpoisoned()
    }
}

impl Drop for Callback {
    /// Retires the sheets, because instruments and sheets refer to each other and would outlive their registry.
    fn drop(&mut self) {
        self.each_sheet(Sheet::retire);
    }
}

/// Runs the user's code and catches its panics.
pub(super) fn caught<T>(run: impl FnOnce() -> T) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| Failure::Panic(message(payload)))
}

/// Returns the text of a panic, or an empty string if the payload is not text.
fn message(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    // The payload belongs to the user as well, and may panic when dropped.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Registry;

    #[test]
    fn a_run_that_began_late_is_an_overrun_if_it_holds_up_others_and_left_out_otherwise() {
        let registry = Registry::new();
        let rows = registry.scoped("plugin", "catalog").observable_gauge::<u64>("rows");
        rows.observe(|| 1).expect("a good name").forget();
        let callback = registry.inner.callbacks.registered().remove(0);
        let step = Duration::from_millis(50);
        let begin = |ago: Duration| {
            let since = Instant::now().checked_sub(ago).expect("the system runs for longer");
            callback.state().run = Run::Running { since, is_judged: false };
        };
        let is_judged = || matches!(callback.state().run, Run::Running { is_judged: true, .. });
        begin(Duration::ZERO);
        assert!(callback.wait(Duration::ZERO, Instant::now() + step), "there is time left");
        assert!(!callback.wait(Duration::MAX, Instant::now()), "the collection is over");
        assert!(!is_judged(), "the run has not had its whole budget");
        begin(2 * step);
        assert!(!callback.wait(step, Instant::now()));
        assert!(is_judged());
        begin(callback.longest_wait());
        assert!(!callback.wait(step, Instant::now() + LONGEST), "its budget is spent");
        assert!(is_judged());
    }

    #[test]
    fn collections_do_not_run_callbacks_that_are_refreshed() {
        let registry = Registry::new();
        let rows = registry.scoped("plugin", "catalog").observable_gauge::<u64>("rows");
        let guard = rows.refresh_every(Duration::from_secs(1), || std::future::ready(1));
        guard.expect("a good name").forget();
        let callback = registry.inner.callbacks.registered().remove(0);
        let (_, is_awaited, _) = callback.prepare(Duration::ZERO);
        assert!(!is_awaited);
        registry.refresh();
        assert_eq!(
            callback.state().run,
            Run::Queued,
            "it waits for the task that drives refreshes"
        );
    }

    #[test]
    fn an_instrument_is_dropped_with_its_registry_even_if_a_guard_was_forgotten() {
        let registry = Registry::new();
        let rows = registry.scoped("plugin", "catalog").observable_gauge::<u64>("rows");
        rows.observe(|| 1).expect("a good name").forget();
        let callback = registry.inner.callbacks.registered().remove(0);
        let instrument = Arc::downgrade(callback.sheets.read().unpoisoned()[0].instrument());
        drop((registry, callback));
        assert!(instrument.upgrade().is_none());
    }

    #[test]
    fn a_callback_that_is_registered_after_its_scope_was_unloaded_is_not_kept() {
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
