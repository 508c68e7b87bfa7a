//! Keeps the copy of a target's queue on disk.

use std::io;
use std::time::Duration;

use meterkit_pipeline::{Target, exporter};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use super::{RemoteWriteTarget, values_of};
use crate::batch::Batch;
use crate::error::BuildError;
use crate::spool::Spool;

impl RemoteWriteTarget {
    /// Opens the spool and restores the requests that an earlier process left.
    pub(super) fn open_spool(&mut self) -> Result<(), BuildError> {
        let Some(directory) = &self.config.spool else {
            return Ok(());
        };
        let destination = &self.config.destination;
        let receiver = [
            &destination.url().to_string(),
            destination.tenant().unwrap_or_default(),
            // In Grafana Cloud, the user name identifies the tenant.
            destination.authentication().username().unwrap_or_default(),
        ];
        let (receiver, limit) = (receiver.join(" "), self.config.queue_bytes);
        let (queue, mut dropped) = (&mut self.queue, 0);
        // Restore requests one by one: together they may exceed the limit of the queue.
        let mut keep = |batch: Batch| {
            let next_id = batch.id + 1;
            dropped += values_of(&queue.restore(vec![batch], next_id));
        };
        let opened = Spool::open(directory, &receiver, limit, &mut keep);
        let (spool, found) = opened.map_err(|error| BuildError::Spool {
            directory: directory.display().to_string(),
            reason: error.to_string(),
        })?;
        let (requests, torn) = (found.requests, found.torn);
        if requests + torn > 0 {
            tracing::info!(
                exporter = exporter(&self.config.name),
                endpoint = self.endpoint(),
                requests,
                torn,
                "sending the requests that an earlier process left in the spool; torn ones were removed"
            );
        }
        if let Some(problem) = &found.problem {
            tracing::error!(
                exporter = exporter(&self.config.name),
                unreadable = found.unreadable,
                "cannot restore some requests of an earlier process, which stay on disk: {problem}"
            );
        }
        self.queue.restore(Vec::new(), found.next_id);
        self.spool = Some(spool);
        self.note_dropped(dropped);
        Ok(())
    }

    /// Writes the changes of the queue to disk. A disk that does not respond does not prevent requests from being
    /// sent; the changes are written once it responds.
    pub(super) async fn save(&mut self) {
        let changes = self.queue.take_changes();
        let Some(spool) = self.spool.clone() else {
            return;
        };
        spool.note(changes);
        while self.saving.is_some() || spool.is_behind() {
            // If an earlier wait timed out, do not wait again.
            let patience = if self.saving.is_some() { Duration::ZERO } else { PATIENCE };
            // The write continues if the export is cut off.
            let saving = self.saving.get_or_insert_with(|| {
                let spool = spool.clone();
                spawn_blocking(move || spool.write())
            });
            let Ok(saved) = timeout(patience, saving).await else {
                let problem = "the disk does not answer";
                return self.log_disk_problem(problem);
            };
            self.saving = None;
            if spool.take_lost() {
                self.queue.note_all();
                spool.note(self.queue.take_changes());
            }
            if let Ok(Err(error)) = saved {
                // The changes are written again with the next ones.
                return self.log_disk_problem(&error.to_string());
            }
            self.counts.disk_works();
        }
    }

    fn log_disk_problem(&self, problem: &str) {
        let problem = format!(
            "cannot write the queue to disk; its requests are lost if this process ends: {problem}"
        );
        if self.counts.disk_fails(&problem) {
            tracing::error!(exporter = exporter(&self.config.name), "{problem}");
        }
    }
}

/// The write to the disk that is in progress.
pub(super) type Saving = JoinHandle<io::Result<()>>;

/// The time that an export waits for the disk, unless an earlier write is still in progress.
const PATIENCE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use std::fs;

    use meterkit_fakes::remote_write::{Answer, Receiver};

    use super::*;
    use crate::tests::samples::all_kinds;
    use crate::{RemoteWrite, RemoteWriteConfig};

    #[tokio::test]
    #[expect(clippy::await_holding_lock, reason = "the lock simulates a hanging disk")]
    async fn a_disk_that_does_not_respond_does_not_prevent_sending() {
        let directory = tempfile::tempdir().expect("a directory");
        let receiver = Receiver::start([]).await;
        let destination = RemoteWrite::new(&receiver.url()).expect("a URL");
        let config = RemoteWriteConfig::new(destination).with_spool(directory.path());
        let mut target = RemoteWriteTarget::new(config).expect("a target");
        let spool = target.spool.clone().expect("the spool is open");
        let slot = spool.slot();
        let disk = spool.hang();
        for second in 1..=3 {
            assert_eq!(target.export(&all_kinds(second)).await, Ok(()));
        }
        assert_eq!(receiver.taken().len(), 3);
        assert_eq!(target.counts().waiting_requests(), 0);

        // The disk responds again. The requests of the outage have been delivered and are not written; later ones
        // are.
        drop(disk);
        let names = || {
            let entries = fs::read_dir(&slot).expect("a directory");
            let names = entries.map(|it| it.expect("it is read").file_name());
            let mut names: Vec<_> = names.filter(|name| name != "lock").collect();
            names.sort();
            names
        };
        for second in 4..1000 {
            receiver.answer_next([Answer::status(503)]);
            assert!(target.export(&all_kinds(second)).await.is_err());
            let waiting = target.counts().waiting_requests() as usize;
            if names().len() == waiting {
                return assert_eq!(names()[0], "00000000000000000003.request");
            }
        }
        panic!("the disk has {:?}", names());
    }
}
