//! The queue on disk: what a process did not deliver is there for the next one.
//!
//! Each request is a file, which appears as a whole or not at all. Below the directory that the user names:
//!
//! ```text
//! 8f1c22d0/            a receiver: its URL and tenant, and the user's name
//! 8f1c22d0/0/          a slot: of a process that runs, or of one that did
//! 8f1c22d0/0/lock      held by the process that runs
//! 8f1c22d0/0/00000000000000000017.request
//! ```
//!
//! Others may be able to write to the user's directory. So everything below it is for this user alone, links are not
//! followed, only names that this program would choose are looked at, and nothing that is read is trusted.

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

/// The slot of this process. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Spool(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    of_receiver: PathBuf,
    /// Changes that are not on disk yet. More may be noted while earlier ones are being written.
    pending: Mutex<Changes>,
    /// Held while writing: one thread at a time does. Other processes stay out until this is dropped.
    slot: Mutex<Slot>,
    /// The id of the request that is written first.
    resume: AtomicU64,
    /// Whether the slot was lost, and with it whatever was on disk.
    lost: AtomicBool,
}

/// What was found on disk.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// How many requests there are.
    pub(crate) requests: usize,
    /// The id above that of any file, including those that stay.
    pub(crate) next_id: u64,
    /// Files that held no whole request. They are gone.
    pub(crate) torn: usize,
    /// Files and slots that could not be read or moved. They stay.
    pub(crate) unreadable: usize,
    /// Why not, of the first of those.
    pub(crate) problem: Option<io::Error>,
}

impl Spool {
    /// Takes the first slot that no other process has. Calls `keep` with each request in it, and with those in the slots
    /// of processes that have ended. Requests of more than `limit` bytes stay where they are.
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

    /// Takes note of changes, for the next [`write`](Self::write).
    pub(crate) fn note(&self, changes: Changes) {
        self.pending().append(changes);
    }

    /// Returns whether there are changes that were not written.
    pub(crate) fn is_behind(&self) -> bool {
        let pending = self.pending();
        !(pending.added.is_empty() && pending.removed.is_empty())
    }

    /// Returns whether someone has deleted or moved what was on disk, once. The whole queue is to be noted again then.
    pub(crate) fn take_lost(&self) -> bool {
        self.0.lost.swap(false, Relaxed)
    }

    /// Writes the queue to disk, which may take time. Whatever fails is tried again next time.
    pub(crate) fn write(&self) -> io::Result<()> {
        let mut slot = self.0.slot.lock().unpoisoned();
        if slot.is_gone() {
            // Files in a slot of another process may have the same names.
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
                // The next time, it keeps no other from being tried.
                self.0.resume.store(id.saturating_add(1), Relaxed);
                break;
            }
            added.remove(&id);
        }
        let mut failed = Changes { added, removed: Vec::new() };
        // Also if there was no room for those: it makes some.
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
    /// Reads the requests in `slot` in order, and removes files that hold no request. Returns an id above those of all
    /// files.
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

    /// Moves the requests in `other` to `slot`, behind what was found.
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

    /// Nobody is kept from starting by what an earlier process has left.
    fn skip(&mut self, path: &Path, error: &io::Error) {
        self.unreadable += 1;
        let of_path = || io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        self.problem.get_or_insert_with(of_path);
    }
}

#[cfg(test)]
mod tests;
