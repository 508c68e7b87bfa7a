//! Slow and full disks below the queue.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use meterkit_core::Registry;
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::rerun;
use meterkit_fakes::remote_write::{Answer, Receiver};
use meterkit_grafana::RemoteWriteTarget;
use meterkit_pipeline::{Pipeline, Schedule, Target};

use crate::snapshots::{config, snapshot};

const LONG: Duration = Duration::from_secs(60);

/// Returns the slot of the only target that uses this directory.
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
async fn a_full_disk_keeps_nothing_from_being_sent_and_no_parts() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start([Answer::status(503)]).await;
    let config = config(&receiver).with_spool(directory.path());
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    let slot = slot(directory.path());
    // A directory with the final name makes the last step of writing fail.
    let full = slot.join("00000000000000000000.request");
    fs::create_dir(&full).expect("a directory");
    assert!(target.export(&snapshot(1, &[1])).await.is_err());
    assert_eq!(names(&slot), ["00000000000000000000.request"], "the partial file is removed");
    assert!(full.is_dir());
    assert_eq!(target.export(&snapshot(2, &[1])).await, Ok(()));
    assert_eq!(receiver.taken().len(), 2, "the request is still in the queue in memory");
}

#[tokio::test]
async fn what_found_no_room_on_a_disk_is_kept_there_as_soon_as_there_is_some() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start((0..4).map(|_| Answer::status(503))).await;
    let config = config(&receiver).with_spool(directory.path());
    let mut target = RemoteWriteTarget::new(config.clone()).expect("a target");
    let slot = slot(directory.path());
    // A directory with its name prevents a file from being created.
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

#[tokio::test]
async fn a_directory_that_was_deleted_is_made_again_with_all_that_waits() {
    let parent = tempfile::tempdir().expect("a directory");
    let directory = parent.path().join("spool");
    let receiver = Receiver::start((0..4).map(|_| Answer::status(503))).await;
    let config = config(&receiver).with_spool(&directory);
    let mut target = RemoteWriteTarget::new(config.clone()).expect("a target");
    for (second, delete) in (1..).zip([false, false, true, false]) {
        if delete {
            fs::remove_dir_all(&directory).expect("it is removed");
        }
        assert!(target.export(&snapshot(second, &[1])).await.is_err());
        assert_eq!(names(&slot(&directory)).len() as u64, second);
    }
    drop(target);
    let mut next = RemoteWriteTarget::new(config).expect("a target");
    assert_eq!(next.export(&snapshot(5, &[1])).await, Ok(()));
    assert_eq!(receiver.taken().len(), 5);
}

#[tokio::test]
async fn what_is_left_beyond_the_bounds_of_the_queue_is_dropped_and_counted() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start((0..5).map(|_| Answer::status(503))).await;
    let config = config(&receiver).with_spool(directory.path());
    let mut target = RemoteWriteTarget::new(config.clone()).expect("a target");
    for second in 1..=5 {
        assert!(target.export(&snapshot(second, &[1, 2])).await.is_err());
    }
    let size = target.counts().waiting_bytes() as usize / 5;
    drop(target);
    let config = config.with_queue(size * 3 + size / 2, Duration::MAX);
    let next = RemoteWriteTarget::new(config).expect("a target");
    assert_eq!((next.counts().waiting_requests(), next.counts().dropped()), (3, 4));
}

#[test]
fn a_spool_that_cannot_write_is_not_healthy_until_it_can() {
    let directory = tempfile::tempdir().expect("a directory");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let receiver = runtime.block_on(Receiver::start([]));
    let config = config(&receiver).with_spool(directory.path());
    let target = RemoteWriteTarget::new(config).expect("a target");
    let slot = slot(directory.path());
    // A directory with its name prevents a file from being created.
    let in_the_way: Vec<_> = (0..9).map(|id| slot.join(format!("{id:020}.part"))).collect();
    in_the_way.iter().for_each(|part| fs::create_dir(part).expect("a directory"));
    let registry = Registry::new();
    let rows = registry.scoped("plugin", "catalog").gauge::<u64>("rows").build();
    rows.expect("a good name").set(1);
    let pipeline = Pipeline::builder(registry).expect("a registry of its own");
    let schedule = Schedule { interval: LONG, ..Schedule::default() };
    let pipeline = pipeline.target(target, schedule).start().expect("a thread");
    pipeline.flush_blocking(LONG).expect("the export works without the disk");
    let health = pipeline.health();
    let problem = health.targets[0].problem.as_deref().expect("there is one");
    assert!(problem.starts_with("cannot write the queue to disk; "), "{problem}");
    assert!(!health.is_delivering(), "{health}");
    in_the_way.iter().for_each(|part| fs::remove_dir(part).expect("it is empty"));
    pipeline.flush_blocking(LONG).expect("it is sent");
    assert!(pipeline.health().is_delivering(), "{}", pipeline.health());
    pipeline.shutdown_blocking(LONG).expect("it ends");
}

#[test]
fn what_waits_at_the_end_is_lost_without_a_spool_only() {
    if rerun("what_waits_at_the_end_is_lost_without_a_spool_only", &[]).is_some() {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let directory = tempfile::tempdir().expect("a directory");
    let logged = |has_spool: bool| {
        let receiver = runtime.block_on(Receiver::start(vec![Answer::status(503); 100]));
        let config = config(&receiver);
        let config = if has_spool { config.with_spool(directory.path()) } else { config };
        let target = RemoteWriteTarget::new(config).expect("a target");
        let registry = Registry::new();
        registry.semconv("s").gauge::<u64>("rows").build().expect("a good name").set(1);
        let pipeline = Pipeline::builder(registry).expect("a registry of its own");
        let schedule = Schedule { interval: LONG, ..Schedule::default() };
        let pipeline = pipeline.target(target, schedule).start().expect("a thread");
        let outcome = pipeline.shutdown_blocking(Duration::from_secs(2));
        outcome.expect_err("the receiver takes nothing");
    };
    let ((), lines) = log_lines::of_all_threads(|| [false, true].into_iter().for_each(logged));
    let fates =
        lines.iter().filter(|line| line.starts_with("WARN metrics are not delivered at shutdown"));
    let [without, with] = fates.collect::<Vec<_>>()[..] else { panic!("{lines:?}") };
    assert!(without.contains("bytes is lost") || without.contains("bytes are lost"), "{without}");
    assert!(
        with.contains(" in the spool and will be sent first by the next process that uses it"),
        "{with}"
    );
    assert!(!with.contains("lost"), "{with}");
}
