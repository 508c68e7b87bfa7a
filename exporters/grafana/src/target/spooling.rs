//! The queue of a target, kept on disk too.

use std::io;
use std::time::Duration;

use meterkit_pipeline::Target;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::RemoteWriteTarget;
use crate::error::BuildError;
use crate::spool::Spool;

impl RemoteWriteTarget {
    /// Goes on where an earlier process ended.
    pub(super) fn open_spool(&mut self) -> Result<(), BuildError> {
        let Some(directory) = &self.config.spool else {
            return Ok(());
        };
        let destination = &self.config.destination;
        let receiver = [
            &destination.url().to_string(),
            destination.tenant().unwrap_or_default(),
            // In Grafana Cloud, it says whose metrics these are.
            destination.authentication().username().unwrap_or_default(),
        ];
        let (spool, found) =
            Spool::open(directory, &receiver.join(" ")).map_err(|error| BuildError::Spool {
                directory: directory.display().to_string(),
                reason: error.to_string(),
            })?;
        let (requests, torn) = (found.batches.len(), found.torn);
        if requests + torn > 0 {
            tracing::info!(
                target = self.config.name,
                endpoint = self.endpoint(),
                requests,
                torn,
                "an earlier process has left requests, which go out first; torn ones are cleared away"
            );
        }
        if let Some(problem) = &found.problem {
            tracing::error!(
                target = self.config.name,
                unreadable = found.unreadable,
                "requests of an earlier process stay where they are: {problem}"
            );
        }
        let dropped = self.queue.restore(found.batches, found.next_id);
        self.spool = Some(spool);
        self.note_dropped(&dropped);
        Ok(())
    }

    /// Has on disk what the queue has. A disk that does not answer keeps nothing from being sent: it is told the rest
    /// when it does.
    pub(super) async fn save(&mut self) {
        let changes = self.queue.take_changes();
        let Some(spool) = self.spool.clone() else {
            return;
        };
        spool.note(changes);
        while self.saving.is_some() || spool.is_behind() {
            // Who has waited in vain waits no more.
            let patience = if self.saving.is_some() { Duration::ZERO } else { PATIENCE };
            // It goes on if the export is cut off meanwhile.
            let saving = self.saving.get_or_insert_with(|| {
                let spool = spool.clone();
                spawn_blocking(move || spool.write())
            });
            let Ok(saved) = timeout(patience, saving).await else {
                let problem = "the disk does not answer";
                return self.tell_of_disk(problem);
            };
            self.saving = None;
            if let Ok(Err(error)) = saved {
                // It is tried again with what comes next.
                return self.tell_of_disk(&error.to_string());
            }
            self.counts.disk_works();
        }
    }

    fn tell_of_disk(&self, problem: &str) {
        if self.counts.says_disk_fails() {
            tracing::error!(
                target = self.config.name,
                "the queue cannot be kept on disk: what waits is lost if this process ends: {problem}"
            );
        }
    }
}

/// What is being written to the disk.
pub(super) type Saving = JoinHandle<io::Result<()>>;

/// How long an export waits for the disk, unless an earlier one still does.
const PATIENCE: Duration = Duration::from_secs(3);
