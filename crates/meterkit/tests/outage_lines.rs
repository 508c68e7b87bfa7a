//! The log of an outage, line by line, as text and as flattened JSON.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use meterkit::data::Snapshot;
use meterkit::target::{
    Cause, CheckFuture, Checked, ExportError, ExportFuture, Schedule, Target, TargetQueue,
};
use meterkit::{Registry, Telemetry};
use meterkit_core::Temporality;
use meterkit_fakes::own_process::rerun;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// A target that fails as a test prescribes, export by export, and works afterwards.
#[derive(Debug)]
struct Troubled {
    temporality: Temporality,
    steps: VecDeque<Step>,
    queue: Option<TargetQueue>,
    check: Option<ExportError>,
}

#[derive(Debug)]
enum Step {
    Fails(ExportError),
    /// Fails, with this state of the queue.
    Queues(ExportError, TargetQueue),
    Panics,
}

impl Troubled {
    fn new(steps: impl Into<VecDeque<Step>>) -> Self {
        let (temporality, steps) = (Temporality::Cumulative, steps.into());
        Self { temporality, steps, queue: None, check: None }
    }
}

impl Target for Troubled {
    fn name(&self) -> &str {
        "otlp"
    }

    fn endpoint(&self) -> String {
        "http://collector:4318".to_owned()
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }

    fn check(&mut self) -> CheckFuture<'_> {
        Box::pin(std::future::ready(
            self.check.take().map_or(Ok(Checked::Accepted(String::new())), Err),
        ))
    }

    fn export<'a>(&'a mut self, _: &'a Snapshot) -> ExportFuture<'a> {
        let outcome = match self.steps.pop_front() {
            None => {
                self.queue.iter_mut().for_each(|queue| (queue.requests, queue.bytes) = (0, 0));
                Ok(())
            }
            Some(Step::Fails(error)) => Err(error),
            Some(Step::Queues(error, queue)) => {
                self.queue = Some(queue);
                Err(error)
            }
            Some(Step::Panics) => panic!("a bug"),
        };
        Box::pin(std::future::ready(outcome))
    }

    fn queue(&self) -> Option<TargetQueue> {
        self.queue
    }
}

fn refused() -> Step {
    let reason = "connection refused (http://collector:4318)";
    Step::Fails(ExportError::retryable(reason).with_cause(Cause::Connect))
}

fn unauthorized() -> ExportError {
    let reason = "HTTP status 401 Unauthorized; check OTEL_EXPORTER_OTLP_HEADERS";
    ExportError::permanent(reason).with_cause(Cause::Http(401))
}

/// The log output, without the time of each line.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }

    /// Takes the lines. Durations are replaced by `…`.
    fn take(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.lock())).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        for line in &mut lines {
            for marker in ["next attempt within ", "works again after "] {
                let Some((before, after)) = line.split_once(marker) else { continue };
                let is_time = |c: char| c.is_ascii_alphanumeric();
                let end = after.find(|c| !is_time(c)).unwrap_or(after.len());
                *line = format!("{before}{marker}…{}", &after[end..]);
            }
        }
        lines
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Subscribes two logs, one as text and one as JSON.
fn subscribe() -> (Log, Log) {
    let (text, json) = (Log::default(), Log::default());
    let (to_text, to_json) = (text.clone(), json.clone());
    let as_text = fmt::layer().without_time().with_target(false).with_ansi(false);
    let as_json = fmt::layer().json().flatten_event(true).without_time().with_target(true);
    tracing_subscriber::registry()
        .with(tracing_subscriber::filter::LevelFilter::INFO)
        .with(as_text.with_writer(move || to_text.clone()))
        .with(
            as_json
                .with_current_span(false)
                .with_span_list(false)
                .with_writer(move || to_json.clone()),
        )
        .init();
    (text, json)
}

/// Installs `target` with an interval that never elapses.
fn install(target: Troubled) -> Telemetry {
    let schedule = Schedule { interval: Duration::from_secs(24 * 3600), ..Schedule::default() };
    let builder = Telemetry::builder().registry(Registry::new());
    builder.target_with(target, schedule).install().unwrap()
}

#[test]
fn an_outage_is_a_story_of_few_lines() {
    if rerun("an_outage_is_a_story_of_few_lines", &[]).is_some() {
        return;
    }
    let (text, json) = subscribe();
    let stories: [(&str, Troubled, &[&str]); 6] = [
        (
            "a receiver that is away, and comes back with another token",
            Troubled::new([refused(), refused(), Step::Fails(unauthorized())]),
            &[
                r#" WARN export failed: connection refused (http://collector:4318); totals are kept, and the next export carries them; next attempt within … exporter="otlp/0" endpoint="http://collector:4318" error.type=connect"#,
                r#" WARN export now fails for another reason: HTTP status 401 Unauthorized; check OTEL_EXPORTER_OTLP_HEADERS; totals are kept, and the next export carries them; next attempt within … exporter="otlp/0" endpoint="http://collector:4318" error.type=401"#,
                r#" INFO export works again after …: 3 attempts failed; no values were lost exporter="otlp/0" endpoint="http://collector:4318" failed_attempts=3 lost_values=0"#,
            ],
        ),
        (
            "deltas",
            Troubled {
                temporality: Temporality::Delta,
                ..Troubled::new([Step::Fails(unauthorized())])
            },
            &[
                r#" WARN export failed: HTTP status 401 Unauthorized; check OTEL_EXPORTER_OTLP_HEADERS; deltas are kept, and the next export carries them; next attempt within … exporter="otlp/0" endpoint="http://collector:4318" error.type=401"#,
                r#" INFO export works again after …: 1 attempt failed; no values were lost exporter="otlp/0" endpoint="http://collector:4318" failed_attempts=1 lost_values=0"#,
            ],
        ),
        (
            "a queue that becomes full",
            Troubled {
                queue: Some(TargetQueue::default()),
                ..Troubled::new([
                    Step::Queues(
                        unauthorized(),
                        TargetQueue {
                            requests: 3,
                            bytes: 1200,
                            dropped_values: 0,
                            is_durable: false,
                        },
                    ),
                    Step::Queues(
                        unauthorized(),
                        TargetQueue {
                            requests: 3,
                            bytes: 1200,
                            dropped_values: 2,
                            is_durable: false,
                        },
                    ),
                ])
            },
            &[
                r#" WARN export failed: HTTP status 401 Unauthorized; check OTEL_EXPORTER_OTLP_HEADERS; 3 requests of 1200 bytes wait in the queue; next attempt within … exporter="otlp/0" endpoint="http://collector:4318" error.type=401"#,
                r#" INFO export works again after …: 2 attempts failed; 2 values were lost exporter="otlp/0" endpoint="http://collector:4318" failed_attempts=2 lost_values=2"#,
            ],
        ),
        (
            "a retry that helps",
            Troubled::new([refused()]),
            &[r#" INFO metrics target is live exporter="otlp/0" endpoint="http://collector:4318""#],
        ),
        (
            "a key that is refused at the start",
            Troubled {
                check: Some(unauthorized()),
                ..Troubled::new([Step::Fails(unauthorized())])
            },
            &[
                r#"ERROR HTTP status 401 Unauthorized; check OTEL_EXPORTER_OTLP_HEADERS; exports are attempted anyway exporter="otlp/0" endpoint="http://collector:4318" error.type=401"#,
                r#" INFO export works again after …: 2 attempts failed; no values were lost exporter="otlp/0" endpoint="http://collector:4318" failed_attempts=2 lost_values=0"#,
            ],
        ),
        (
            "a panic",
            Troubled::new([Step::Panics]),
            &[
                r#"ERROR the target panicked with message "a bug" and is no longer served exporter="otlp/0" endpoint="http://collector:4318" error.type=panic"#,
            ],
        ),
    ];
    for (what, target, expected) in stories {
        let exports = target.steps.len() + 1;
        let telemetry = install(target);
        let configured = r#" INFO metrics target is configured exporter="otlp/0" endpoint="http://collector:4318" interval_ms=86400000 temporality"#;
        // A target that checks its key may log that before the other lines.
        let mut started = text.take();
        let line = started.iter().position(|line| line.starts_with(configured));
        started.remove(line.unwrap_or_else(|| panic!("{what}: {started:?}")));
        if what.contains("at the start") {
            meterkit_fakes::gate::until("it was checked", || !telemetry.health().is_delivering());
        }
        // A permanent failure fails the flush; a temporary failure is retried within the flush.
        for _ in 0..exports {
            let _ = telemetry.flush_blocking();
        }
        let told: Vec<_> = started.into_iter().chain(text.take()).collect();
        assert_eq!(told, expected, "{what}");
        let _ = telemetry.shutdown_blocking();
        text.take();
    }

    let lines = json.take();
    let of_outage = lines.iter().position(|line| line.contains(r#""WARN""#)).unwrap();
    assert_eq!(
        lines[of_outage - 1..of_outage + 3],
        [
            r#"{"level":"INFO","message":"metrics target is configured","exporter":"otlp/0","endpoint":"http://collector:4318","interval_ms":86400000,"temporality":"cumulative","target":"meterkit::start_line"}"#,
            r#"{"level":"WARN","message":"export failed: connection refused (http://collector:4318); totals are kept, and the next export carries them; next attempt within …","exporter":"otlp/0","endpoint":"http://collector:4318","error.type":"connect","target":"meterkit_pipeline::component::outage"}"#,
            r#"{"level":"WARN","message":"export now fails for another reason: HTTP status 401 Unauthorized; check OTEL_EXPORTER_OTLP_HEADERS; totals are kept, and the next export carries them; next attempt within …","exporter":"otlp/0","endpoint":"http://collector:4318","error.type":"401","target":"meterkit_pipeline::component::outage"}"#,
            r#"{"level":"INFO","message":"export works again after …: 3 attempts failed; no values were lost","exporter":"otlp/0","endpoint":"http://collector:4318","failed_attempts":3,"lost_values":0,"target":"meterkit_pipeline::component::outage"}"#,
        ]
    );
    for line in &lines {
        assert_eq!(line.matches(r#""target":"#).count(), 1, "{line}");
    }
}

#[test]
fn a_stop_without_a_receiver_is_one_line() {
    if rerun("a_stop_without_a_receiver_is_one_line", &[]).is_some() {
        return;
    }
    let (text, _) = subscribe();
    let queue = |is_durable| {
        let queue = TargetQueue { requests: 1, bytes: 400, dropped_values: 0, is_durable };
        let steps = [Step::Queues(unauthorized(), queue)];
        Troubled { queue: Some(TargetQueue::default()), ..Troubled::new(steps) }
    };
    for (target, fate) in [
        (
            Troubled::new([Step::Fails(unauthorized())]),
            "the receiver has no values from this process",
        ),
        (queue(false), "1 request of 400 bytes is lost"),
        (
            queue(true),
            "1 request of 400 bytes is in the spool and will be sent first by the next process that uses it",
        ),
    ] {
        let telemetry = install(target);
        text.take();
        assert!(telemetry.shutdown_blocking().is_err());
        let expected = format!(
            " WARN metrics are not delivered at shutdown: HTTP status 401 Unauthorized; check OTEL_EXPORTER_OTLP_HEADERS; {fate} \
             exporter=\"otlp/0\" endpoint=\"http://collector:4318\""
        );
        assert_eq!(text.take(), [expected]);
        drop(telemetry);
        assert_eq!(text.take(), <[&str; 0]>::default(), "the drop logs nothing more");
    }
}

#[test]
fn a_scrape_endpoint_logs_that_it_cannot_answer_and_that_it_can_again() {
    if rerun("a_scrape_endpoint_logs_that_it_cannot_answer_and_that_it_can_again", &[]).is_some() {
        return;
    }
    let (text, _) = subscribe();
    let telemetry = Telemetry::builder().registry(Registry::new()).install().unwrap();
    let source = telemetry.source();
    let endpoint = source.endpoint("prometheus", "a_type", "http://localhost:9464/metrics");
    text.take();
    endpoint.answered(1, Duration::ZERO);
    for _ in 0..3 {
        endpoint.failed("the endpoint could not accept a connection: too many open files");
    }
    (0..3).for_each(|_| endpoint.answered(1, Duration::ZERO));
    let expected = [
        r#" INFO metrics target is live exporter="prometheus/0" endpoint="http://localhost:9464/metrics""#,
        r#" WARN scrape failed: the endpoint could not accept a connection: too many open files exporter="prometheus/0" endpoint="http://localhost:9464/metrics" error.type=_OTHER"#,
        r#" INFO scrape works again after …: 3 attempts failed; no values were lost exporter="prometheus/0" endpoint="http://localhost:9464/metrics" failed_attempts=3 lost_values=0"#,
    ];
    assert_eq!(text.take(), expected);
}

#[test]
fn in_healthy_operation_each_target_has_one_line_when_it_is_configured_and_one_when_it_is_live() {
    let name = "in_healthy_operation_each_target_has_one_line_when_it_is_configured_and_one_when_it_is_live";
    if rerun(name, &[]).is_some() {
        return;
    }
    let (text, _) = subscribe();
    let often = Schedule { interval: Duration::from_millis(5), ..Schedule::default() };
    let builder = Telemetry::builder().registry(Registry::new());
    let builder =
        builder.target_with(Troubled::new([]), often).target_with(Troubled::new([]), often);
    let telemetry = builder.install().unwrap();
    for _ in 0..20 {
        telemetry.flush_blocking().unwrap();
    }
    telemetry.shutdown_blocking().unwrap();
    drop(telemetry);
    let mut lines = text.take();
    lines.iter_mut().for_each(|line| line.truncate(line.find(" endpoint").unwrap()));
    lines.sort();
    let expected = [
        r#" INFO metrics target is configured exporter="otlp/0""#,
        r#" INFO metrics target is configured exporter="otlp/1""#,
        r#" INFO metrics target is live exporter="otlp/0""#,
        r#" INFO metrics target is live exporter="otlp/1""#,
    ];
    assert_eq!(lines, expected);
}
