//! Disks that are slow, or full, under the queue.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use meterkit_fakes::remote_write::{Answer, Receiver};
use meterkit_grafana::RemoteWriteTarget;
use meterkit_pipeline::Target;

use crate::snapshots::{config, snapshot};

/// Where the one target that uses this directory keeps its requests.
fn slot(directory: &Path) -> PathBuf {
    let mut entries = fs::read_dir(directory).expect("a directory");
    entries.next().expect("a receiver").expect("it is read").path().join("0")
}

fn names(slot: &Path) -> Vec<String> {
    let entries = fs::read_dir(slot).expect("a directory");
    let names = entries.map(|it| it.expect("it is read").file_name().into_string().expect("text"));
    let mut names: Vec<String> = names.filter(|name| name != "lock").collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_disk_that_does_not_answer_keeps_nothing_from_being_sent() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start([]).await;
    let config = config(&receiver).with_spool(directory.path());
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    let slot = slot(directory.path());
    // Whoever opens it waits until there is a reader.
    let stuck = slot.join("00000000000000000000.part");
    let made = Command::new("mkfifo").arg(&stuck).status().expect("mkfifo runs");
    assert!(made.success());
    for second in 1..=3 {
        assert_eq!(target.export(&snapshot(second, &[1, 2])).await, Ok(()));
    }
    assert_eq!(receiver.taken().len(), 3);
    assert_eq!(target.counts().waiting_requests(), 0);

    // It answers again: what it was to keep has gone out meanwhile, and is not there. What comes next is.
    let read = std::thread::spawn(move || fs::read(stuck)).join().expect("the reader ends");
    assert!(read.is_ok_and(|bytes| !bytes.is_empty()));
    for second in 4..1000 {
        receiver.answer_next([Answer::status(503)]);
        assert!(target.export(&snapshot(second, &[1, 2])).await.is_err());
        let waiting = target.counts().waiting_requests() as usize;
        if names(&slot).len() == waiting {
            let first = &names(&slot)[0];
            return assert_eq!(first, "00000000000000000003.request");
        }
    }
    panic!("the disk has {:?}", names(&slot));
}

#[tokio::test]
async fn a_full_disk_keeps_nothing_from_being_sent_and_no_parts() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start([Answer::status(503)]).await;
    let config = config(&receiver).with_spool(directory.path());
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    let slot = slot(directory.path());
    let full = slot.join("00000000000000000000.part");
    std::os::unix::fs::symlink("/dev/full", &full).expect("a link");
    assert!(target.export(&snapshot(1, &[1])).await.is_err());
    // That took the link away, and so the disk has room now.
    assert_eq!(names(&slot), ["00000000000000000000.request"]);
    assert_eq!(target.export(&snapshot(2, &[1])).await, Ok(()));
    assert_eq!(receiver.taken().len(), 2, "the queue has it in memory");
}

#[tokio::test]
async fn what_found_no_room_on_a_disk_is_kept_there_as_soon_as_there_is_some() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start((0..4).map(|_| Answer::status(503))).await;
    let config = config(&receiver).with_spool(directory.path());
    let mut target = RemoteWriteTarget::new(config.clone()).expect("a target");
    let slot = slot(directory.path());
    // No file can be where a directory is.
    let in_the_way = [0, 1].map(|id| slot.join(format!("{id:020}.part")));
    for (second, part) in (1..).zip(&in_the_way) {
        fs::create_dir(part).expect("a directory");
        assert!(target.export(&snapshot(second, &[1])).await.is_err());
        assert!(names(&slot).iter().all(|name| name.ends_with("part")), "{:?}", names(&slot));
    }
    for part in &in_the_way {
        fs::remove_dir(part).expect("it is empty");
    }
    assert!(target.export(&snapshot(3, &[1])).await.is_err());
    assert_eq!(names(&slot).len(), 3);
    drop(target);
    let mut next = RemoteWriteTarget::new(config).expect("a target");
    let _ = next.export(&snapshot(4, &[1])).await;
    assert_eq!(next.export(&snapshot(5, &[1])).await, Ok(()));
    assert_eq!(receiver.taken().len(), 5);
}
