//! What runs on the pipeline's thread.

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

/// The time that companions get when push targets have used up the deadline.
const COMPANIONS_MOMENT: Duration = Duration::from_millis(100);

/// Everything that the thread needs.
pub(crate) struct Work {
    pub(crate) registry: Registry,
    pub(crate) claim: Claim,
    pub(crate) source: Source,
    pub(crate) companions: Companions,
    pub(crate) targets: Vec<PushTarget>,
    pub(crate) services: Vec<Service>,
    pub(crate) news: Arc<News>,
    /// Set once the pipeline has shut down, before anyone is answered.
    pub(crate) outcome: Arc<OnceLock<Outcome>>,
}

/// A push target, about to be started.
pub(crate) type PushTarget =
    (Box<dyn Target>, Schedule, TargetFilter, Arc<Component>, TargetProgress);

/// A pull target, about to be started.
pub(crate) type Service =
    Box<dyn FnOnce(Source, Stop) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// What runs beside the targets.
pub(crate) type Companions = Vec<Arc<dyn Companion>>;

/// A request to export everything recorded so far, within `deadline`.
pub(crate) struct Command {
    /// Whether the pipeline shuts down afterwards.
    pub(crate) is_last: bool,
    pub(crate) deadline: Instant,
    pub(crate) reply: std_mpsc::Sender<Outcome>,
}

/// How a flush or a shutdown ended.
pub(crate) type Outcome = Result<(), FlushError>;

/// Signals a pull target to stop, with the deadline by which it must be done.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Option<Ending>>);

impl Stop {
    /// Waits until the pipeline shuts down; gives the moment by which to be done.
    pub async fn requested(&mut self) -> Instant {
        match self.0.wait_for(Option::is_some).await {
            Ok(ending) => ending.map_or_else(Instant::now, |ending| ending.deadline),
            Err(_) => Instant::now(),
        }
    }

    /// Does `work`, unless the pipeline shuts down before it is done.
    pub async fn before<T>(&mut self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            _ = self.requested() => None,
            done = work => Some(done),
        }
    }

    /// Waits until the pipeline shuts down, but no longer than `time`; gives whether it does.
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
        // Callbacks that hang must not keep the thread: what is left of the deadline, then they are left behind.
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

        // Flushes that a shutdown overtakes. Its last export holds what they asked for, so they get its outcome.
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
            // Before the answer: whoever has it may start another pipeline.
            drop(self.claim);
            let outcome = self.outcome.get_or_init(|| outcome);
            // Everyone who asked meanwhile gets the same answer. From here on, callers find it in `self.outcome`.
            inbox.close();
            let waiting = iter::from_fn(|| inbox.try_recv().ok()).map(|command| command.reply);
            let late = iter::from_fn(|| late.try_recv().ok());
            for reply in iter::once(reply).chain(late).chain(waiting) {
                let _ = reply.send(outcome.clone());
            }
            // Timers of a refresh that outlives the runtime would panic. One that blocks is not waited for longer.
            refreshes.abort();
            refreshing.send_replace(());
            let _ = timeout_at(deadline.into(), refreshing.closed()).await;
            return deadline;
        }
        Instant::now()
    }
}

/// Serves a target to its end, which comes too early if the target panics.
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

/// Runs a service to its end, which is to be reported if it comes too early.
async fn watch_service(service: usize, serve: Service, source: Source, stop: Stop) {
    let (components, mut stopped) = (source.clone(), stop.clone());
    // As a task of its own, and called there: it may panic.
    let ended = task::spawn(async move { serve(source, stop).await }).await;
    if stopped.requested_within(Duration::ZERO).await {
        return;
    }
    let panic = ended.err().map(|panic| without_task(&panic));
    components.components().service_ended(service, panic);
}

/// Returns what is said of a panic, `panicked with message "a bug"`: the number of its task tells nobody anything.
fn without_task(panic: &JoinError) -> String {
    let text = panic.to_string();
    text.find("panicked").map_or(&*text, |at| &text[at..]).to_owned()
}

async fn flush(
    targets: Vec<(String, mpsc::Sender<Flush>)>,
    companions: Companions,
    deadline: Instant,
) -> Outcome {
    // One moment for all targets: they share one collection.
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
        // What a service has not finished by then is cut off; it has answered what it could.
        let _ = timeout_at(deadline.into(), service).await;
    }
    failures.extend(ask(companions, deadline, |companion, left| companion.shutdown(left)).await);
    outcome(failures)
}

/// Asks each companion for something that may block. Returns the failures.
async fn ask(
    companions: Companions,
    deadline: Instant,
    ask: fn(&dyn Companion, Duration) -> Result<(), String>,
) -> Vec<TargetFailure> {
    // Targets may have used the time up: that is no failure of a companion, which gets a moment in any case.
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
    async fn who_waits_for_the_end_need_not_wait_for_long() {
        let (stop, stopped) = watch::channel(None);
        let mut stopped = Stop(stopped);
        let minute = Duration::from_secs(60);
        assert!(!stopped.requested_within(minute).await, "nobody has asked");

        let ending = Ending { asked: Instant::now(), deadline: Instant::now() };
        let waiting = tokio::spawn(async move { stopped.requested_within(minute).await });
        stop.send_replace(Some(ending));
        assert!(waiting.await.unwrap());
    }
}
