//! The load generator: real HTTP requests, and an exact account of what they did.
//!
//! Which request comes when is fixed: each worker goes through the same list again and again (see `load/mix.rs`).
//! What is counted comes from the answers, never from what the request was meant to do.

mod client;
mod mix;
mod tally;
mod worker;

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, Interval, interval_at},
};

use self::{client::Client, worker::Worker};
pub use self::{
    client::Error,
    tally::{Counts, EndedTasks, Request, Tally},
};

/// Sends `requests` requests from `workers` concurrent tasks as fast as they are answered, then waits for the tasks
/// that were started.
///
/// `base` is the URL of the service, such as `http://127.0.0.1:8080`. The requests that wait for tasks come on top of
/// `requests`; the tally has them all.
pub async fn run(base: &str, requests: u64, workers: usize) -> Result<Tally, Error> {
    let workers = workers.max(1) as u64;
    let prefix = prefix();
    let mut running = JoinSet::new();
    for number in 0..workers {
        let share = requests / workers + u64::from(number < requests % workers);
        let mut worker = Worker::new(Client::new(base), format!("{prefix}-{number}"));
        running.spawn(async move {
            for _ in 0..share {
                worker.step().await?;
            }
            worker.finish().await
        });
    }
    collect(running).await
}

/// Sends `per_second` requests a second until `stop` ends, then waits for the tasks that were started.
pub async fn run_paced(
    base: &str,
    per_second: NonZeroU32,
    stop: impl Future<Output = ()>,
) -> Result<Tally, Error> {
    // More connections for a higher rate, so that one slow answer does not hold up the rest.
    let workers = (per_second.get() / 25).clamp(1, 8);
    let period = Duration::from_secs(workers.into()) / per_second.get();
    let prefix = prefix();
    let start = Instant::now();
    let stopped = watch::Sender::new(());
    let mut running = JoinSet::new();
    for number in 0..workers {
        let worker = Worker::new(Client::new(base), format!("{prefix}-{number}"));
        // Evenly spread: the workers take turns.
        let ticks = interval_at(start + period * number / workers, period);
        running.spawn(pace(worker, ticks, stopped.subscribe()));
    }
    let collected = collect(running);
    tokio::pin!(collected);
    tokio::select! {
        tally = &mut collected => tally,
        () = stop => {
            stopped.send_replace(());
            collected.await
        }
    }
}

async fn pace(
    mut worker: Worker,
    mut ticks: Interval,
    mut stopped: watch::Receiver<()>,
) -> Result<Tally, Error> {
    // A worker that is late catches up: that keeps the rate also where a period is shorter than the timer's millisecond.
    loop {
        tokio::select! {
            biased;
            _ = stopped.changed() => return worker.finish().await,
            _ = ticks.tick() => worker.step().await?,
        }
    }
}

async fn collect(mut running: JoinSet<Result<Tally, Error>>) -> Result<Tally, Error> {
    let mut all = Tally::default();
    while let Some(ended) = running.join_next().await {
        // The first failure ends the others too, as the set is dropped: without all answers there is no exact tally.
        all.merge(ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?);
    }
    Ok(all)
}

/// A prefix for names that no other run has, so that runs never meet on an entity, not even in a database that stays.
fn prefix() -> String {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("load-{:x}-{run}", now.as_micros())
}
