//! A service whose targets fail on request, so that alerts have something to detect.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::{Attributes, Meter, Registry, Unpoisoned};
use meterkit_fakes::scripted_target::PATIENCE;
use meterkit_pipeline::{
    Cause, ExportError, ExportFuture, Pipeline, Schedule, Snapshot, Target, TargetQueue,
};
use meterkit_prometheus::Scrape;

/// Shorter than any back-off: a failing export ends at once, like one that the next interval cancels.
const SCHEDULE: Schedule =
    Schedule { interval: Duration::from_millis(250), timeout: Duration::from_millis(200) };

/// A process with a scrape endpoint and a push target.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) registry: Registry,
    pub(crate) meter: Meter,
    pub(crate) receiver: Receiver,
    pipeline: Pipeline,
    scrape: Scrape,
}

/// The response of a [`Service`]'s receiver to an export.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Answer {
    #[default]
    Taken,
    /// The receiver accepts the export. Its clock is ahead by this number of seconds.
    TakenAt(i64),
    /// The receiver rejects the export for this reason.
    Failed(Cause),
    /// The target panics.
    Panic,
}

/// The receiver of a [`Service`], controlled by the test.
#[derive(Clone, Debug, Default)]
pub(crate) struct Receiver(Arc<Mutex<Answer>>);

impl Service {
    /// Starts a process.
    pub(crate) fn start() -> Self {
        Self::answering(Answer::Taken)
    }

    /// Starts a process whose receiver gives this answer from the start.
    pub(crate) fn answering(answer: Answer) -> Self {
        Self::with(Receiver(Arc::new(Mutex::new(answer))), None)
    }

    /// Starts a process whose target queues up to two failed exports.
    pub(crate) fn with_queue() -> Self {
        Self::with(Receiver::default(), Some(TargetQueue::default()))
    }

    fn with(receiver: Receiver, queue: Option<TargetQueue>) -> Self {
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "shop");
        meter.counter::<u64>("orders").build().expect("a valid name").increment();
        let target = Controlled { receiver: receiver.clone(), queue };
        let pipeline =
            Pipeline::builder(registry.clone()).expect("no other pipeline uses the registry");
        let resource = Attributes::from_pairs([("service.version".into(), "1".into())]);
        let pipeline = pipeline.resource(resource).snapshot_max_age(Duration::ZERO);
        let pipeline = pipeline.target(target, SCHEDULE).start().expect("a thread can be started");
        let scrape = Scrape::new(pipeline.source());
        Self { registry, meter, receiver, pipeline, scrape }
    }

    /// Exports once, whatever the result, and returns a scrape.
    pub(crate) fn export_and_scrape(&self) -> String {
        // Many tests are about failures.
        let _ = self.pipeline.flush_blocking(PATIENCE);
        String::from_utf8_lossy(&self.scrape.text_blocking()).into_owned()
    }

    /// Ends the process as SIGTERM does.
    pub(crate) fn terminate(self) {
        let _ = self.pipeline.shutdown_blocking(PATIENCE);
    }
}

impl Receiver {
    pub(crate) fn set(&self, answer: Answer) {
        *self.0.lock().unpoisoned() = answer;
    }

    pub(crate) fn answer(&self) -> Answer {
        *self.0.lock().unpoisoned()
    }
}

#[derive(Debug)]
struct Controlled {
    receiver: Receiver,
    queue: Option<TargetQueue>,
}

impl Target for Controlled {
    fn name(&self) -> &str {
        "otlp"
    }

    fn endpoint(&self) -> String {
        "a test".to_owned()
    }

    fn component_type(&self) -> &'static str {
        "otlp_http_metric_exporter"
    }

    fn queue(&self) -> Option<TargetQueue> {
        self.queue
    }

    fn clock_skew(&self) -> Option<i64> {
        match self.receiver.answer() {
            Answer::TakenAt(ahead) => Some(ahead),
            _ => None,
        }
    }

    fn export<'a>(&'a mut self, _: &'a Snapshot) -> ExportFuture<'a> {
        let answer = self.receiver.answer();
        if let Some(queue) = &mut self.queue {
            match answer {
                Answer::Taken | Answer::TakenAt(_) => queue.requests = 0,
                _ if queue.requests == 2 => queue.dropped_values += 1,
                _ => queue.requests += 1,
            }
            queue.bytes = queue.requests * 10;
        }
        Box::pin(async move {
            match answer {
                Answer::Taken | Answer::TakenAt(_) => Ok(()),
                Answer::Failed(cause) => {
                    Err(ExportError::retryable(cause.to_string()).with_cause(cause))
                }
                Answer::Panic => panic!("the target has a bug"),
            }
        })
    }
}
