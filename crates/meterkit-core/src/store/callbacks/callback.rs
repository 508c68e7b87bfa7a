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
    fn name(&self) -> String {
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
        // One that was switched off has nothing to serve, however fresh.
        let is_served = !self.sheets.iter().any(|sheet| sheet.is_outdated());
        let ttl = self.options.ttl.filter(|_| is_served);
        let next = self.state().prepare(now, ttl);
        if let Next::Overrun = next {
            self.overran();
        }
        next
    }

    /// What it is doing.
    pub(super) fn doing(&self) -> Run {
        self.state().run
    }

    /// A collection has stopped waiting for it.
    pub(super) fn overran(&self) {
        let verdict = self.state().overran();
        self.tell(verdict, "is still running");
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
        self.metrics.ran(&name, took);
        if let Some(failure) = failure {
            self.tell_failure(&name, &failure);
        }
        if self.is_unloaded() {
            // It may have unloaded its scope itself.
            self.metrics.forget(&name);
        }
        let verdict = self.state().end(took, self.budget());
        self.tell(verdict, "took too long");
        // Last of all: who waits for the run goes on from here.
        self.state().ended();
    }

    /// Nothing is seen of it any more, whatever it is doing.
    pub(super) fn retire(&self) {
        self.state().is_retired = true;
        self.sheets.iter().for_each(Sheet::retire);
        let name = self.name();
        match self.is_unloaded() {
            true => self.metrics.forget(&name),
            false => self.metrics.forget_background(&name),
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
        let (name, instruments, budget) = (self.name(), self.names(), self.budget());
        match verdict {
            Verdict::InTime => {}
            Verdict::InTimeAgain => {
                self.metrics.in_background(&name, false);
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
                self.metrics.in_background(&name, true);
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
