//! Checks of targets, which report permanent problems at startup.

use std::future::{pending, ready};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::{Duration, Instant};

use meterkit_core::Registry;
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::rerun;
use meterkit_pipeline::{
    CheckFuture, Checked, ExportError, ExportFuture, Health, Pipeline, Probe, Schedule, Snapshot,
    Target, check_target, run_checks, run_checks_async,
};

const PATIENCE: Duration = Duration::from_secs(60);
const ONLY_WHEN_ASKED: Schedule =
    Schedule { interval: Duration::from_secs(24 * 3600), timeout: Duration::from_secs(30) };

/// A target whose key is wrong, or whose receiver does not answer the check.
#[derive(Debug)]
struct Keyed {
    is_answered: bool,
}

impl Target for Keyed {
    fn name(&self) -> &str {
        "keyed"
    }

    fn endpoint(&self) -> String {
        "https://intake.example.com".to_owned()
    }

    fn check(&mut self) -> CheckFuture<'_> {
        if self.is_answered {
            Box::pin(ready(Err(ExportError::permanent("the key is refused"))))
        } else {
            Box::pin(pending())
        }
    }

    fn export<'a>(&'a mut self, _: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(ready(Ok(())))
    }
}

fn start(is_answered: bool, schedule: Schedule) -> Pipeline {
    let (registry, meter) = meterkit_fakes::catalog();
    meter.counter::<u64>("requests").build().expect("a good name").increment();
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    builder.target(Keyed { is_answered }, schedule).start().expect("the pipeline starts")
}

#[track_caller]
fn wait(pipeline: &Pipeline, is_so: impl Fn(&Health) -> bool) -> Health {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let health = pipeline.health();
        if is_so(&health) {
            return health;
        }
        assert!(Instant::now() < give_up, "{health}");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_problem_is_logged_once_and_shows_in_health_until_an_export_succeeds() {
    let name = "a_problem_is_logged_once_and_shows_in_health_until_an_export_succeeds";
    if rerun(name, &[]).is_some() {
        return;
    }
    let ((), lines) = log_lines::of_all_threads(|| {
        let pipeline = start(true, ONLY_WHEN_ASKED);
        let health = wait(&pipeline, |health| !health.is_delivering());
        let target = &health.targets[0];
        assert_eq!(target.last_error.as_ref().map(|it| &*it.text), Some("the key is refused"));
        assert_eq!((target.last_success, target.failed_points), (None, 0));
        pipeline.flush_blocking(PATIENCE).expect("it succeeds");
        assert!(pipeline.health().is_delivering());
    });
    let told: Vec<_> = lines.iter().filter(|line| !line.starts_with("DEBUG")).collect();
    let expected = [
        "ERROR the key is refused; exports are attempted anyway exporter=keyed/0 \
         endpoint=https://intake.example.com error.type=_OTHER",
        "INFO export works again after …: 1 attempt failed; no values were lost exporter=keyed/0 \
         endpoint=https://intake.example.com failed_attempts=1 lost_values=0",
    ];
    let told = told.into_iter().map(|line| match line.split_once(" after ") {
        // Hide the duration, which depends on how busy the machine is.
        Some((before, after)) => format!("{before} after …:{}", after.split_once(':').unwrap().1),
        None => line.clone(),
    });
    let told: Vec<_> = told.collect();
    assert_eq!(told, expected);
}

#[test]
fn nobody_waits_for_an_answer_that_does_not_come() {
    let pipeline = start(false, ONLY_WHEN_ASKED);
    pipeline.flush_blocking(PATIENCE).expect("it succeeds");
    pipeline.shutdown_blocking(PATIENCE).expect("it succeeds");

    let pipeline = start(false, ONLY_WHEN_ASKED);
    pipeline.shutdown_blocking(PATIENCE).expect("it succeeds");

    let often = Schedule { interval: Duration::from_millis(20), ..ONLY_WHEN_ASKED };
    let pipeline = start(false, often);
    wait(&pipeline, |health| health.targets[0].last_success.is_some());
}

/// A target whose check finds that the receiver is down, or that is not checked at startup.
#[derive(Debug)]
struct Down {
    is_asked: bool,
    checks: Arc<AtomicU64>,
}

impl Target for Down {
    fn name(&self) -> &str {
        "down"
    }

    fn endpoint(&self) -> String {
        "https://intake.example.com".to_owned()
    }

    fn check(&mut self) -> CheckFuture<'_> {
        self.checks.fetch_add(1, Relaxed);
        Box::pin(ready(Err(ExportError::retryable("nobody is there"))))
    }

    fn is_checked_at_start(&self) -> bool {
        self.is_asked
    }

    fn export<'a>(&'a mut self, _: &'a Snapshot) -> ExportFuture<'a> {
        Box::pin(ready(Ok(())))
    }
}

#[test]
fn a_receiver_that_is_down_at_the_start_is_no_failure_and_may_not_be_asked() {
    for is_asked in [true, false] {
        let checks = Arc::new(AtomicU64::new(0));
        let target = Down { is_asked, checks: checks.clone() };
        let builder = Pipeline::builder(Registry::new()).expect("a registry of its own");
        let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().expect("it starts");
        let give_up = Instant::now() + PATIENCE;
        while is_asked && checks.load(Relaxed) == 0 {
            assert!(Instant::now() < give_up, "it is asked");
            thread::sleep(Duration::from_millis(5));
        }
        // The same task runs the flush after the check.
        pipeline.flush_blocking(PATIENCE).expect("it succeeds");
        assert_eq!(checks.load(Relaxed), u64::from(is_asked));
        let health = pipeline.health();
        assert_eq!(health.targets[0].last_error, None, "{health}");
    }
}

#[test]
fn checks_run_without_a_pipeline_and_end_in_time() {
    let limit = Duration::from_millis(20);
    let check = |target: Keyed| check_target(Box::new(target), Probe::Empty, limit);
    let checks = || [true, false].map(|is_answered| check(Keyed { is_answered })).into();
    let found = run_checks(checks()).expect("a thread");
    let outcomes: Vec<_> = found.iter().map(|check| check.outcome.clone()).collect();
    let refused = Err(ExportError::permanent("the key is refused"));
    assert_eq!(outcomes, [refused, Err(ExportError::Timeout(limit))]);
    assert!(found.iter().all(|it| it.name == "keyed" && !it.is_ok()), "{found:?}");
    assert_eq!(smol::block_on(run_checks_async(checks())).expect("a thread"), found);

    let point = check_target(Box::new(Keyed { is_answered: true }), Probe::Point, PATIENCE);
    let found = run_checks(vec![point]).expect("a thread");
    let accepted = Checked::Accepted("accepted the point `meterkit.check`".to_owned());
    assert_eq!(found[0].outcome, Ok(accepted), "the point is exported");
}
