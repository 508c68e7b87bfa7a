//! The tally of a load's effects.

use std::{collections::BTreeMap, fmt};

use serde::{Serialize, Serializer};

use crate::{
    catalog,
    database::{Operation, Outcome, Statement},
    entity::Kind,
    http::Method,
    scaffolder::{self, Template},
};

/// The effects of a load, according to the responses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Requests by method, route and status, including the requests that waited for tasks.
    pub requests: Counts<Request>,
    /// Entities created through the catalog. Entities created by tasks are in [`Tally::tasks`].
    pub created: Counts<Kind>,
    /// Updated entities, by their new kind.
    pub updated: Counts<Kind>,
    /// Deleted entities, by their last kind.
    pub deleted: Counts<Kind>,
    /// Tasks that ended. Every started task has ended.
    pub tasks: Counts<EndedTasks>,
    /// The rows that the load left in the database.
    pub rows: Counts<Kind>,
}

impl Tally {
    /// Returns the statements that the database must have run for these requests and tasks.
    ///
    /// Statements of other callers, such as a gauge that counts rows, are not included.
    pub fn statements(&self) -> Counts<Statement> {
        let mut statements = Counts::default();
        for (request, count) in self.requests.iter() {
            let operation = match (request.method, request.route) {
                (Method::Post, catalog::ENTITIES) => Operation::Insert,
                (Method::Get, catalog::ENTITIES) => Operation::List,
                (Method::Get, catalog::ENTITY) => Operation::Get,
                (Method::Put, catalog::ENTITY) => Operation::Update,
                (Method::Delete, catalog::ENTITY) => Operation::Delete,
                _ => continue,
            };
            let outcome = match request.status {
                200 | 201 | 204 => Outcome::Ok,
                404 => Outcome::NotFound,
                409 => Outcome::Duplicate,
                500 => Outcome::Error,
                // The request was rejected before it reached the database.
                _ => continue,
            };
            statements.add(Statement { operation, outcome }, count);
        }
        for (tasks, count) in self.tasks.iter() {
            let outcome = match (tasks.template, tasks.outcome) {
                // The task fails while it renders the template.
                (Template::Broken, _) => continue,
                (_, scaffolder::Outcome::Done) => Outcome::Ok,
                // The only other reason for a task to fail if the database works.
                (_, scaffolder::Outcome::Failed) => Outcome::Duplicate,
            };
            statements.add(Statement { operation: Operation::Insert, outcome }, count);
        }
        statements
    }

    /// Adds another tally to this one.
    pub fn merge(&mut self, other: Self) {
        self.requests.merge(other.requests);
        self.created.merge(other.created);
        self.updated.merge(other.updated);
        self.deleted.merge(other.deleted);
        self.tasks.merge(other.tasks);
        self.rows.merge(other.rows);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "requests: {}\n{}", self.requests.total(), self.requests)?;
        writeln!(out, "entities created: {}\n{}", self.created.total(), self.created)?;
        writeln!(out, "entities updated: {}\n{}", self.updated.total(), self.updated)?;
        writeln!(out, "entities deleted: {}\n{}", self.deleted.total(), self.deleted)?;
        writeln!(out, "tasks ended: {}\n{}", self.tasks.total(), self.tasks)?;
        write!(out, "rows left in the database: {}\n{}", self.rows.total(), self.rows)
    }
}

/// The properties by which requests are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The template of the route, or `unmatched`.
    pub route: &'static str,
    /// The status of the response.
    pub status: u16,
}

impl fmt::Display for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} {}", self.method, self.route, self.status)
    }
}

/// The properties by which tasks are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndedTasks {
    /// The template of the tasks.
    pub template: Template,
    /// The outcome of the tasks.
    pub outcome: scaffolder::Outcome,
}

impl fmt::Display for EndedTasks {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.template, self.outcome)
    }
}

/// A count per `K`. Its JSON form is an object with the `K`s as textual keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts<K>(BTreeMap<K, u64>);

impl<K: Ord> Counts<K> {
    /// Returns the count of `key`.
    pub fn get(&self, key: &K) -> u64 {
        self.0.get(key).copied().unwrap_or_default()
    }

    /// Iterates over all entries with a count of at least 1, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, u64)> {
        self.0.iter().map(|(key, count)| (key, *count))
    }

    /// Returns the sum of all counts.
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Returns the counts as a map.
    pub fn into_map(self) -> BTreeMap<K, u64> {
        self.0
    }

    pub(super) fn add(&mut self, key: K, count: u64) {
        if count > 0 {
            *self.0.entry(key).or_default() += count;
        }
    }

    fn merge(&mut self, other: Self) {
        for (key, count) in other.0 {
            self.add(key, count);
        }
    }
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: fmt::Display> Serialize for Counts<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, count)| (key.to_string(), count)))
    }
}

impl<K: fmt::Display> fmt::Display for Counts<K> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(key, count)| writeln!(out, "{count:>8}  {key}"))
    }
}
