//! The copy of the queue on disk, from which the next process sends what this one did not deliver.
//!
//! Each request is a file that is created atomically. The layout below the directory that the user configures:
//!
//! ```text
//! 8f1c22d0/            a receiver: a hash of its URL, tenant and user name
//! 8f1c22d0/0/          a slot: the directory of one process, running or ended
//! 8f1c22d0/0/lock      locked while the process runs
//! 8f1c22d0/0/00000000000000000017.request
//! ```
//!
//! Other users may be able to write to the configured directory. Therefore everything below it is accessible to the
//! current user only, links are not followed, only file names of this program's own format are read, and all content
//! is validated.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard};

use meterkit_core::Unpoisoned;

use self::slot::Slot;
use crate::batch::Batch;
use crate::queue::Changes;

mod file;
mod slot;

/// The slot of this process, with the changes that are to be written to it. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Spool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    of_receiver: PathBuf,
    /// Changes that are not on disk yet. New ones may be added while earlier ones are being written.
    pending: Mutex<Changes>,
    /// The lock is held while writing, so that one thread writes at a time. Other processes cannot use the slot until
    /// it is dropped.
    slot: Mutex<Slot>,
    /// The id of the request to write first. After a failure, it moves past the request that failed.
    resume: AtomicU64,
    /// Whether the slot was lost together with all files in it.
    lost: AtomicBool,
}

/// The result of reading the requests on disk.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The number of requests.
    pub(crate) requests: usize,
    /// An id above that of every file, including those that could not be read.
    pub(crate) next_id: u64,
    /// The number of files that held no complete request. They were removed.
    pub(crate) torn: usize,
    /// The number of files and slots that could not be read or moved. They remain on disk.
    pub(crate) unreadable: usize,
    /// The error of the first file or slot that could not be read or moved.
    pub(crate) problem: Option<io::Error>,
}

impl Spool {
    /// Takes the first slot that no other process uses. Calls `keep` with each request in that slot and in the slots
    /// of processes that have ended. Requests of more than `limit` bytes remain where they are.
    pub(crate) fn open(
        directory: &Path,
        receiver: &str,
        limit: usize,
        keep: &mut dyn FnMut(Batch),
    ) -> io::Result<(Self, Found)> {
        let of_receiver = directory.join(format!("{:08x}", crc32fast::hash(receiver.as_bytes())));
        let slot = Slot::free(&of_receiver, |_| true)?;
        let mut found = Found::default();
        found.next_id = found.read(slot.path(), limit, &mut |found, batch| {
            found.requests += 1;
            keep(batch);
        });
        for other in slot::all(&of_receiver)? {
            if other == slot.path() {
                continue;
            }
            match Slot::lock(&other) {
                Ok(None) => {}
                Ok(Some(other)) => found.adopt(other.path(), slot.path(), limit, keep),
                Err(error) => found.skip(&other, &error),
            }
        }
        let (pending, slot, lost) = (Mutex::default(), Mutex::new(slot), AtomicBool::new(false));
        Ok((
            Self(Arc::new(Shared { of_receiver, pending, slot, resume: AtomicU64::new(0), lost })),
            found,
        ))
    }

    /// Adds changes for the next [`write`](Self::write).
    pub(crate) fn note(&self, changes: Changes) {
        self.pending().append(changes);
    }

    /// Returns whether there are changes that have not been written.
    pub(crate) fn is_behind(&self) -> bool {
        let pending = self.pending();
        !(pending.added.is_empty() && pending.removed.is_empty())
    }

    /// Returns whether the slot was deleted or moved since the last call. The caller must then add the whole queue
    /// with [`note`](Self::note) again.
    pub(crate) fn take_lost(&self) -> bool {
        self.0.lost.swap(false, Relaxed)
    }

    /// Writes all pending changes to disk. This may block. Changes that fail stay pending for the next call.
    pub(crate) fn write(&self) -> io::Result<()> {
        let mut slot = self.0.slot.lock().unpoisoned();
        if slot.is_gone() {
            // Only an empty slot: files that another process left may have the same names as those of this one.
            *slot = Slot::free(&self.0.of_receiver, Slot::is_empty)?;
            self.0.lost.store(true, Relaxed);
        }
        while self.is_behind() {
            self.write_pending(slot.path())?;
        }
        Ok(())
    }

    fn write_pending(&self, slot: &Path) -> io::Result<()> {
        let Changes { mut added, removed } = std::mem::take(&mut *self.pending());
        let mut outcome = Ok(());
        let resume = self.0.resume.load(Relaxed);
        let order = added.range(resume..).chain(added.range(..resume)).map(|(id, _)| *id);
        for id in order.collect::<Vec<_>>() {
            let Some(batch) = added.get(&id) else {
                continue;
            };
            outcome = file::write(slot, batch);
            if outcome.is_err() {
                // The next call starts with the request after this one, so that one bad request does not block the
                // others.
                self.0.resume.store(id.saturating_add(1), Relaxed);
                break;
            }
            added.remove(&id);
        }
        let mut failed = Changes { added, removed: Vec::new() };
        // Remove files even if writing failed: that makes room on the disk.
        for id in removed {
            if let Err(error) = file::remove(&file::path(slot, id)) {
                failed.removed.push(id);
                outcome = outcome.and(Err(error));
            }
        }
        let mut pending = self.pending();
        let later = std::mem::replace(&mut *pending, failed);
        pending.append(later);
        outcome
    }

    fn pending(&self) -> MutexGuard<'_, Changes> {
        self.0.pending.lock().unpoisoned()
    }
}

impl Found {
    /// Reads the requests in `slot` in order, and removes files that hold no request. Returns an id above those of
    /// all files.
    fn read(&mut self, slot: &Path, limit: usize, keep: &mut dyn FnMut(&mut Self, Batch)) -> u64 {
        let names = file::names(slot).unwrap_or_else(|error| {
            self.skip(slot, &error);
            Vec::new()
        });
        let next_id = names.last().map_or(0, |name| name.id + 1);
        for name in names {
            let path = name.below(slot);
            let request = if name.is_whole { file::read(&path, name.id, limit) } else { Ok(None) };
            match request {
                Ok(Some(batch)) => keep(self, batch),
                Ok(None) => match file::remove(&path) {
                    Ok(()) => self.torn += 1,
                    Err(error) => self.skip(&path, &error),
                },
                Err(error) => self.skip(&path, &error),
            }
        }
        next_id
    }

    /// Moves the requests in `other` to `slot`, after those found so far.
    fn adopt(&mut self, other: &Path, slot: &Path, limit: usize, keep: &mut dyn FnMut(Batch)) {
        self.read(other, limit, &mut |found, batch| {
            let (old, id) = (file::path(other, batch.id), found.next_id);
            match std::fs::rename(&old, file::path(slot, id)) {
                Ok(()) => {
                    found.next_id += 1;
                    found.requests += 1;
                    keep(Batch { id, ..batch });
                }
                Err(error) => found.skip(&old, &error),
            }
        });
    }

    /// Records a file that could not be read or moved. This is not an error of `open`: leftovers of an earlier
    /// process must not prevent a start.
    fn skip(&mut self, path: &Path, error: &io::Error) {
        self.unreadable += 1;
        let of_path = || io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        self.problem.get_or_insert_with(of_path);
    }
}

#[cfg(test)]
mod tests;
