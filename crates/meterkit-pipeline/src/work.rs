//! The work of the pipeline's thread.

use std::future::Future;
use std::iter;
use std::pin::Pin;
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use meterkit_core::{Claim, Registry, Tap};
use meterkit_rules::Cause;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle, spawn_blocking};
use tokio::time::{timeout, timeout_at};

use crate::companion::Companion;
use crate::component::Component;
use crate::delivery::{self, Delivery, Ending, Flush};
use crate::error::{FlushError, TargetFailure};
use crate::export_error::ExportError;
use crate::filter::TargetFilter;
use crate::news::News;
use crate::progress::TargetProgress;
use crate::refreshes;
use crate::source::Source;
use crate::target::{Schedule, Target};
use crate::task::{self, EXPORTER};

/// The time that companions have at least, even if push targets have used up the deadline.
const COMPANIONS_MOMENT: Duration = Duration::from_millis(100);

/// The parts of a pipeline that its thread owns.
pub(crate) struct Work {
    pub(crate) registry: Registry,
    pub(crate) claim: Claim,
    pub(crate) source: Source,
    pub(crate) companions: Companions,
    pub(crate) targets: Vec<PushTarget>,
    pub(crate) services: Vec<Service>,
    pub(crate) news: Arc<News>,
    /// The outcome of the shutdown. Set before any caller receives an answer.
    pub(crate) outcome: Arc<OnceLock<Outcome>>,
}

/// A push target that is about to start.
pub(crate) type PushTarget =
    (Box<dyn Target>, Schedule, TargetFilter, Arc<Component>, TargetProgress);

/// A pull target that is about to start.
pub(crate) type Service =
    Box<dyn FnOnce(Source, Stop) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// The companions of a pipeline.
pub(crate) type Companions = Vec<Arc<dyn Companion>>;

/// A request to export everything recorded so far, within `deadline`.
pub(crate) struct Command {
    /// Whether the pipeline shuts down after the export.
    pub(crate) is_last: bool,
    pub(crate) deadline: Instant,
    pub(crate) reply: std_mpsc::Sender<Outcome>,
}

/// The outcome of a flush or a shutdown.
pub(crate) type Outcome = Result<(), FlushError>;

/// A signal that tells a pull target to stop by a deadline.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Option<Ending>>);

impl Stop {
    /// Waits until the pipeline shuts down, and returns the deadline by which the target must have stopped.
    pub async fn requested(&mut self) -> Instant {
        match self.0.wait_for(Option::is_some).await {
            Ok(ending) => ending.map_or_else(Instant::now, |ending| ending.deadline),
            Err(_) => Instant::now(),
        }
    }

    /// Runs `work` to completion and returns its output, or `None` if the pipeline shuts down first.
    pub async fn before<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.requested() => None,
            done = work => Some(done),
        }
    }

    /// Waits until the pipeline shuts down, but no longer than `time`. Returns whether it shuts down.
    pub async fn requested_within(&mut self, time: Duration) -> bool {
        timeout(time, self.requested()).await.is_ok()
    }
}

/// A push target that is being served.
struct Served {
    name: String,
    component: Arc<Component>,
    flushes: mpsc::Sender<Flush>,
    task: JoinHandle<Result<(), ExportError>>,
}

impl Work {
    pub(crate) fn run(self, runtime: Runtime, inbox: mpsc::UnboundedReceiver<Command>) {
        let end = runtime.block_on(self.serve(inbox));
        // Callbacks that hang must not block the thread. They get the rest of the deadline and are then abandoned.
        runtime.shutdown_timeout(end.saturating_duration_since(Instant::now()));
    }

    async fn serve(self, mut inbox: mpsc::UnboundedReceiver<Command>) -> Instant {
        let (stop, stopped) = watch::channel(None);
        let served: Vec<Served> = self
            .targets
            .into_iter()
            .map(|(target, schedule, filter, component, progress)| {
                let (flushes, asked) = mpsc::channel(1);
                let name = target.name().to_owned();
                let source = self.source.filtered(filter);
                let stopped = stopped.clone();
                let delivery =
                    Delivery::new(target, schedule, component.clone(), progress, source, stopped);
                let task = task::spawn_for(watch_delivery(component.clone(), delivery.run(asked)));
                Served { name, component, flushes, task }
            })
            .collect();
        let services: Vec<JoinHandle<()>> = self
            .services
            .into_iter()
            .enumerate()
            .map(|(service, serve)| {
                let (source, stop) = (self.source.for_service(service), Stop(stopped.clone()));
                task::spawn(watch_service(service, serve, source, stop))
            })
            .collect();
        let (refreshing, ended) = watch::channel(());
        let refreshes = refreshes::run(self.registry.clone(), self.news.refresh.clone(), ended);
        let refreshes = task::spawn(refreshes);

        // Flushes that a shutdown overtakes receive its outcome, because its last export includes their values.
        let (overtaken, mut late) = mpsc::unbounded_channel();
        while let Some(Command { is_last, deadline, reply }) = inbox.recv().await {
            if !is_last {
                let senders = served.iter().map(|it| (it.name.clone(), it.flushes.clone()));
                let flush = flush(senders.collect(), self.companions.clone(), deadline);
                let (mut stopped, overtaken) = (Stop(stopped.clone()), overtaken.clone());
                task::spawn(async move {
                    match stopped.before(flush).await {
                        Some(outcome) => drop(reply.send(outcome)),
                        None => drop(overtaken.send(reply)),
                    }
                });
                continue;
            }
            stop.send_replace(Some(Ending { asked: Instant::now(), deadline }));
            let outcome = finish(served, services, self.companions, deadline).await;
            let news: Arc<dyn Tap> = self.news;
            self.registry.untap(&news);
            self.registry.expect_listener(false);
            self.source.close();
            self.source.components().retire();
            // Release the claim before the answer: the caller may then start another pipeline.
            drop(self.claim);
            let outcome = self.outcome.get_or_init(|| outcome);
            // Everyone who asked meanwhile receives the same answer. From here on, callers find it in `self.outcome`.
            inbox.close();
            let waiting = iter::from_fn(|| inbox.try_recv().ok()).map(|command| command.reply);
            let late = iter::from_fn(|| late.try_recv().ok());
            for reply in iter::once(reply).chain(late).chain(waiting) {
                let _ = reply.send(outcome.clone());
            }
            // Stop refreshes first: timers of a refresh that outlives the runtime would panic. Do not wait beyond the
            // deadline.
            refreshes.abort();
            refreshing.send_replace(());
            let _ = timeout_at(deadline.into(), refreshing.closed()).await;
            return deadline;
        }
        Instant::now()
    }
}

/// Serves a target until the end, and logs a panic that ends its task early.
async fn watch_delivery(
    component: Arc<Component>,
    delivery: impl Future<Output = Result<(), ExportError>> + Send + 'static,
) -> Result<(), ExportError> {
    let delivery = EXPORTER.scope(component.instance().to_owned(), delivery);
    task::spawn_for(delivery).await.unwrap_or_else(|panic| {
        let panic = without_task(&panic);
        component.log_panic(&panic);
        Err(ExportError::permanent(panic).with_cause(Cause::Panic))
    })
}

/// Runs a service until the end, and reports if it ends before it was told to stop.
async fn watch_service(service: usize, serve: Service, source: Source, stop: Stop) {
    let (components, mut stopped) = (source.clone(), stop.clone());
    // Call it in a separate task, because it may panic.
    let ended = task::spawn(async move { serve(source, stop).await }).await;
    if stopped.requested_within(Duration::ZERO).await {
        return;
    }
    let panic = ended.err().map(|panic| without_task(&panic));
    components.components().service_ended(service, panic);
}

/// Returns the text of a panic, such as `panicked with message "a bug"`, without the number of its task.
fn without_task(panic: &JoinError) -> String {
    let text = panic.to_string();
    text.find("panicked").map_or(&*text, |at| &text[at..]).to_owned()
}

async fn flush(
    targets: Vec<(String, mpsc::Sender<Flush>)>,
    companions: Companions,
    deadline: Instant,
) -> Outcome {
    // All targets use the same moment, so that they share one collection.
    let asked = Instant::now();
    let flushing: Vec<_> = targets
        .into_iter()
        .map(|(name, flushes)| {
            let flushed = async move { delivery::flush(&flushes, asked, deadline).await };
            (name, task::spawn_for(flushed))
        })
        .collect();
    let mut failures = Vec::new();
    for (target, flushed) in flushing {
        if let Err(reason) = flushed.await.unwrap_or_else(|error| Err(error.to_string())) {
            failures.push(TargetFailure { target, reason });
        }
    }
    failures.extend(ask(companions, deadline, |companion, _| companion.flush()).await);
    outcome(failures)
}

async fn finish(
    served: Vec<Served>,
    services: Vec<JoinHandle<()>>,
    companions: Companions,
    deadline: Instant,
) -> Outcome {
    let mut failures = Vec::new();
    for Served { name, component, task, .. } in served {
        let reason = match timeout_at(deadline.into(), task).await {
            Ok(Ok(Ok(()))) => continue,
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(aborted)) => aborted.to_string(),
            Err(_) => "not finished by the deadline".to_owned(),
        };
        component.log_undelivered(&reason);
        failures.push(TargetFailure { target: name, reason });
    }
    for service in services {
        // Unfinished work of a service is cut off at the deadline.
        let _ = timeout_at(deadline.into(), service).await;
    }
    failures.extend(ask(companions, deadline, |companion, left| companion.shutdown(left)).await);
    outcome(failures)
}

/// Calls `ask` for each companion on a thread that may block. Returns the failures.
async fn ask(
    companions: Companions,
    deadline: Instant,
    ask: fn(&dyn Companion, Duration) -> Result<(), String>,
) -> Vec<TargetFailure> {
    // If targets have used up the time, companions still get a moment: that is not their fault.
    let end = deadline.max(Instant::now() + COMPANIONS_MOMENT);
    let asked = companions.into_iter().map(|companion| {
        let name = companion.name().to_owned();
        let left = move || end.saturating_duration_since(Instant::now());
        (name, spawn_blocking(move || ask(&*companion, left())))
    });
    let mut failures = Vec::new();
    for (target, asked) in asked.collect::<Vec<_>>() {
        let reason = match timeout_at(end.into(), asked).await {
            Ok(Ok(Ok(()))) => continue,
            Ok(Ok(Err(error))) => error,
            Ok(Err(panicked)) => panicked.to_string(),
            Err(_) => "not finished by the deadline".to_owned(),
        };
        failures.push(TargetFailure { target, reason });
    }
    failures
}

fn outcome(failures: Vec<TargetFailure>) -> Outcome {
    if failures.is_empty() { Ok(()) } else { Err(FlushError::Targets(failures)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_for_a_stop_can_be_limited() {
        let (stop, stopped) = watch::channel(None);
        let mut stopped = Stop(stopped);
        let minute = Duration::from_secs(60);
        assert!(!stopped.requested_within(minute).await, "nobody has requested a stop");

        let ending = Ending { asked: Instant::now(), deadline: Instant::now() };
        let waiting = tokio::spawn(async move { stopped.requested_within(minute).await });
        stop.send_replace(Some(ending));
        assert!(waiting.await.unwrap());
    }
}
