//! Async callbacks, which are refreshed in the background.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use meterkit_core::{BackgroundTask, Registry};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep_until;

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

/// Runs the async callbacks that are due now to their ends, side by side: for tests, which have no pipeline. May be called
/// on a thread that has a runtime.
///
/// # Panics
///
/// The system gave no thread or no event queue.
pub fn run_due_refreshes(registry: &Registry) {
    let (tasks, _) = registry.due_refreshes();
    if tasks.is_empty() {
        return;
    }
    // Not on this thread: the runtime that it may have lets no other one in.
    let run_to_end = || {
        let runtime = Builder::new_current_thread().enable_all().build().expect("an event queue");
        let start = |task| start(task, runtime.handle().clone());
        let running: Vec<_> = tasks.into_iter().filter_map(start).collect();
        runtime.block_on(async {
            for ended in running {
                // Panics of callbacks are caught and counted before.
                let _ = ended.await;
            }
        });
    };
    thread::scope(|scope| scope.spawn(run_to_end).join()).expect("a runtime for callbacks");
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
