//! A target that can find out at the start that it will not work says so then.

use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::thread;
use std::time::{Duration, Instant};

use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::rerun;
use meterkit_pipeline::{ExportError, ExportFuture, Health, Pipeline, Schedule, Snapshot, Target};

const PATIENCE: Duration = Duration::from_secs(60);
const ONLY_WHEN_ASKED: Schedule =
    Schedule { interval: Duration::from_secs(24 * 3600), timeout: Duration::from_secs(30) };

/// Has a key that is wrong, or asks somebody who does not answer.
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

    fn check(&mut self) -> Pin<Box<dyn Future<Output = Result<(), ExportError>> + Send + '_>> {
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
fn what_is_wrong_is_one_error_and_shows_in_health_until_an_export_succeeds() {
    let name = "what_is_wrong_is_one_error_and_shows_in_health_until_an_export_succeeds";
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
        "ERROR the key is refused; exports are tried all the same exporter=keyed/0 \
         endpoint=https://intake.example.com error.type=_OTHER",
        "INFO export works again after …: 1 attempt failed; nothing that was counted is lost exporter=keyed/0 \
         endpoint=https://intake.example.com failed_attempts=1 lost_values=0",
    ];
    let told = told.into_iter().map(|line| match line.split_once(" after ") {
        // However long a busy machine takes.
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
