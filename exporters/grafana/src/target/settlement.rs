//! Handles the response to a request: accept, retry, divide or drop.

use std::time::Duration;

use http::StatusCode;
use meterkit_http::{SendError, SendErrorKind, Verdict};
use meterkit_pipeline::{ExportError, Target, exporter};
use tokio::time::Instant;

use super::{RemoteWriteTarget, elsewhere};
use crate::batch::Batch;
use crate::dialect::Dialect;
use crate::sender::Answer;
use crate::wire::Version;

/// The result of handling a response.
pub(super) enum Outcome {
    /// The receiver accepted the request, or a part of it.
    Taken,
    /// The request is sent again, in another version or in parts.
    Again,
    /// The receiver refused the request permanently, and its values are lost.
    Refused(ExportError),
    /// The request stays in the queue: the receiver accepts nothing now.
    Failed(ExportError),
}

impl RemoteWriteTarget {
    /// Handles the response to a request.
    pub(super) async fn settle(&mut self, batch: &Batch, answer: Answer) -> Outcome {
        let is_two = batch.version == Version::V2;
        let written = answer.written;
        match answer.outcome {
            // A receiver of 1.0 that ignores the version header decodes a message in 2.0 as an empty one.
            Ok(()) if is_two && written.is_none() => {
                self.fall_back_to_one(
                    "it accepted a request in 2.0 without reporting how many values it wrote",
                );
                Outcome::Again
            }
            Ok(()) => {
                self.learn(if is_two { Dialect::Two } else { Dialect::One });
                self.accept(batch, written)
            }
            Err(error) if is_two && error.status == Some(StatusCode::UNSUPPORTED_MEDIA_TYPE) => {
                self.fall_back_to_one(&error.reason);
                Outcome::Again
            }
            Err(error) if error.status == Some(StatusCode::BAD_REQUEST) => {
                if written.is_none() && self.dialect == Dialect::Unknown {
                    self.dialect = Dialect::Doubted;
                    return Outcome::Again;
                }
                if is_two && written.is_some() {
                    self.learn(Dialect::Two);
                }
                self.settle_refused(batch, error, written).await
            }
            Err(error) => self.settle_refused(batch, error, written).await,
        }
    }

    fn accept(&mut self, batch: &Batch, written: Option<u64>) -> Outcome {
        match self.canary.take() {
            Some(others) => {
                self.refusals.accepted(None, batch.size);
                let ids = self.queue.replace(batch.id, others);
                self.refusals.divided(batch.id, &ids);
            }
            None => {
                self.refusals.accepted(Some(batch.id), batch.size);
                self.queue.remove(batch.id);
            }
        }
        let taken = written.map_or(batch.len(), |count| count.min(batch.len()));
        self.counts.add_written(taken);
        if taken < batch.len() {
            self.refuse(batch.len() - taken, "it wrote only a part of the values in a request");
        }
        Outcome::Taken
    }

    /// Handles the refusal of a request for a reason other than its version.
    async fn settle_refused(
        &mut self,
        batch: &Batch,
        error: SendError,
        written: Option<u64>,
    ) -> Outcome {
        let error = error.with_advice(self.config.transport.hints(), self.sender.client.receiver());
        let is_of_content = matches!(error.kind, SendErrorKind::Invalid | SendErrorKind::TooLarge);
        if is_of_content && self.dialect == Dialect::Doubted {
            // The same request was refused in both versions, so that its content is at fault.
            self.dialect = Dialect::Unknown;
        }
        // After any other failure, the receiver expects the whole request again.
        if is_of_content && written.is_some_and(|written| written > 0) {
            self.canary = None;
            let refusal = ExportError::permanent(error.reason).with_cause(error.cause);
            return self.give_up(batch.id, batch.len(), refusal, written);
        }
        let verdict = match self.canary.take() {
            Some(_) => self.refusals.canary_refused(&error),
            None => {
                let items = usize::try_from(batch.len()).unwrap_or(usize::MAX);
                self.refusals.judge(batch.id, items, batch.size, &error)
            }
        };
        if error.kind == SendErrorKind::TooLarge && batch.len() > 1 {
            self.note_too_large(batch, &error.reason);
        }
        let cause = error.cause;
        match verdict {
            Verdict::Divide => match self.divide(batch).await {
                Ok(()) => Outcome::Again,
                Err(error) => self.give_up(batch.id, batch.len(), error, None),
            },
            Verdict::Drop => {
                let len = self.queue.get(batch.id).map_or(0, Batch::len);
                let refusal = ExportError::permanent(error.reason).with_cause(cause);
                self.give_up(batch.id, len, refusal, None)
            }
            // A request that is not retryable may still be accepted once someone corrects the credentials or the URL.
            Verdict::Keep => {
                if let Some(pause) = error.retry_after {
                    self.pause = Instant::now().checked_add(pause.min(LONGEST_PAUSE));
                }
                let failure = ExportError::new(error.is_retryable(), error.reason);
                Outcome::Failed(failure.with_retry_after(error.retry_after).with_cause(cause))
            }
        }
    }

    fn note_too_large(&self, batch: &Batch, reason: &str) {
        if self.counts.says_too_large() {
            tracing::error!(
                exporter = exporter(&self.config.name),
                endpoint = self.endpoint(),
                bytes = batch.size,
                values = batch.len(),
                "the receiver refuses requests of this size; sending smaller ones for a while ({reason})"
            );
        }
    }

    /// Replaces a request in the queue with two halves.
    pub(super) async fn divide(&mut self, batch: &Batch) -> Result<(), ExportError> {
        let (id, middle) = (batch.id, batch.len() / 2);
        let whole = batch.clone();
        let halves = elsewhere(move || whole.split(&[middle])).await?;
        let ids = self.queue.replace(id, halves);
        self.refusals.divided(id, &ids);
        Ok(())
    }

    /// Returns one series of `batch` as a canary. The whole batch stays in the queue until the receiver accepts the
    /// canary.
    pub(super) async fn take_canary(&mut self, batch: Batch) -> Result<Batch, ExportError> {
        let (id, len) = (batch.id, usize::try_from(batch.len()).unwrap_or(usize::MAX));
        let at = self.refusals.canary(len) as u64;
        let mut parts = elsewhere(move || batch.split(&[at, at + 1])).await?;
        let canary = parts.remove(usize::from(at > 0));
        self.canary = Some(parts);
        Ok(Batch { id, ..canary })
    }

    fn learn(&mut self, dialect: Dialect) {
        if self.dialect.is_open() {
            tracing::debug!(
                exporter = exporter(&self.config.name),
                ?dialect,
                "detected the receiver's version of remote write"
            );
            self.dialect = dialect;
        }
    }

    fn fall_back_to_one(&mut self, reason: &str) {
        if self.dialect != Dialect::One {
            tracing::info!(
                exporter = exporter(&self.config.name),
                endpoint = self.endpoint(),
                "the receiver does not support remote write 2.0; sending 1.0 from now on ({reason})"
            );
        }
        self.dialect = Dialect::One;
    }

    /// Removes a request with `len` values from the queue that the receiver will never accept, or of which it wrote
    /// only `written` values.
    fn give_up(
        &mut self,
        id: u64,
        len: u64,
        refusal: ExportError,
        written: Option<u64>,
    ) -> Outcome {
        self.queue.remove(id);
        self.refusals.forget(id);
        let taken = written.unwrap_or(0).min(len);
        self.counts.add_written(taken);
        self.refuse(len - taken, &refusal.to_string());
        if taken > 0 { Outcome::Taken } else { Outcome::Refused(refusal) }
    }

    fn refuse(&self, values: u64, reason: &str) {
        self.counts.add_refused(values);
        if self.counts.is_new_refusal(reason) {
            tracing::error!(
                exporter = exporter(&self.config.name),
                endpoint = self.endpoint(),
                values,
                "the receiver refused values, which are lost: {reason}"
            );
        }
    }
}

/// Returns the failure that carries more information about when to retry: first one with a delay, then a retryable
/// one.
pub(super) fn worse(one: Option<ExportError>, other: ExportError) -> Option<ExportError> {
    match one {
        Some(one @ ExportError::Retryable { retry_after: Some(_), .. }) => Some(one),
        Some(one @ ExportError::Retryable { .. })
            if !matches!(other, ExportError::Retryable { retry_after: Some(_), .. }) =>
        {
            Some(one)
        }
        _ => Some(other),
    }
}

/// The longest pause that a receiver can impose. Longer ones are cut short: the queue may hold an hour of values, but
/// not a year.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
