//! Async callbacks, which are refreshed in the background.

use std::sync::Arc;
use std::time::Instant;

use meterkit_core::Registry;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::spawn_blocking;
use tokio::time::sleep_until;

use crate::moment::after;

/// Has callbacks refreshed when they are due, as long as the runtime is there.
pub(crate) async fn run(registry: Registry, made: Arc<Notify>) {
    loop {
        let (tasks, next) = registry.due_refreshes();
        for task in tasks {
            // They have this runtime, but not its only thread: the user's code may block.
            let runtime = Handle::current();
            spawn_blocking(move || runtime.block_on(task));
        }
        let next: Option<Instant> = next.map(after);
        tokio::select! {
            () = made.notified() => {}
            () = sleep_until(next.unwrap_or_else(Instant::now).into()), if next.is_some() => {}
        }
    }
}
