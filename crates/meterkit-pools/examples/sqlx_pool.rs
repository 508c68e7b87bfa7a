//! An observed connection pool, with a scrape endpoint:
//!
//! ```console
//! $ cargo run -p meterkit-pools --features sqlx --example sqlx_pool &
//! $ curl -s localhost:9464/metrics | grep ^db_client_connection
//! ```

use std::time::Duration;

use meterkit::{Telemetry, pools};
use sqlx::sqlite::SqlitePoolOptions;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let telemetry = Telemetry::from_env()?.install()?; // by default at http://localhost:9464/metrics

    let pool = SqlitePoolOptions::new().max_connections(3).connect("sqlite::memory:").await?;
    let _observed = pools::observe(&pool, "orders")?;

    for round in 0..60 {
        let mut connection = pool.acquire().await?;
        let sum: i64 =
            sqlx::query_scalar("SELECT ? + 1").bind(round).fetch_one(&mut *connection).await?;
        assert_eq!(sum, round + 1);
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(connection);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    pool.close().await;
    telemetry.shutdown().await?;
    Ok(())
}
