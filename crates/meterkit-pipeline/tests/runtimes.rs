//! Flush and shutdown work the same from every runtime, and without one.

use std::time::Duration;

use meterkit_core::{Counter, Registry};
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Seen, Step};
use meterkit_fakes::snapshots::value;
use meterkit_pipeline::Pipeline;

use crate::block_on::block_on;

struct Running {
    pipeline: Pipeline,
    requests: Counter,
    seen: Seen,
}

impl Running {
    fn start() -> Self {
        let registry = Registry::new();
        let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
        let (target, seen) = ScriptedTarget::new("scripted", []);
        let builder = Pipeline::builder(registry).expect("a registry of its own");
        let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().expect("a thread");
        Self { pipeline, requests: requests.expect("a good name"), seen }
    }

    async fn flush_and_shut_down(self) {
        self.requests.increment();
        self.pipeline.flush(PATIENCE).await.unwrap();
        self.requests.increment();
        let snapshot = self.pipeline.source().snapshot().await.unwrap();
        assert!(!snapshot.is_empty());
        self.pipeline.shutdown(PATIENCE).await.unwrap();
        self.was_exported();
    }

    fn flush_and_shut_down_blocking(self) {
        self.requests.increment();
        self.pipeline.flush_blocking(PATIENCE).unwrap();
        self.requests.increment();
        assert!(!self.pipeline.source().snapshot_blocking().is_empty());
        self.pipeline.shutdown_blocking(PATIENCE).unwrap();
        self.was_exported();
    }

    fn was_exported(&self) {
        let exports = self.seen.exports();
        let values: Vec<_> = exports
            .iter()
            .map(|export| value(export, "backstage.plugin.catalog.requests"))
            .collect();
        assert_eq!(values, [Some(1.0), Some(2.0)]);
    }
}

#[tokio::test(flavor = "current_thread")]
async fn in_a_tokio_runtime_of_one_thread() {
    Running::start().flush_and_shut_down().await;
}

#[tokio::test(flavor = "current_thread")]
async fn in_a_tokio_runtime_of_one_thread_that_is_blocked_meanwhile() {
    Running::start().flush_and_shut_down_blocking();
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn in_a_tokio_runtime_whose_clock_stands_still() {
    Running::start().flush_and_shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_tokio_runtime_of_many_threads() {
    Running::start().flush_and_shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_tokio_runtime_of_many_threads_one_of_which_is_blocked_meanwhile() {
    Running::start().flush_and_shut_down_blocking();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn in_a_task_of_a_tokio_runtime_whose_only_worker_it_has() {
    tokio::spawn(Running::start().flush_and_shut_down()).await.unwrap();
    tokio::spawn(async { Running::start().flush_and_shut_down_blocking() }).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn in_a_local_task_while_others_wait_too() {
    let running = Running::start();
    let (first, second, third) = tokio::join!(
        running.pipeline.flush(PATIENCE),
        async { running.pipeline.source().snapshot().await.is_ok() },
        running.pipeline.flush(PATIENCE),
    );
    assert_eq!((first, second, third), (Ok(()), true, Ok(())));
    running.pipeline.shutdown(PATIENCE).await.unwrap();
}

#[test]
fn without_any_runtime() {
    Running::start().flush_and_shut_down_blocking();
}

#[test]
fn under_an_executor_that_is_not_tokio() {
    block_on(Running::start().flush_and_shut_down());
    block_on(async { Running::start().flush_and_shut_down_blocking() });
}

#[test]
fn under_smol() {
    smol::block_on(Running::start().flush_and_shut_down());
    smol::block_on(async { Running::start().flush_and_shut_down_blocking() });
}

#[test]
fn in_a_task_of_smol_whose_only_worker_it_has() {
    smol::block_on(smol::spawn(Running::start().flush_and_shut_down()));
    smol::block_on(smol::spawn(async { Running::start().flush_and_shut_down_blocking() }));
}

#[test]
fn under_smol_with_a_deadline_that_a_target_misses() {
    let registry = Registry::new();
    let (target, seen) = ScriptedTarget::always("scripted", Step::Hang);
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().expect("a thread");
    let short = Duration::from_millis(20);
    smol::block_on(async {
        assert!(pipeline.flush(short).await.is_err());
        assert!(pipeline.shutdown(short).await.is_err());
    });
    assert_eq!(seen.attempts(), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn dropped_in_a_tokio_runtime() {
    let running = Running::start();
    running.requests.increment();
    drop(running.pipeline);
    assert_eq!(running.seen.attempts(), 1);
}

#[test]
fn started_in_one_runtime_and_shut_down_in_another_after_the_first_is_gone() {
    let first = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let running = first.block_on(async { Running::start() });
    drop(first);
    let second = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    second.block_on(running.flush_and_shut_down());
}

#[test]
fn a_flush_that_is_given_up_does_no_harm() {
    let running = Running::start();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        tokio::select! {
            biased;
            outcome = running.pipeline.flush(PATIENCE) => outcome.unwrap(),
            () = std::future::ready(()) => {}
        }
    });
    running.pipeline.shutdown_blocking(PATIENCE).unwrap();
    assert!(running.seen.attempts() >= 1);
}
