//! The scheduling state of one callback.

use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use tracing::Level;

use super::callback::{Failure, Routine};
use super::events::Event;
use crate::store::observed::Draft;

/// After this many consecutive overruns, collections no longer wait for a callback.
const OVERRUNS: u32 = 3;

/// After this many consecutive good runs, a callback has recovered. A callback that fails every other time is therefore
/// logged once, not every time.
const GOOD_RUNS: u32 = 3;

/// How long a callback is paused after a panic. The pause doubles with each consecutive panic.
const FIRST_BACKOFF: Duration = Duration::from_secs(30);

/// The longest pause after a panic.
const LONGEST_BACKOFF: Duration = Duration::from_secs(15 * 60);

/// The scheduling state of one callback.
#[derive(Default)]
pub(super) struct State {
    /// `None` once unregistered, so that values captured by the user's closure are dropped.
    pub(super) work: Option<Arc<Routine>>,
    /// Taken out during a run, so that no lock is held while user code runs.
    pub(super) drafts: Vec<Draft>,
    /// Wakes a waiting refresh when the callback is unregistered.
    pub(super) waker: Option<Waker>,
    pub(super) run: Run,
    /// Events that the last collection has not logged yet.
    pub(super) events: Vec<Event>,
    /// When the last run was queued, by the registry's clock.
    asked: Option<Duration>,
    last: Outcome,
    /// The outcome that was logged last, until the callback has recovered from it.
    logged: Outcome,
    /// How many consecutive runs returned values.
    good_runs: u32,
    /// How long the callback is paused because it panicked.
    backoff: Duration,
    /// Whether values of an earlier run exist for export.
    pub(super) has_values: bool,
    /// How many consecutive runs or collections exceeded the budget.
    overruns: u32,
    /// Whether an overrun was logged, until the callback has recovered from it.
    is_overrun_logged: bool,
    /// How many consecutive runs ended within the budget.
    fast_runs: u32,
    /// Whether collections export its last values because it is too slow.
    pub(super) is_background: bool,
    was_left_out: bool,
    /// Whether a run took long enough for its duration, and that of each later run, to be recorded as a metric.
    pub(super) is_timed: bool,
}

/// The stage of a callback's current run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Run {
    #[default]
    Idle,
    /// The run is waiting for a thread.
    Queued,
    Running {
        since: Instant,
        /// Whether the duration has been compared with the budget, because it was exceeded or the run has ended.
        is_judged: bool,
    },
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Outcome {
    #[default]
    Worked,
    Failed,
    Panicked,
}

impl State {
    pub(super) fn new(work: Routine, drafts: Vec<Draft>) -> Self {
        Self { work: Some(Arc::new(work)), drafts, ..Self::default() }
    }

    /// Queues a run of an idle callback if one is due `now`. A run is due `interval` after the last one, or later if a
    /// panic caused a longer pause. The error is the time until then.
    ///
    /// A callback whose scope was disabled in the meantime has no values to export and is due at once.
    pub(super) fn queue(
        &mut self,
        now: Duration,
        interval: Duration,
        is_outdated: bool,
    ) -> Result<(), Duration> {
        let pause = interval.max(self.backoff);
        let asked = self.asked.filter(|_| !is_outdated);
        let due = asked.map_or(now, |asked| asked.saturating_add(pause));
        if self.work.is_none() || due > now {
            return Err(due.saturating_sub(now));
        }
        self.run = Run::Queued;
        self.asked = Some(now);
        self.has_values &= !is_outdated;
        Ok(())
    }

    /// Begins the queued run and returns it, or returns the run that has already begun. Returns `None` if the callback
    /// was unregistered.
    pub(super) fn begin(&mut self) -> Option<(Arc<Routine>, Instant)> {
        let work = self.work.clone()?;
        if let Run::Running { since, .. } = self.run {
            return Some((work, since));
        }
        let since = Instant::now();
        self.run = Run::Running { since, is_judged: false };
        Some((work, since))
    }

    /// Notes an overrun: the callback has been `running` for longer than a collection waits for it.
    pub(super) fn overran(&mut self, running: Duration, budget: Duration) {
        if let Run::Running { is_judged, .. } = &mut self.run {
            *is_judged = true;
        }
        if self.work.is_none() {
            return;
        }
        self.overruns = self.overruns.saturating_add(1);
        self.fast_runs = 0;
        let is_refresh = self.is_refresh();
        let is_slow = self.overruns >= OVERRUNS && !is_refresh;
        let is_first = !std::mem::replace(&mut self.is_overrun_logged, true);
        let detail = || Some(format!("running for {running:.1?}, budget {budget:?}"));
        if is_slow && (is_first || !self.is_background) {
            let message = (
                Level::WARN,
                "callback exceeded its budget three times in a row; running it in the background and exporting its \
                 last values until it is fast again; make it faster, or use `cached` or `refresh_every`",
            );
            self.log(message, detail());
        } else if is_first {
            let message = (
                Level::WARN,
                "callback did not finish in time; exporting its last values until it does",
            );
            self.log(message, detail());
        }
        self.is_background |= is_slow || is_refresh;
    }

    /// Notes that a collection ended before the callback had its turn.
    pub(super) fn left_out(&mut self) {
        if !std::mem::replace(&mut self.was_left_out, true) {
            let message = (
                Level::WARN,
                "callback was not run in time because others take too long; exporting its last values; use `cached` or \
                 `refresh_every` for the slow ones",
            );
            self.log(message, None);
        }
    }

    /// Ends a run. Returns whether the run was an overrun that was not noted before.
    pub(super) fn end(
        &mut self,
        took: Duration,
        budget: Duration,
        failure: Option<Failure>,
    ) -> bool {
        let was_judged = match &mut self.run {
            Run::Running { is_judged, .. } => std::mem::replace(is_judged, true),
            _ => false,
        };
        if self.work.is_none() {
            return false;
        }
        self.note(failure);
        let is_overrun = !was_judged && took > budget;
        if is_overrun {
            self.overran(took, budget);
        } else if !was_judged {
            self.overruns = 0;
            self.fast_runs = self.fast_runs.saturating_add(1);
        }
        let is_fast = self.fast_runs >= GOOD_RUNS;
        self.is_overrun_logged &= !is_fast;
        if self.is_refresh() {
            self.is_background = false;
        } else if is_fast && std::mem::take(&mut self.is_background) {
            self.log((Level::INFO, "callback is fast again; collections wait for it"), None);
        }
        is_overrun
    }

    /// Stores the outcome of a run.
    fn note(&mut self, failure: Option<Failure>) {
        let was_fine = self.last == Outcome::Worked;
        let (outcome, message, detail) = match failure {
            None => (Outcome::Worked, (Level::INFO, "callback works again"), None),
            Some(Failure::Error(error)) => {
                let message = (
                    Level::WARN,
                    "callback failed; exporting its last values once more, then none until it works again",
                );
                (Outcome::Failed, message, Some(error))
            }
            Some(Failure::Panic(panic)) => {
                let message = (
                    Level::ERROR,
                    "callback panicked; exporting none of its values until it works again; retrying after 30 s, then \
                     at growing intervals of up to 15 min",
                );
                (Outcome::Panicked, message, Some(panic))
            }
        };
        self.has_values = match outcome {
            Outcome::Worked => true,
            Outcome::Failed => self.has_values && was_fine,
            Outcome::Panicked => false,
        };
        self.backoff = match outcome {
            Outcome::Panicked => (2 * self.backoff).clamp(FIRST_BACKOFF, LONGEST_BACKOFF),
            Outcome::Worked | Outcome::Failed => Duration::ZERO,
        };
        self.last = outcome;
        self.good_runs =
            if outcome == Outcome::Worked { self.good_runs.saturating_add(1) } else { 0 };
        let has_recovered = self.good_runs >= GOOD_RUNS;
        if self.logged != outcome && (outcome != Outcome::Worked || has_recovered) {
            self.logged = outcome;
            self.log(message, detail);
        }
    }

    fn log(&mut self, (level, message): (Level, &'static str), detail: Option<String>) {
        // Events of a callback that was unregistered are irrelevant.
        if self.work.is_some() {
            self.events.push(Event { level, message, detail });
        }
    }

    /// Unregisters the callback. Returns the values that it held, to be dropped without a lock.
    pub(super) fn retire(&mut self) -> (Option<Arc<Routine>>, Option<Waker>) {
        self.is_background = false;
        self.events.clear();
        (self.work.take(), self.waker.take())
    }

    /// Returns whether the callback runs once per period, independently of collections.
    fn is_refresh(&self) -> bool {
        self.work.as_deref().is_some_and(|work| matches!(work, Routine::Refresh(_)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_secs(1);

    fn idle() -> State {
        State::new(Routine::Collect(Box::new(|_| Ok(()))), Vec::new())
    }

    fn begin(state: &mut State) {
        assert_eq!(state.queue(Duration::ZERO, Duration::ZERO, false), Ok(()));
        assert!(state.begin().is_some());
    }

    fn run(state: &mut State, took: Duration) -> Vec<&'static str> {
        begin(state);
        state.end(took, BUDGET, None);
        state.run = Run::Idle;
        messages(state)
    }

    fn messages(state: &mut State) -> Vec<&'static str> {
        let messages = state.events.drain(..).map(|event| event.message);
        messages.map(|it| it.split(';').next().unwrap_or_default()).collect()
    }

    const NOTHING: [&str; 0] = [];
    const LATE: &str = "callback did not finish in time";
    const SLOW: &str = "callback exceeded its budget three times in a row";

    #[test]
    fn a_run_that_ends_in_time_ends_a_row_of_late_ones() {
        let mut state = idle();
        for _ in 0..3 {
            assert_eq!(run(&mut state, 2 * BUDGET), [LATE]);
            assert_eq!(run(&mut state, 2 * BUDGET), NOTHING);
            assert_eq!(run(&mut state, BUDGET), NOTHING);
            // A second series of overruns is not logged before the callback has recovered.
            assert_eq!(run(&mut state, 2 * BUDGET), NOTHING);
            (0..3).for_each(|_| assert_eq!(run(&mut state, BUDGET), NOTHING));
        }
        assert_eq!(run(&mut state, 2 * BUDGET), [LATE]);
        run(&mut state, 2 * BUDGET);
        assert!(!state.is_background);
        assert_eq!(run(&mut state, 2 * BUDGET), [SLOW]);
        assert!(state.is_background);
        assert_eq!(run(&mut state, 2 * BUDGET), NOTHING);
        // A single fast run is not a recovery.
        assert_eq!(run(&mut state, BUDGET), NOTHING);
        assert_eq!(run(&mut state, 2 * BUDGET), NOTHING);
        assert_eq!(run(&mut state, BUDGET), NOTHING);
        assert_eq!(run(&mut state, BUDGET), NOTHING);
        assert!(state.is_background);
        assert_eq!(run(&mut state, BUDGET), ["callback is fast again"]);
        assert!(!state.is_background);
    }

    #[test]
    fn a_callback_that_fails_every_other_time_is_logged_once_and_recovers_with_three_good_runs() {
        let mut state = idle();
        let mut run = |failure: Option<&str>| {
            begin(&mut state);
            let failure = failure.map(|error| Failure::Error(error.to_owned()));
            state.end(Duration::ZERO, BUDGET, failure);
            state.run = Run::Idle;
            messages(&mut state)
        };
        assert_eq!(run(Some("no disk")), ["callback failed"]);
        for _ in 0..5 {
            assert_eq!(run(None), NOTHING);
            assert_eq!(run(None), NOTHING);
            assert_eq!(run(Some("no disk")), NOTHING);
        }
        assert_eq!(run(None), NOTHING);
        assert_eq!(run(None), NOTHING);
        assert_eq!(run(None), ["callback works again"]);
        assert_eq!(run(None), NOTHING);
        assert_eq!(run(Some("no disk")), ["callback failed"]);
    }

    #[test]
    fn a_late_run_is_logged_once_whether_a_collection_or_its_end_finds_out() {
        let mut state = idle();
        begin(&mut state);
        state.overran(BUDGET, BUDGET);
        assert_eq!(messages(&mut state), [LATE]);
        assert!(matches!(state.run, Run::Running { is_judged: true, .. }));
        assert!(!state.end(2 * BUDGET, BUDGET, None), "the overrun was noted before");
        assert_eq!(messages(&mut state), <[&str; 0]>::default());
        assert!(
            matches!(state.run, Run::Running { is_judged: true, .. }),
            "it is not judged again"
        );
    }

    #[test]
    fn nothing_is_logged_about_an_unregistered_callback() {
        let mut state = idle();
        begin(&mut state);
        state.retire();
        state.overran(2 * BUDGET, BUDGET);
        state.left_out();
        assert!(!state.end(2 * BUDGET, BUDGET, Some(Failure::Error("no".to_owned()))));
        assert_eq!(messages(&mut state), <[&str; 0]>::default());
        assert!(!state.is_background);
        state.run = Run::Idle;
        assert!(state.queue(Duration::ZERO, Duration::ZERO, false).is_err());
        assert!(state.begin().is_none());
    }

    #[test]
    fn the_pause_after_a_panic_doubles_up_to_a_quarter_of_an_hour_and_ends_with_a_run_that_returns()
    {
        let mut state = idle();
        let mut now = Duration::ZERO;
        let panic = || Some(Failure::Panic("a bug".to_owned()));
        for seconds in [30, 60, 120, 240, 480, 900, 900] {
            assert_eq!(state.queue(now, BUDGET, false), Ok(()));
            state.begin();
            state.end(Duration::ZERO, BUDGET, panic());
            state.run = Run::Idle;
            let pause = Duration::from_secs(seconds);
            assert_eq!(state.queue(now, BUDGET, false), Err(pause));
            now += pause;
        }
        assert_eq!(messages(&mut state), ["callback panicked"]);
        assert_eq!(state.queue(now, BUDGET, false), Ok(()));
        state.begin();
        state.end(Duration::ZERO, BUDGET, None);
        state.run = Run::Idle;
        assert_eq!(state.queue(now, BUDGET, false), Err(BUDGET));
        for _ in 0..2 {
            assert_eq!(messages(&mut state), NOTHING);
            now += BUDGET;
            assert_eq!(state.queue(now, BUDGET, false), Ok(()));
            state.begin();
            state.end(Duration::ZERO, BUDGET, None);
            state.run = Run::Idle;
        }
        assert_eq!(messages(&mut state), ["callback works again"]);
    }
}
