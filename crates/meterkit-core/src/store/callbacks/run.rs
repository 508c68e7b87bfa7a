//! How the runs of a callback follow each other.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use super::callback::Failure;

/// After so many overruns in a row, collections no longer wait for a callback.
const OVERRUNS: u32 = 3;

/// What became of a callback's runs so far.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) run: Run,
    /// When the last run was asked for, by the registry's clock.
    pub(super) last_asked: Option<Duration>,
    /// How many runs in a row took too long.
    overruns: u32,
    /// Whether collections do not wait for it.
    is_background: bool,
    /// Whether metrics count it as such.
    is_marked: bool,
    /// How many runs in a row failed.
    failures: u32,
    /// Whether the last run panicked, if it failed.
    has_panicked: Option<bool>,
    /// Whether it was told of that others took its time.
    was_unbegun: bool,
    pub(super) is_retired: bool,
    /// Whether no collection waits for it in any case.
    is_refresh: bool,
}

/// What a callback is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Run {
    #[default]
    Nothing,
    /// Waits for a thread.
    Waiting,
    Running {
        since: Instant,
        /// Whether it has been told of that it takes too long.
        is_late: bool,
    },
    /// It has run, and that is being told of.
    Ending,
}

/// What a collection does with a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It has nothing to do, or does it in the background.
    Skip,
    /// It is still running, and too long.
    Overrun,
    /// It is being run already.
    Await,
    /// To be run now, and waited for.
    Run,
    /// To be run now.
    RunInBackground,
}

/// What is to be said of the time that a run took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    InTime,
    InTimeAgain,
    Late { is_first: bool },
    ToBackground,
}

impl State {
    /// That of a callback that runs once per period.
    pub(super) fn of_refresh() -> Self {
        Self { is_refresh: true, ..Self::default() }
    }

    /// What a collection does that begins `now`.
    pub(super) fn prepare(&mut self, now: Duration, ttl: Option<Duration>) -> Next {
        let is_fresh = |ttl| self.last_asked.is_some_and(|asked| now.saturating_sub(asked) < ttl);
        match self.run {
            _ if self.is_retired || self.is_refresh => Next::Skip,
            Run::Waiting | Run::Running { .. } | Run::Ending if self.is_background => Next::Skip,
            Run::Running { is_late: true, .. } => Next::Overrun,
            Run::Waiting | Run::Running { .. } | Run::Ending => Next::Await,
            Run::Nothing if ttl.is_some_and(is_fresh) => Next::Skip,
            Run::Nothing => {
                self.run = Run::Waiting;
                self.last_asked = Some(now);
                if self.is_background { Next::RunInBackground } else { Next::Run }
            }
        }
    }

    /// A run begins, unless the callback has gone.
    pub(super) fn begin(&mut self) -> Option<Instant> {
        if self.is_retired {
            self.run = Run::Nothing;
            return None;
        }
        let since = Instant::now();
        self.run = Run::Running { since, is_late: false };
        Some(since)
    }

    /// The run that goes on takes too long.
    pub(super) fn overran(&mut self) -> Verdict {
        let Run::Running { is_late, .. } = &mut self.run else {
            // It ended in this moment, and has been judged.
            return Verdict::InTime;
        };
        *is_late = true;
        if self.is_retired { Verdict::InTime } else { self.count_overrun() }
    }

    /// Whether a run that ended like this leaves values to be seen.
    pub(super) fn outcome(&mut self, failure: Option<&Failure>) -> bool {
        match failure {
            None => {
                self.failures = 0;
                true
            }
            Some(failure) => {
                self.failures = self.failures.saturating_add(1);
                matches!(failure, Failure::Error(_)) && self.failures == 1
            }
        }
    }

    /// Whether a run that ended like this is to be told of: the one before ended in another way.
    pub(super) fn is_news(&mut self, failure: Option<&Failure>) -> bool {
        let has_panicked = failure.map(|failure| matches!(failure, Failure::Panic(_)));
        std::mem::replace(&mut self.has_panicked, has_panicked) != has_panicked
    }

    /// Whether it is the first time that a collection went on without one that it had not begun in time.
    pub(super) fn is_first_unbegun(&mut self) -> bool {
        !std::mem::replace(&mut self.was_unbegun, true)
    }

    /// Whether collections serve its last values, because it is too slow.
    pub(super) fn is_background(&self) -> bool {
        self.is_background && !self.is_retired
    }

    /// A run has ended, and is to be told of before [`ended`](Self::ended).
    pub(super) fn end(&mut self, took: Duration, budget: Duration) -> Verdict {
        let was_late = matches!(self.run, Run::Running { is_late: true, .. });
        self.run = Run::Ending;
        if was_late || self.is_retired {
            return Verdict::InTime;
        }
        if took > budget {
            return self.count_overrun();
        }
        self.overruns = 0;
        match std::mem::take(&mut self.is_background) {
            true => Verdict::InTimeAgain,
            false => Verdict::InTime,
        }
    }

    /// It has been told of how the last run went: the next one may begin.
    pub(super) fn ended(&mut self) {
        self.run = Run::Nothing;
    }

    /// Whether metrics are to count it as in the background from now on, if that has changed.
    pub(super) fn mark(&mut self) -> Option<bool> {
        // A refresh that takes too long has collections serve its last values too.
        let is_late = self.is_refresh && matches!(self.run, Run::Running { is_late: true, .. });
        let is_marked = (self.is_background || is_late) && !self.is_retired;
        let was_marked = std::mem::replace(&mut self.is_marked, is_marked);
        (was_marked != is_marked).then_some(is_marked)
    }

    /// Metrics have forgotten it.
    pub(super) fn unmark(&mut self) {
        self.is_marked = false;
    }

    fn count_overrun(&mut self) -> Verdict {
        self.overruns = self.overruns.saturating_add(1);
        if self.overruns >= OVERRUNS && !self.is_background && !self.is_refresh {
            self.is_background = true;
            return Verdict::ToBackground;
        }
        Verdict::Late { is_first: self.overruns == 1 }
    }
}

/// Runs the user's code, whatever it does.
pub(super) fn caught(run: impl FnOnce() -> Result<(), String>) -> Result<(), Failure> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(outcome) => outcome.map_err(Failure::Error),
        Err(payload) => Err(Failure::Panic(said(payload))),
    }
}

/// What was thrown, where it is text. The rest goes.
pub(super) fn said(payload: Box<dyn Any + Send>) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    discard(payload);
    text.unwrap_or_default()
}

/// Drops what was thrown. It is the user's too, and may throw again.
pub(super) fn discard(payload: Box<dyn Any + Send>) {
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(again);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Duration = Duration::from_secs(1);

    fn run(state: &mut State, took: Duration) -> Verdict {
        assert_eq!(state.prepare(Duration::ZERO, None), Next::Run);
        assert!(state.begin().is_some());
        let verdict = state.end(took, BUDGET);
        state.ended();
        verdict
    }

    #[test]
    fn a_run_that_ends_in_time_ends_a_row_of_late_ones() {
        let mut state = State::default();
        for _ in 0..3 {
            assert_eq!(run(&mut state, 2 * BUDGET), Verdict::Late { is_first: true });
            assert_eq!(run(&mut state, 2 * BUDGET), Verdict::Late { is_first: false });
            assert_eq!(run(&mut state, BUDGET), Verdict::InTime);
        }
        run(&mut state, 2 * BUDGET);
        run(&mut state, 2 * BUDGET);
        assert_eq!(run(&mut state, 2 * BUDGET), Verdict::ToBackground);
        assert_eq!(state.prepare(Duration::ZERO, None), Next::RunInBackground);
        assert_eq!(state.prepare(Duration::ZERO, None), Next::Skip);
        state.begin();
        assert_eq!(state.end(BUDGET, BUDGET), Verdict::InTimeAgain);
    }

    #[test]
    fn a_run_is_late_once_whoever_finds_out() {
        let mut state = State::default();
        assert_eq!(state.prepare(Duration::ZERO, None), Next::Run);
        assert_eq!(state.overran(), Verdict::InTime, "it waits for a thread");
        state.begin();
        assert_eq!(state.overran(), Verdict::Late { is_first: true });
        assert_eq!(state.prepare(Duration::ZERO, None), Next::Overrun);
        assert_eq!(state.end(2 * BUDGET, BUDGET), Verdict::InTime, "it was told of before");
        assert_eq!(state.overran(), Verdict::InTime);
    }

    #[test]
    fn of_one_that_has_gone_nothing_is_told() {
        let mut state = State::default();
        assert_eq!(state.prepare(Duration::ZERO, None), Next::Run);
        state.begin();
        state.is_retired = true;
        assert_eq!(state.overran(), Verdict::InTime);
        assert_eq!(state.end(2 * BUDGET, BUDGET), Verdict::InTime);
        assert_eq!(state.prepare(Duration::ZERO, None), Next::Skip);
    }

    #[test]
    fn no_collection_runs_one_that_is_refreshed() {
        assert_eq!(State::of_refresh().prepare(Duration::ZERO, None), Next::Skip);
    }
}
