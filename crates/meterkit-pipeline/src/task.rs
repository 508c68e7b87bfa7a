//! Tasks that are boxed before they are spawned: for each type of future, the runtime would otherwise compile some
//! hundred functions.

use std::pin::Pin;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

tokio::task_local! {
    /// The name and number of the target that a task serves.
    pub(crate) static EXPORTER: String;
}

/// Returns the name and number of the target that this task serves, such as `otlp/0`, for the field `exporter` of log
/// lines. Outside of a pipeline, returns `name`.
pub fn exporter(name: &str) -> String {
    EXPORTER.try_with(Clone::clone).unwrap_or_else(|_| name.to_owned())
}

/// A boxed future.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Spawns a task on the caller's runtime.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    spawn_on(&Handle::current(), Box::pin(task))
}

/// Spawns a task on the given runtime.
pub(crate) fn spawn_on(runtime: &Handle, task: Boxed<'static, ()>) -> JoinHandle<()> {
    runtime.spawn(task)
}

/// Spawns a task that returns a value on the caller's runtime.
pub(crate) fn spawn_for<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    let task: Boxed<'static, T> = Box::pin(task);
    tokio::spawn(task)
}

/// Runs blocking work on a blocking thread of the runtime.
pub(crate) fn run_blocking(runtime: &Handle, work: Box<dyn FnOnce() + Send>) {
    drop(runtime.spawn_blocking(work));
}
