//! The queue of a target, kept on disk too.

use meterkit_pipeline::Target;
use tokio::task::spawn_blocking;

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
        let receiver =
            format!("{} {}", destination.url(), destination.tenant().unwrap_or_default());
        let (spool, found) =
            Spool::open(directory, &receiver).map_err(|error| BuildError::Spool {
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
        let dropped = self.queue.restore(found.batches);
        self.spool = Some(spool);
        self.note_dropped(&dropped);
        Ok(())
    }

    /// Has on disk what the queue has.
    pub(super) async fn save(&mut self) {
        let changes = self.queue.take_changes();
        let Some(spool) = self.spool.clone() else {
            return;
        };
        if changes.added.is_empty() && changes.removed.is_empty() {
            return;
        }
        spool.note(changes);
        // It goes on if the export is cut off meanwhile.
        let saved = spawn_blocking(move || spool.write()).await;
        if let Ok(Err(error)) = saved {
            if self.counts.is_news("spool") {
                tracing::error!(
                    target = self.config.name,
                    %error,
                    "the queue cannot be kept on disk: what waits is lost if this process ends"
                );
            }
        }
    }
}
