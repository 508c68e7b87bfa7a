//! Retryable failures are retried within limits; permanent ones are reported immediately.

use std::time::Duration;

use meterkit_fakes::catalog_pipeline;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Seen, Step};
use meterkit_fakes::snapshots::value;
use meterkit_pipeline::{FlushError, Pipeline, Schedule};

const REQUESTS: &str = "backstage.plugin.catalog.requests";

fn start(steps: impl Into<Vec<Step>>, schedule: Schedule) -> (Pipeline, Seen) {
    let (_, builder) = catalog_pipeline();
    let (target, seen) = ScriptedTarget::new("scripted", steps.into());
    (builder.target(target, schedule).start().expect("a thread"), seen)
}

/// Returns the reason why the only target failed.
#[track_caller]
fn reason(outcome: Result<(), FlushError>) -> String {
    match outcome {
        Err(FlushError::Targets(failures)) if failures.len() == 1 => {
            assert_eq!(failures[0].target, "scripted");
            failures[0].reason.clone()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failure_that_may_pass_is_tried_again_with_the_same_snapshot() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let steps = [Step::Fail, Step::Fail, Step::Succeed];
    let (target, seen) = ScriptedTarget::new("scripted", steps);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    requests.add(7);
    pipeline.flush_blocking(PATIENCE).unwrap();
    let values: Vec<_> = seen.exports().iter().map(|export| value(export, REQUESTS)).collect();
    assert_eq!(values, [Some(7.0); 3]);
    let times: Vec<_> = seen.exports().iter().map(|export| export.time).collect();
    assert!(times.windows(2).all(|pair| pair[0] == pair[1]), "{times:?}");
}

#[test]
fn a_failure_that_stays_is_tried_once_and_reported_with_its_reason() {
    let (pipeline, seen) = start([Step::Refuse], ONLY_WHEN_ASKED);
    let error = pipeline.flush_blocking(PATIENCE);
    assert_eq!(
        error.as_ref().map_err(ToString::to_string),
        Err("target `scripted`: the receiver refuses".to_owned())
    );
    assert_eq!(reason(error), "the receiver refuses");
    assert_eq!(seen.attempts(), 1);
    assert_eq!(pipeline.flush_blocking(PATIENCE), Ok(()), "the next one is a new chance");
}

#[test]
fn an_attempt_that_takes_too_long_is_cut_off_and_tried_again() {
    let schedule = Schedule { timeout: Duration::from_millis(20), ..ONLY_WHEN_ASKED };
    let (pipeline, seen) = start([Step::Hang, Step::Succeed], schedule);
    pipeline.flush_blocking(PATIENCE).unwrap();
    assert_eq!(seen.attempts(), 2);
}

#[test]
fn attempts_that_time_out_to_the_end_name_the_variable() {
    // The interval leaves no room for a second attempt.
    let schedule =
        Schedule { timeout: Duration::from_millis(20), interval: Duration::from_millis(100) };
    let (pipeline, seen) = start([Step::Hang; 50], schedule);
    let reason = reason(pipeline.flush_blocking(PATIENCE));
    assert_eq!(reason, "no answer within 20 ms (OTEL_METRIC_EXPORT_TIMEOUT)");
    assert!(seen.attempts() >= 1);
}

#[test]
fn a_receiver_that_asks_for_patience_is_left_alone_that_long() {
    let asked = Duration::from_millis(1200); // longer than the first back-off
    let (pipeline, seen) = start([Step::FailFor(asked), Step::Succeed], ONLY_WHEN_ASKED);
    pipeline.flush_blocking(PATIENCE).unwrap();
    let times = seen.times();
    assert_eq!(times.len(), 2);
    assert!(times[1] - times[0] >= asked, "{:?}", times[1] - times[0]);
}

#[test]
fn a_wait_beyond_the_interval_is_left_to_the_next_interval() {
    let asked = ONLY_WHEN_ASKED.interval * 2;
    let (pipeline, seen) = start([Step::FailFor(asked)], ONLY_WHEN_ASKED);
    let reason = reason(pipeline.flush_blocking(PATIENCE));
    assert_eq!(reason, "the receiver asks for patience");
    assert_eq!(seen.attempts(), 1);
}

#[test]
fn exports_run_once_per_interval_and_continue_after_failures() {
    let schedule =
        Schedule { interval: Duration::from_millis(30), timeout: Duration::from_secs(30) };
    let asked = Duration::from_secs(2);
    let steps = [Step::Succeed, Step::Refuse, Step::Fail, Step::FailFor(asked)];
    let (pipeline, seen) = start(steps, schedule);
    seen.wait_for(6);
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    let times = seen.times();
    assert!(
        times[4] - times[3] >= asked,
        "the wait that the receiver asked for outranks the interval"
    );
}

#[test]
fn the_wish_of_a_receiver_outranks_a_flush() {
    let asked = Duration::from_secs(60);
    let schedule = Schedule { interval: Duration::from_secs(30), ..ONLY_WHEN_ASKED };
    let (pipeline, seen) = start([Step::FailFor(asked)], schedule);
    assert_eq!(reason(pipeline.flush_blocking(PATIENCE)), "the receiver asks for patience");
    for _ in 0..3 {
        let reason = reason(pipeline.flush_blocking(PATIENCE));
        assert!(reason.starts_with("the receiver asks for patience (the receiver asked for "));
    }
    assert_eq!(seen.attempts(), 1);
    assert_eq!(pipeline.shutdown_blocking(PATIENCE), Ok(()), "there is no later");
    assert_eq!(seen.attempts(), 2);
}

#[test]
fn a_flush_waits_until_the_receiver_can_be_asked_again() {
    let asked = Duration::from_secs(2);
    let (pipeline, seen) = start([Step::FailFor(asked)], ONLY_WHEN_ASKED);
    // The deadline of the first flush is too early.
    assert!(pipeline.flush_blocking(Duration::from_millis(100)).is_err());
    pipeline.flush_blocking(PATIENCE).unwrap();
    let times = seen.times();
    assert!(times[1] - times[0] >= asked, "{:?}", times[1] - times[0]);
}

#[test]
fn back_off_goes_on_over_intervals_until_an_export_succeeds() {
    let schedule =
        Schedule { interval: Duration::from_millis(100), timeout: Duration::from_secs(30) };
    let steps = [Step::Fail, Step::Fail, Step::Fail, Step::Fail, Step::Succeed, Step::Fail];
    let (pipeline, seen) = start(steps, schedule);
    seen.wait_for(7);
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    let times = seen.times();
    let waits: Vec<u128> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    // The first wait is at least half of 500 ms, and each further one twice as long.
    for (wait, least) in waits.iter().zip([250, 500, 1000, 2000]) {
        assert!(*wait >= least, "{waits:?}");
    }
    assert!(waits[5] >= 250, "{waits:?}");
}

#[test]
fn a_target_with_a_queue_gets_each_snapshot_while_it_waits() {
    let schedule = Schedule { interval: Duration::from_millis(50), ..Schedule::default() };
    let (_, builder) = catalog_pipeline();
    let (target, seen) = ScriptedTarget::always("scripted", Step::FailFor(Duration::MAX));
    let target = target.with_queue(1000);
    let pipeline = builder.target(target, schedule).start().unwrap();
    seen.wait_for_queued(10);
    assert_eq!(seen.attempts(), 1);
    drop(pipeline);
}

#[test]
fn the_last_export_of_a_shutdown_is_tried_again_too() {
    let (pipeline, seen) = start([Step::Fail, Step::Succeed], ONLY_WHEN_ASKED);
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    assert_eq!(seen.attempts(), 2);
    assert_eq!(seen.shutdowns(), 1);
}

#[test]
fn retries_of_a_shutdown_end_with_its_deadline() {
    let (meter, builder) = catalog_pipeline();
    let _requests = meter.counter::<u64>("requests").build().unwrap();
    let (target, seen) = ScriptedTarget::always("scripted", Step::Fail);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    let reason = reason(pipeline.shutdown_blocking(Duration::from_secs(1)));
    assert_eq!(reason, "the receiver is busy");
    assert_eq!(seen.shutdowns(), 1);
}

#[test]
fn a_shutdown_does_not_wait_for_the_patience_that_a_receiver_asked_for() {
    let (meter, builder) = catalog_pipeline();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let patience = Duration::from_secs(3600);
    let (target, seen) = ScriptedTarget::new("scripted", [Step::FailFor(patience)]);
    let pipeline = builder.target(target.delta(), ONLY_WHEN_ASKED).start().unwrap();
    requests.add(2);
    std::thread::scope(|scope| {
        let flush = scope.spawn(|| pipeline.flush_blocking(PATIENCE));
        seen.wait_for(1);
        requests.add(3);
        pipeline.shutdown_blocking(PATIENCE).unwrap();
        assert_eq!(
            flush.join().unwrap(),
            Ok(()),
            "the last export contained the values of the flush"
        );
    });
    let values: Vec<_> = seen.exports().iter().map(|export| value(export, REQUESTS)).collect();
    assert_eq!(values, [Some(2.0), Some(5.0)], "the last attempt has a fresh snapshot");
}
