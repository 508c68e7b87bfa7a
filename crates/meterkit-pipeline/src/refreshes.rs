//! Background runs of async callbacks.

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

/// Runs due refreshes for as long as the runtime exists. A value in `ended` stops running refreshes; each holds its
/// receiver until it has stopped.
pub(crate) async fn run(registry: Registry, made: Arc<Notify>, ended: watch::Receiver<()>) {
    loop {
        // Use a thread that may block: this starts refreshes with their own `spawn_with`, which is user code.
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

/// The time that a test waits for async callbacks.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why async callbacks did not finish.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum RefreshError {
    /// The callbacks take longer than 10 s, or wait for a thread that in turn waits for them.
    #[error(
        "callbacks of `refresh_every` did not finish within {} s; if they need the runtime of an async test whose only \
         thread is waiting for them, collect with `collect_async`",
        PATIENCE.as_secs()
    )]
    Unended,
    /// The operating system did not provide a thread or an event queue.
    #[error("callbacks of `refresh_every` cannot be run: {0}")]
    System(#[from] io::Error),
}

meterkit_rules::debug_as_text!(RefreshError);

/// Runs the async callbacks that are due now concurrently and waits until they have finished. For tests, which have no
/// pipeline.
///
/// May be called on a thread of an async runtime. If the callbacks wait for tasks of that runtime, it must have another
/// thread; otherwise use [`run_due_refreshes_async`].
///
/// # Errors
///
/// Returns an error if the callbacks do not finish within 10 s, or if the operating system does not provide a thread or
/// an event queue.
pub fn run_due_refreshes(registry: &Registry) -> Result<(), RefreshError> {
    let (tasks, _) = registry.due_refreshes();
    if tasks.is_empty() {
        return Ok(());
    }
    // Use another thread: the caller's may belong to a runtime, which forbids blocking.
    let run = move || run_to_end(tasks);
    let running = thread::Builder::new().name("meterkit-refresh".to_owned()).spawn(run)?;
    running.join().unwrap_or(Err(RefreshError::Unended))
}

/// Like [`run_due_refreshes`], but does not block the caller's runtime.
///
/// # Errors
///
/// Returns the same errors as [`run_due_refreshes`].
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

/// Runs tasks on a separate runtime until they have finished.
fn run_to_end(tasks: Vec<BackgroundTask>) -> Result<(), RefreshError> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let start = |task| start(task, runtime.handle().clone());
    let running: Vec<_> = tasks.into_iter().filter_map(start).collect();
    let all = async {
        for ended in running {
            // Panics of callbacks have already been caught and counted.
            let _ = ended.await;
        }
    };
    runtime.block_on(async { timeout(PATIENCE, all).await }).map_err(|_| RefreshError::Unended)
}

/// Runs a task until it finishes or `ended` changes. The task is dropped before its runtime shuts down, which would
/// make its timers panic.
async fn until(mut ended: watch::Receiver<()>, task: BackgroundTask) {
    tokio::select! {
        biased;
        _ = ended.changed() => {}
        () = task => {}
    }
    // Drop the receiver last: this signals that the task has been dropped.
    drop(ended);
}

/// Runs a task with the runtime, but on a separate thread: user code may block, and collections need the runtime's
/// threads. Returns `None` if the operating system does not provide the thread; the task then counts as failed.
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
