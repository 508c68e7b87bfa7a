//! Checks of targets that run without a pipeline.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    Attributes, Data, Descriptor, Metric, NumberPoint, ScopeMetrics, SeriesId, Value,
};
use opentelemetry::InstrumentationScope;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::export_error::ExportError;
use crate::snapshot::Snapshot;
use crate::target::{Checked, Target};

/// What a check sends to the receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a check either stores a point or nothing")]
pub enum Probe {
    /// A request that stores nothing: see [`Target::check`].
    #[default]
    Empty,
    /// A point of the gauge `meterkit.check`, which the back end stores.
    Point,
}

/// The result of checking one target.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetCheck {
    /// The target's name.
    pub name: String,
    /// Where the target sends to, or where it is scraped.
    pub endpoint: String,
    /// What the receiver answered, or what is wrong and how to fix it.
    pub outcome: Result<Checked, ExportError>,
}

/// A check that has not run yet. Needs a tokio runtime.
pub type PendingCheck = Pin<Box<dyn Future<Output = TargetCheck> + Send>>;

impl TargetCheck {
    /// Creates the result of a check.
    pub fn new(
        name: impl Into<String>,
        endpoint: impl Into<String>,
        outcome: Result<Checked, ExportError>,
    ) -> Self {
        Self { name: name.into(), endpoint: endpoint.into(), outcome }
    }

    /// Returns whether the check found no problem.
    pub fn is_ok(&self) -> bool {
        self.outcome.is_ok()
    }
}

/// Returns a check of a push target that times out after `limit`.
pub fn check_target(mut target: Box<dyn Target>, probe: Probe, limit: Duration) -> PendingCheck {
    Box::pin(async move {
        let (name, endpoint) = (target.name().to_owned(), target.endpoint());
        let outcome = timeout(limit, asked(&mut *target, probe)).await;
        let outcome = outcome.unwrap_or(Err(ExportError::Timeout(limit)));
        // The target is not shut down: that might delete metrics that the running service has pushed, or end its
        // series.
        TargetCheck { name, endpoint, outcome }
    })
}

async fn asked(target: &mut dyn Target, probe: Probe) -> Result<Checked, ExportError> {
    match probe {
        Probe::Empty => target.check().await,
        Probe::Point => {
            target.export(&point()).await?;
            match target.rejected() {
                0 => Ok(Checked::Accepted("accepted the point `meterkit.check`".to_owned())),
                _ => {
                    Err(ExportError::permanent("the receiver rejected the point `meterkit.check`"))
                }
            }
        }
    }
}

/// Runs these checks concurrently on a separate thread and waits for their results.
///
/// # Errors
///
/// Returns the error of the operating system if it cannot provide a thread or an event queue.
pub fn run_checks(checks: Vec<PendingCheck>) -> std::io::Result<Vec<TargetCheck>> {
    let running = start(checks)?;
    Ok(running.blocking_recv().unwrap_or_default())
}

/// Like [`run_checks`], but does not block the calling thread. Works on any async runtime.
///
/// # Errors
///
/// Returns the error of the operating system if it cannot provide a thread or an event queue.
pub async fn run_checks_async(checks: Vec<PendingCheck>) -> std::io::Result<Vec<TargetCheck>> {
    Ok(start(checks)?.await.unwrap_or_default())
}

fn start(checks: Vec<PendingCheck>) -> std::io::Result<oneshot::Receiver<Vec<TargetCheck>>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (done, found) = oneshot::channel();
    thread::Builder::new().name("meterkit-check".to_owned()).spawn(move || {
        let checked = runtime.block_on(async {
            let running: Vec<_> = checks.into_iter().map(tokio::spawn).collect();
            let mut checked = Vec::new();
            for check in running {
                checked.push(check.await.unwrap_or_else(|error| {
                    TargetCheck::new("", "", Err(ExportError::permanent(error.to_string())))
                }));
            }
            checked
        });
        // The caller may have stopped waiting.
        let _ = done.send(checked);
    })?;
    Ok(found)
}

fn point() -> Snapshot {
    let time = SystemTime::now();
    let point = NumberPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start: time,
        value: Value::F64(1.0),
    };
    let data = Data::Gauge([point].into_iter().collect());
    let descriptor = Descriptor {
        name: "meterkit.check".to_owned(),
        unit: String::new(),
        description: "A point that `meterkit check --send` sends.".to_owned(),
        kind: data.kind(),
    };
    let scope = ScopeMetrics {
        scope: Arc::new(InstrumentationScope::builder("meterkit").build()),
        metrics: vec![Metric { descriptor: Arc::new(descriptor), data }],
    };
    let resource = Attributes::from_pairs([("service.name".into(), "meterkit-check".into())]);
    Snapshot::new(resource, time, vec![scope])
}
