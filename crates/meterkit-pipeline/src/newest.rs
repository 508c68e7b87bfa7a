//! The newest snapshot for a push target: collected on schedule, whether or not the target is ready for it.

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

/// The next snapshot that a target is to be given. A newer one takes its place, and none is given twice.
#[derive(Debug, Default)]
pub(crate) struct Newest(watch::Sender<Slot>);

#[derive(Debug, Default)]
struct Slot {
    /// The number of the newest snapshot, which stays when that is taken out.
    number: u64,
    snapshot: Option<Arc<Snapshot>>,
}

impl Newest {
    /// Collects once per interval for `component`, and notices when that takes none of it.
    pub(crate) async fn collect(
        &self,
        source: &Source,
        interval: Duration,
        component: &Component,
    ) -> Infallible {
        // A timer needs an interval that is not zero.
        let interval = interval.max(Duration::from_millis(1));
        let mut ticks = interval_at(after(interval).into(), interval);
        // Not a burst, and not later from then on: targets that were due together stay so.
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

    /// Waits for the next snapshot.
    pub(crate) async fn due(&self) {
        // Never closed, as the sender is here.
        let _ = self.0.subscribe().wait_for(|slot| slot.snapshot.is_some()).await;
    }

    /// Returns the next snapshot, if one was collected.
    pub(crate) fn take(&self) -> Option<Arc<Snapshot>> {
        let mut taken = None;
        self.0.send_if_modified(|slot| {
            taken = slot.snapshot.take();
            false
        });
        taken
    }

    /// Returns a snapshot that was begun after `asked`, in place of the next one.
    pub(crate) async fn take_since(
        &self,
        source: &Source,
        asked: Instant,
    ) -> Result<Arc<Snapshot>, Closed> {
        let snapshot = source.take(self.fresher(Some(asked))).await?;
        self.offer(snapshot.clone());
        // Nothing older is of use after this one. What is newer holds more, and everything that was asked for.
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
