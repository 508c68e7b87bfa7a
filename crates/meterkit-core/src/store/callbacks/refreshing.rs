//! Callbacks that run in the background once per period, independently of collections.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::Callbacks;
use super::callback::{Callback, Failure, Routine, caught};
use crate::store::observed::Draft;

/// The shortest period.
const SHORTEST: Duration = Duration::from_millis(10);

/// A future to be run to completion, on a thread or in a runtime.
pub type BackgroundTask = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts a task on a runtime or thread.
pub(crate) type Spawn = Arc<dyn Fn(BackgroundTask) + Send + Sync>;

/// Fills the drafts with the values that an async callback found.
pub(crate) type Report = Box<dyn FnOnce(&mut [Draft]) + Send>;

/// The outcome of an async callback.
pub(crate) type Found = Result<Report, String>;

type Finding = Pin<Box<dyn Future<Output = Found> + Send>>;

/// An async callback.
pub(crate) struct Refreshing {
    pub(crate) period: Duration,
    start: Box<dyn Fn() -> Finding + Send + Sync>,
}

impl Refreshing {
    pub(crate) fn new<F>(period: Duration, start: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Found> + Send + 'static,
    {
        Self { period: period.max(SHORTEST), start: Box::new(move || Box::pin(start())) }
    }
}

impl Callbacks {
    /// Returns the tasks of refreshes that are due `now`, by the registry's clock, and the time until the next one is
    /// due. Tasks with a spawner of their own are started here instead of being returned.
    pub(crate) fn due_refreshes(&self, now: Duration) -> (Vec<BackgroundTask>, Option<Duration>) {
        let mut tasks = Vec::new();
        let mut next: Option<Duration> = None;
        for callback in self.registered() {
            if !callback.is_refresh() {
                continue;
            }
            let (is_due, _, wait) = callback.prepare(now);
            next = Some(next.map_or(wait, |next| next.min(wait)));
            if !is_due {
                continue;
            }
            let task: BackgroundTask = Box::pin(Refresh::new(callback.clone()));
            match callback.spawn() {
                // If `spawn` panics, it drops the task, which then counts as failed. Nothing else needs to be done.
                Some(spawn) => drop(caught(|| spawn(task))),
                None => tasks.push(task),
            }
        }
        self.log_events();
        (tasks, next)
    }
}

/// One run of an async callback. It may be dropped at any time, together with its runtime.
struct Refresh {
    callback: Arc<Callback>,
    since: Instant,
    future: Option<Finding>,
    is_over: bool,
}

impl Refresh {
    fn new(callback: Arc<Callback>) -> Self {
        Self { callback, since: Instant::now(), future: None, is_over: false }
    }

    fn poll_found(&mut self, context: &mut Context<'_>) -> Poll<Result<Report, Failure>> {
        let waker = context.waker().clone();
        let mut state = self.callback.state();
        let last = state.waker.replace(waker);
        let begun = state.begin();
        drop(state);
        drop(last);
        let Some((work, since)) = begun else {
            return Poll::Ready(Err(Failure::Error("the callback was unregistered".to_owned())));
        };
        self.since = since;
        let Routine::Refresh(refreshing) = &*work else { return Poll::Pending };
        let future = &mut self.future;
        let poll = || future.get_or_insert_with(&refreshing.start).as_mut().poll(context);
        match caught(poll) {
            Ok(polled) => polled.map(|found| found.map_err(Failure::Error)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }

    fn end(&mut self, found: Result<Report, Failure>) {
        self.is_over = true;
        let report = found.map(|report| {
            |drafts: &mut Vec<Draft>| {
                report(drafts);
                Ok(())
            }
        });
        self.callback.report(self.since, report);
        self.callback.finish();
    }
}

impl Future for Refresh {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.poll_found(context).map(|found| self.end(found))
    }
}

impl Drop for Refresh {
    fn drop(&mut self) {
        if !self.is_over {
            let error = "the callback was stopped before it finished; has its runtime shut down?";
            self.end(Err(Failure::Error(error.to_owned())));
        }
    }
}
