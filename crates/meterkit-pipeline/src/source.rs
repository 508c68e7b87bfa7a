//! Where pull targets get their snapshots.

use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::{Mutex, oneshot};

use crate::collector::{Collector, Freshness};
use crate::snapshot::Snapshot;

/// Gives snapshots to whoever serves them: a scrape endpoint, a handler in the application's own server.
///
/// Concurrent requests share one collection, and one younger than `METERKIT_SNAPSHOT_MAX_AGE` (1 s by default) is
/// used again. Works on any runtime, and without one. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Source {
    collector: Arc<Collector>,
    runtime: Handle,
    /// Who waits for a collection waits here, not on a thread.
    turn: Arc<Mutex<()>>,
}

/// The pipeline has shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the metrics pipeline has shut down")]
#[non_exhaustive]
pub struct Closed;

impl Source {
    pub(crate) fn new(collector: Arc<Collector>, runtime: Handle) -> Self {
        Self { collector, runtime, turn: Arc::default() }
    }

    /// A recent snapshot. Callbacks run on a thread of the pipeline, not on the caller's.
    ///
    /// # Errors
    ///
    /// [`Closed`] after `shutdown()`, once the last snapshot is too old.
    pub async fn snapshot(&self) -> Result<Arc<Snapshot>, Closed> {
        self.take(Freshness::Recent).await
    }

    /// A recent snapshot, for programs without a runtime. Callbacks may run on this thread.
    ///
    /// Works after `shutdown()` too.
    pub fn snapshot_blocking(&self) -> Arc<Snapshot> {
        self.collector.collect(Freshness::Recent)
    }

    pub(crate) async fn take(&self, freshness: Freshness) -> Result<Arc<Snapshot>, Closed> {
        let asked = Instant::now();
        if let Some(snapshot) = self.collector.cached(freshness, asked) {
            return Ok(snapshot);
        }
        let turn = self.turn.clone().lock_owned().await;
        if let Some(snapshot) = self.collector.cached(freshness, asked) {
            return Ok(snapshot);
        }
        let (reply, answer) = oneshot::channel();
        let collector = self.collector.clone();
        self.runtime.spawn_blocking(move || {
            // Whoever asked may have gone: the snapshot then serves the next one, who waits as long as this runs.
            let _turn = turn;
            let _ = reply.send(collector.collect(freshness));
        });
        answer.await.map_err(|_| Closed)
    }
}
