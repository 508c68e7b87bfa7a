//! Processes that are killed at any moment: the next processes deliver what the killed ones reported as kept. This is
//! a program of its own, because a child process that is being started holds the locks of spools in concurrent tests.

use std::collections::BTreeSet;
use std::env;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use meterkit_fakes::remote_write::{Answer, Receiver};
use meterkit_fakes::{Dice, rounds};
use meterkit_grafana::{RemoteWrite, RemoteWriteConfig, RemoteWriteTarget};
use meterkit_pipeline::Target;

#[allow(dead_code, reason = "other tests need more of them")]
mod snapshots;

use self::snapshots::snapshot;

const URL: &str = "CRASHING_URL";
const DIRECTORY: &str = "CRASHING_DIRECTORY";
const FIRST: &str = "CRASHING_FIRST";

/// Returns how many processes to kill.
fn kills() -> u64 {
    rounds(200, 1000)
}

/// More exports than a process makes before it is killed.
const APART: u64 = 100_000;

fn target(url: &str, directory: &Path) -> RemoteWriteTarget {
    let destination = RemoteWrite::new(url).expect("a URL");
    let config = RemoteWriteConfig::new(destination).with_spool(directory);
    // One request at a time, and no limit for the age.
    let config = config.with_requests_at_once(1).with_queue(usize::MAX, Duration::MAX);
    RemoteWriteTarget::new(config).expect("a target")
}

#[tokio::test]
#[ignore = "the process that is killed: the other test starts it"]
async fn killed_process() {
    let variable = |name| env::var(name).expect("the other test sets the variable");
    let mut target = target(&variable(URL), Path::new(&variable(DIRECTORY)));
    let first: u64 = variable(FIRST).parse().expect("a number");
    for second in first.. {
        let line = match target.export(&snapshot(second, &[1, 2])).await {
            Ok(()) => format!("taken {second}\n"),
            Err(_) => format!("kept {second}\n"),
        };
        // Write the line in a single call.
        io::stderr().write_all(line.as_bytes()).expect("the other test reads the pipe");
    }
}

fn start(url: &str, directory: &Path, first: u64) -> Child {
    let mut process = Command::new(env::current_exe().expect("this test has a file"));
    process
        .args(["--exact", "killed_process", "--ignored", "--nocapture"])
        .env(URL, url)
        .env(DIRECTORY, directory)
        .env(FIRST, first.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    process.spawn().expect("it starts")
}

/// The exports that the processes reported.
#[derive(Debug, Default)]
struct Exports {
    /// The time of each export that was delivered or kept.
    safe: BTreeSet<i64>,
    /// The time of the last export that was delivered, and the number of requests that had arrived by then. All
    /// earlier exports were delivered with it.
    taken: Vec<(i64, usize)>,
}

impl Exports {
    fn note(&mut self, line: &str, arrived: usize) {
        let (what, second) = line.split_once(' ').expect("two words");
        let time =
            second.parse::<i64>().unwrap_or_else(|_| panic!("a process said: {line}")) * 1000;
        self.safe.insert(time);
        match what {
            "taken" => self.taken.push((time, arrived)),
            "kept" => {}
            _ => panic!("a process said: {line}"),
        }
    }
}

fn kill_many(receiver: &Receiver, directory: &Path) -> Exports {
    let mut exports = Exports::default();
    let mut dice = Dice(7);
    for kill in 0..kills() {
        receiver.forget_answers();
        let troubled = dice.below(4);
        receiver.answer_next((0..troubled).map(|_| match dice.below(4) {
            0 => Answer::Accept,
            1 => Answer::Cut,
            _ => Answer::status(503),
        }));
        let mut process = start(&receiver.url(), directory, 1 + kill * APART);
        let mut lines = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        for line in lines.by_ref().take(dice.below(4) as usize) {
            exports.note(&line.expect("text"), receiver.count());
        }
        sleep(Duration::from_micros(dice.below(3000)));
        // This sends SIGKILL.
        process.kill().expect("it runs");
        // All requests that the process had sent by then have arrived.
        let arrived = receiver.count();
        for line in lines {
            exports.note(&line.expect("text"), arrived);
        }
        process.wait().expect("it has ended");
    }
    exports
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_are_killed_lose_nothing_that_they_said_they_keep() {
    let kills = kills();
    let directory = tempfile::tempdir().expect("a directory");
    let receiver = Arc::new(Receiver::start([]).await);
    let (shared, path) = (receiver.clone(), directory.path().to_owned());
    let killing = tokio::task::spawn_blocking(move || kill_many(&shared, &path));
    let exports = killing.await.expect("the processes wrote only known lines");

    let mut last = target(&receiver.url(), directory.path());
    receiver.forget_answers();
    assert_eq!(last.export(&snapshot(kills * APART, &[1, 2])).await, Ok(()));
    let arrivals = receiver.arrivals();
    let written = arrivals.iter().enumerate().filter(|(_, arrival)| arrival.was_taken);
    let written: Vec<(usize, i64)> = written.map(|(at, arrival)| (at, arrival.time())).collect();
    let times: BTreeSet<i64> = written.iter().map(|(_, time)| *time).collect();

    let (safe, taken) = (exports.safe.len(), exports.taken.len());
    let is_mixed = taken as u64 > kills / 10 && (safe - taken) as u64 > kills / 10;
    assert!(is_mixed, "the processes made {safe} exports, of which {taken} were delivered");
    let lost: Vec<_> = exports.safe.difference(&times).collect();
    assert_eq!(lost, Vec::<&i64>::new(), "requests that were reported as kept");
    // A process may be killed between the response and removing the request from the spool. One request is then sent
    // again.
    let twice = written.len() - times.len();
    assert!(twice as u64 <= kills, "{twice}");
    for (time, arrived) in exports.taken {
        let again = written.iter().find(|(at, other)| *at >= arrived && *other <= time);
        assert_eq!(again, None, "a delivered request was sent again");
    }
    println!("{safe} exports were safe, {twice} of {} came twice", written.len());
}
