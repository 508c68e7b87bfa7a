//! Delivery to one push target: schedule, retries and deltas.

use std::sync::Arc;
use std::time::Instant;

use meterkit_core::Temporality;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout_at};

use crate::backoff::Backoff;
use crate::baseline::Baseline;
use crate::component::{Component, Operation};
use crate::export_error::ExportError;
use crate::moment::after;
use crate::newest::Newest;
use crate::progress::TargetProgress;
use crate::snapshot::Snapshot;
use crate::source::{Closed, Source};
use crate::summaries;
use crate::target::{Schedule, Target};

/// The task that serves one target until the pipeline stops.
pub(crate) struct Delivery {
    target: Box<dyn Target>,
    schedule: Schedule,
    component: Arc<Component>,
    source: Source,
    stop: watch::Receiver<Option<Ending>>,
    newest: Arc<Newest>,
    /// The snapshot that deltas are computed against.
    baseline: Baseline,
    progress: TargetProgress,
    /// A snapshot that the target has accepted partially, and its delta.
    partial: Option<(Arc<Snapshot>, Snapshot)>,
    /// Whether a flush waits for the export under way, which is then retried even when a newer snapshot is due.
    is_asked: bool,
    /// Whether the export under way is the last one before shutdown.
    is_last: bool,
    /// Exports without an outcome yet. They share the outcome of the next export, or of the target's shutdown.
    waiting: Option<Operation>,
    /// When the next attempt may be made.
    backoff: Backoff,
    /// The deadline for the outcome of an export that continues in the background.
    answer_due: Option<Instant>,
}

/// A request to export everything recorded by `asked` and to reply with the outcome.
pub(crate) struct Flush {
    asked: Instant,
    reply: oneshot::Sender<Result<(), ExportError>>,
}

/// The end of the pipeline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    /// When the shutdown was requested. All targets share a collection that started after this.
    pub(crate) asked: Instant,
    /// When everything must be finished.
    pub(crate) deadline: Instant,
}

impl Delivery {
    pub(crate) fn new(
        target: Box<dyn Target>,
        schedule: Schedule,
        component: Arc<Component>,
        progress: TargetProgress,
        source: Source,
        stop: watch::Receiver<Option<Ending>>,
    ) -> Self {
        let (baseline, partial) = (Baseline::default(), None);
        Self {
            progress,
            target,
            schedule,
            component,
            source,
            stop,
            newest: Arc::default(),
            baseline,
            partial,
            is_asked: false,
            is_last: false,
            waiting: None,
            backoff: Backoff::default(),
            answer_due: None,
        }
    }

    /// Exports once per interval, on each flush, and once more at the end.
    pub(crate) async fn run(self, flushes: mpsc::Receiver<Flush>) -> Result<(), ExportError> {
        let (newest, source) = (self.newest.clone(), self.source.clone());
        let component = self.component.clone();
        let interval = self.schedule.interval;
        tokio::select! {
            outcome = self.serve(flushes) => outcome,
            never = newest.collect(&source, interval, &component) => match never {},
        }
    }

    async fn serve(mut self, mut flushes: mpsc::Receiver<Flush>) -> Result<(), ExportError> {
        let (mut stop, newest) = (self.stop.clone(), self.newest.clone());
        let mut asked_early = tokio::select! {
            biased;
            () = told_to(&mut stop) => None,
            flush = flushes.recv() => flush,
            () = newest.due() => None,
            // The block is lazy: `select!` evaluates the expressions of disabled branches too.
            outcome = async { self.target.check().await }, if self.target.is_checked_at_start() => {
                if let Some(error) = outcome.err().filter(|error| !error.is_retryable()) {
                    self.component.attempt_failed(&error);
                    self.component.log_check(&error);
                }
                None
            }
        };
        loop {
            if let Some(Flush { asked, reply }) = asked_early.take() {
                // The caller may have stopped waiting.
                let _ = reply.send(self.export_since(asked).await);
            }
            tokio::select! {
                biased;
                () = told_to(&mut stop) => break,
                Some(flush) = flushes.recv() => asked_early = Some(flush),
                () = newest.due() => {
                    if let Some(snapshot) = newest.take() {
                        // The failure has been logged; the next interval tries again.
                        let _ = self.export(snapshot).await;
                    }
                }
            }
        }
        // This receiver has already seen the stop signal, so the signal does not cut the last export short. That export
        // may be retried until the deadline.
        let asked = stop.borrow().map_or_else(Instant::now, |ending| ending.asked);
        (self.stop, self.is_last) = (stop, true);
        let outcome = self.export_since(asked).await;
        self.end(outcome).await
    }

    /// Shuts the target down and returns the outcome of the last export. Requests that were left in the target's queue
    /// may still be delivered, or refused, during shutdown.
    async fn end(&mut self, outcome: Result<(), ExportError>) -> Result<(), ExportError> {
        let before = self.target.queue().unwrap_or_default();
        self.target.shutdown().await;
        let queue = self.target.queue();
        self.component.note_queue(queue);
        self.component.note_problem(self.target.problem());
        let (Err(error), Some(operation)) = (&outcome, self.waiting.take()) else {
            return outcome;
        };
        let is_sent = queue.is_some_and(|queue| {
            queue.requests == 0 && queue.dropped_values == before.dropped_values
        });
        if !is_sent {
            operation.failed(error);
            return outcome;
        }
        match self.target.rejected() {
            0 => {
                operation.succeeded(0);
                Ok(())
            }
            rejected => {
                operation.refused(rejected);
                let reason = format!("the receiver refused {rejected} of the last values");
                let error = ExportError::permanent(reason);
                self.component.attempt_failed(&error);
                Err(error)
            }
        }
    }

    /// Exports everything recorded by `asked`.
    async fn export_since(&mut self, asked: Instant) -> Result<(), ExportError> {
        let Ok(snapshot) = self.newest.take_since(&self.source, asked).await else {
            return Err(ExportError::permanent(Closed.to_string()));
        };
        self.is_asked = true;
        let outcome = self.export(snapshot).await;
        self.is_asked = false;
        outcome
    }

    /// Sends one snapshot, with retries until a newer one is due. A snapshot that the target has accepted partially is
    /// sent first, unchanged.
    async fn export(&mut self, mut snapshot: Arc<Snapshot>) -> Result<(), ExportError> {
        if let Some((snapshot, delta)) = self.partial.take() {
            self.export_delta(snapshot, delta).await?;
        }
        snapshot = self.as_taken(snapshot);
        if self.target.temporality() == Temporality::Delta {
            self.progress.begin(snapshot.number);
            let delta = self.baseline.delta_of(&snapshot, self.target.observed_temporality());
            return self.export_delta(snapshot, delta).await;
        }
        loop {
            let outcome = self.send(&snapshot).await;
            // A target with a queue keeps undelivered values itself.
            if matches!(outcome, Some(Ok(()))) || self.target.queue().is_some() {
                self.progress.acknowledge(snapshot.number);
            }
            if let Some(outcome) = outcome {
                self.log(&outcome);
                return outcome;
            }
            match self.newest.take() {
                Some(newer) => snapshot = self.as_taken(newer),
                // The last export continues with this snapshot.
                None => return Err(ExportError::retryable(Closed.to_string())),
            }
        }
    }

    /// Returns the snapshot in the form that the target takes: summaries are converted if it does not support them.
    fn as_taken(&self, snapshot: Arc<Snapshot>) -> Arc<Snapshot> {
        if self.target.takes_summaries() { snapshot } else { summaries::as_numbers(snapshot) }
    }

    async fn export_delta(
        &mut self,
        snapshot: Arc<Snapshot>,
        delta: Snapshot,
    ) -> Result<(), ExportError> {
        // Deltas are not sent in the background, so there is always an outcome.
        let Some(outcome) = self.send(&delta).await else { return Ok(()) };
        self.log(&outcome);
        if outcome.is_ok() {
            self.progress.acknowledge(snapshot.number);
            self.baseline.acknowledge(snapshot);
        } else if self.target.is_partway() {
            self.partial = Some((snapshot, delta));
        }
        outcome
    }

    /// Returns the outcome, or `None` if the target continues in the background and is ready for the next snapshot.
    async fn send(&mut self, snapshot: &Snapshot) -> Option<Result<(), ExportError>> {
        // If a panic or the end of the runtime drops the operation, it records that as its outcome.
        let mut operation = match self.waiting.take() {
            Some(mut earlier) => {
                earlier.add(snapshot.len());
                earlier
            }
            None => self.component.begin(snapshot.len()),
        };
        let outcome = self.attempt(snapshot).await;
        match &outcome {
            None => self.waiting = Some(operation),
            Some(Ok(())) => operation.succeeded(self.target.rejected()),
            Some(Err(error))
                if error.is_retryable() && self.is_last && self.target.queue().is_some() =>
            {
                operation.waits(error);
                self.waiting = Some(operation);
            }
            Some(Err(error)) => operation.failed(error),
        }
        outcome
    }

    async fn attempt(&mut self, snapshot: &Snapshot) -> Option<Result<(), ExportError>> {
        let give_up = after(self.schedule.interval);
        let (mut stop, newest) = (self.stop.clone(), self.newest.clone());
        let mut overtaken = self.stop.clone();
        // No newer snapshot overtakes the last export, and a delta must have an outcome before the next delta.
        let goes_on = self.target.sends_in_background()
            && self.target.temporality() == Temporality::Cumulative
            && !self.is_last;
        // The last export does not wait for any back-off, because there is no later chance. A flush does not wait for
        // our own back-off, but for a wait that the receiver asked for.
        let mut wait = if self.is_last { None } else { self.backoff.rest(self.is_asked) };
        if wait.is_some() {
            // Queue it now: if a newer snapshot becomes due during the wait, this one is not sent again.
            if let Err(error) = self.target.enqueue(snapshot).await {
                return Some(Err(error));
            }
            self.component.note_queue(self.target.queue());
        }
        loop {
            if let Some((wait, error)) = wait {
                let end = stop.borrow().map_or(give_up, |ending| ending.deadline.min(give_up));
                // The receiver may ask for a longer wait than `Backoff` grants.
                if after(wait.max(error.retry_after().unwrap_or_default())) >= end {
                    return Some(Err(error));
                }
                tokio::select! {
                    () = sleep(wait) => {}
                    // On shutdown, the last attempt is made with a fresh snapshot.
                    _ = stop.changed() => return Some(Err(error)),
                    () = newest.due(), if !self.is_asked => return Some(Err(error)),
                }
            }
            let limit = self.schedule.timeout;
            let answer_due = *self.answer_due.get_or_insert_with(|| after(limit));
            let ended = tokio::select! {
                biased;
                ended = timeout_at(answer_due.into(), self.target.export(snapshot)) => Some(ended),
                () = newest.due(), if goes_on => None,
                () = told_to(&mut overtaken), if goes_on => None,
            };
            self.component.note_queue(self.target.queue());
            self.component.note_problem(self.target.problem());
            self.component.note_clock_skew(self.target.clock_skew());
            let ended = ended?;
            self.answer_due = None;
            let error = match ended {
                Ok(Ok(())) => {
                    self.backoff.succeeded();
                    return Some(Ok(()));
                }
                Ok(Err(error)) => error,
                Err(_) => ExportError::Timeout(limit),
            };
            self.component.attempt_failed(&error);
            self.backoff.failed(&error);
            self.log_failure(&error, false);
            if !error.is_retryable() {
                return Some(Err(error));
            }
            wait = self.backoff.rest(false).map(|(rest, _)| (rest, error));
        }
    }

    /// Logs a failed attempt, or an export that `is_over`, unless the log already says so. During shutdown, undelivered
    /// values are logged at the end instead.
    fn log_failure(&self, error: &ExportError, is_over: bool) {
        if self.stop.borrow().is_none() {
            let next = self.backoff.rest(false).map_or(self.schedule.interval, |(rest, _)| rest);
            self.component.log_failure(error, is_over, self.target.temporality(), next);
        }
    }

    /// Logs the outcome if the export failed.
    fn log(&self, outcome: &Result<(), ExportError>) {
        if let Err(error) = outcome {
            self.log_failure(error, true);
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.component.panicked();
        }
    }
}

async fn told_to(stop: &mut watch::Receiver<Option<Ending>>) {
    // An error means that the pipeline is gone, which also ends the wait.
    let _ = stop.wait_for(Option::is_some).await;
}

/// The error of a flush that the target does not answer, because it panicked or the pipeline shut down meanwhile.
const ENDED: &str = "the target has ended";

/// Requests an export of everything recorded by `asked` from `delivery`, and waits for it until `deadline`.
pub(crate) async fn flush(
    delivery: &mpsc::Sender<Flush>,
    asked: Instant,
    deadline: Instant,
) -> Result<(), String> {
    let (reply, answer) = oneshot::channel();
    let flushed = async {
        delivery.send(Flush { asked, reply }).await.map_err(|_| ENDED)?;
        answer.await.map_err(|_| ENDED)?.map_err(|error| error.to_string())
    };
    match timeout_at(deadline.into(), flushed).await {
        Ok(outcome) => outcome,
        Err(_) => Err("not finished by the deadline".to_owned()),
    }
}
