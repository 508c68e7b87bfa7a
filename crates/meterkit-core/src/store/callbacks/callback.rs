//! One registered callback: what it reports, and how its runs went.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::refreshing::Refreshing;
use super::run::{Next, Run, State, Verdict};
use crate::instrument::CallbackMetrics;
use crate::store::observed::{Draft, Sheet};
use crate::store::settings::Settings;

/// The largest budget: moments can be reckoned with it.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// One registered callback.
pub(crate) struct Callback {
    sheets: Box<[Arc<Sheet>]>,
    /// Taken out while the callback runs, so that no lock is held meanwhile.
    drafts: Mutex<Vec<Draft>>,
    work: Work,
    options: CallbackOptions,
    settings: Arc<Settings>,
    metrics: Arc<CallbackMetrics>,
    state: Mutex<State>,
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
    /// For how long what it reported is served without asking again.
    pub(crate) ttl: Option<Duration>,
    /// How long a collection waits for it; the registry's budget counts when it has none.
    pub(crate) budget: Option<Duration>,
}

/// How a run ended that did not end well.
pub(super) enum Failure {
    Error(String),
    Panic,
}

impl Callback {
    pub(crate) fn new(
        drafts: Vec<Draft>,
        work: Work,
        options: CallbackOptions,
        settings: Arc<Settings>,
        metrics: Arc<CallbackMetrics>,
    ) -> Self {
        let state = match work {
            Work::Collect(_) => State::default(),
            Work::Refresh(_) => State::of_refresh(),
        };
        Self {
            sheets: drafts.iter().map(|draft| draft.sheet().clone()).collect(),
            drafts: Mutex::new(drafts),
            work,
            options,
            settings,
            metrics,
            state: Mutex::new(state),
        }
    }

    pub(crate) fn work(&self) -> &Work {
        &self.work
    }

    /// The full names of the instruments that it reports.
    pub(crate) fn names(&self) -> String {
        let names = self.sheets.iter().map(|it| it.instrument().shared.descriptor().name.clone());
        names.collect::<Vec<_>>().join(", ")
    }

    /// The full name of the first of them, by which metrics tell it from others.
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

    /// How long a collection waits for it, or how long a refresh in the background should take.
    pub(super) fn budget(&self) -> Duration {
        let default = || match &self.work {
            Work::Collect(_) => self.settings.callback_budget(),
            Work::Refresh(refreshing) => refreshing.period,
        };
        self.options.budget.unwrap_or_else(default).min(LONGEST)
    }

    /// What a collection that begins `now`, by the registry's clock, does with it.
    pub(super) fn prepare(&self, now: Duration) -> Next {
        let ttl = self.options.ttl.filter(|_| self.is_served());
        let next = self.state().prepare(now, ttl);
        match next {
            Next::Overrun => self.overran(),
            Next::Run | Next::RunInBackground => self.ask(),
            Next::Skip | Next::Await => {}
        }
        next
    }

    /// Whether it was asked since it was last switched off: otherwise it has nothing to serve, however fresh.
    pub(super) fn is_served(&self) -> bool {
        !self.sheets.iter().any(|sheet| sheet.is_outdated())
    }

    /// It is asked.
    pub(super) fn ask(&self) {
        self.sheets.iter().for_each(|sheet| sheet.ask());
    }

    /// What it is doing.
    pub(super) fn doing(&self) -> Run {
        self.state().run
    }

    /// A collection has stopped waiting for it.
    pub(super) fn overran(&self) {
        let verdict = self.state().overran();
        self.tell(verdict, "is still running");
        self.forget_what_is_gone();
    }

    /// Runs it, on the thread that is here for it.
    pub(super) fn run(&self) {
        let Work::Collect(collect) = &self.work else { return };
        // By itself: the lock must be free while the user's code runs.
        let since = self.state().begin();
        if let Some(since) = since {
            self.report(since, |drafts| collect(drafts));
        }
    }

    /// Begins a refresh in the background. The moment it began, unless the callback has gone.
    pub(super) fn begin(&self) -> Option<Instant> {
        self.state().begin()
    }

    /// Has `report` fill the drafts, and makes them what is seen if that goes well.
    pub(super) fn report(
        &self,
        since: Instant,
        report: impl FnOnce(&mut [Draft]) -> Result<(), String>,
    ) {
        let mut drafts = std::mem::take(&mut *self.drafts());
        drafts.iter_mut().for_each(Draft::begin);
        let outcome = super::run::caught(|| report(&mut drafts));
        self.end(drafts, since, outcome);
    }

    /// A run ended without anything to report.
    pub(super) fn fail(&self, since: Instant, failure: Failure) {
        let drafts = std::mem::take(&mut *self.drafts());
        self.end(drafts, since, Err(failure));
    }

    fn end(&self, mut drafts: Vec<Draft>, since: Instant, outcome: Result<(), Failure>) {
        match &outcome {
            Ok(()) => drafts.iter_mut().for_each(Draft::commit),
            Err(_) => drafts.iter_mut().for_each(Draft::roll_back),
        }
        *self.drafts() = drafts;
        let (took, name) = (since.elapsed(), self.name());
        let failure = outcome.err();
        let is_kept = self.state().outcome(failure.as_ref());
        if !is_kept {
            self.sheets.iter().for_each(|sheet| sheet.hide());
        }
        let verdict = self.state().end(took, self.budget());
        // What is logged comes to code of the user, which must not keep the run from ending.
        let _ = super::run::caught(|| {
            self.metrics.ran(&name, took);
            if let Some(failure) = failure {
                self.tell_failure(&name, &failure);
            }
            self.tell(verdict, "took too long");
            Ok(())
        });
        // It may have unloaded its scope itself.
        self.forget_what_is_gone();
        // Last of all: who waits for the run goes on from here.
        self.state().ended();
    }

    /// Nothing is seen of it any more, whatever it is doing.
    pub(super) fn retire(&self) {
        let was_retired = std::mem::replace(&mut self.state().is_retired, true);
        // The metrics may be those of another instrument by now, which has the name of this one.
        if was_retired {
            return;
        }
        self.sheets.iter().for_each(Sheet::retire);
        self.forget_what_is_gone();
    }

    /// Has metrics tell nothing of what is not there any more. Called after they were told of it, too: it may have gone in
    /// between.
    fn forget_what_is_gone(&self) {
        let is_retired = self.state().is_retired;
        if is_retired {
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

    /// Its instrument may have another name than before.
    pub(super) fn renamed(&self, before: &str) {
        if self.name() != before {
            self.metrics.forget(before);
            self.state().unmark();
            self.mark();
        }
    }

    fn tell_failure(&self, name: &str, failure: &Failure) {
        self.metrics.failed(name, matches!(failure, Failure::Panic));
        if !self.state().is_failure_new() {
            return;
        }
        let instruments = self.names();
        match failure {
            Failure::Panic => tracing::error!(
                instruments,
                "callback panicked: its values are missing until it works again"
            ),
            Failure::Error(error) => tracing::warn!(
                instruments,
                error,
                "callback failed: its last values are served once more, then none until it works again"
            ),
        }
    }

    fn tell(&self, verdict: Verdict, what: &str) {
        if verdict == Verdict::InTime {
            return;
        }
        self.mark();
        let (name, instruments, budget) = (self.name(), self.names(), self.budget());
        match verdict {
            Verdict::InTime => {}
            Verdict::InTimeAgain => {
                tracing::info!(instruments, "callback is fast again: collections wait for it");
            }
            Verdict::Late { is_first } => {
                self.metrics.overran(&name);
                if is_first {
                    tracing::warn!(
                        instruments,
                        ?budget,
                        "callback {what}: collections go on without it, with its last values"
                    );
                }
            }
            Verdict::ToBackground => {
                self.metrics.overran(&name);
                tracing::warn!(
                    instruments,
                    ?budget,
                    "callback was too slow three times in a row: it runs in the background, and its last values are \
                     served, until it is fast again; make it faster, or use `cached` or `refresh_every`"
                );
            }
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn drafts(&self) -> MutexGuard<'_, Vec<Draft>> {
        self.drafts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Callback {
    /// The registry has gone, maybe: instruments and sheets hold each other.
    fn drop(&mut self) {
        self.sheets.iter().for_each(Sheet::retire);
    }
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
