//! `health()` reports the state of each target.

use std::time::{Duration, Instant, SystemTime};

use meterkit_core::{Meter, Registry};
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::rerun;
use meterkit_fakes::scripted_target::{self, ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Step};
use meterkit_pipeline::{Health, Pipeline, PipelineBuilder, TargetHealth, TargetKind};

/// Fails and asks for a wait that lasts until the end of the test.
const LATER: Step = Step::FailFor(Duration::from_secs(3600));

fn catalog() -> (Meter, PipelineBuilder) {
    let (registry, meter) = meterkit_fakes::catalog();
    // Without self-metrics, points can be counted.
    registry.set_disabled_scopes("meterkit".parse().unwrap());
    meter.counter::<u64>("requests").build().expect("a good name").increment();
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    (meter, builder.snapshot_max_age(Duration::ZERO))
}

fn start(steps: impl IntoIterator<Item = Step>) -> (Pipeline, scripted_target::Seen) {
    let (_meter, builder) = catalog();
    let (target, seen) = ScriptedTarget::new("scripted", steps.into_iter().collect::<Vec<_>>());
    (builder.target(target, ONLY_WHEN_ASKED).start().unwrap(), seen)
}

#[track_caller]
fn only(health: Health) -> TargetHealth {
    let [target] = <[TargetHealth; 1]>::try_from(health.targets).unwrap();
    target
}

#[test]
fn before_the_first_export_health_reports_no_problem() {
    let (pipeline, _seen) = start([]);
    let health = pipeline.health();
    assert!(health.is_delivering());
    assert_eq!((health.snapshot_age, health.snapshot_points), (None, 0));
    assert_eq!(
        health.to_string(),
        "metrics: the target works\nscripted a test works; no success yet"
    );
    let target = only(health);
    assert_eq!((&*target.name, &*target.component), ("scripted", "scripted/0"));
    assert_eq!((target.last_success, target.last_error), (None, None));
    assert_eq!(target.kind, TargetKind::Push);
}

/// Some targets send no request for an export without points.
#[test]
fn an_export_without_points_says_nothing_of_the_receiver() {
    let registry = Registry::new();
    registry.set_disabled_scopes("meterkit".parse().unwrap());
    let counter = registry.scoped("plugin", "catalog").counter::<u64>("requests").build().unwrap();
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    let (target, _seen) = ScriptedTarget::new("scripted", [Step::Refuse]);
    let builder = builder.snapshot_max_age(Duration::ZERO);
    let pipeline = builder.target(target.delta(), ONLY_WHEN_ASKED).start().unwrap();
    counter.increment();
    pipeline.flush_blocking(PATIENCE).unwrap_err();
    assert!(!pipeline.health().is_delivering());
    drop(counter);
    pipeline.flush_blocking(PATIENCE).unwrap();
    let target = only(pipeline.health());
    assert!(target.last_success.is_some() && !target.is_failing(), "the kept values have arrived");
    pipeline.flush_blocking(PATIENCE).unwrap();
    let idle = only(pipeline.health());
    assert_eq!(idle.exported_points, target.exported_points, "there was nothing to export");
    assert_eq!(idle.last_success, target.last_success);
}

#[test]
fn a_success_is_dated_and_its_points_are_counted() {
    let (pipeline, _seen) = start([]);
    let before = SystemTime::now();
    pipeline.flush_blocking(PATIENCE).unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap();
    let health = pipeline.health();
    assert!(health.snapshot_age.is_some());
    assert_eq!(health.snapshot_points, 1);
    let target = only(health);
    assert!((before..=SystemTime::now()).contains(&target.last_success.unwrap()));
    assert_eq!((target.exported_points, target.failed_points, target.rejected_points), (2, 0, 0));
    assert!(!target.is_failing());
}

#[test]
fn a_failing_target_tells_what_happened_when_and_how_often_until_it_works_again() {
    let (pipeline, seen) = start([Step::Fail, Step::Refuse, Step::Refuse, Step::Succeed]);
    let before = SystemTime::now();
    pipeline.flush_blocking(PATIENCE).unwrap_err();
    pipeline.flush_blocking(PATIENCE).unwrap_err();
    assert_eq!(seen.attempts(), 3);
    let health = pipeline.health();
    assert!(!health.is_delivering());
    let text = health.to_string();
    assert!(
        text.starts_with("metrics: 1 of 1 targets fails\nscripted a test fails 3 times in a row: ")
    );
    assert!(
        text.ends_with("; no success yet") && text.contains("the receiver refuses ("),
        "{text}"
    );
    let target = only(health);
    assert_eq!((target.consecutive_failures, target.failed_points), (3, 2));
    let error = target.last_error.unwrap();
    assert_eq!(error.text, "the receiver refuses");
    assert!((before..=SystemTime::now()).contains(&error.time));

    pipeline.flush_blocking(PATIENCE).unwrap();
    let health = pipeline.health();
    assert!(health.is_delivering());
    let target = only(health);
    assert_eq!((target.consecutive_failures, target.exported_points), (0, 1));
    assert!(target.last_error.is_some(), "what happened before can still be looked up");
}

#[test]
fn a_failed_attempt_shows_while_the_export_is_still_being_retried() {
    let (pipeline, seen) = start([Step::Fail, Step::Hang]);
    pipeline.flush_blocking(Duration::from_millis(10)).unwrap_err();
    seen.wait_for(2);
    let target = only(pipeline.health());
    assert_eq!((target.consecutive_failures, target.failed_points), (1, 0));
    assert_eq!(target.last_error.unwrap().text, "the receiver is busy");
}

#[test]
fn a_target_that_panicked_fails_from_then_on() {
    let (pipeline, _seen) = start([Step::Panic]);
    pipeline.flush_blocking(PATIENCE).unwrap_err();
    let target = only(pipeline.health());
    assert!(target.is_failing());
    assert_eq!(target.last_error.unwrap().text, "the target panicked and is no longer served");
}

#[test]
fn rejected_points_are_no_failure_of_the_target() {
    let (_meter, builder) = catalog();
    let (target, _seen) = ScriptedTarget::new("scripted", []);
    let target = target.rejecting(1);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap();
    let health = pipeline.health();
    assert!(health.is_delivering());
    assert!(health.to_string().ends_with("; points rejected: 1"), "{health}");
    let target = only(health);
    assert_eq!((target.exported_points, target.rejected_points), (0, 1));
}

#[test]
fn what_waits_in_a_target_shows_until_it_is_delivered() {
    let (_meter, builder) = catalog();
    let (target, _seen) = ScriptedTarget::new("scripted", [Step::Refuse, Step::Refuse]);
    let pipeline = builder.target(target.with_queue(1), ONLY_WHEN_ASKED).start().unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap_err();
    let text = pipeline.health().to_string();
    assert!(text.ends_with("; queued requests: 1 (10 bytes)"), "{text}");
    pipeline.flush_blocking(PATIENCE).unwrap_err();
    pipeline.flush_blocking(PATIENCE).unwrap();
    let health = pipeline.health();
    assert!(health.to_string().ends_with("Z; values dropped: 2"), "{health}");
    let queue = only(health).queue.expect("it has one");
    assert_eq!((queue.requests, queue.bytes, queue.dropped_values), (0, 0, 2));
}

#[test]
fn requests_sent_during_shutdown_have_been_delivered() {
    for (step, is_delivered) in [
        (LATER, true),
        (Step::Fail, true),
        // This request is refused for good.
        (Step::Refuse, false),
    ] {
        let (_meter, builder) = catalog();
        let (target, _seen) = ScriptedTarget::always("scripted", step);
        let pipeline = builder.target(target.with_queue(9), ONLY_WHEN_ASKED).start().unwrap();
        let outcome = pipeline.shutdown_blocking(Duration::from_secs(2));
        assert_eq!(outcome.is_ok(), is_delivered, "{step:?}: {outcome:?}");
        let target = only(pipeline.health());
        let points = (target.exported_points, target.failed_points);
        assert_eq!(points, if is_delivered { (1, 0) } else { (0, 1) }, "{step:?}");
        assert_eq!(target.is_failing(), !is_delivered, "{step:?}");
    }
}

#[test]
fn requests_refused_during_shutdown_have_not_been_delivered() {
    let (meter, builder) = catalog();
    meter.counter::<u64>("errors").build().unwrap().increment();
    let (target, seen) = ScriptedTarget::always("scripted", LATER);
    let target = target.with_queue(9).rejecting_in_the_end(1);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    let error = pipeline.shutdown_blocking(PATIENCE).unwrap_err().to_string();
    assert!(error.contains("the receiver refused 1 of the last values"), "{error}");
    assert_eq!(seen.attempts(), 1);
    let target = only(pipeline.health());
    let TargetHealth { exported_points, failed_points, rejected_points, .. } = target;
    assert_eq!((exported_points, failed_points, rejected_points), (1, 0, 1));
    assert_eq!((target.is_failing(), target.last_success), (true, None));
    assert_eq!(target.last_error.unwrap().text, "the receiver refused 1 of the last values");
}

#[test]
fn refusals_beyond_the_number_of_points_count_as_all_points() {
    let (_meter, builder) = catalog();
    let (target, _seen) = ScriptedTarget::always("scripted", LATER);
    let target = target.with_queue(9).rejecting_in_the_end(7);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    pipeline.shutdown_blocking(PATIENCE).unwrap_err();
    let target = only(pipeline.health());
    assert_eq!((target.exported_points, target.failed_points, target.rejected_points), (0, 0, 1));
}

#[test]
fn scrape_endpoints_are_listed_too() {
    let (_meter, builder) = catalog();
    let pipeline = builder.start().unwrap();
    let endpoint = pipeline.source().endpoint("prometheus", "a_type", "http://127.0.0.1/metrics");
    let text = pipeline.health().to_string();
    let line = "prometheus http://127.0.0.1/metrics works; ";
    assert_eq!(text, format!("metrics: the target works\n{line}not scraped yet"));
    endpoint.answered(5, Duration::ZERO);
    let target = only(pipeline.health());
    assert_eq!((target.kind, target.exported_points), (TargetKind::Pull, 5));
    assert!(target.to_string().starts_with(&format!("{line}last success 2")), "{target}");
}

#[test]
fn trouble_in_the_store_is_named() {
    let (meter, builder) = catalog();
    let pipeline = builder.start().unwrap();
    meter.counter::<f64>("sales").build().unwrap().add(-1.0);
    let health = pipeline.health();
    assert_eq!(health.store.dropped_values, 1);
    assert_eq!(health.to_string(), "metrics: no targets\nvalues that could not be recorded: 1");
}

#[test]
fn health_can_be_asked_for_after_the_shutdown() {
    let (pipeline, _seen) = start([]);
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    assert_eq!(only(pipeline.health()).exported_points, 1);
}

#[test]
fn a_target_that_the_end_of_the_pipeline_cuts_off_has_failed() {
    let (pipeline, seen) = start([Step::Hang]);
    pipeline.shutdown_blocking(Duration::from_millis(20)).unwrap_err();
    assert_eq!(seen.attempts(), 1);
    // The pipeline's thread drops the target after it has answered.
    let end = Instant::now() + PATIENCE;
    while pipeline.health().is_delivering() {
        assert!(Instant::now() < end, "{}", pipeline.health());
        std::thread::yield_now();
    }
    let target = only(pipeline.health());
    assert_eq!(target.last_error.unwrap().text, "cut off by the end of the pipeline");
}

#[test]
fn a_target_whose_shutdown_is_cut_off_tells_why_its_last_export_failed() {
    let (_meter, builder) = catalog();
    let (target, seen) = ScriptedTarget::always("scripted", LATER);
    let target = target.with_queue(9).hanging_in_the_end();
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    pipeline.shutdown_blocking(Duration::from_secs(1)).unwrap_err();
    assert_eq!((seen.attempts(), seen.shutdowns()), (1, 1));
    let end = Instant::now() + PATIENCE;
    while only(pipeline.health()).failed_points == 0 {
        assert!(Instant::now() < end, "{}", pipeline.health());
        std::thread::yield_now();
    }
    let target = only(pipeline.health());
    assert_eq!((target.consecutive_failures, target.failed_points), (1, 1));
    assert_eq!(target.last_error.unwrap().text, "the receiver asks for patience");
}

#[test]
fn the_json_of_health_has_what_the_value_has() {
    let (_meter, builder) = catalog();
    let (target, seen) = ScriptedTarget::new("scripted", [Step::Succeed, Step::Refuse]);
    seen.set_clock_skew(Some(-7200));
    let pipeline = builder.target(target.with_queue(1), ONLY_WHEN_ASKED).start().unwrap();
    pipeline.source().endpoint("prometheus", "a_type", "http://localhost/\"quoted\"");
    pipeline.flush_blocking(PATIENCE).unwrap();
    pipeline.flush_blocking(PATIENCE).unwrap_err();
    let mut health = pipeline.health();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_772_366_400);
    health.targets[0].last_success = Some(time);
    health.targets[0].last_error.as_mut().unwrap().time = time + Duration::from_secs(30);
    health.snapshot_age = Some(Duration::from_millis(1500));
    health.settings = vec!["PORT: `x` is no number".to_owned()];
    let expected = r#"{"is_delivering":false,"targets":[{"name":"scripted","component":"scripted/0","endpoint":"a test","kind":"push","is_failing":true,"last_success":"2026-03-01T12:00:00Z","last_error":{"text":"the receiver refuses","error_type":"400","time":"2026-03-01T12:00:30Z"},"problem":null,"clock_skew":-7200,"consecutive_failures":1,"exported_points":1,"failed_points":1,"rejected_points":0,"queue":{"requests":1,"bytes":10,"dropped_values":0,"is_durable":false}},{"name":"prometheus","component":"prometheus/0","endpoint":"http://localhost/\"quoted\"","kind":"pull","is_failing":false,"last_success":null,"last_error":null,"problem":null,"clock_skew":null,"consecutive_failures":0,"exported_points":0,"failed_points":0,"rejected_points":0,"queue":null}],"store":{"overflowing":[],"near_limit":[],"callbacks_in_background":[],"name_meetings":[],"dropped_values":0},"snapshot_age_seconds":1.5,"snapshot_points":1,"settings":["PORT: `x` is no number"]}"#;
    assert_eq!(health.to_json(), expected.replace(r#"/"quoted""#, r#"/\"quoted\""#));
    serde_json::from_str::<serde_json::Value>(&health.to_json()).unwrap();
}

#[test]
fn clocks_that_differ_show_in_health_and_in_one_line_until_they_agree() {
    let name = "clocks_that_differ_show_in_health_and_in_one_line_until_they_agree";
    if rerun(name, &[]).is_some() {
        return;
    }
    let (pipeline, lines) = log_lines::of_all_threads(|| {
        let (pipeline, seen) = start([]);
        for (skew, shown) in [
            (None, ""),
            (Some(10), ""),
            (Some(3600), "; its clock is 3600 s ahead of this machine's"),
            (Some(3599), "; its clock is 3599 s ahead of this machine's"),
            (Some(-7200), "; its clock is 7200 s behind this machine's"),
            // The measured skew varies.
            (Some(9), ""),
            (Some(11), "; its clock is 11 s ahead of this machine's"),
            (Some(1), ""),
            (Some(-7200), "; its clock is 7200 s behind this machine's"),
        ] {
            seen.set_clock_skew(skew);
            pipeline.flush_blocking(PATIENCE).unwrap();
            let health = pipeline.health();
            assert!(health.is_delivering(), "metrics are delivered");
            assert!(health.to_string().ends_with(&format!("Z{shown}")), "{health}");
            assert_eq!(only(health).clock_skew, skew);
        }
        pipeline
    });
    drop(pipeline);
    let lines: Vec<_> = lines.iter().filter(|line| line.contains("clock")).collect();
    let [ahead, agree, behind] = &*lines else { panic!("{lines:#?}") };
    let start = "WARN the receiver's clock is 3600 s ahead of this machine's: it says 2";
    assert!(ahead.starts_with(start) && ahead.contains("Z, and this machine 2"), "{ahead}");
    let fields = "exporter=scripted/0 endpoint=a test clock_skew_s=3600";
    assert!(ahead.ends_with(fields), "{ahead}");
    assert!(
        agree.starts_with("INFO the receiver's clock and this machine's agree again"),
        "{agree}"
    );
    assert!(behind.starts_with("WARN the receiver's clock is 7200 s behind this"), "{behind}");
}
