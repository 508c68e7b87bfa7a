//! A slow or failing target delays neither other targets, nor scrapes, nor callers of flush and shutdown.

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

/// Runs `work`, which has `DEADLINE`, and checks that it does not wait for a target that hangs.
#[track_caller]
fn within_deadline<R>(work: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let outcome = work();
    assert!(start.elapsed() < PATIENCE / 2, "took {:?}", start.elapsed());
    outcome
}

/// Returns the names of the failed targets with the reasons.
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
    assert_eq!(failures(outcome), missed("hanging"), "only the late target is named");
    let last = seen.exports().pop().unwrap();
    assert_eq!(value(&last, REQUESTS), Some(5.0), "the other one has been flushed");
    assert_eq!(stuck.attempts(), 1, "one call at a time");
}

#[test]
fn collections_stay_on_schedule_while_a_target_hangs_which_then_gets_the_newest() {
    let (_, meter, builder) = catalog();
    let (ran, runs) = std::sync::mpsc::channel();
    let rows =
        meter.observable_gauge::<u64>("rows").observe(move || ran.send(()).map_or(0, |()| 1));
    let _rows = rows.unwrap();
    let schedule =
        Schedule { interval: Duration::from_millis(20), timeout: Duration::from_millis(500) };
    let (hanging, seen) = ScriptedTarget::new("hanging", [Step::Hang]);
    let pipeline = builder.target(hanging, schedule).start().unwrap();
    seen.wait_for(1);
    for _ in 0..5 {
        runs.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(seen.attempts(), 1, "it still hangs");
    seen.wait_for(2);
    let exports = seen.exports();
    assert!(exports[1].number >= exports[0].number + 4, "{} is old", exports[1].number);
    pipeline.shutdown_blocking(PATIENCE).unwrap();
}

#[test]
fn deltas_stay_exact_while_a_target_hangs() {
    let (_, meter, builder) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let schedule =
        Schedule { interval: Duration::from_millis(10), timeout: Duration::from_millis(60) };
    let steps = [Step::Succeed, Step::Hang, Step::Succeed, Step::Hang, Step::Refuse];
    let (hanging, seen) = ScriptedTarget::new("hanging", steps);
    let pipeline = builder.target(hanging.delta(), schedule).start().unwrap();
    let mut total = 0;
    while seen.attempts() < 8 {
        requests.increment();
        total += 1;
        std::thread::sleep(Duration::from_millis(1));
    }
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    let accepted = seen.exports().into_iter().enumerate().filter(|(at, _)| ![1, 3, 4].contains(at));
    let sum: f64 = accepted.filter_map(|(_, export)| value(&export, REQUESTS)).sum();
    assert_eq!(sum, f64::from(total));
}

#[test]
fn a_target_that_sends_in_the_background_is_given_each_snapshot_when_it_is_due() {
    let (_, meter, builder) = catalog();
    meter.registry().set_disabled_scopes("meterkit".parse().unwrap());
    let _requests = meter.counter::<u64>("requests").build().unwrap();
    let schedule = Schedule { interval: Duration::from_millis(20), timeout: PATIENCE };
    let (hanging, seen) = ScriptedTarget::new("hanging", [Step::Hang; 5]);
    let hanging = hanging.with_queue(9).sending_in_background();
    let pipeline = builder.target(hanging, schedule).start().unwrap();
    seen.wait_for(6);
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    let numbers: Vec<_> = seen.exports().iter().map(|export| export.number).collect();
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let target = pipeline.health().targets.remove(0);
    assert_eq!(
        target.exported_points,
        numbers.len() as u64,
        "the outcome is the same for all callers"
    );
    assert_eq!((target.failed_points, target.last_error), (0, None));
}

#[test]
fn a_target_that_never_answers_in_the_background_fails_after_its_timeout() {
    let (_, meter, builder) = catalog();
    meter.registry().set_disabled_scopes("meterkit".parse().unwrap());
    let _requests = meter.counter::<u64>("requests").build().unwrap();
    let schedule =
        Schedule { interval: Duration::from_millis(20), timeout: Duration::from_millis(100) };
    let (hanging, seen) = ScriptedTarget::always("hanging", Step::Hang);
    let hanging = hanging.with_queue(9).sending_in_background();
    let pipeline = builder.target(hanging, schedule).start().unwrap();
    let end = Instant::now() + PATIENCE;
    while pipeline.health().is_delivering() {
        assert!(Instant::now() < end, "{}", pipeline.health());
        std::thread::yield_now();
    }
    assert!(seen.attempts() > 1);
    let error = pipeline.health().targets.remove(0).last_error.unwrap();
    assert_eq!(error.text, "no answer within 100 ms (OTEL_METRIC_EXPORT_TIMEOUT)");
}

#[test]
fn a_flush_and_a_shutdown_are_not_answered_before_what_is_sent_in_the_background() {
    let (_, meter, builder) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let schedule = Schedule { interval: Duration::from_millis(20), timeout: PATIENCE };
    let (hanging, seen) = ScriptedTarget::new("hanging", [Step::Hang; 5]);
    let hanging = hanging.with_queue(9).sending_in_background();
    let pipeline = builder.target(hanging, schedule).start().unwrap();
    requests.increment();
    pipeline.flush_blocking(PATIENCE).unwrap();
    assert!(seen.attempts() > 5);
    assert_eq!(value(&seen.exports().pop().unwrap(), REQUESTS), Some(1.0));

    let (_, _meter, builder) = catalog();
    let (hanging, seen) = ScriptedTarget::new("hanging", [Step::Hang, Step::Refuse]);
    let hanging = hanging.with_queue(9).sending_in_background();
    let schedule = Schedule { interval: PATIENCE, timeout: PATIENCE };
    let pipeline = builder.target(hanging, schedule).start().unwrap();
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| pipeline.flush_blocking(PATIENCE));
        seen.wait_for(1);
        let failed = pipeline.shutdown_blocking(PATIENCE);
        assert_eq!(
            failed.as_ref().unwrap_err().to_string(),
            "target `hanging`: the receiver refuses"
        );
        assert_eq!(flush.join().unwrap(), failed);
    });
    assert_eq!(seen.attempts(), 2, "the last snapshot does not wait for the first");
}

#[test]
fn a_target_that_always_fails_does_not_affect_another() {
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
fn a_target_that_panics_does_not_affect_another() {
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
    assert_eq!(value(&scraped, REQUESTS), Some(2.0), "scrapes do not need that thread");

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
