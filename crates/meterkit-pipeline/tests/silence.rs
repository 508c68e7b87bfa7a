//! `health()` reports silent targets, which neither fail nor succeed.

use std::time::Duration;

use meterkit_core::Registry;
use meterkit_fakes::gate::until;
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::rerun;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Step};
use meterkit_pipeline::{
    CheckFuture, ExportFuture, Pipeline, PipelineBuilder, Schedule, Snapshot, Source, Stop, Target,
    TargetHealth,
};

const OFTEN: Schedule = Schedule { interval: Duration::from_millis(20), timeout: PATIENCE };

fn builder() -> PipelineBuilder {
    let (registry, meter) = meterkit_fakes::catalog();
    meter.counter::<u64>("requests").build().expect("a good name").increment();
    Pipeline::builder(registry).expect("a registry of its own")
}

#[track_caller]
fn only(pipeline: &Pipeline) -> TargetHealth {
    let [target] = <[TargetHealth; 1]>::try_from(pipeline.health().targets).unwrap();
    target
}

#[test]
fn a_target_that_has_not_tried_for_several_intervals_is_not_healthy() {
    for step in [Step::Block, Step::Hang] {
        let (target, seen) = ScriptedTarget::new("scripted", [Step::Succeed, step]);
        let pipeline = builder().target(target, OFTEN).start().unwrap();
        seen.wait_for(2);
        until("it is silent", || !pipeline.health().is_delivering());
        let target = only(&pipeline);
        assert_eq!((target.consecutive_failures, &target.last_error), (0, &None));
        let problem = target.problem.as_deref().unwrap();
        assert!(problem.starts_with("no export has ended for "), "{problem}");
        assert!(problem.ends_with(" ms, though one is due every 20 ms"), "{problem}");
        let text = pipeline.health().to_string();
        let line = "metrics: 1 of 1 targets fails\nscripted a test fails: no export has ended for ";
        assert!(text.starts_with(line) && text.contains("; last success 2"), "{text}");
        seen.release();
        if matches!(step, Step::Block) {
            until("it works again", || pipeline.health().is_delivering());
            assert_eq!(only(&pipeline).problem, None);
        }
        let _ = pipeline.shutdown_blocking(Duration::from_millis(10));
    }
}

#[test]
fn a_target_that_never_answers_in_the_background_is_silent() {
    let (target, seen) = ScriptedTarget::always("scripted", Step::Hang);
    let target = target.with_queue(9).sending_in_background();
    let pipeline = builder().target(target, OFTEN).start().unwrap();
    until("it is silent", || only(&pipeline).problem.is_some());
    assert!(seen.attempts() > 1, "the target receives each snapshot");
    let _ = pipeline.shutdown_blocking(Duration::from_millis(10));
}

#[test]
fn silence_is_logged_once() {
    if rerun("silence_is_logged_once", &[]).is_some() {
        return;
    }
    let (_, lines) = log_lines::of_all_threads(|| {
        let registry = Registry::new();
        let (ran, runs) = std::sync::mpsc::channel();
        let rows = registry.semconv("s").observable_gauge::<u64>("rows");
        rows.observe(move || ran.send(()).map_or(0, |()| 1)).unwrap().forget();
        let (target, _seen) = ScriptedTarget::new("scripted", [Step::Hang]);
        let pipeline = Pipeline::builder(registry).unwrap().target(target, OFTEN).start().unwrap();
        until("it is silent", || !pipeline.health().is_delivering());
        while runs.try_recv().is_ok() {}
        for _ in 0..5 {
            runs.recv_timeout(PATIENCE).expect("collections go on");
        }
        let _ = pipeline.shutdown_blocking(Duration::from_millis(10));
    });
    let told =
        lines.iter().filter(|line| line.starts_with("WARN no export has ended for ")).count();
    assert_eq!(told, 1, "{lines:?}");
}

#[test]
fn the_end_of_a_silence_is_logged_too() {
    if rerun("the_end_of_a_silence_is_logged_too", &[]).is_some() {
        return;
    }
    let (_, lines) = log_lines::of_all_threads(|| {
        let (target, seen) = ScriptedTarget::new("scripted", [Step::Succeed, Step::Hang]);
        let often = Schedule { timeout: Duration::from_secs(2), ..OFTEN };
        let pipeline = builder().target(target, often).start().unwrap();
        until("it is silent", || !pipeline.health().is_delivering());
        seen.wait_for(3);
        until("it works again", || pipeline.health().is_delivering());
        pipeline.shutdown_blocking(PATIENCE).unwrap();
    });
    let told: Vec<_> = lines.iter().filter(|line| !line.starts_with("DEBUG")).collect();
    let [live, silent, changed, ended] = told[..] else { panic!("{lines:?}") };
    assert!(live.starts_with("INFO metrics target is live "), "{lines:?}");
    assert!(silent.starts_with("WARN no export has ended for "), "{lines:?}");
    assert!(
        changed.starts_with("WARN export now fails for another reason: no answer within 2000 ms")
    );
    assert!(ended.starts_with("INFO export works again after "), "{lines:?}");
}

#[test]
fn a_target_that_is_not_due_is_healthy_and_so_is_one_that_was_shut_down() {
    let (idle, _) = ScriptedTarget::new("idle", []);
    let idle = builder().target(idle, ONLY_WHEN_ASKED).start().unwrap();
    let (busy, seen) = ScriptedTarget::new("busy", []);
    let busy = builder().target(busy, OFTEN).start().unwrap();
    seen.wait_for(3);
    busy.shutdown_blocking(PATIENCE).unwrap();
    // Wait long enough for a running target to count as silent.
    std::thread::sleep(Duration::from_millis(700));
    for pipeline in [idle, busy] {
        assert!(pipeline.health().is_delivering(), "{}", pipeline.health());
    }
}

/// A target that panics before its first export.
#[derive(Debug)]
struct PanicsAtOnce;

impl Target for PanicsAtOnce {
    fn name(&self) -> &str {
        "buggy"
    }

    fn endpoint(&self) -> String {
        "a test".to_owned()
    }

    fn check(&mut self) -> CheckFuture<'_> {
        panic!("the check has a bug")
    }

    fn export<'a>(&'a mut self, _: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
}

#[test]
fn a_target_that_panics_outside_of_an_export_fails_from_then_on() {
    let pipeline = builder().target(PanicsAtOnce, ONLY_WHEN_ASKED).start().unwrap();
    until("it has panicked", || !pipeline.health().is_delivering());
    let error = only(&pipeline).last_error.unwrap();
    assert_eq!(error.text, "the target panicked and is no longer served");
}

async fn ends(source: Source, _: Stop) {
    source.endpoint("prometheus", "a_type", "http://localhost/metrics");
}

async fn panics(source: Source, _: Stop) {
    source.endpoint("prometheus", "a_type", "http://localhost/metrics");
    panic!("the server has a bug");
}

#[test]
fn an_endpoint_whose_service_has_ended_is_not_healthy() {
    for (pipeline, reason) in [
        (builder().service(ends), "the endpoint is no longer served"),
        (builder().service(panics), "panicked with message \"the server has a bug\""),
    ] {
        let pipeline = pipeline.start().unwrap();
        // Create the endpoint early, as `install()` does, so that it exists from the start.
        pipeline.source().endpoint("prometheus", "a_type", "http://localhost/metrics");
        until("it has ended", || !pipeline.health().is_delivering());
        let target = only(&pipeline);
        assert!(target.problem.as_deref().unwrap().contains(reason), "{target}");
        assert!(target.to_string().ends_with("; not scraped yet"), "{target}");
        pipeline.shutdown_blocking(PATIENCE).unwrap();
        assert!(!pipeline.health().is_delivering());
    }
}

#[test]
fn a_service_that_panics_without_an_endpoint_or_before_it_has_one_shows_too() {
    async fn panics(_: Source, _: Stop) {
        panic!("no endpoint");
    }
    fn panics_when_called(_: Source, _: Stop) -> std::future::Ready<()> {
        panic!("not even a future");
    }
    for pipeline in [builder().service(panics), builder().service(panics_when_called)] {
        let (target, seen) = ScriptedTarget::new("scripted", []);
        let pipeline = pipeline.target(target, ONLY_WHEN_ASKED).start().unwrap();
        until("it has panicked", || !pipeline.health().is_delivering());
        let health = pipeline.health();
        assert_eq!((&*health.targets[0].name, health.targets[0].is_failing()), ("scripted", false));
        assert_eq!((&*health.targets[1].name, health.targets[1].is_failing()), ("service", true));
        pipeline.shutdown_blocking(PATIENCE).unwrap();
        assert_eq!(seen.attempts(), 1, "targets go on");
    }
}

#[test]
fn a_service_may_end_when_it_serves_nothing_or_is_told_to() {
    let has_ended = std::sync::Arc::new(());
    let held = has_ended.clone();
    let pipeline = builder()
        .service(move |_, _| async move { drop(held) })
        .service(|source, mut stop| async move {
            source.endpoint("prometheus", "a_type", "http://localhost/metrics");
            stop.requested().await;
        })
        .start()
        .unwrap();
    until("it has ended", || std::sync::Arc::strong_count(&has_ended) == 1);
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    assert!(pipeline.health().is_delivering(), "{}", pipeline.health());
}

#[test]
fn an_endpoint_that_cannot_answer_fails_until_it_does() {
    let pipeline = builder().start().unwrap();
    let endpoint = pipeline.source().endpoint("prometheus", "a_type", "http://localhost/metrics");
    endpoint.failed("the endpoint could not accept a connection: too many open files");
    assert_eq!(
        (only(&pipeline).consecutive_failures, pipeline.health().is_delivering()),
        (1, false)
    );
    endpoint.answered(1, Duration::ZERO);
    assert!(pipeline.health().is_delivering());
}

#[test]
fn a_problem_despite_successful_exports_shows_until_it_is_fixed() {
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder().target(target, ONLY_WHEN_ASKED).start().unwrap();
    seen.set_problem(Some("the disk is full"));
    pipeline.flush_blocking(PATIENCE).unwrap();
    let target = only(&pipeline);
    assert_eq!((target.is_failing(), target.consecutive_failures), (true, 0));
    assert!(
        target.to_string().starts_with("scripted a test fails: the disk is full; last success")
    );
    seen.set_problem(None);
    pipeline.flush_blocking(PATIENCE).unwrap();
    assert!(pipeline.health().is_delivering());
}
