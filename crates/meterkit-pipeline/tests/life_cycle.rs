//! Start, shutdown and the time after it.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::task::Poll;
use std::time::Duration;

use meterkit_core::Attributes;
use meterkit_fakes::catalog;
use meterkit_fakes::log_lines;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Step};
use meterkit_fakes::snapshots::{histogram, value};
use meterkit_pipeline::{Closed, FlushError, Pipeline, Schedule};

use crate::block_on::block_on;

const REQUESTS: &str = "backstage.plugin.catalog.requests";

#[test]
fn what_was_counted_before_the_start_is_exported() {
    let (registry, meter) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let sizes = meter.histogram::<f64>("sizes").build().unwrap();
    requests.add(3);
    sizes.record(2.5);
    let resource = Attributes::from_pairs([("service.name".into(), "shop".into())]);
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = Pipeline::builder(registry)
        .unwrap()
        .resource(resource.clone())
        .target(target, ONLY_WHEN_ASKED)
        .start()
        .unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap();
    let export = seen.exports().remove(0);
    assert_eq!(value(&export, REQUESTS), Some(3.0));
    assert_eq!(histogram(&export, "backstage.plugin.catalog.sizes").sum, 2.5);
    assert_eq!(export.resource, resource);
}

#[test]
fn a_shutdown_exports_once_more_and_then_tells_the_target() {
    let (registry, meter) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline =
        Pipeline::builder(registry).unwrap().target(target, ONLY_WHEN_ASKED).start().unwrap();
    requests.add(9);
    assert_eq!(seen.shutdowns(), 0);
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    assert_eq!(value(&seen.exports()[0], REQUESTS), Some(9.0));
    assert_eq!((seen.attempts(), seen.shutdowns()), (1, 1));
}

#[test]
fn a_second_shutdown_does_nothing() {
    let (registry, _meter) = catalog();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline =
        Pipeline::builder(registry).unwrap().target(target, ONLY_WHEN_ASKED).start().unwrap();
    assert_eq!(pipeline.shutdown_blocking(PATIENCE), Ok(()));
    assert_eq!(pipeline.shutdown_blocking(PATIENCE), Ok(()));
    assert_eq!(block_on(pipeline.shutdown(PATIENCE)), Ok(()));
    drop(pipeline);
    assert_eq!((seen.attempts(), seen.shutdowns()), (1, 1));
}

#[test]
fn everyone_who_shuts_down_or_flushes_meanwhile_or_later_gets_the_outcome_of_the_one_shutdown() {
    let (registry, _meter) = catalog();
    let (target, seen) = ScriptedTarget::always("scripted", Step::Hang);
    let pipeline =
        Pipeline::builder(registry).unwrap().target(target, ONLY_WHEN_ASKED).start().unwrap();
    let failed = std::thread::scope(|scope| {
        let flush = scope.spawn(|| pipeline.flush_blocking(PATIENCE));
        seen.wait_for(1);
        let mut first = pin!(pipeline.shutdown(Duration::from_millis(300)));
        assert!(block_on(poll_once(first.as_mut())).is_none(), "its deadline counts from here");
        let others = [
            scope.spawn(|| pipeline.shutdown_blocking(PATIENCE)),
            scope.spawn(|| block_on(pipeline.shutdown(PATIENCE))),
        ];
        let failed = block_on(first);
        for other in others.into_iter().chain([flush]) {
            assert_eq!(other.join().unwrap(), failed);
        }
        failed
    });
    let Err(FlushError::Targets(failures)) = &failed else { panic!("{failed:?}") };
    assert_eq!(failures[0].reason, "not finished by the deadline");
    assert_eq!(pipeline.shutdown_blocking(PATIENCE), failed);
    assert_eq!(block_on(pipeline.shutdown(Duration::ZERO)), failed);
    assert!(matches!(pipeline.flush_blocking(PATIENCE), Err(FlushError::Closed(_))));
}

#[test]
fn a_flush_during_a_shutdown_waits_for_it() {
    let (registry, meter) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let (target, seen) = ScriptedTarget::new("scripted", [Step::Block]);
    let pipeline =
        Pipeline::builder(registry).unwrap().target(target, ONLY_WHEN_ASKED).start().unwrap();
    requests.increment();
    std::thread::scope(|scope| {
        let shutdown = scope.spawn(|| pipeline.shutdown_blocking(PATIENCE));
        seen.wait_for(1);
        let flush = scope.spawn(|| pipeline.flush_blocking(PATIENCE));
        let late = pipeline.flush_blocking(Duration::from_millis(1));
        assert_eq!(late, Err(FlushError::Deadline(Duration::from_millis(1))));
        seen.release();
        assert_eq!((shutdown.join().unwrap(), flush.join().unwrap()), (Ok(()), Ok(())));
    });
    assert_eq!(seen.attempts(), 1);
}

#[test]
fn a_caller_that_stops_waiting_does_not_interrupt_the_shutdown() {
    let (registry, meter) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let (target, seen) = ScriptedTarget::new("scripted", [Step::Block]);
    let pipeline =
        Pipeline::builder(registry).unwrap().target(target, ONLY_WHEN_ASKED).start().unwrap();
    requests.add(3);
    assert!(block_on(poll_once(pin!(pipeline.shutdown(PATIENCE)))).is_none());
    seen.wait_for(1);
    let late = pipeline.shutdown_blocking(Duration::from_millis(1));
    assert_eq!(late, Err(FlushError::Deadline(Duration::from_millis(1))), "it still runs");
    seen.release();
    assert_eq!(pipeline.shutdown_blocking(PATIENCE), Ok(()));
    assert_eq!(value(&seen.exports()[0], REQUESTS), Some(3.0));
    assert_eq!((seen.attempts(), seen.shutdowns()), (1, 1));
}

#[test]
fn a_drop_waits_for_a_shutdown_that_was_cancelled_and_reports_its_outcome() {
    for (step, is_reported) in [(Step::Succeed, false), (Step::Refuse, true)] {
        let (registry, _meter) = catalog();
        let (target, seen) = ScriptedTarget::always("scripted", step);
        let pipeline =
            Pipeline::builder(registry).unwrap().target(target, ONLY_WHEN_ASKED).start().unwrap();
        assert!(block_on(poll_once(pin!(pipeline.shutdown(PATIENCE)))).is_none());
        let ((), lines) = log_lines::of(|| drop(pipeline));
        assert_eq!((seen.attempts(), seen.shutdowns()), (1, 1));
        let reported = lines.iter().any(|line| line.contains("the receiver refuses"));
        assert_eq!(reported, is_reported, "{lines:?}");
    }
}

/// Polls a future once, and returns its output if it is ready.
async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[test]
fn shutdowns_from_many_threads_stop_it_once() {
    let (registry, _meter) = catalog();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline =
        Pipeline::builder(registry).unwrap().target(target, ONLY_WHEN_ASKED).start().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| pipeline.shutdown_blocking(PATIENCE).unwrap());
        }
    });
    assert_eq!((seen.attempts(), seen.shutdowns()), (1, 1));
}

#[test]
fn recording_after_a_shutdown_is_safe_and_its_value_readable() {
    let (registry, meter) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let sizes = meter.histogram::<u64>("sizes").build().unwrap();
    let pipeline = Pipeline::builder(registry.clone()).unwrap().start().unwrap();
    requests.add(2);
    pipeline.shutdown_blocking(PATIENCE).unwrap();

    requests.add(3);
    sizes.record(1);
    meter.gauge::<i64>("made_later").build().unwrap().set(4);
    assert_eq!(requests.value(), 5);
    assert_eq!(registry.read()[0].metrics.len(), 3);
    let snapshot = pipeline.source().snapshot_blocking();
    assert_eq!(value(&snapshot, REQUESTS), Some(5.0));
    drop(pipeline);
    requests.increment();
    assert_eq!(requests.value(), 6);
}

#[test]
fn flushes_and_scrapes_after_a_shutdown_fail_at_once() {
    let (registry, _meter) = catalog();
    let builder = Pipeline::builder(registry).unwrap().snapshot_max_age(Duration::ZERO);
    let pipeline = builder.start().unwrap();
    let source = pipeline.source();
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    for outcome in [pipeline.flush_blocking(PATIENCE), block_on(pipeline.flush(PATIENCE))] {
        assert!(matches!(outcome, Err(FlushError::Closed(_))), "{outcome:?}");
        assert_eq!(outcome.unwrap_err().to_string(), "the metrics pipeline has shut down");
    }
    let closed: Closed = block_on(source.snapshot()).unwrap_err();
    assert_eq!(closed.to_string(), "the metrics pipeline has shut down");
}

#[test]
fn a_registry_serves_one_pipeline_at_a_time_and_another_one_afterwards() {
    let (registry, meter) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    for round in 1..=3 {
        let (target, seen) = ScriptedTarget::new("scripted", []);
        let builder = Pipeline::builder(registry.clone()).expect("it is free");
        let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
        assert!(Pipeline::builder(registry.clone()).is_none());
        requests.increment();
        pipeline.shutdown_blocking(PATIENCE).unwrap();
        assert_eq!(value(&seen.exports()[0], REQUESTS), Some(f64::from(round)));
    }
    drop(Pipeline::builder(registry.clone()).expect("a builder that is dropped frees it"));
    assert!(Pipeline::builder(registry).is_some());
}

#[test]
fn a_pipeline_that_is_dropped_exports_once_more() {
    let (registry, meter) = catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let builder = Pipeline::builder(registry.clone()).unwrap();
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    requests.add(2);
    drop(pipeline);
    assert_eq!(value(&seen.exports()[0], REQUESTS), Some(2.0));
    assert_eq!(seen.shutdowns(), 1);
    assert!(Pipeline::builder(registry).is_some());
}

#[test]
fn a_service_is_told_to_stop_and_waited_for() {
    let (registry, meter) = catalog();
    meter.counter::<u64>("requests").build().unwrap().add(6);
    let has_ended = Arc::new(AtomicBool::new(false));
    let ended = has_ended.clone();
    let (scraped, scrapes) = std::sync::mpsc::channel();
    let pipeline = Pipeline::builder(registry)
        .unwrap()
        .service(|source, mut stop| async move {
            let _ = scraped.send(source.snapshot().await.unwrap());
            stop.requested().await;
            tokio::task::yield_now().await;
            ended.store(true, SeqCst);
        })
        .start()
        .unwrap();
    let snapshot = scrapes.recv_timeout(PATIENCE).unwrap();
    assert_eq!(value(&snapshot, REQUESTS), Some(6.0));
    assert!(!has_ended.load(SeqCst));
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    assert!(has_ended.load(SeqCst));
}

#[test]
fn a_service_that_does_not_stop_is_cut_off_at_the_deadline() {
    let (registry, _meter) = catalog();
    let pipeline = Pipeline::builder(registry.clone())
        .unwrap()
        .service(|_, _| std::future::pending())
        .start()
        .unwrap();
    let _ = pipeline.shutdown_blocking(Duration::from_millis(200));
    assert!(Pipeline::builder(registry).is_some());
}

#[test]
fn no_deadline_and_no_schedule_is_too_long_or_too_short() {
    for interval in [Duration::ZERO, Duration::MAX] {
        let (registry, meter) = catalog();
        let requests = meter.counter::<u64>("requests").build().unwrap();
        let (target, seen) = ScriptedTarget::new("scripted", []);
        let schedule = Schedule { interval, timeout: Duration::MAX };
        let builder = Pipeline::builder(registry).unwrap();
        let pipeline = builder.target(target, schedule).start().unwrap();
        requests.increment();
        pipeline.flush_blocking(Duration::MAX).unwrap();
        assert_eq!(value(&seen.exports().pop().unwrap(), REQUESTS), Some(1.0));
        block_on(pipeline.flush(Duration::MAX)).unwrap();
        block_on(pipeline.shutdown(Duration::MAX)).unwrap();
    }
}
