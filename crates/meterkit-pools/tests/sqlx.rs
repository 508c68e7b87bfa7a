//! A pool of `sqlx` with SQLite in memory.

use meterkit_pools::observe_in;
use sqlx::sqlite::SqlitePoolOptions;

use crate::seen::{pools, registry, wait_for};

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_counted_by_state_until_the_pool_is_closed() {
    let registry = registry();
    let options = SqlitePoolOptions::new().max_connections(3).min_connections(0);
    let pool = options.connect_lazy("sqlite::memory:").unwrap();
    let _observed = observe_in(&registry, &pool, "main").unwrap();
    let count = |idle: u32, used: u32| {
        [
            format!("count{{pool.name=main,state=idle}} {idle}"),
            format!("count{{pool.name=main,state=used}} {used}"),
            "max{pool.name=main} 3".to_owned(),
        ]
    };
    assert_eq!(pools(&registry), count(0, 0));

    let first = pool.acquire().await.unwrap();
    let second = pool.acquire().await.unwrap();
    assert_eq!(pools(&registry), count(0, 2));
    drop(first); // returned by a task
    wait_for(&registry, &count(1, 1).each_ref().map(|line| &**line));
    drop(second);
    wait_for(&registry, &count(2, 0).each_ref().map(|line| &**line));

    let kept = pool.acquire().await.unwrap();
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close().await }
    });
    // A connection in use delays the end of the pool, and still counts.
    wait_for(&registry, &count(0, 1).each_ref().map(|line| &**line));
    drop(kept);
    closing.await.unwrap();
    wait_for(&registry, &[]);
}
