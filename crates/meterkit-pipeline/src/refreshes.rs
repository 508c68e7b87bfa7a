//! Async callbacks, which are refreshed in the background.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use meterkit_core::{BackgroundTask, Registry};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep_until, timeout};

use crate::moment::after;

/// Has callbacks refreshed when they are due, as long as the runtime is there. What runs when the sender of `ended` goes is
/// cut off.
pub(crate) async fn run(registry: Registry, made: Arc<Notify>, ended: watch::Receiver<()>) {
    loop {
        // Not here: it begins those that have a place of their own to run at, which is the user's code.
        let asked = registry.clone();
        let Ok((tasks, next)) = spawn_blocking(move || asked.due_refreshes()).await else {
            return;
        };
        for task in tasks {
            drop(start(until(ended.clone(), task), Handle::current()));
        }
        let next: Option<Instant> = next.map(after);
        tokio::select! {
            () = made.notified() => {}
            () = sleep_until(next.unwrap_or_else(Instant::now).into()), if next.is_some() => {}
        }
    }
}

/// How long a test waits for async callbacks.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the async callbacks that are due now to their ends, side by side: for tests, which have no pipeline. May be called
/// on a thread that has a runtime, but one that they wait for must have another thread:
/// [`run_due_refreshes_async`] is for those that have not.
///
/// # Panics
///
/// They have not ended after 10 s; the system gave no thread or no event queue.
pub fn run_due_refreshes(registry: &Registry) {
    if let Some(ended) = start_due(registry) {
        ended.blocking_recv_apart();
    }
}

/// Like [`run_due_refreshes`], while the runtime of the caller goes on.
///
/// # Panics
///
/// As [`run_due_refreshes`].
pub async fn run_due_refreshes_async(registry: &Registry) {
    if let Some(ended) = start_due(registry) {
        ended.0.await.expect(UNENDED);
    }
}

const UNENDED: &str = "callbacks of `refresh_every` have not ended after 10 s: do they wait for the runtime of an async \
                       test, whose only thread waits for them? Collect with `collect_async` then";

/// The end of refreshes that a test waits for.
struct Ended(oneshot::Receiver<()>);

impl Ended {
    /// Waits on a thread that may wait: the caller's may have a runtime, which does not let it.
    fn blocking_recv_apart(self) {
        let wait = || self.0.blocking_recv();
        let ended = thread::scope(|scope| scope.spawn(wait).join());
        ended.expect("a thread that waits").expect(UNENDED);
    }
}

/// Begins what is due, on a thread with a runtime of its own.
fn start_due(registry: &Registry) -> Option<Ended> {
    let (tasks, _) = registry.due_refreshes();
    if tasks.is_empty() {
        return None;
    }
    let (done, ended) = oneshot::channel();
    let run_to_end = move || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("an event queue");
        let start = |task| start(task, runtime.handle().clone());
        let running: Vec<_> = tasks.into_iter().filter_map(start).collect();
        let all = async {
            for ended in running {
                // Panics of callbacks are caught and counted before.
                let _ = ended.await;
            }
        };
        if runtime.block_on(async { timeout(PATIENCE, all).await }).is_ok() {
            let _ = done.send(());
        }
    };
    thread::spawn(run_to_end);
    Some(Ended(ended))
}

/// Lets go of a task before its runtime does, which would have its timers panic.
async fn until(mut ended: watch::Receiver<()>, task: BackgroundTask) {
    tokio::select! {
        biased;
        _ = ended.changed() => {}
        () = task => {}
    }
}

/// Callbacks have the runtime, but a thread each: the user's code may block, and collections need the runtime's own threads.
/// `None` when the system has no thread; the task then counts as failed.
fn start(
    task: impl Future<Output = ()> + Send + 'static,
    runtime: Handle,
) -> Option<oneshot::Receiver<()>> {
    let (done, ended) = oneshot::channel();
    let thread = thread::Builder::new().name("meterkit-refresh".to_owned());
    let run = move || {
        runtime.block_on(task);
        let _ = done.send(());
    };
    thread.spawn(run).ok().map(|_| ended)
}
