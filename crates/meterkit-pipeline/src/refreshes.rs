//! Async callbacks, which are refreshed in the background.

use std::sync::Arc;
use std::thread;
use std::time::Instant;

use meterkit_core::{BackgroundTask, Registry};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;

use crate::moment::after;

/// Has callbacks refreshed when they are due, as long as the runtime is there. What runs when the sender of `ended` goes is
/// cut off.
pub(crate) async fn run(registry: Registry, made: Arc<Notify>, ended: watch::Receiver<()>) {
    loop {
        let (tasks, next) = registry.due_refreshes();
        for task in tasks {
            start(until(ended.clone(), task), Handle::current());
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
        let running: Vec<_> = tasks.into_iter().map(start).collect();
        runtime.block_on(async {
            for task in running {
                // Panics of callbacks are caught and counted before.
                let _ = task.await;
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

/// Callbacks have the runtime, but not its only thread: the user's code may block.
fn start(task: impl Future<Output = ()> + Send + 'static, runtime: Handle) -> JoinHandle<()> {
    let its_own = runtime.clone();
    runtime.spawn_blocking(move || its_own.block_on(task))
}
