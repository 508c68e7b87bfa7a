//! Libraries that record with the crate `metrics` beside instruments of the program, all at one scrape endpoint:
//!
//! ```console
//! $ cargo run -p meterkit --features metrics --example libraries_with_metrics &
//! $ curl -s localhost:9464/metrics | grep -E '^(pool|backstage)_'
//! ```

use std::thread;
use std::time::Duration;

use meterkit::metrics::MetricsRecorder;
use meterkit::{Meter, Telemetry};

/// A library that knows nothing of meterkit.
mod pool {
    use std::time::Instant;

    use metrics::{Unit, counter, describe_histogram, gauge, histogram};

    pub(crate) fn describe() {
        describe_histogram!("pool.wait_seconds", Unit::Seconds, "Time until a connection is free.");
    }

    pub(crate) fn with_connection(database: &'static str, work: impl FnOnce()) {
        let start = Instant::now();
        let in_use = gauge!("pool.connections_in_use", "database" => database);
        in_use.increment(1);
        histogram!("pool.wait_seconds", "database" => database).record(start.elapsed());
        work();
        counter!("pool.uses_total", "database" => database).increment(1);
        in_use.decrement(1);
    }
}

fn main() -> Result<(), meterkit::Error> {
    // At the beginning: handles that libraries register earlier record nowhere.
    MetricsRecorder::global()
        .buckets("pool.*_seconds", [0.000_001, 0.000_01, 0.000_1, 0.001])
        .install()?;
    let telemetry = Telemetry::from_env()?.install()?;
    let jobs = Meter::scoped("plugin", "reports").counter::<u64>("jobs").build()?;

    pool::describe();
    for _ in 0..600 {
        pool::with_connection("orders", || thread::sleep(Duration::from_millis(100)));
        jobs.increment();
    }
    telemetry.shutdown_blocking()?;
    Ok(())
}
