//! One worker of the load: sends its requests one after the other, and counts from the responses.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    client::{Answer, Client, Error},
    mix::{MIX, Slot, Step},
    tally::{EndedTasks, Request, Tally},
};
use crate::{
    catalog::{ENTITIES, ENTITY},
    entity::{Entity, Kind},
    http as labels,
    scaffolder::{Outcome, TASK, TASKS, Task, TaskState, Template},
};

/// The maximum number of open tasks per worker. At the limit, the worker waits, so that it cannot flood the service.
const OPEN_LIMIT: usize = 8;
/// The pause between two reads of a task that a worker waits for.
const LOOK_PAUSE: Duration = Duration::from_millis(2);

/// A worker with its own connection and name prefix, so that no other worker touches its entities.
#[derive(Debug)]
pub(super) struct Worker {
    client: Client,
    prefix: String,
    steps: u64,
    /// The existing entities of this round, with their kinds.
    alive: BTreeMap<Slot, Kind>,
    /// The tasks that are not yet known to have ended.
    open: VecDeque<u64>,
    tally: Tally,
}

impl Worker {
    pub(super) fn new(client: Client, prefix: String) -> Self {
        Self {
            client,
            prefix,
            steps: 0,
            alive: BTreeMap::new(),
            open: VecDeque::new(),
            tally: Tally::default(),
        }
    }

    /// Sends the next request of the list.
    pub(super) async fn step(&mut self) -> Result<(), Error> {
        let step = MIX[(self.steps % MIX.len() as u64) as usize];
        if self.steps % MIX.len() as u64 == 0 {
            self.close_round();
        }
        match step {
            Step::Create(slot) => self.create(slot).await?,
            Step::Get(slot) => {
                drop(self.send(Method::GET, ENTITY, &self.entity(slot), None).await?)
            }
            Step::Describe(slot) => {
                self.update(slot, json!({ "description": "seen by the load" })).await?
            }
            Step::ChangeKind(slot) => {
                self.update(slot, json!({ "kind": slot.kind(self.round() + 1) })).await?
            }
            Step::Delete(slot) => self.delete(slot).await?,
            Step::List => drop(self.send(Method::GET, ENTITIES, ENTITIES, None).await?),
            Step::ListKind(kind) => self.list(kind.as_str()).await?,
            Step::ListBadKind => self.list("planet").await?,
            Step::CreateBadName => {
                self.post(ENTITIES, json!({ "name": "Not A Name", "kind": "api" })).await?
            }
            Step::CreateBadKind => {
                self.post(ENTITIES, json!({ "name": self.name("odd"), "kind": "planet" })).await?;
            }
            Step::Start(template) => self.start(template, self.name(template.as_str())).await?,
            Step::StartTaken(slot) => {
                self.start(Template::Service, self.name(slot.suffix())).await?
            }
            Step::StartBadTemplate => {
                self.post(TASKS, json!({ "template": "castle", "name": self.name("odd") })).await?;
            }
            // Without an open task, the request is still sent, so that the mix stays the same.
            Step::Look => self.look(self.open.front().copied().unwrap_or_default()).await?,
            Step::LookMissing => self.look(0).await?,
            Step::Unmatched => {
                let path = format!("/no/such/place/{}", self.steps);
                self.send(Method::GET, labels::UNMATCHED, &path, None).await?;
            }
            Step::BadMethod => drop(self.send(Method::PATCH, ENTITIES, ENTITIES, None).await?),
            Step::UnknownMethod => {
                let method = Method::from_bytes(b"BREW").expect("letters are a method");
                self.send(method, labels::UNMATCHED, "/coffee", None).await?;
            }
        }
        self.steps += 1;
        Ok(())
    }

    /// Waits for the open tasks and returns the tally.
    pub(super) async fn finish(mut self) -> Result<Tally, Error> {
        self.close_tasks(0).await?;
        self.close_round();
        Ok(self.tally)
    }

    async fn create(&mut self, slot: Slot) -> Result<(), Error> {
        let kind = slot.kind(self.round());
        let body = json!({ "name": self.name(slot.suffix()), "kind": kind });
        let answer = self.send(Method::POST, ENTITIES, ENTITIES, Some(body)).await?;
        if answer.status == StatusCode::CREATED {
            self.tally.created.add(kind, 1);
            self.alive.insert(slot, kind);
        }
        Ok(())
    }

    async fn update(&mut self, slot: Slot, change: Value) -> Result<(), Error> {
        let answer = self.send(Method::PUT, ENTITY, &self.entity(slot), Some(change)).await?;
        if answer.status == StatusCode::OK {
            let entity: Entity = answer.read()?;
            self.tally.updated.add(entity.kind, 1);
            self.alive.insert(slot, entity.kind);
        }
        Ok(())
    }

    async fn delete(&mut self, slot: Slot) -> Result<(), Error> {
        let answer = self.send(Method::DELETE, ENTITY, &self.entity(slot), None).await?;
        if answer.status == StatusCode::NO_CONTENT {
            if let Some(kind) = self.alive.remove(&slot) {
                self.tally.deleted.add(kind, 1);
            }
        }
        Ok(())
    }

    async fn list(&mut self, kind: &str) -> Result<(), Error> {
        self.send(Method::GET, ENTITIES, &format!("{ENTITIES}?kind={kind}"), None).await?;
        Ok(())
    }

    async fn post(&mut self, route: &'static str, body: Value) -> Result<(), Error> {
        self.send(Method::POST, route, route, Some(body)).await?;
        Ok(())
    }

    async fn start(&mut self, template: Template, name: String) -> Result<(), Error> {
        self.close_tasks(OPEN_LIMIT - 1).await?;
        let body = json!({ "template": template, "name": name });
        let answer = self.send(Method::POST, TASKS, TASKS, Some(body)).await?;
        if answer.status == StatusCode::ACCEPTED {
            let task: Task = answer.read()?;
            self.open.push_back(task.id);
        }
        Ok(())
    }

    /// Reads a task. A task that has ended is counted and no longer open.
    async fn look(&mut self, id: u64) -> Result<(), Error> {
        let answer = self.send(Method::GET, TASK, &format!("{TASKS}/{id}"), None).await?;
        if answer.status != StatusCode::OK {
            // A task that the service does not know never ends, so waiting for it would take forever.
            let lost = self.open.contains(&id);
            return if lost {
                Err(answer.unexpected("the task was started, but cannot be read"))
            } else {
                Ok(())
            };
        }
        let task: Task = answer.read()?;
        let template = task.order.template;
        let outcome = match task.state {
            TaskState::Queued | TaskState::Running => return Ok(()),
            TaskState::Done => Outcome::Done,
            TaskState::Failed => Outcome::Failed,
        };
        self.open.retain(|open| *open != id);
        self.tally.tasks.add(EndedTasks { template, outcome }, 1);
        if outcome == Outcome::Done {
            self.tally.rows.add(template.kind(), 1);
        }
        Ok(())
    }

    /// Waits, oldest first, until no more than `limit` tasks are open.
    async fn close_tasks(&mut self, limit: usize) -> Result<(), Error> {
        while self.open.len() > limit {
            let before = self.open.len();
            self.look(self.open[0]).await?;
            if self.open.len() == before {
                tokio::time::sleep(LOOK_PAUSE).await;
            }
        }
        Ok(())
    }

    /// Ends the round. Its remaining entities are never touched again: they become permanent rows.
    fn close_round(&mut self) {
        for kind in std::mem::take(&mut self.alive).into_values() {
            self.tally.rows.add(kind, 1);
        }
    }

    fn round(&self) -> u64 {
        self.steps / MIX.len() as u64
    }

    fn name(&self, suffix: &str) -> String {
        format!("{}-{}-{suffix}", self.prefix, self.round())
    }

    fn entity(&self, slot: Slot) -> String {
        format!("{ENTITIES}/{}", self.name(slot.suffix()))
    }

    async fn send(
        &mut self,
        method: Method,
        route: &'static str,
        path: &str,
        body: Option<Value>,
    ) -> Result<Answer, Error> {
        let label = labels::Method::of(&method);
        let answer = self.client.send(method, path, body.as_ref()).await?;
        self.tally
            .requests
            .add(Request { method: label, route, status: answer.status.as_u16() }, 1);
        Ok(answer)
    }
}
