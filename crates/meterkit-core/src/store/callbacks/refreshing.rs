//! Callbacks that run in the background, once per period, whether anyone collects or not.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::Callbacks;
use super::callback::{Callback, Failure, Work};
use super::run::{Run, said};
use crate::store::observed::Draft;

/// The shortest period.
const SHORTEST: Duration = Duration::from_millis(10);

/// Something to be run to its end, on a thread or in a runtime.
pub type BackgroundTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Has a task run.
pub(crate) type Spawn = Arc<dyn Fn(BackgroundTask) + Send + Sync>;

/// Reports what an async callback found, when it is whole.
pub(crate) type Report = Box<dyn FnOnce(&mut [Draft]) + Send>;

/// What an async callback ends with.
pub(crate) type Found = Result<Report, String>;

type Start = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Found> + Send>> + Send + Sync>;

/// An async callback.
pub(crate) struct Refreshing {
    pub(crate) period: Duration,
    start: Start,
    /// Where it runs, unless on the runtime of whoever drives the refreshes.
    spawn: Option<Spawn>,
}

impl Refreshing {
    pub(crate) fn new<F>(
        period: Duration,
        spawn: Option<Spawn>,
        start: impl Fn() -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Found> + Send + 'static,
    {
        Self { period: period.max(SHORTEST), start: Box::new(move || Box::pin(start())), spawn }
    }
}

impl Callbacks {
    /// The tasks of refreshes that are due `now`, by the registry's clock, but for those that run elsewhere and are
    /// started here; and how long it is until the next one.
    pub(crate) fn due_refreshes(&self, now: Duration) -> (Vec<BackgroundTask>, Option<Duration>) {
        let mut tasks = Vec::new();
        let mut next: Option<Duration> = None;
        for callback in self.registered() {
            let work = callback.work();
            let Some(Work::Refresh(refreshing)) = work.as_deref() else { continue };
            let (is_due, wait) = callback.prepare_refresh(now, refreshing.period);
            next = Some(next.map_or(wait, |next| next.min(wait)));
            if !is_due {
                continue;
            }
            let task: BackgroundTask = Box::pin(refresh(Running::new(callback.clone())));
            match &refreshing.spawn {
                Some(spawn) => {
                    // A task that is dropped counts as failed: nothing more to do about a spawn that panics.
                    let _ = catch_unwind(AssertUnwindSafe(|| spawn(task)));
                }
                None => tasks.push(task),
            }
        }
        (tasks, next)
    }
}

impl Callback {
    /// Whether a refresh is to begin, and how long it is until the next look.
    fn prepare_refresh(&self, now: Duration, period: Duration) -> (bool, Duration) {
        if self.is_off() {
            return (false, period);
        }
        let (budget, is_served) = (self.budget(), self.is_served());
        let mut state = self.state();
        match state.run {
            Run::Nothing => {
                let asked = state.last_asked.filter(|_| is_served);
                let due = asked.map_or(now, |asked| asked.saturating_add(period));
                if due > now {
                    return (false, due - now);
                }
                state.run = Run::Waiting;
                state.last_asked = Some(now);
                drop(state);
                self.ask();
                (true, period.min(budget))
            }
            Run::Running { since, is_late: false } if since.elapsed() >= budget => {
                drop(state);
                self.overran();
                (false, period)
            }
            _ => (false, period),
        }
    }
}

/// Runs one refresh and reports what it found.
async fn refresh(mut running: Running) {
    let (work, since) = (running.callback.work(), running.begin());
    let (Some(since), Some(Work::Refresh(refreshing))) = (since, work.as_deref()) else {
        return;
    };
    let callback = running.callback.clone();
    let found = Caught { callback: &callback, make: &refreshing.start, future: None }.await;
    running.is_over = true;
    match found {
        Ok(Ok(report)) => running.callback.report(since, |drafts| {
            report(drafts);
            Ok(())
        }),
        Ok(Err(error)) => running.callback.fail(since, Failure::Error(error)),
        Err(Panicked(said)) => running.callback.fail(since, Failure::Panic(said)),
    }
}

/// A refresh that has not reported. A task can be dropped at any time, with the runtime that it was on.
struct Running {
    callback: Arc<Callback>,
    since: Instant,
    is_over: bool,
}

impl Running {
    fn new(callback: Arc<Callback>) -> Self {
        Self { callback, since: Instant::now(), is_over: false }
    }

    fn begin(&mut self) -> Option<Instant> {
        let since = self.callback.begin();
        match since {
            Some(since) => self.since = since,
            None => self.is_over = true,
        }
        since
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            let failure = Failure::Error(
                "it was stopped before its end: has its runtime shut down?".to_owned(),
            );
            self.callback.fail(self.since, failure);
        }
    }
}

/// A future that is made and polled with panics caught, as long as its callback is registered.
struct Caught<'a> {
    callback: &'a Callback,
    make: &'a Start,
    future: Option<Pin<Box<dyn Future<Output = Found> + Send>>>,
}

/// With what was said.
struct Panicked(String);

impl Future for Caught<'_> {
    type Output = Result<Found, Panicked>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { callback, make, future } = &mut *self;
        if !callback.may_wait(context.waker()) {
            return Poll::Ready(Ok(Err("its callback was unregistered".to_owned())));
        }
        let polled = catch_unwind(AssertUnwindSafe(|| {
            future.get_or_insert_with(*make).as_mut().poll(context)
        }));
        match polled {
            Ok(polled) => polled.map(Ok),
            Err(payload) => Poll::Ready(Err(Panicked(said(payload)))),
        }
    }
}
