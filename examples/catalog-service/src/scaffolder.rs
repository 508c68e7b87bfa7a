//! The plugin `scaffolder`: background tasks, each of which renders a template and adds the entity to the catalog.

mod metrics;
mod template;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{Path, State, rejection::JsonRejection},
    routing::{get, post},
};
use http::StatusCode;
use meterkit::{CallbackGuard, InstrumentError, LabelValue, Registry};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

use self::metrics::{ByTemplate, Ended, ScaffolderMetrics};
use self::template::NoValue;
pub use self::template::Template;
use crate::{
    database::{self, Database},
    entity::{Entity, Name},
    http::ErrorAnswer,
};

/// The route of all tasks.
pub const TASKS: &str = "/scaffolder/tasks";
/// The route of a single task.
pub const TASK: &str = "/scaffolder/tasks/{id}";

/// The maximum number of tasks that run at the same time. Further tasks are queued.
const RUN_LIMIT: usize = 8;
/// The maximum number of queued and running tasks. At the limit, the service answers 503, to bound its memory.
const IN_FLIGHT_LIMIT: usize = 1000;
/// The number of finished tasks whose state can still be read. Older tasks are forgotten.
const FINISHED_LIMIT: usize = 10_000;

/// The plugin.
#[derive(Debug)]
pub struct Scaffolder {
    database: Database,
    permits: Semaphore,
    tasks: Mutex<Tasks>,
    in_flight: watch::Sender<usize>,
    metrics: ScaffolderMetrics,
}

impl Scaffolder {
    /// Creates a scaffolder that puts its entities into `database` and its metrics into `registry`.
    ///
    /// # Errors
    ///
    /// Returns an error if a metric cannot be created.
    pub fn new(database: Database, registry: &Registry) -> Result<Self, InstrumentError> {
        Ok(Self {
            database,
            permits: Semaphore::new(RUN_LIMIT),
            tasks: Mutex::default(),
            in_flight: watch::Sender::new(0),
            metrics: ScaffolderMetrics::register_in(registry)?,
        })
    }

    /// Creates the metrics of the plugin, so that they can be listed.
    pub(crate) fn declare(registry: &Registry) -> Result<(), InstrumentError> {
        ScaffolderMetrics::register_in(registry).map(drop)
    }

    /// Reports the tasks in flight at each collection until the guard is dropped.
    pub fn observe(self: &Arc<Self>) -> CallbackGuard {
        // A weak handle: the callback must not keep the plugin alive.
        let scaffolder = Arc::downgrade(self);
        self.metrics.in_flight.observe(move || {
            scaffolder.upgrade().map_or(0, |scaffolder| scaffolder.in_flight() as i64)
        })
    }

    /// Returns the routes of the plugin.
    pub fn routes(self: &Arc<Self>) -> Router {
        Router::new().route(TASKS, post(start)).route(TASK, get(read)).with_state(Arc::clone(self))
    }

    /// Returns the number of tasks that are queued or running.
    pub fn in_flight(&self) -> usize {
        *self.in_flight.borrow()
    }

    /// Waits until no task is queued or running.
    pub async fn idle(&self) {
        // Waiting fails only if the sender is dropped, and `self` owns the sender.
        let _ = self.in_flight.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Queues a task and returns it, or returns `None` if too many tasks are in flight.
    fn start(self: &Arc<Self>, order: Order) -> Option<Task> {
        let in_flight = InFlight::enter(Arc::clone(self))?;
        let task = self.tasks().add(order);
        tokio::spawn(run(in_flight, task.clone()));
        Some(task)
    }

    /// Performs a task: renders the template, waits as long as such work takes, and stores the result.
    async fn perform(&self, order: &Order) -> Result<(), TaskError> {
        let description = order.template.render(&order.name)?;
        tokio::time::sleep(effort(&order.name)).await;
        let entity = Entity { name: order.name.clone(), kind: order.template.kind(), description };
        self.database.insert(entity).await?;
        Ok(())
    }

    /// Records every task that ended, before its new state becomes visible.
    fn finished(&self, template: Template, outcome: Outcome, elapsed: Duration) {
        self.metrics.tasks.with(Ended { template, outcome }).increment();
        self.metrics.duration.with(ByTemplate { template }).record(elapsed.as_secs_f64());
        tracing::debug!(%template, %outcome, ?elapsed, "task");
    }

    fn tasks(&self) -> MutexGuard<'_, Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An order from a client: a template, and the name of the entity to create from it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The template to render.
    pub template: Template,
    /// The name of the new entity.
    pub name: Name,
}

/// A task as clients see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Task {
    /// The number of the task.
    pub id: u64,
    /// The order.
    #[serde(flatten)]
    pub order: Order,
    /// The progress of the task.
    pub state: TaskState,
    /// The reason of a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The progress of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// The task waits for a free slot.
    Queued,
    /// The task is running.
    Running,
    /// The task ended, and its entity is in the catalog.
    Done,
    /// The task ended without an entity.
    Failed,
}

/// The outcome of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, LabelValue)]
pub enum Outcome {
    /// The entity is in the catalog.
    Done,
    /// The task created no entity.
    Failed,
}

impl Outcome {
    /// Returns the outcome as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

#[derive(Debug, thiserror::Error)]
enum TaskError {
    #[error(transparent)]
    Template(#[from] NoValue),
    #[error(transparent)]
    Database(#[from] database::Error),
}

/// Counts a task as in flight until it is dropped, so that the count is right however the task ends.
struct InFlight(Arc<Scaffolder>);

impl InFlight {
    fn enter(scaffolder: Arc<Scaffolder>) -> Option<Self> {
        let entered = scaffolder.in_flight.send_if_modified(|count| {
            let room = *count < IN_FLIGHT_LIMIT;
            *count += usize::from(room);
            room
        });
        if entered {
            scaffolder.metrics.peak.set_max(scaffolder.in_flight() as u64);
        }
        entered.then_some(Self(scaffolder))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.send_modify(|count| *count -= 1);
    }
}

async fn run(in_flight: InFlight, mut task: Task) {
    let scaffolder = Arc::clone(&in_flight.0);
    let _permit = scaffolder.permits.acquire().await.expect("the semaphore is never closed");
    task.state = TaskState::Running;
    scaffolder.tasks().put(task.clone());

    let started = Instant::now();
    let result = scaffolder.perform(&task.order).await;
    let outcome = if result.is_ok() { Outcome::Done } else { Outcome::Failed };
    scaffolder.finished(task.order.template, outcome, started.elapsed());

    // The new state comes last: a client that sees it must find the task counted and no longer in flight.
    drop(in_flight);
    task.state = match outcome {
        Outcome::Done => TaskState::Done,
        Outcome::Failed => TaskState::Failed,
    };
    task.error = result.err().map(|error| error.to_string());
    scaffolder.tasks().put(task);
}

/// Returns 1 to 20 ms, always the same duration for the same name.
fn effort(name: &Name) -> Duration {
    let sum = name
        .as_str()
        .bytes()
        .fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    Duration::from_millis(1 + sum % 20)
}

/// The tasks in flight, and the most recently finished ones.
#[derive(Debug, Default)]
struct Tasks {
    known: BTreeMap<u64, Task>,
    finished: VecDeque<u64>,
    last_id: u64,
}

impl Tasks {
    fn add(&mut self, order: Order) -> Task {
        self.last_id += 1;
        let task = Task { id: self.last_id, order, state: TaskState::Queued, error: None };
        self.known.insert(task.id, task.clone());
        task
    }

    fn put(&mut self, task: Task) {
        if matches!(task.state, TaskState::Done | TaskState::Failed) {
            self.finished.push_back(task.id);
        }
        self.known.insert(task.id, task);
        if self.finished.len() > FINISHED_LIMIT {
            self.finished.pop_front().map(|oldest| self.known.remove(&oldest));
        }
    }
}

async fn start(
    State(scaffolder): State<Arc<Scaffolder>>,
    order: Result<Json<Order>, JsonRejection>,
) -> Result<(StatusCode, Json<Task>), ErrorAnswer> {
    let Json(order) = order?;
    let task = scaffolder.start(order).ok_or_else(|| {
        ErrorAnswer::new(StatusCode::SERVICE_UNAVAILABLE, "too many tasks are in flight")
    })?;
    Ok((StatusCode::ACCEPTED, Json(task)))
}

async fn read(
    State(scaffolder): State<Arc<Scaffolder>>,
    Path(id): Path<u64>,
) -> Result<Json<Task>, ErrorAnswer> {
    let task = scaffolder.tasks().known.get(&id).cloned();
    task.map(Json).ok_or_else(|| ErrorAnswer::new(StatusCode::NOT_FOUND, "no task has this number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(template: Template) -> Order {
        Order { template, name: "shop".parse().unwrap() }
    }

    #[test]
    fn only_the_newest_finished_tasks_are_kept() {
        let mut tasks = Tasks::default();
        let queued = tasks.add(order(Template::Service)).id;
        for _ in 0..=FINISHED_LIMIT {
            let task = tasks.add(order(Template::Service));
            tasks.put(Task { state: TaskState::Done, ..task });
        }
        assert_eq!(tasks.known.len(), FINISHED_LIMIT + 1);
        assert!(tasks.known.contains_key(&queued), "a task in flight is never forgotten");
        assert!(!tasks.known.contains_key(&(queued + 1)), "the oldest finished one is");
    }
}
