//! One registered callback: what it reports, and how its runs went.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
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
    /// Until it is unregistered: what the user's code holds goes then.
    work: Mutex<Option<Arc<Work>>>,
    /// Of one that is refreshed in the background.
    period: Option<Duration>,
    options: CallbackOptions,
    settings: Arc<Settings>,
    metrics: Arc<CallbackMetrics>,
    state: Mutex<State>,
    /// Of a refresh that waits for something: to be woken when the callback goes.
    waker: Mutex<Option<Waker>>,
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
    /// With what it said, if that was text.
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
        let (state, period) = match &work {
            Work::Collect(_) => (State::default(), None),
            Work::Refresh(refreshing) => (State::of_refresh(), Some(refreshing.period)),
        };
        Self {
            sheets: drafts.iter().map(|draft| draft.sheet().clone()).collect(),
            drafts: Mutex::new(drafts),
            work: Mutex::new(Some(Arc::new(work))),
            period,
            options,
            settings,
            metrics,
            state: Mutex::new(state),
            waker: Mutex::default(),
        }
    }

    /// The user's code, unless it has gone.
    pub(super) fn work(&self) -> Option<Arc<Work>> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn is_refresh(&self) -> bool {
        self.period.is_some()
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
        let default = || self.period.unwrap_or_else(|| self.settings.callback_budget());
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
        let work = self.work();
        // By itself: the lock must be free while the user's code runs.
        let since = self.state().begin();
        if let (Some(since), Some(Work::Collect(collect))) = (since, work.as_deref()) {
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

    /// Whether a refresh that waits may go on waiting: otherwise it ends here. Wakes it when it may not any more.
    pub(super) fn may_wait(&self, waker: &Waker) -> bool {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
        // Afterwards: whoever retires it now finds the waker.
        !self.state().is_retired
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
        let is_retired = self.state().is_retired;
        // Metrics of its name may be those of another one, made after it was unregistered.
        if !is_retired {
            // What is logged comes to code of the user, which must not keep the run from ending.
            let _ = super::run::caught(|| {
                self.metrics.ran(&name, took);
                self.tell_outcome(&name, failure.as_ref());
                self.tell(verdict, "took too long");
                Ok(())
            });
            // It may have gone meanwhile, or have unloaded its scope itself.
            self.forget_what_is_gone();
        }
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
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        // With no lock held, as what goes is the user's.
        drop(work);
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Has metrics tell nothing of what is not there any more. Called after they were told of it, too: it may have gone
    /// in between.
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

    /// A collection goes on without it, before it was begun or while it had time left: others took too long.
    pub(super) fn left_out(&self) {
        self.metrics.overran(&self.name());
        let is_first = self.state().is_first_unbegun();
        if is_first {
            tracing::warn!(
                instruments = self.names(),
                "callback was not run in time, as others took too long: its last values are served; give those others \
                 `cached` or `refresh_every`"
            );
        }
    }

    fn tell_outcome(&self, name: &str, failure: Option<&Failure>) {
        if let Some(failure) = failure {
            self.metrics.failed(name, matches!(failure, Failure::Panic(_)));
        }
        let is_news = self.state().is_news(failure);
        if !is_news {
            return;
        }
        let instruments = self.names();
        match failure {
            None => tracing::info!(instruments, "callback works again"),
            Some(Failure::Panic(panic)) => tracing::error!(
                instruments,
                panic,
                "callback panicked: its values are missing until it works again"
            ),
            Some(Failure::Error(error)) => tracing::warn!(
                instruments,
                error,
                "callback failed: its last values are served once more, then none until it works again"
            ),
        }
    }

    fn tell(&self, verdict: Verdict, what: &str) {
        self.mark();
        if verdict == Verdict::InTime {
            return;
        }
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
