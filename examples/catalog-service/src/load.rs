//! The load generator: sends real HTTP requests, and keeps an exact tally of their effects.
//!
//! The order of requests is fixed: each worker repeats the same list (see `load/mix.rs`). The tally is derived from the
//! responses, never from the intention of a request.

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

/// Sends `requests` requests from `workers` concurrent tasks as fast as the service answers, then waits for the
/// scaffolder tasks that the requests started.
///
/// `base` is the URL of the service, such as `http://127.0.0.1:8080`. Requests that wait for tasks are sent in addition
/// to `requests`; the tally includes them.
///
/// # Errors
///
/// Returns an error if a request has no usable response, because the tally would then not be exact.
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

/// Sends `per_second` requests a second until `stop` ends, then waits for the scaffolder tasks that they started.
///
/// # Errors
///
/// Returns an error if a request has no usable response, because the tally would then not be exact.
pub async fn run_paced(
    base: &str,
    per_second: NonZeroU32,
    stop: impl Future<Output = ()>,
) -> Result<Tally, Error> {
    // A higher rate uses more connections, so that one slow response does not delay the others.
    let workers = (per_second.get() / 25).clamp(1, 8);
    let period = Duration::from_secs(workers.into()) / per_second.get();
    let prefix = prefix();
    let start = Instant::now();
    let stopped = watch::Sender::new(());
    let mut running = JoinSet::new();
    for number in 0..workers {
        let worker = Worker::new(Client::new(base), format!("{prefix}-{number}"));
        // The workers take turns, so that requests are evenly spread.
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
    // A late worker catches up. This keeps the rate even if a period is shorter than the timer's resolution of 1 ms.
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
        // The first failure drops the set and so ends the other workers: without all responses, no exact tally is
        // possible.
        all.merge(ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))?);
    }
    Ok(all)
}

/// Returns a name prefix that no other run uses, so that runs never share an entity, even in a database that is kept.
fn prefix() -> String {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    format!("load-{:x}-{run}", now.as_micros())
}
