//! Row counts are reported to metrics, at hardly any cost for the database.

use catalog_service::{
    database::{Database, DatabaseMetrics, Operation, Outcome, ROWS_TTL, Statement},
    entity::{Entity, Kind},
};
use meterkit::testing::{Seen, TestKit, assert_metric, assert_no_metric};
use tempfile::TempDir;

const ROWS: &str = "backstage.core.database.rows";

/// Creates a database in a directory of its own.
async fn database(kit: &TestKit) -> (Database, TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let metrics = DatabaseMetrics::register_in(kit.registry()).unwrap();
    let database = Database::open(&directory.path().join("catalog.sqlite"), metrics).await.unwrap();
    (database, directory)
}

async fn insert(database: &Database, name: &str, kind: Kind) {
    let entity = Entity { name: name.parse().unwrap(), kind, description: String::new() };
    database.insert(entity).await.unwrap();
}

/// Returns the number of COUNT statements with this outcome.
fn counted(database: &Database, outcome: Outcome) -> u64 {
    let count = Statement { operation: Operation::Count, outcome };
    database.statements().get(&count).copied().unwrap_or_default()
}

#[tokio::test]
async fn rows_are_reported_by_kind() {
    let kit = TestKit::new();
    let (database, _directory) = database(&kit).await;
    insert(&database, "shop", Kind::Component).await;
    insert(&database, "cart", Kind::Component).await;
    insert(&database, "orders", Kind::Api).await;
    let guard = database.observe();

    let seen = kit.collect();
    assert_metric!(seen, "backstage.core.database.rows" { kind = Kind::Component } == 2);
    assert_metric!(seen, "backstage.core.database.rows" { kind = Kind::Api } == 1);
    assert_metric!(seen, "backstage.core.database.rows" { kind = Kind::Resource } == 0);

    drop(guard);
    assert_no_metric!(kit, "backstage.core.database.rows");
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_collections_within_the_ttl_costs_one_statement() {
    let kit = TestKit::new();
    let (database, _directory) = database(&kit).await;
    let _guard = database.observe();
    // Concurrent collections share a run in any case; successive collections do so only because of the cache.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..25).for_each(|_| drop(kit.collect())));
        }
    });
    assert_eq!(counted(&database, Outcome::Ok), 1);

    insert(&database, "shop", Kind::Component).await;
    assert_metric!(kit, "backstage.core.database.rows" { kind = Kind::Component } == 0);
    kit.advance(ROWS_TTL);
    assert_metric!(kit, "backstage.core.database.rows" { kind = Kind::Component } == 1);
    assert_eq!(counted(&database, Outcome::Ok), 2);
}

#[tokio::test]
async fn rows_that_cannot_be_counted_are_missing_and_not_zero() {
    let kit = TestKit::new();
    let (database, directory) = database(&kit).await;
    insert(&database, "shop", Kind::Component).await;
    let _guard = database.observe();
    assert_eq!(kit.collect().series(ROWS).len(), 3);

    break_table(&directory);
    kit.advance(ROWS_TTL);
    let seen = kit.collect();
    assert_metric!(seen, "backstage.core.database.rows" { kind = Kind::Component } == 1);
    assert_eq!(failures(&seen), 1, "the last values are served once more");
    kit.advance(ROWS_TTL);
    let seen = kit.collect();
    assert_no_metric!(seen, "backstage.core.database.rows");
    assert_eq!(failures(&seen), 2);
    assert_eq!(counted(&database, Outcome::Error), 2);
}

#[tokio::test]
async fn the_gauge_does_not_keep_the_database_open() {
    let kit = TestKit::new();
    let (database, _directory) = database(&kit).await;
    let _guard = database.observe();
    assert_eq!(kit.collect().series(ROWS).len(), 3);

    let closed = database.downgrade();
    drop(database);
    assert!(closed.upgrade().is_none());
    kit.advance(ROWS_TTL);
    assert_no_metric!(kit, "backstage.core.database.rows");
}

/// Drops the table without the service's knowledge.
fn break_table(directory: &TempDir) {
    let file = directory.path().join("catalog.sqlite");
    rusqlite::Connection::open(file).unwrap().execute_batch("DROP TABLE entity").unwrap();
}

fn failures(seen: &Seen) -> u64 {
    let labels = [("instrument", ROWS), ("reason", "error")];
    seen.value("meterkit.callback.failures", labels).unwrap().as_f64() as u64
}
