//! A process that crashes while its receiver takes nothing: the next one delivers what it could not.

mod receiver;
mod snapshots;

use std::env;
use std::path::Path;
use std::process::Command;

use meterkit_grafana::{RemoteWrite, RemoteWriteConfig, RemoteWriteTarget};
use meterkit_pipeline::Target;

use self::receiver::{Answer, Arrival, Receiver};
use self::snapshots::snapshot;

const URL: &str = "CRASHING_URL";
const DIRECTORY: &str = "CRASHING_DIRECTORY";

fn target(url: &str, directory: &Path) -> RemoteWriteTarget {
    let destination = RemoteWrite::new(url).expect("a URL");
    let config = RemoteWriteConfig::new(destination).with_spool(directory);
    RemoteWriteTarget::new(config).expect("a target")
}

#[tokio::test]
#[ignore = "the process that crashes: the other test starts it"]
async fn crashing_process() {
    let url = env::var(URL).expect("the other test says where");
    let directory = env::var(DIRECTORY).expect("the other test says where");
    let mut target = target(&url, Path::new(&directory));
    for second in 1..=3 {
        assert!(target.export(&snapshot(second, &[1, 2])).await.is_err());
    }
    std::process::abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_crashed_process_could_not_deliver_the_next_one_does() {
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Receiver::start((0..3).map(|_| Answer::status(503))).await;
    let mut process = Command::new(env::current_exe().expect("this test has a file"));
    process
        .args(["--exact", "crashing_process", "--ignored"])
        .env(URL, receiver.url())
        .env(DIRECTORY, directory.path());
    let ended = tokio::task::spawn_blocking(move || process.output()).await.expect("no panic");
    let ended = ended.expect("it starts");
    assert!(!ended.status.success(), "{ended:?}");
    assert_eq!(receiver.arrivals().len(), 3, "{ended:?}");

    let mut next = target(&receiver.url(), directory.path());
    assert_eq!(next.export(&snapshot(4, &[1, 2])).await, Ok(()));
    let times: Vec<i64> = receiver.written().iter().map(Arrival::time).collect();
    assert_eq!(times, [1000, 2000, 3000, 4000]);
}
