//! Abandoned scrapes. Runs in a separate process, so that threads can be counted.
#![cfg(target_os = "linux")]

use std::fs;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::Registry;
use meterkit_fakes::own_process::rerun;
use meterkit_pipeline::Pipeline;

#[tokio::test]
async fn scrapes_that_are_given_up_leave_no_thread_behind() {
    let name = "scrapes_that_are_given_up_leave_no_thread_behind";
    if rerun(name, &[]).is_some() {
        return;
    }
    let registry = Registry::new();
    let (release, hold) = mpsc::channel::<()>();
    let hold = Arc::new(Mutex::new(hold));
    let guard = registry
        .scoped("plugin", "catalog")
        .observable_gauge::<i64>("slow")
        .observe(move || {
            // Blocks until the sender is dropped.
            let _ = hold.lock().map(|hold| hold.recv());
            1
        })
        .expect("a good name");
    let pipeline = Pipeline::builder(registry).expect("a registry of its own");
    let pipeline = pipeline.snapshot_max_age(Duration::ZERO).start().expect("a thread");

    let threads = || fs::read_dir("/proc/self/task").expect("Linux has it").count();
    let before = threads();
    for _ in 0..50 {
        let scrape = pipeline.source();
        let given_up = tokio::time::timeout(Duration::from_millis(5), scrape.snapshot()).await;
        assert!(given_up.is_err(), "the callback still hangs");
    }
    let after = threads();

    drop(release);
    drop(guard);
    // One thread collects, one looked for refreshes, one hangs in the callback, and some may just have started.
    assert!(after < before + 10, "{before} threads before, {after} afterwards");
}
