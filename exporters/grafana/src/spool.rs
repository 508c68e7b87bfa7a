//! The queue on disk: what a process did not deliver is there for the next one.
//!
//! A file per request, which appears as a whole or not at all. Below the directory that is given:
//!
//! ```text
//! 8f1c22d0/            a receiver: its URL and tenant, and the user's name
//! 8f1c22d0/0/          a process, one that runs or one that did
//! 8f1c22d0/0/lock      held by the one that runs
//! 8f1c22d0/0/00000000000000000017.request
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use meterkit_core::Unpoisoned;

use crate::batch::Batch;
use crate::queue::Changes;
use crate::wire::Version;

/// The part of a directory that is for one process. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Spool {
    slot: PathBuf,
    /// What the disk has to be told: some of it may come before what was before it is there.
    pending: Arc<Mutex<Changes>>,
    /// Locked until the last clone is gone, or the process is. One thread at a time writes.
    lock: Arc<Mutex<File>>,
}

/// What was found on disk.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) batches: Vec<Batch>,
    /// Above that of any file, also of those that stay.
    pub(crate) next_id: u64,
    /// Files that held no whole request. They are gone.
    pub(crate) torn: usize,
    /// Files and parts that could not be read or moved. They stay.
    pub(crate) unreadable: usize,
    /// Why not, of the first of those.
    pub(crate) problem: Option<io::Error>,
}

impl Found {
    /// Nobody is kept from starting by what an earlier process has left.
    fn skip(&mut self, path: &Path, error: &io::Error) {
        self.unreadable += 1;
        let of_path = || io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        self.problem.get_or_insert_with(of_path);
    }
}

impl Spool {
    /// The first part that no other process has, and what is in it: with what processes that have ended left in others.
    pub(crate) fn open(directory: &Path, receiver: &str) -> io::Result<(Self, Found)> {
        let of_receiver = directory.join(format!("{:08x}", crc32fast::hash(receiver.as_bytes())));
        let (slot, lock) = free_slot(&of_receiver)?;
        let mut found = Found::default();
        read(&slot, &mut found);
        for entry in fs::read_dir(&of_receiver)? {
            let other = entry?.path();
            if other == slot || !other.is_dir() {
                continue;
            }
            match lock_of(&other) {
                Ok(None) => {}
                Ok(Some(_lock)) => adopt(&other, &slot, &mut found),
                Err(error) => found.skip(&other, &error),
            }
        }
        let (pending, lock) = (Arc::default(), Arc::new(Mutex::new(lock)));
        Ok((Self { slot, pending, lock }, found))
    }

    /// Takes note of changes, for the next [`write`](Self::write).
    pub(crate) fn note(&self, changes: Changes) {
        self.pending().append(changes);
    }

    /// Whether there are changes that were not written.
    pub(crate) fn is_behind(&self) -> bool {
        let pending = self.pending();
        !(pending.added.is_empty() && pending.removed.is_empty())
    }

    /// Writes the queue to disk, which may take time. Whatever fails is tried again next time.
    pub(crate) fn write(&self) -> io::Result<()> {
        let _writing = self.lock.lock().unpoisoned();
        // More may come meanwhile.
        while self.is_behind() {
            self.write_pending()?;
        }
        Ok(())
    }

    fn write_pending(&self) -> io::Result<()> {
        let Changes { mut added, removed } = std::mem::take(&mut *self.pending());
        let mut outcome = Ok(());
        let written = added.iter().position(|batch| {
            outcome = write(&path(&self.slot, batch.id), batch);
            outcome.is_err()
        });
        added.drain(..written.unwrap_or(added.len()));
        if !added.is_empty() {
            // The next time, it keeps no other from being tried.
            added.rotate_left(1);
        }
        let mut failed = Changes { added, removed: Vec::new() };
        // Also if there was no room for those: it makes some.
        for id in removed {
            match fs::remove_file(path(&self.slot, id)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    failed.removed.push(id);
                    outcome = outcome.and(Err(error));
                }
                _ => {}
            }
        }
        let mut pending = self.pending();
        let later = std::mem::replace(&mut *pending, failed);
        pending.append(later);
        outcome
    }

    fn pending(&self) -> MutexGuard<'_, Changes> {
        self.pending.lock().unpoisoned()
    }
}

/// A process more than that on one machine waits for no directory: something is wrong.
const MOST_SLOTS: u32 = 1000;

fn free_slot(of_receiver: &Path) -> io::Result<(PathBuf, File)> {
    let mut problem = None;
    for number in 0..MOST_SLOTS {
        let slot = of_receiver.join(number.to_string());
        fs::create_dir_all(&slot)?;
        match lock_of(&slot) {
            Ok(Some(lock)) => return Ok((slot, lock)),
            Ok(None) => {}
            // One that another user has left.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                problem.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    let all_are_used = || io::Error::other(format!("{MOST_SLOTS} processes use it already"));
    Err(problem.unwrap_or_else(all_are_used))
}

/// The lock of a part, unless another process has it.
fn lock_of(slot: &Path) -> io::Result<Option<File>> {
    let lock = File::options().create(true).truncate(false).write(true).open(slot.join("lock"))?;
    match fs4::FileExt::try_lock(&lock) {
        Ok(()) => Ok(Some(lock)),
        Err(fs4::TryLockError::WouldBlock) => Ok(None),
        // Also where a file system has no locks.
        Err(fs4::TryLockError::Error(error)) => Err(error),
    }
}

/// Moves what is in `other` over, behind what was found.
fn adopt(other: &Path, slot: &Path, found: &mut Found) {
    let mut left = Found::default();
    read(other, &mut left);
    for (id, batch) in (found.next_id..).zip(std::mem::take(&mut left.batches)) {
        let old = path(other, batch.id);
        match fs::rename(&old, path(slot, id)) {
            Ok(()) => {
                found.batches.push(Batch { id, ..batch });
                found.next_id = id + 1;
            }
            Err(error) => left.skip(&old, &error),
        }
    }
    found.torn += left.torn;
    found.unreadable += left.unreadable;
    found.problem = found.problem.take().or(left.problem);
}

/// Reads all requests of a part in order, and clears away what is none.
fn read(slot: &Path, found: &mut Found) {
    let entries = match fs::read_dir(slot) {
        Ok(entries) => entries,
        Err(error) => return found.skip(slot, &error),
    };
    for entry in entries {
        let path = match entry {
            Ok(entry) => entry.path(),
            Err(error) => {
                found.skip(slot, &error);
                continue;
            }
        };
        let id = path.file_stem().and_then(|it| it.to_str()).and_then(|it| it.parse().ok());
        found.next_id = found.next_id.max(id.map_or(0, |id: u64| id.saturating_add(1)));
        let batch = match (path.extension().and_then(|it| it.to_str()), id) {
            (Some(WHOLE), Some(id)) => fs::read(&path).map(|bytes| decode(id, &bytes)),
            (Some(PART), Some(_)) => Ok(None),
            // Not ours.
            _ => continue,
        };
        let cleared = batch.and_then(|batch| match batch {
            Some(batch) => {
                found.batches.push(batch);
                Ok(())
            }
            None => fs::remove_file(&path).map(|()| found.torn += 1),
        });
        if let Err(error) = cleared {
            found.skip(&path, &error);
        }
    }
    found.batches.sort_by_key(|batch| batch.id);
}

const WHOLE: &str = "request";
const PART: &str = "part";

fn path(slot: &Path, id: u64) -> PathBuf {
    slot.join(format!("{id:020}.{WHOLE}"))
}

fn write(path: &Path, batch: &Batch) -> io::Result<()> {
    let part = path.with_extension(PART);
    let written = write_part(&part, batch).and_then(|()| fs::rename(&part, path));
    if written.is_err() {
        // A part of a request is of no use, and a full disk has none to spare.
        let _ = fs::remove_file(&part);
    }
    written
}

fn write_part(part: &Path, batch: &Batch) -> io::Result<()> {
    let mut file = File::create(part)?;
    file.write_all(&encode(batch))?;
    // Otherwise the name may outlive a loss of power, and the content not.
    file.sync_data()
}

const MAGIC: &[u8; 8] = b"mkgraf01";
const HEAD: usize = MAGIC.len() + 8 * 5;
const CHECKSUM: usize = 4;

/// Five numbers, the body, and a checksum of it all.
fn encode(batch: &Batch) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + batch.body.len() + CHECKSUM);
    bytes.extend_from_slice(MAGIC);
    let version = if batch.version == Version::V2 { 2 } else { 1 };
    let time = batch.time as u64;
    for number in [version, time, batch.size as u64, batch.samples, batch.histograms] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&batch.body);
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn decode(id: u64, bytes: &[u8]) -> Option<Batch> {
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
        return None;
    }
    let (head, body) = content.split_at_checked(HEAD)?;
    let numbers = head.strip_prefix(MAGIC)?;
    let mut numbers = numbers.chunks_exact(8).map(|it| it.try_into().map(u64::from_le_bytes));
    let mut next = || numbers.next()?.ok();
    let version = match next()? {
        1 => Version::V1,
        2 => Version::V2,
        _ => return None,
    };
    Some(Batch {
        id,
        version,
        time: next()? as i64,
        size: usize::try_from(next()?).ok()?,
        samples: next()?,
        histograms: next()?,
        body: body.to_vec().into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(id: u64, time: i64) -> Batch {
        Batch {
            id,
            time,
            version: if id % 2 == 0 { Version::V1 } else { Version::V2 },
            body: vec![id as u8; 100 + id as usize].into(),
            size: 300,
            samples: id + 4,
            histograms: 5,
        }
    }

    fn add(spool: &Spool, batches: &[Batch]) {
        spool.note(Changes { added: batches.to_vec(), removed: Vec::new() });
        spool.write().expect("it is written");
    }

    fn remove(spool: &Spool, ids: &[u64]) {
        spool.note(Changes { added: Vec::new(), removed: ids.to_vec() });
        spool.write().expect("it is gone");
    }

    fn shown(found: &Found) -> Vec<String> {
        found.batches.iter().map(|batch| format!("{batch:?}")).collect()
    }

    fn files(spool: &Spool) -> Vec<PathBuf> {
        let entries = fs::read_dir(&spool.slot).expect("a directory");
        let paths = entries.map(|entry| entry.expect("an entry").path());
        let mut paths: Vec<PathBuf> = paths.filter(|path| !path.ends_with("lock")).collect();
        paths.sort();
        paths
    }

    #[test]
    fn what_is_written_is_there_for_the_next_process() {
        let directory = tempfile::tempdir().expect("a directory");
        let (spool, found) = Spool::open(directory.path(), "a").expect("it opens");
        assert!(found.batches.is_empty() && found.torn == 0);
        let all: Vec<Batch> = [(0, 5), (1, -5), (20, 7)].map(|(id, at)| batch(id, at)).into();
        add(&spool, &all);
        drop(spool);

        let (spool, found) = Spool::open(directory.path(), "a").expect("it opens");
        assert_eq!(shown(&found), all.iter().map(|it| format!("{it:?}")).collect::<Vec<_>>());
        remove(&spool, &[1, 99]);
        drop(spool);

        let (_, found) = Spool::open(directory.path(), "a").expect("it opens");
        assert_eq!(found.batches.iter().map(|it| it.id).collect::<Vec<_>>(), [0, 20]);
        let (_, found) = Spool::open(directory.path(), "b").expect("it opens");
        assert!(found.batches.is_empty(), "it is for another receiver");
    }

    #[test]
    fn what_comes_and_goes_before_it_is_written_never_was() {
        let directory = tempfile::tempdir().expect("a directory");
        let (spool, _) = Spool::open(directory.path(), "a").expect("it opens");
        spool.note(Changes { added: vec![batch(1, 1), batch(2, 1)], removed: Vec::new() });
        remove(&spool, &[1]);
        assert_eq!(files(&spool), [path(&spool.slot, 2)]);
    }

    #[test]
    fn where_nothing_can_be_written_what_is_there_can_go() {
        let directory = tempfile::tempdir().expect("a directory");
        let (spool, _) = Spool::open(directory.path(), "a").expect("it opens");
        add(&spool, &[batch(1, 1)]);
        // A directory where the file would be.
        fs::create_dir(path(&spool.slot, 2).with_extension(PART)).expect("a directory");
        spool.note(Changes { added: vec![batch(2, 2)], removed: vec![1] });
        assert!(spool.write().is_err());
        assert!(!path(&spool.slot, 1).exists());
    }

    #[test]
    fn what_could_not_be_written_is_tried_again_unless_it_is_gone() {
        let directory = tempfile::tempdir().expect("a directory");
        let (spool, _) = Spool::open(directory.path(), "a").expect("it opens");
        let in_the_way = path(&spool.slot, 1).with_extension(PART);
        fs::create_dir(&in_the_way).expect("a directory");
        let added = (1..=3).map(|id| batch(id, 1)).collect();
        spool.note(Changes { added, removed: Vec::new() });
        assert!(spool.write().is_err() && spool.is_behind());
        assert!(spool.write().is_err(), "the first one fails again");
        let others = [path(&spool.slot, 2), path(&spool.slot, 3)];
        assert_eq!(files(&spool)[1..], others, "and holds up no other");

        spool.note(Changes { added: vec![batch(4, 1)], removed: vec![1] });
        assert!(spool.write().is_ok() && !spool.is_behind());
        fs::remove_dir(&in_the_way).expect("it is empty");
        assert_eq!(files(&spool), [2, 3, 4].map(|id| path(&spool.slot, id)));
    }

    #[test]
    fn what_cannot_be_read_stays_and_the_others_are_found() {
        let directory = tempfile::tempdir().expect("a directory");
        let (spool, _) = Spool::open(directory.path(), "a").expect("it opens");
        let (other, _) = Spool::open(directory.path(), "a").expect("it opens");
        for spool in [&spool, &other] {
            add(spool, &[batch(1, 1), batch(3, 3)]);
            // Nobody reads a directory as a file, or removes one so.
            fs::create_dir(path(&spool.slot, 2)).expect("a directory");
            fs::create_dir(path(&spool.slot, 5).with_extension(PART)).expect("a directory");
        }
        let third = spool.slot.with_file_name("2");
        fs::create_dir_all(third.join("lock")).expect("a directory");
        drop((spool, other));
        let (spool, found) = Spool::open(directory.path(), "a").expect("it opens");
        assert_eq!((found.batches.len(), found.torn, found.unreadable), (4, 0, 5));
        assert!(found.problem.is_some_and(|it| it.to_string().contains("00000")));
        assert_eq!(files(&spool).len(), 6);
    }

    #[cfg(unix)]
    #[test]
    fn what_stays_is_not_written_over() {
        let directory = tempfile::tempdir().expect("a directory");
        let (spool, _) = Spool::open(directory.path(), "a").expect("it opens");
        let (other, _) = Spool::open(directory.path(), "a").expect("it opens");
        add(&other, &[batch(0, 1)]);
        // Nothing is readable under that name, and yet a rename would take its place.
        let stays = path(&spool.slot, 6);
        std::os::unix::fs::symlink("nowhere", &stays).expect("a link");
        drop((spool, other));
        let (spool, found) = Spool::open(directory.path(), "a").expect("it opens");
        assert_eq!((found.batches[0].id, found.next_id, found.unreadable), (7, 8, 1));
        assert_eq!(files(&spool), [stays, path(&spool.slot, 7)]);
    }

    #[test]
    fn a_torn_write_is_cleared_away_and_the_others_stay() {
        let whole = encode(&batch(2, 2));
        let mut flipped = whole.clone();
        flipped[60] ^= 1;
        let mut lengthened = whole.clone();
        lengthened.push(0);
        for torn in
            [&whole[..whole.len() - 1], &whole[..30], &whole[..3], b"", &flipped, &lengthened]
        {
            let directory = tempfile::tempdir().expect("a directory");
            let (spool, _) = Spool::open(directory.path(), "a").expect("it opens");
            add(&spool, &[batch(1, 1), batch(2, 2), batch(3, 3)]);
            fs::write(path(&spool.slot, 2), torn).expect("it is torn");
            fs::write(path(&spool.slot, 4).with_extension(PART), torn).expect("it is torn");
            drop(spool);
            let (spool, found) = Spool::open(directory.path(), "a").expect("it opens");
            assert_eq!(found.batches.iter().map(|it| it.id).collect::<Vec<_>>(), [1, 3]);
            assert_eq!((found.torn, files(&spool).len()), (2, 2));
        }
    }

    #[test]
    fn no_part_of_a_request_and_none_with_a_bit_that_flipped_is_taken_for_a_request() {
        let whole = encode(&batch(3, 7));
        assert!(decode(3, &whole).is_some());
        for length in 0..whole.len() {
            assert!(decode(3, &whole[..length]).is_none(), "{length} bytes");
        }
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(3, &flipped).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn two_processes_do_not_share_and_the_next_one_has_what_both_left() {
        let directory = tempfile::tempdir().expect("a directory");
        let (one, _) = Spool::open(directory.path(), "a").expect("it opens");
        add(&one, &[batch(0, 10), batch(1, 30)]);
        let (two, found) = Spool::open(directory.path(), "a").expect("it opens");
        assert!(found.batches.is_empty(), "the first one runs");
        add(&two, &[batch(0, 20)]);

        drop(two);
        let (three, found) = Spool::open(directory.path(), "a").expect("it opens");
        assert_eq!(found.batches.len(), 1, "the second one's");
        drop((one, three));
        let (four, found) = Spool::open(directory.path(), "a").expect("it opens");
        let mut times: Vec<i64> = found.batches.iter().map(|it| it.time).collect();
        times.sort_unstable();
        assert_eq!(times, [10, 20, 30]);
        assert_eq!(files(&four).len(), 3, "they are one's own now");
        drop(four);
        let (_, found) = Spool::open(directory.path(), "a").expect("it opens");
        assert_eq!(found.batches.len(), 3);
    }
}
