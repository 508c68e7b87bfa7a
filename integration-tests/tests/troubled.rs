//! A service with every kind of trouble that `meterkit` reports.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use meterkit_core::{
    CallbackGuard, InstrumentError, LabelKey, LabelRef, LabelVisitor, Labels, Registry,
};
use meterkit_pipeline::{
    ExportError, ExportFuture, Pipeline, Schedule, Snapshot, Target, TargetQueue,
};
use meterkit_prometheus::PrometheusServer;

/// The budget of callbacks here, and the duration of the slow callback.
const BUDGET: Duration = Duration::from_millis(10);
const TOO_LONG: Duration = Duration::from_millis(300);

/// The service, which stops when this is dropped.
#[derive(Debug)]
pub(crate) struct Troubled {
    pub(crate) address: SocketAddr,
    pipeline: Pipeline,
    _callbacks: [CallbackGuard; 2],
}

impl Troubled {
    pub(crate) fn start() -> Result<Self, InstrumentError> {
        let registry = Registry::new();
        registry.set_callback_budget(BUDGET);
        let meter = registry.scoped("plugin", "troubled");
        // A counter cannot decrease, so the value is dropped.
        meter.counter::<f64>("balance").build()?.add(-1.0);
        let group = meter.counter_group::<User, u64>("logins").cardinality_limit(2).build()?;
        for user in ["anna", "bert", "carl", "dora"] {
            group.with(User(user)).increment();
        }
        let slow = meter.observable_gauge::<u64>("slow").observe(|| {
            thread::sleep(TOO_LONG);
            1
        })?;
        let failing = meter.observable_gauge::<u64>("failing");
        let failing = failing.observe_result(|| Err::<u64, _>("the database is gone"))?;

        let bound = PrometheusServer::new().host("127.0.0.1").port(0).bind().expect("a free port");
        let address = bound.address();
        let often = Schedule { interval: Duration::from_millis(200), timeout: TOO_LONG };
        let pipeline = Pipeline::builder(registry).expect("no other pipeline uses the registry");
        let pipeline = pipeline.target(Refusing::default(), often);
        let pipeline = pipeline.service(|source, stop| bound.serve(source, stop));
        let pipeline = pipeline.start().expect("a thread can be started");
        Ok(Self { address, pipeline, _callbacks: [slow, failing] })
    }

    /// Stops the service: nothing answers scrapes from then on.
    pub(crate) fn stop(self) {
        // The target accepts nothing, so the last export fails.
        let _ = self.pipeline.shutdown_blocking(Duration::from_secs(10));
    }
}

/// A target that accepts metrics once and never again, and can queue only a single export.
#[derive(Debug, Default)]
struct Refusing {
    has_some: bool,
    queue: TargetQueue,
}

impl Target for Refusing {
    fn name(&self) -> &str {
        "refusing"
    }

    fn endpoint(&self) -> String {
        "nowhere".to_owned()
    }

    fn queue(&self) -> Option<TargetQueue> {
        Some(self.queue)
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        if !std::mem::replace(&mut self.has_some, true) {
            return Box::pin(async { Ok(()) });
        }
        let values = snapshot.len() as u64;
        self.queue.dropped_values += if self.queue.requests == 0 { 0 } else { values };
        (self.queue.requests, self.queue.bytes) = (1, values * 100);
        Box::pin(async { Err(ExportError::permanent("not today")) })
    }
}

struct User(&'static str);

impl Labels for User {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("user")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.0));
    }
}
