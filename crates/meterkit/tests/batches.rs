//! A push target that stores the batches it receives, and exports only on request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::Unpoisoned;

use meterkit::data::Snapshot;
use meterkit::target::{ExportFuture, Schedule, Target};
use meterkit::testing::Seen;

/// An interval that never elapses, so that only a flush or a shutdown exports.
pub(crate) const ONLY_WHEN_ASKED: Schedule =
    Schedule { interval: Duration::from_secs(24 * 3600), timeout: Duration::from_secs(30) };

/// The batches that a target has received. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batches(Arc<Mutex<Vec<Snapshot>>>);

impl Batches {
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unpoisoned().len()
    }

    /// Returns the last batch.
    pub(crate) fn last(&self) -> Seen {
        let batches = self.0.lock().unpoisoned();
        Seen::from(batches.last().expect("nothing was sent").clone())
    }
}

impl Target for Batches {
    fn name(&self) -> &str {
        "batches"
    }

    fn endpoint(&self) -> String {
        "a test".to_owned()
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        self.0.lock().unpoisoned().push(snapshot.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}
