//! The core scope `database`: one SQLite file, and one place through which every statement passes.

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

/// Counted rows are served for this long before they are counted again: a scrape must not cost a statement, however
/// many servers scrape and however large the table is.
pub const ROWS_TTL: Duration = Duration::from_secs(5);

/// A handle on the database, cheap to clone.
///
/// SQLite blocks, so the async methods run on tokio's blocking threads and leave the threads that serve requests alone.
/// There is one connection: SQLite has one writer at a time anyway, and one connection keeps the example short.
#[derive(Debug, Clone)]
pub struct Database {
    shared: Arc<Shared>,
}

impl Database {
    /// Opens the file, creates it when it is missing, and makes sure that the schema is there.
    pub async fn open(file: &Path, metrics: DatabaseMetrics) -> Result<Self, Error> {
        let file = file.to_owned();
        let connection = tokio::task::spawn_blocking(move || connect(&file)).await??;
        let shared =
            Shared { connection: Mutex::new(connection), statements: Mutex::default(), metrics };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Adds an entity; its name must be new.
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

    /// Changes an entity and returns it as it is afterwards.
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

    /// Removes an entity and returns the kind that it had.
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

    /// One entity.
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

    /// The first `limit` entities by name, of one kind or of all.
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

    /// How many entities there are of each kind; every kind is there, also with none.
    pub async fn count_by_kind(&self) -> Result<BTreeMap<Kind, u64>, Error> {
        self.run(Operation::Count, count).await
    }

    /// The same for a caller that is not async and may block, such as the callback of an observable gauge.
    pub fn count_by_kind_blocking(&self) -> Result<BTreeMap<Kind, u64>, Error> {
        self.shared.run(Operation::Count, count)
    }

    /// Makes the metrics of the database, for a list of them.
    pub(crate) fn declare(registry: &Registry) -> Result<(), InstrumentError> {
        DatabaseMetrics::register_in(registry).map(drop)
    }

    /// Has the rows counted for collections, until the guard is dropped: with one statement, [`ROWS_TTL`] apart at
    /// least.
    pub fn observe(&self) -> CallbackGuard {
        // Weak: a callback must not keep the file open.
        let database = self.downgrade();
        self.shared.metrics.rows.callback().cached(ROWS_TTL).observe_with(move |observer| {
            let Some(database) = database.upgrade() else { return Ok(()) };
            for (kind, rows) in database.count_by_kind_blocking()? {
                observer.observe(ByKind { kind }, rows);
            }
            Ok::<_, Error>(())
        })
    }

    /// How many statements ran so far, by operation and outcome.
    pub fn statements(&self) -> BTreeMap<Statement, u64> {
        lock(&self.shared.statements).clone()
    }

    /// A handle that does not keep the file open, for whoever may outlive the service.
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

/// A [`Database`] that may be closed already.
#[derive(Debug, Clone)]
pub struct WeakDatabase {
    shared: Weak<Shared>,
}

impl WeakDatabase {
    /// The database, unless its last handle is gone.
    pub fn upgrade(&self) -> Option<Database> {
        self.shared.upgrade().map(|shared| Database { shared })
    }
}

/// Why a statement gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no entity of that name.
    #[error("there is no entity of that name")]
    NotFound,
    /// There is an entity of that name already.
    #[error("there is an entity of that name already")]
    Duplicate,
    /// SQLite failed.
    #[error("the database failed: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The statement panicked, or the runtime stopped before it ran.
    #[error("the statement did not run to its end: {0}")]
    Aborted(#[from] tokio::task::JoinError),
}

#[derive(Debug)]
struct Shared {
    connection: Mutex<Connection>,
    statements: Mutex<BTreeMap<Statement, u64>>,
    metrics: DatabaseMetrics,
}

impl Shared {
    /// The one place through which every statement passes.
    fn run<T>(
        &self,
        operation: Operation,
        statement: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let connection = lock(&self.connection);
        // The clock starts when the connection is ours: the wait for it says nothing about the statement.
        let started = Instant::now();
        let result = statement(&connection);
        self.finished(Statement { operation, outcome: Outcome::of(&result) }, started.elapsed());
        result
    }

    /// Counts a statement before its caller hears of it, so that whoever has an answer finds it counted.
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

/// A panic elsewhere leaves neither the connection nor the counts half changed, so the lock stays usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(file: &Path) -> Result<Connection, Error> {
    let connection = Connection::open(file)?;
    connection.busy_timeout(Duration::from_secs(5))?;
    // With a write-ahead log a commit is one append; `NORMAL` may lose the last commits in a power cut, never the file.
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
