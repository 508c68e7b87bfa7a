//! A target in trouble delays neither another one, nor a scrape, nor who flushes and shuts down.

use std::time::{Duration, Instant};

use meterkit_core::{Meter, Registry};
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Step};
use meterkit_fakes::snapshots::value;
use meterkit_pipeline::{FlushError, Pipeline, PipelineBuilder, Schedule};

use crate::block_on::block_on;

const REQUESTS: &str = "backstage.plugin.catalog.requests";
const DEADLINE: Duration = Duration::from_millis(300);

fn catalog() -> (Registry, Meter, PipelineBuilder) {
    let (registry, meter) = meterkit_fakes::catalog();
    let builder = Pipeline::builder(registry.clone()).expect("a registry of its own");
    (registry, meter, builder)
}

/// Runs `work`, which has `DEADLINE`: it takes that long, and nowhere near as long as what hangs.
#[track_caller]
fn within_deadline<R>(work: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let outcome = work();
    assert!(start.elapsed() < PATIENCE / 2, "took {:?}", start.elapsed());
    outcome
}

/// The names of the targets that failed, and why.
#[track_caller]
fn failures(outcome: Result<(), FlushError>) -> Vec<(String, String)> {
    match outcome {
        Err(FlushError::Targets(failures)) => {
            failures.into_iter().map(|failure| (failure.target, failure.reason)).collect()
        }
        other => panic!("{other:?}"),
    }
}

fn missed(target: &str) -> Vec<(String, String)> {
    vec![(target.to_owned(), "not finished by the deadline".to_owned())]
}

#[test]
fn a_target_that_hangs_delays_neither_another_nor_a_scrape() {
    let (_, meter, builder) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let schedule =
        Schedule { interval: Duration::from_millis(20), timeout: Duration::from_secs(3600) };
    let (hanging, stuck) = ScriptedTarget::always("hanging", Step::Hang);
    let (quick, seen) = ScriptedTarget::new("quick", []);
    let pipeline = builder
        .snapshot_max_age(Duration::ZERO)
        .target(hanging, schedule)
        .target(quick, schedule)
        .start()
        .unwrap();

    stuck.wait_for(1);
    seen.wait_for(seen.attempts() + 3);
    requests.add(5);
    let scraped = block_on(pipeline.source().snapshot()).unwrap();
    assert_eq!(value(&scraped, REQUESTS), Some(5.0));
    assert_eq!(value(&pipeline.source().snapshot_blocking(), REQUESTS), Some(5.0));

    let outcome = within_deadline(|| pipeline.flush_blocking(DEADLINE));
    assert_eq!(failures(outcome), missed("hanging"), "only who is late is named");
    let last = seen.exports().pop().unwrap();
    assert_eq!(value(&last, REQUESTS), Some(5.0), "the other one has been flushed");
    assert_eq!(stuck.attempts(), 1, "one call at a time");
}

#[test]
fn a_target_that_fails_for_ever_is_no_trouble_for_another() {
    let (_, _meter, builder) = catalog();
    let (failing, _) = ScriptedTarget::always("failing", Step::FailFor(Duration::from_secs(60)));
    let (quick, seen) = ScriptedTarget::new("quick", []);
    let pipeline =
        builder.target(failing, ONLY_WHEN_ASKED).target(quick, ONLY_WHEN_ASKED).start().unwrap();
    for flushes in 1..=3 {
        let outcome = within_deadline(|| pipeline.flush_blocking(DEADLINE));
        assert_eq!(failures(outcome), missed("failing"));
        assert_eq!(seen.attempts(), flushes);
    }
}

#[test]
fn a_target_that_panics_is_no_trouble_for_another() {
    let (_, meter, builder) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let (buggy, _) = ScriptedTarget::always("buggy", Step::Panic);
    let (quick, seen) = ScriptedTarget::new("quick", []);
    let pipeline =
        builder.target(buggy, ONLY_WHEN_ASKED).target(quick, ONLY_WHEN_ASKED).start().unwrap();
    requests.increment();
    let named: Vec<_> =
        failures(pipeline.flush_blocking(PATIENCE)).into_iter().map(|(target, _)| target).collect();
    assert_eq!(named, ["buggy"]);
    requests.increment();
    let named: Vec<_> =
        failures(pipeline.shutdown_blocking(PATIENCE)).into_iter().map(|(it, _)| it).collect();
    assert_eq!(named, ["buggy"]);
    let values: Vec<_> = seen.exports().iter().map(|export| value(export, REQUESTS)).collect();
    assert_eq!(values, [Some(1.0), Some(2.0)]);
}

#[test]
fn a_shutdown_keeps_its_deadline_while_a_target_hangs() {
    let (registry, meter, builder) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let (hanging, _) = ScriptedTarget::always("hanging", Step::Hang);
    let (quick, seen) = ScriptedTarget::new("quick", []);
    let pipeline =
        builder.target(hanging, ONLY_WHEN_ASKED).target(quick, ONLY_WHEN_ASKED).start().unwrap();
    requests.add(4);
    let outcome = within_deadline(|| block_on(pipeline.shutdown(DEADLINE)));
    assert_eq!(failures(outcome), missed("hanging"));
    assert_eq!(value(&seen.exports()[0], REQUESTS), Some(4.0), "the other one had its last export");
    assert!(Pipeline::builder(registry).is_some(), "the registry is free for another pipeline");
}

#[test]
fn deadlines_hold_while_a_target_blocks_the_thread_of_the_pipeline() {
    let (_, meter, builder) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let (blocking, seen) = ScriptedTarget::always("blocking", Step::Block);
    let pipeline =
        builder.snapshot_max_age(Duration::ZERO).target(blocking, ONLY_WHEN_ASKED).start().unwrap();
    let late = Err(FlushError::Deadline(DEADLINE));

    assert_eq!(within_deadline(|| pipeline.flush_blocking(DEADLINE)), late);
    assert_eq!(seen.attempts(), 1);
    assert_eq!(within_deadline(|| block_on(pipeline.flush(DEADLINE))), late);
    let text = pipeline.flush_blocking(Duration::from_millis(10)).unwrap_err().to_string();
    assert_eq!(text, "the metrics pipeline did not finish within 10 ms");

    requests.add(2);
    let scraped = within_deadline(|| block_on(pipeline.source().snapshot())).unwrap();
    assert_eq!(value(&scraped, REQUESTS), Some(2.0), "scrapes need not that thread");

    assert_eq!(within_deadline(|| block_on(pipeline.shutdown(DEADLINE))), late);
    assert_eq!(within_deadline(|| pipeline.shutdown_blocking(DEADLINE)), late, "it still runs");
    within_deadline(|| drop(pipeline));
    requests.increment();
    assert_eq!(requests.value(), 3);
    seen.release();
}

#[test]
fn a_dropped_pipeline_does_not_wait_for_a_target_that_blocks() {
    for step in [Step::Block, Step::Hang] {
        let (_, _meter, builder) = catalog();
        let (stuck, seen) = ScriptedTarget::always("stuck", step);
        let pipeline = builder.target(stuck, ONLY_WHEN_ASKED).start().unwrap();
        within_deadline(|| drop(pipeline));
        seen.release();
    }
}

#[test]
fn deadlines_hold_while_a_callback_hangs() {
    let (_, meter, builder) = catalog();
    let (leave, may_leave) = std::sync::mpsc::channel::<()>();
    let may_leave = std::sync::Mutex::new(may_leave);
    let _rows = meter
        .observable_gauge::<u64>("rows")
        .observe(move || may_leave.lock().unwrap().recv().map_or(0, |()| 1))
        .unwrap();
    let (target, _) = ScriptedTarget::new("scripted", []);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    assert_eq!(failures(within_deadline(|| pipeline.flush_blocking(DEADLINE))), missed("scripted"));
    let outcome = within_deadline(|| pipeline.shutdown_blocking(DEADLINE));
    assert_eq!(failures(outcome), missed("scripted"));
    drop(leave);
}
