//! A refused API key is reported when the pipeline starts.

use std::thread::sleep;
use std::time::{Duration, Instant};

use meterkit_core::Registry;
use meterkit_fakes::datadog::{Answer, Intake};
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::rerun;
use meterkit_pipeline::{Pipeline, Schedule};

use crate::snapshots::{KEY, target};

const PATIENCE: Duration = Duration::from_secs(60);
/// An interval that never elapses: only a flush exports.
const WHEN_ASKED: Schedule =
    Schedule { interval: Duration::from_secs(24 * 3600), timeout: PATIENCE };

#[test]
fn a_refused_key_is_one_error_that_says_what_to_look_at_and_shows_in_health() {
    // Capturing the logs of all threads requires a process of its own.
    let name = "a_refused_key_is_one_error_that_says_what_to_look_at_and_shows_in_health";
    if rerun(name, &[]).is_some() {
        return;
    }
    let refusal = || Answer::Refuse(403, Vec::new(), r#"{"errors":["Forbidden"]}"#);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let intake = runtime.block_on(Intake::start([refusal()]));
    intake.answer_on_key(refusal());
    let ((), lines) = log_lines::of_all_threads(|| {
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "catalog");
        let requests = meter.counter::<u64>("requests").build().expect("a name");
        let builder = Pipeline::builder(registry).expect("a registry of its own");
        let pipeline = builder.target(target(&intake.url()), WHEN_ASKED).start();
        let pipeline = pipeline.expect("a thread");
        let give_up = Instant::now() + PATIENCE;
        while pipeline.health().is_delivering() {
            assert!(Instant::now() < give_up, "the error was not logged in time");
            sleep(Duration::from_millis(5));
        }
        let health = pipeline.health();
        let error = health.targets[0].last_error.as_ref().expect("an error");
        assert!(error.text.contains("DD_API_KEY") && error.text.contains("DD_SITE"), "{error:?}");

        // Values that cannot be delivered now are delivered once the key is accepted.
        requests.add(5);
        assert!(pipeline.flush_blocking(PATIENCE).is_err());
        requests.add(6);
        pipeline.flush_blocking(PATIENCE).expect("the key is good now");
        assert!(pipeline.health().is_delivering());
        pipeline.shutdown_blocking(PATIENCE).expect("the key is good now");
    });
    assert_eq!(intake.counted("backstage.plugin.catalog.requests"), 11.0);
    let loud: Vec<_> = lines.iter().filter(|line| !line.starts_with("DEBUG")).collect();
    let [error, info] = &*loud else { panic!("{loud:?}") };
    assert!(error.starts_with("ERROR Datadog refuses the API key; check DD_API_KEY"), "{error}");
    assert!(error.contains("DD_SITE") && !error.contains(KEY), "{error}");
    assert!(info.starts_with("INFO export works again"), "{info}");
}
