//! The core scope `database`: one SQLite file, and one function that runs every statement.

mod metrics;
mod statement;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use meterkit::{CallbackGuard, InstrumentError, Registry};
use rusqlite::{
    Connection, OptionalExtension, Row, ToSql, named_params,
    types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef},
};

pub use self::metrics::DatabaseMetrics;
use self::metrics::{ByKind, ByOperation};
pub use self::statement::{Operation, Outcome, Statement};
use crate::entity::{Change, Entity, Kind, Name};

/// How long a row count is reused before the rows are counted again. A scrape must not cost a statement, however many
/// servers scrape and however large the table is.
pub const ROWS_TTL: Duration = Duration::from_secs(5);

/// A handle on the database, cheap to clone.
///
/// SQLite blocks, so the async methods run on tokio's blocking threads and keep the threads that serve requests free.
/// There is a single connection: SQLite allows only one writer at a time anyway, and it keeps the example short.
#[derive(Debug, Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

impl Database {
    /// Opens the file, creates the file if it is missing, and ensures that the schema exists.
    ///
    /// # Errors
    ///
    /// Returns an error if the file cannot be opened as a database.
    pub async fn open(file: &Path, metrics: DatabaseMetrics) -> Result<Self, Error> {
        let file = file.to_owned();
        let connection = tokio::task::spawn_blocking(move || connect(&file)).await??;
        let shared =
            Shared { connection: Mutex::new(connection), statements: Mutex::default(), metrics };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Adds an entity, whose name must be new.
    ///
    /// # Errors
    ///
    /// Returns [`Error::Duplicate`] if an entity with this name exists, or another error if the statement fails.
    pub async fn insert(&self, entity: Entity) -> Result<(), Error> {
        self.run(Operation::Insert, move |connection| {
            let inserted = connection
                .prepare_cached(
                    "INSERT INTO entity (name, kind, description) VALUES (:name, :kind, :description)
                     ON CONFLICT (name) DO NOTHING",
                )?
                .execute(named_params! {
                    ":name": entity.name.as_str(), ":kind": entity.kind, ":description": entity.description,
                })?;
            if inserted == 1 { Ok(()) } else { Err(Error::Duplicate) }
        })
        .await
    }

    /// Changes an entity and returns its new state.
    ///
    /// # Errors
    ///
    /// Returns [`Error::NotFound`] if no entity has this name, or another error if the statement fails.
    pub async fn update(&self, name: String, change: Change) -> Result<Entity, Error> {
        self.run(Operation::Update, move |connection| {
            connection
                .prepare_cached(
                    "UPDATE entity
                     SET kind = coalesce(:kind, kind), description = coalesce(:description, description)
                     WHERE name = :name
                     RETURNING name, kind, description",
                )?
                .query_row(
                    named_params! { ":name": name, ":kind": change.kind, ":description": change.description },
                    entity,
                )
                .optional()?
                .ok_or(Error::NotFound)
        })
        .await
    }

    /// Removes an entity and returns its kind.
    ///
    /// # Errors
    ///
    /// Returns [`Error::NotFound`] if no entity has this name, or another error if the statement fails.
    pub async fn delete(&self, name: String) -> Result<Kind, Error> {
        self.run(Operation::Delete, move |connection| {
            connection
                .prepare_cached("DELETE FROM entity WHERE name = :name RETURNING kind")?
                .query_row(named_params! { ":name": name }, |row| row.get(0))
                .optional()?
                .ok_or(Error::NotFound)
        })
        .await
    }

    /// Returns the entity with this name.
    ///
    /// # Errors
    ///
    /// Returns [`Error::NotFound`] if no entity has this name, or another error if the statement fails.
    pub async fn get(&self, name: String) -> Result<Entity, Error> {
        self.run(Operation::Get, move |connection| {
            connection
                .prepare_cached("SELECT name, kind, description FROM entity WHERE name = :name")?
                .query_row(named_params! { ":name": name }, entity)
                .optional()?
                .ok_or(Error::NotFound)
        })
        .await
    }

    /// Returns the first `limit` entities by name, of one kind or of all kinds.
    ///
    /// # Errors
    ///
    /// Returns an error if the statement fails.
    pub async fn list(&self, kind: Option<Kind>, limit: u32) -> Result<Vec<Entity>, Error> {
        self.run(Operation::List, move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, kind, description FROM entity
                 WHERE :kind IS NULL OR kind = :kind ORDER BY name LIMIT :limit",
            )?;
            let rows =
                statement.query_map(named_params! { ":kind": kind, ":limit": limit }, entity)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Returns the number of entities of each kind, including kinds without entities.
    ///
    /// # Errors
    ///
    /// Returns an error if the statement fails.
    pub async fn count_by_kind(&self) -> Result<BTreeMap<Kind, u64>, Error> {
        self.run(Operation::Count, count).await
    }

    /// Like [`count_by_kind`](Self::count_by_kind), for callers that are not async and may block, such as the callback
    /// of an observable gauge.
    ///
    /// # Errors
    ///
    /// Returns an error if the statement fails.
    pub fn count_by_kind_blocking(&self) -> Result<BTreeMap<Kind, u64>, Error> {
        self.shared.run(Operation::Count, count)
    }

    /// Creates the metrics of the database, so that they can be listed.
    pub(crate) fn declare(registry: &Registry) -> Result<(), InstrumentError> {
        DatabaseMetrics::register_in(registry).map(drop)
    }

    /// Reports the row counts at each collection until the guard is dropped. One statement counts all rows, at most
    /// once per [`ROWS_TTL`].
    pub fn observe(&self) -> CallbackGuard {
        // A weak handle: the callback must not keep the file open.
        let database = self.downgrade();
        self.shared.metrics.rows.callback().cached(ROWS_TTL).observe_with(move |observer| {
            let Some(database) = database.upgrade() else { return Ok(()) };
            for (kind, rows) in database.count_by_kind_blocking()? {
                observer.observe(ByKind { kind }, rows);
            }
            Ok::<_, Error>(())
        })
    }

    /// Returns the number of statements so far, by operation and outcome.
    pub fn statements(&self) -> BTreeMap<Statement, u64> {
        lock(&self.shared.statements).clone()
    }

    /// Returns a handle that does not keep the file open, for callers that may outlive the service.
    pub fn downgrade(&self) -> WeakDatabase {
        WeakDatabase { shared: Arc::downgrade(&self.shared) }
    }

    /// Runs a statement on a blocking thread.
    async fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        statement: impl FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || shared.run(operation, statement)).await?
    }
}

/// A handle on a [`Database`] that may already be closed.
#[derive(Debug, Clone)]
pub struct WeakDatabase {
    shared: Weak<Shared>,
}

impl WeakDatabase {
    /// Returns the database, unless its last handle was dropped.
    pub fn upgrade(&self) -> Option<Database> {
        self.shared.upgrade().map(|shared| Database { shared })
    }
}

/// The reason why a statement returned nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No entity has this name.
    #[error("no entity has this name")]
    NotFound,
    /// An entity with this name already exists.
    #[error("an entity with this name already exists")]
    Duplicate,
    /// SQLite failed.
    #[error("the database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The statement panicked, or the runtime stopped before it ran.
    #[error("the statement did not finish: {0}")]
    Aborted(#[from] tokio::task::JoinError),
}

#[derive(Debug)]
struct Shared {
    connection: Mutex<Connection>,
    statements: Mutex<BTreeMap<Statement, u64>>,
    metrics: DatabaseMetrics,
}

impl Shared {
    /// Runs and records a statement. Every statement passes through this function.
    fn run<T>(
        &self,
        operation: Operation,
        statement: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let connection = lock(&self.connection);
        // The clock starts once the connection is available: waiting for it is not part of the statement.
        let started = Instant::now();
        let result = statement(&connection);
        self.finished(Statement { operation, outcome: Outcome::of(&result) }, started.elapsed());
        result
    }

    /// Counts a statement before its caller receives the result, so that every answered request is already counted.
    fn finished(&self, statement: Statement, elapsed: Duration) {
        tracing::debug!(%statement, ?elapsed, "statement");
        self.metrics.statements.with(statement).increment();
        self.metrics
            .duration
            .with(ByOperation { operation: statement.operation })
            .record(elapsed.as_secs_f64());
        *lock(&self.statements).entry(statement).or_default() += 1;
    }
}

/// Locks the mutex, even after a panic: a panic never leaves the connection or the counts half changed.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(file: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // With a write-ahead log, a commit is one append. With `NORMAL`, a power cut may lose the last commits, but never
    // the file.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = NORMAL;
         CREATE TABLE IF NOT EXISTS entity (
             name TEXT PRIMARY KEY NOT NULL,
             kind TEXT NOT NULL,
             description TEXT NOT NULL
         ) STRICT, WITHOUT ROWID;
         CREATE INDEX IF NOT EXISTS entity_by_kind ON entity (kind);",
    )?;
    Ok(connection)
}

fn count(connection: &Connection) -> Result<BTreeMap<Kind, u64>, Error> {
    let mut counts = BTreeMap::from(Kind::ALL.map(|kind| (kind, 0)));
    let mut statement =
        connection.prepare_cached("SELECT kind, count(*) FROM entity GROUP BY kind")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        counts.insert(row.get(0)?, row.get(1)?);
    }
    Ok(counts)
}

fn entity(row: &Row<'_>) -> rusqlite::Result<Entity> {
    Ok(Entity { name: row.get(0)?, kind: row.get(1)?, description: row.get(2)? })
}

impl ToSql for Kind {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Kind {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(FromSqlError::InvalidType)
    }
}

impl FromSql for Name {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        value.as_str()?.parse().map_err(|error| FromSqlError::Other(Box::new(error)))
    }
}
