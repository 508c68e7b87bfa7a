//! Async callbacks, which are refreshed in the background.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use meterkit_core::{BackgroundTask, Registry};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{sleep_until, timeout};

use crate::moment::after;

/// Runs refreshes when they are due, as long as the runtime exists. A value in `ended` stops those that are still running;
/// each keeps its receiver until it has stopped.
pub(crate) async fn run(registry: Registry, made: Arc<Notify>, ended: watch::Receiver<()>) {
    loop {
        // On a thread that may block: refreshes with their own `spawn_with` are started there, which runs user code.
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

/// Why async callbacks were not run to their ends.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The callbacks take too long, or wait for a thread that waits for them.
    #[error(
        "callbacks of `refresh_every` have not ended after {} s: do they wait for the runtime of an async test, whose only \
         thread waits for them? Collect with `collect_async` then",
        PATIENCE.as_secs()
    )]
    Unended,
    /// The operating system refused a thread or an event queue.
    #[error("callbacks of `refresh_every` cannot be run: {0}")]
    System(#[from] io::Error),
}

meterkit_rules::debug_as_text!(RefreshError);

/// Runs the async callbacks that are due now to their ends, side by side: for tests, which have no pipeline. May be
/// called on a thread that has a runtime, but one that they wait for must have another thread:
/// [`run_due_refreshes_async`] is for those that have not.
///
/// # Errors
///
/// They have not ended after 10 s; the operating system refused a thread or an event queue.
pub fn run_due_refreshes(registry: &Registry) -> Result<(), RefreshError> {
    let (tasks, _) = registry.due_refreshes();
    if tasks.is_empty() {
        return Ok(());
    }
    // On a thread that may wait: the caller's may have a runtime, which does not let it.
    let run = move || run_to_end(tasks);
    let running = thread::Builder::new().name("meterkit-refresh".to_owned()).spawn(run)?;
    running.join().unwrap_or(Err(RefreshError::Unended))
}

/// Like [`run_due_refreshes`], while the runtime of the caller goes on.
///
/// # Errors
///
/// As [`run_due_refreshes`].
pub async fn run_due_refreshes_async(registry: &Registry) -> Result<(), RefreshError> {
    let (tasks, _) = registry.due_refreshes();
    if tasks.is_empty() {
        return Ok(());
    }
    let (done, ended) = oneshot::channel();
    let run = move || drop(done.send(run_to_end(tasks)));
    thread::Builder::new().name("meterkit-refresh".to_owned()).spawn(run)?;
    ended.await.unwrap_or(Err(RefreshError::Unended))
}

/// Runs tasks on a runtime of their own.
fn run_to_end(tasks: Vec<BackgroundTask>) -> Result<(), RefreshError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let start = |task| start(task, runtime.handle().clone());
    let running: Vec<_> = tasks.into_iter().filter_map(start).collect();
    let all = async {
        for ended in running {
            // Panics of callbacks are caught and counted before.
            let _ = ended.await;
        }
    };
    runtime.block_on(async { timeout(PATIENCE, all).await }).map_err(|_| RefreshError::Unended)
}

/// Drops a task before its runtime shuts down, which would make the task's timers panic.
async fn until(mut ended: watch::Receiver<()>, task: BackgroundTask) {
    tokio::select! {
        biased;
        _ = ended.changed() => {}
        () = task => {}
    }
    // Only here: the task is dropped, and the receiver says so.
    drop(ended);
}

/// Runs a task with the runtime, but on a thread of its own: user code may block, and collections need the runtime's
/// threads. Returns `None` if the operating system refused the thread; the task then counts as failed.
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
