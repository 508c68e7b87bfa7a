//! Tasks behind a pointer: of each type of future that is spawned, the runtime would have some hundred functions of its
//! own compiled.

use std::pin::Pin;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

tokio::task_local! {
    /// The target that a task serves.
    pub(crate) static EXPORTER: String;
}

/// Returns which target called `name` this task serves, such as `otlp/0`: the field `exporter` of what a target logs.
/// Outside of a pipeline, `name` itself.
pub fn exporter(name: &str) -> String {
    EXPORTER.try_with(Clone::clone).unwrap_or_else(|_| name.to_owned())
}

/// A future without its type.
pub(crate) type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Spawns a task on the runtime that the caller is on.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    spawn_on(&Handle::current(), Box::pin(task))
}

/// Spawns a task on a runtime.
pub(crate) fn spawn_on(runtime: &Handle, task: Boxed<'static, ()>) -> JoinHandle<()> {
    runtime.spawn(task)
}

/// Spawns a task that returns something on the runtime that the caller is on.
pub(crate) fn spawn_for<T: Send + 'static>(
    task: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    let task: Boxed<'static, T> = Box::pin(task);
    tokio::spawn(task)
}

/// Runs work that blocks on a thread for it.
pub(crate) fn run_blocking(runtime: &Handle, work: Box<dyn FnOnce() + Send>) {
    drop(runtime.spawn_blocking(work));
}
