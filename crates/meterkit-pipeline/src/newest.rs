//! The newest snapshot for a push target, collected on schedule even if the target is not ready for it.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval_at};

use crate::collector::Freshness;
use crate::component::Component;
use crate::moment::after;
use crate::snapshot::Snapshot;
use crate::source::{Closed, Source};

/// The next snapshot for a target. A newer snapshot replaces it, and no snapshot is returned twice.
#[derive(Debug, Default)]
pub(crate) struct Newest(watch::Sender<Slot>);

#[derive(Debug, Default)]
struct Slot {
    /// The number of the newest snapshot. Remains after the snapshot is taken.
    number: u64,
    snapshot: Option<Arc<Snapshot>>,
}

impl Newest {
    /// Collects once per interval for `component`, and logs when the target has been silent for too long.
    pub(crate) async fn collect(
        &self,
        source: &Source,
        interval: Duration,
        component: &Component,
    ) -> Infallible {
        // The timer panics for an interval of zero.
        let interval = interval.max(Duration::from_millis(1));
        let mut ticks = interval_at(after(interval).into(), interval);
        // Missed ticks cause neither a burst nor a shift, so targets that were due together stay together.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            match source.take(self.fresher(None)).await {
                Ok(snapshot) => {
                    component.log_silence();
                    self.offer(snapshot);
                }
                Err(Closed) => pending().await,
            }
        }
    }

    /// Waits until the next snapshot is available.
    pub(crate) async fn due(&self) {
        // The channel is never closed, because `self` holds the sender.
        let _ = self.0.subscribe().wait_for(|slot| slot.snapshot.is_some()).await;
    }

    /// Takes the next snapshot, if one was collected.
    pub(crate) fn take(&self) -> Option<Arc<Snapshot>> {
        let mut taken = None;
        self.0.send_if_modified(|slot| {
            taken = slot.snapshot.take();
            false
        });
        taken
    }

    /// Takes a snapshot whose collection started after `asked`, in place of the next one.
    pub(crate) async fn take_since(
        &self,
        source: &Source,
        asked: Instant,
    ) -> Result<Arc<Snapshot>, Closed> {
        let snapshot = source.take(self.fresher(Some(asked))).await?;
        self.offer(snapshot.clone());
        // Older snapshots are of no use after this one. A newer one is even better, as it also contains everything that
        // was asked for.
        Ok(self.take().unwrap_or(snapshot))
    }

    fn fresher(&self, since: Option<Instant>) -> Freshness {
        Freshness { since, after: self.0.borrow().number }
    }

    fn offer(&self, snapshot: Arc<Snapshot>) {
        self.0.send_if_modified(|slot| {
            let is_newer = snapshot.number > slot.number;
            if is_newer {
                *slot = Slot { number: snapshot.number, snapshot: Some(snapshot) };
            }
            is_newer
        });
    }
}
