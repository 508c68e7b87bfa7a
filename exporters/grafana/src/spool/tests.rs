//! The files of the spool, and foreign files.

use std::collections::BTreeMap;
use std::fs;

use super::file::path;
use super::*;
use crate::wire::Version;

const LIMIT: usize = 1000;

fn batch(id: u64, time: i64) -> Batch {
    // The body is compressed, but not a valid message.
    let plain: Vec<u8> = (0..100 + id as u8).collect();
    Batch {
        id,
        time,
        version: if id % 2 == 0 { Version::V1 } else { Version::V2 },
        body: snap::raw::Encoder::new().compress_vec(&plain).expect("it is short").into(),
        size: plain.len(),
        samples: id + 4,
        histograms: 5,
    }
}

fn open(directory: &Path, receiver: &str) -> (Spool, Found, Vec<Batch>) {
    let mut batches = Vec::new();
    let opened = Spool::open(directory, receiver, LIMIT, &mut |batch| batches.push(batch));
    let (spool, found) = opened.expect("it opens");
    assert_eq!(found.requests, batches.len());
    (spool, found, batches)
}

impl Spool {
    /// Returns the slot of this process.
    pub(crate) fn slot(&self) -> PathBuf {
        self.0.slot.lock().unpoisoned().path().to_owned()
    }

    /// Blocks all writes until the returned guard is dropped.
    pub(crate) fn hang(&self) -> MutexGuard<'_, impl Sized> {
        self.0.slot.lock().unpoisoned()
    }
}

fn part(slot: &Path, id: u64) -> PathBuf {
    path(slot, id).with_extension("part")
}

fn by_id(batches: &[Batch]) -> BTreeMap<u64, Batch> {
    batches.iter().map(|batch| (batch.id, batch.clone())).collect()
}

fn add(spool: &Spool, batches: &[Batch]) {
    spool.note(Changes { added: by_id(batches), removed: Vec::new() });
    spool.write().expect("it is written");
}

fn remove(spool: &Spool, ids: &[u64]) {
    spool.note(Changes { removed: ids.to_vec(), ..Changes::default() });
    spool.write().expect("it is gone");
}

fn shown(batches: &[Batch]) -> Vec<String> {
    batches.iter().map(|batch| format!("{batch:?}")).collect()
}

fn files(spool: &Spool) -> Vec<PathBuf> {
    let entries = fs::read_dir(spool.slot()).expect("a directory");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut paths: Vec<PathBuf> = paths.filter(|path| !path.ends_with("lock")).collect();
    paths.sort();
    paths
}

#[test]
fn what_is_written_is_there_for_the_next_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let (spool, found, batches) = open(directory.path(), "a");
    assert!(batches.is_empty() && found.torn == 0);
    let all: Vec<Batch> = [(0, 5), (1, -5), (20, 7)].map(|(id, at)| batch(id, at)).into();
    add(&spool, &all);
    drop(spool);

    let (spool, _, batches) = open(directory.path(), "a");
    assert_eq!(shown(&batches), shown(&all));
    remove(&spool, &[1, 99]);
    drop(spool);

    let (.., batches) = open(directory.path(), "a");
    assert_eq!(batches.iter().map(|it| it.id).collect::<Vec<_>>(), [0, 20]);
    let (.., batches) = open(directory.path(), "b");
    assert!(batches.is_empty(), "it is for another receiver");
}

#[test]
fn a_request_that_comes_and_goes_before_a_write_is_not_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let (spool, ..) = open(directory.path(), "a");
    spool.note(Changes { added: by_id(&[batch(1, 1), batch(2, 1)]), removed: Vec::new() });
    remove(&spool, &[1]);
    assert_eq!(files(&spool), [path(&spool.slot(), 2)]);
}

#[test]
fn requests_can_be_removed_when_none_can_be_written() {
    let directory = tempfile::tempdir().expect("a directory");
    let (spool, ..) = open(directory.path(), "a");
    add(&spool, &[batch(1, 1)]);
    // A directory with its name prevents the file from being created.
    fs::create_dir(part(&spool.slot(), 2)).expect("a directory");
    spool.note(Changes { added: by_id(&[batch(2, 2)]), removed: vec![1] });
    assert!(spool.write().is_err());
    assert!(!path(&spool.slot(), 1).exists());
}

#[test]
fn what_could_not_be_written_is_tried_again_unless_it_is_gone() {
    let directory = tempfile::tempdir().expect("a directory");
    let (spool, ..) = open(directory.path(), "a");
    let in_the_way = part(&spool.slot(), 1);
    fs::create_dir(&in_the_way).expect("a directory");
    let added = by_id(&[1, 2, 3].map(|id| batch(id, 1)));
    spool.note(Changes { added, removed: Vec::new() });
    assert!(spool.write().is_err() && spool.is_behind());
    assert!(spool.write().is_err(), "the first one fails again");
    let others = [path(&spool.slot(), 2), path(&spool.slot(), 3)];
    assert_eq!(files(&spool)[1..], others, "the failure does not block the others");

    spool.note(Changes { added: by_id(&[batch(4, 1)]), removed: vec![1] });
    assert!(spool.write().is_ok() && !spool.is_behind());
    fs::remove_dir(&in_the_way).expect("it is empty");
    assert_eq!(files(&spool), [2, 3, 4].map(|id| path(&spool.slot(), id)));
}

#[test]
fn what_cannot_be_read_stays_and_the_others_are_found() {
    let directory = tempfile::tempdir().expect("a directory");
    let (spool, ..) = open(directory.path(), "a");
    let (other, ..) = open(directory.path(), "a");
    for spool in [&spool, &other] {
        add(spool, &[batch(1, 1), batch(3, 3)]);
        // A directory cannot be read or removed as a file.
        fs::create_dir(path(&spool.slot(), 2)).expect("a directory");
        fs::create_dir(part(&spool.slot(), 5)).expect("a directory");
    }
    let third = spool.slot().with_file_name("2");
    fs::create_dir_all(third.join("lock")).expect("a directory");
    drop((spool, other));
    let (spool, found, batches) = open(directory.path(), "a");
    assert_eq!((batches.len(), found.torn, found.unreadable), (4, 0, 5));
    assert!(found.problem.is_some_and(|it| it.to_string().contains("00000")));
    assert_eq!(files(&spool).len(), 6);
}

#[cfg(unix)]
#[test]
fn what_stays_is_not_written_over() {
    let directory = tempfile::tempdir().expect("a directory");
    let (spool, ..) = open(directory.path(), "a");
    let (other, ..) = open(directory.path(), "a");
    add(&other, &[batch(0, 1)]);
    // This link cannot be read, but a rename would replace it.
    let stays = path(&spool.slot(), 6);
    std::os::unix::fs::symlink("nowhere", &stays).expect("a link");
    drop((spool, other));
    let (spool, found, batches) = open(directory.path(), "a");
    assert_eq!((batches[0].id, found.next_id, found.unreadable), (7, 8, 1));
    assert_eq!(files(&spool), [stays, path(&spool.slot(), 7)]);
}

#[test]
fn a_torn_write_is_cleared_away_and_the_others_stay() {
    let whole = {
        let directory = tempfile::tempdir().expect("a directory");
        let (spool, ..) = open(directory.path(), "a");
        add(&spool, &[batch(2, 2)]);
        fs::read(path(&spool.slot(), 2)).expect("it is there")
    };
    let mut flipped = whole.clone();
    flipped[60] ^= 1;
    let mut lengthened = whole.clone();
    lengthened.push(0);
    for torn in [&whole[..whole.len() - 1], &whole[..30], &whole[..3], b"", &flipped, &lengthened] {
        let directory = tempfile::tempdir().expect("a directory");
        let (spool, ..) = open(directory.path(), "a");
        add(&spool, &[batch(1, 1), batch(2, 2), batch(3, 3)]);
        fs::write(path(&spool.slot(), 2), torn).expect("it is torn");
        fs::write(part(&spool.slot(), 4), torn).expect("it is torn");
        drop(spool);
        let (spool, found, batches) = open(directory.path(), "a");
        assert_eq!(batches.iter().map(|it| it.id).collect::<Vec<_>>(), [1, 3]);
        assert_eq!((found.torn, files(&spool).len()), (2, 2));
    }
}

#[test]
fn two_processes_do_not_share_and_the_next_one_has_what_both_left() {
    let directory = tempfile::tempdir().expect("a directory");
    let (one, ..) = open(directory.path(), "a");
    add(&one, &[batch(0, 10), batch(1, 30)]);
    let (two, _, batches) = open(directory.path(), "a");
    assert!(batches.is_empty(), "the first one runs");
    add(&two, &[batch(0, 20)]);

    drop(two);
    let (three, _, batches) = open(directory.path(), "a");
    assert_eq!(batches.len(), 1, "the request of the second process");
    drop((one, three));
    let (four, _, batches) = open(directory.path(), "a");
    let mut times: Vec<i64> = batches.iter().map(|it| it.time).collect();
    times.sort_unstable();
    assert_eq!(times, [10, 20, 30]);
    assert_eq!(files(&four).len(), 3, "all requests are in the slot of this process");
    drop(four);
    let (.., batches) = open(directory.path(), "a");
    assert_eq!(batches.len(), 3);
}

#[test]
fn only_own_names_are_looked_at() {
    let directory = tempfile::tempdir().expect("a directory");
    let (spool, ..) = open(directory.path(), "a");
    add(&spool, &[batch(1, 1)]);
    let slot = spool.slot();
    fs::copy(path(&slot, 1), slot.join("2.request")).expect("a file");
    let largest = slot.join("18446744073709551615.request");
    fs::copy(path(&slot, 1), &largest).expect("a file");
    for other in ["backup", "01", "1000"] {
        fs::create_dir(slot.with_file_name(other)).expect("a directory");
    }
    drop(spool);
    let (_, found, batches) = open(directory.path(), "a");
    assert_eq!((batches.len(), found.next_id, found.torn, found.unreadable), (1, 2, 0, 0));
    assert!(largest.exists() && slot.join("2.request").exists());
    for other in ["backup", "01", "1000"] {
        assert!(!slot.with_file_name(other).join("lock").exists(), "{other}");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::*;

    fn make_pipe(path: &Path) {
        // A child process that creates the pipe would hold the locks of other tests while it starts.
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe");
    }

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).expect("it exists").permissions().mode() & 0o777
    }

    #[test]
    fn what_no_queue_has_written_neither_holds_up_the_start_nor_is_read() {
        let directory = tempfile::tempdir().expect("a directory");
        let (spool, ..) = open(directory.path(), "a");
        add(&spool, &[batch(1, 1), batch(9, 9)]);
        let slot = spool.slot();
        make_pipe(&path(&slot, 2));
        let sparse = fs::File::create(path(&slot, 3)).expect("a file");
        sparse.set_len(6 << 30).expect("it takes no room");
        symlink(path(&slot, 1), path(&slot, 4)).expect("a link");
        let _socket = std::os::unix::net::UnixListener::bind(path(&slot, 5)).expect("a socket");
        // Partial files are removed, whatever they are.
        make_pipe(&part(&slot, 6));
        symlink(path(&slot, 1), part(&slot, 7)).expect("a link");
        // Another slot cannot be locked.
        let other = slot.with_file_name("1");
        fs::create_dir(&other).expect("a directory");
        make_pipe(&other.join("lock"));
        drop(spool);

        let (spool, found, batches) = open(directory.path(), "a");
        assert_eq!(batches.iter().map(|it| it.id).collect::<Vec<_>>(), [1, 9]);
        assert_eq!((found.torn, found.unreadable, found.next_id), (2, 5, 10));
        assert_eq!(files(&spool).len(), 6);
        assert!(
            found.problem.is_some_and(|it| it.to_string().contains("2.request: cannot be read"))
        );
        drop(spool);

        // The same applies to the first slot.
        fs::remove_file(slot.join("lock")).expect("it is not locked");
        make_pipe(&slot.join("lock"));
        let (spool, found, _) = open(directory.path(), "a");
        assert!(spool.slot().ends_with("2"));
        assert_eq!(found.unreadable, 2);
    }

    #[test]
    fn links_are_replaced_and_not_written_through() {
        let directory = tempfile::tempdir().expect("a directory");
        let precious = directory.path().join("precious");
        fs::write(&precious, "gold").expect("a file");
        let (spool, ..) = open(directory.path(), "a");
        let slot = spool.slot();
        symlink(&precious, part(&slot, 1)).expect("a link");
        symlink(&precious, path(&slot, 2)).expect("a link");
        fs::hard_link(&precious, part(&slot, 3)).expect("a link");
        add(&spool, &[batch(1, 1), batch(2, 2), batch(3, 3)]);
        assert_eq!(fs::read(&precious).expect("it is there"), b"gold");
        drop(spool);
        let (spool, _, batches) = open(directory.path(), "a");
        assert_eq!((batches.len(), files(&spool).len()), (3, 3));
    }

    #[test]
    fn a_directory_that_is_a_link_is_not_used() {
        let directory = tempfile::tempdir().expect("a directory");
        let elsewhere = tempfile::tempdir().expect("a directory");
        let (spool, ..) = open(directory.path(), "a");
        let slot = spool.slot();
        let of_receiver = slot.parent().expect("a directory").to_owned();
        drop(spool);
        fs::remove_dir_all(&slot).expect("it is removed");
        symlink(elsewhere.path(), &slot).expect("a link");
        symlink("nowhere", slot.with_file_name("1")).expect("a link");
        fs::write(slot.with_file_name("2"), "a file").expect("room");
        let (spool, ..) = open(directory.path(), "a");
        assert!(spool.slot().ends_with("3"));
        drop(spool);

        fs::remove_dir_all(&of_receiver).expect("it is removed");
        symlink(elsewhere.path(), &of_receiver).expect("a link");
        let opened = Spool::open(directory.path(), "a", LIMIT, &mut |_| {});
        let error = opened.expect_err("it is a link").to_string();
        assert!(error.contains(" exists, but is not a directory"), "{error}");
        assert_eq!(fs::read_dir(elsewhere.path()).expect("a directory").count(), 0);

        // The configured directory may be a link.
        let chosen = elsewhere.path().join("chosen");
        symlink(directory.path(), &chosen).expect("a link");
        open(&chosen, "b");
    }

    #[test]
    fn what_is_on_disk_is_for_this_user_alone() {
        let given = tempfile::tempdir().expect("a directory");
        fs::set_permissions(given.path(), Permissions::from_mode(0o755)).expect("it is ours");
        let directory = given.path().join("made/here");
        let (spool, ..) = open(&directory, "a");
        add(&spool, &[batch(1, 1)]);
        let slot = spool.slot();
        let of_receiver = slot.parent().expect("a directory");
        for path in [&directory, of_receiver, &slot] {
            assert_eq!(mode(path), 0o700, "{}", path.display());
        }
        for path in [slot.join("lock"), path(&slot, 1)] {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
        }
        assert_eq!(mode(given.path()), 0o755, "the mode of the configured directory is unchanged");
        drop(spool);

        // The modes that earlier versions left.
        for path in [of_receiver, &slot] {
            fs::set_permissions(path, Permissions::from_mode(0o755)).expect("it is ours");
        }
        let (_spool, ..) = open(&directory, "a");
        assert_eq!((mode(of_receiver), mode(&slot)), (0o700, 0o700));
    }

    #[test]
    fn a_slot_that_was_lost_is_made_again_beside_those_of_others() {
        let directory = tempfile::tempdir().expect("a directory");
        let (spool, ..) = open(directory.path(), "a");
        let (other, ..) = open(directory.path(), "a");
        add(&other, &[batch(1, 1)]);
        drop(other);
        fs::remove_dir_all(spool.slot()).expect("it is removed");
        // The slot of another process must not be mistaken for the own one.
        fs::rename(spool.slot().with_file_name("1"), spool.slot()).expect("it is moved");
        add(&spool, &[batch(1, 2)]);
        assert!(spool.take_lost() && !spool.take_lost());
        assert!(spool.slot().ends_with("1"));
        drop(spool);
        let (.., batches) = open(directory.path(), "a");
        assert_eq!(batches.iter().map(|it| it.time).collect::<Vec<_>>(), [1, 2]);
    }
}
