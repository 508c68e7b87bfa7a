//! What becomes of a request, by what the receiver answers.

use std::time::Duration;

use http::StatusCode;
use meterkit_http::{SendError, SendErrorKind};
use meterkit_pipeline::{ExportError, Target};
use tokio::time::Instant;

use super::{RemoteWriteTarget, elsewhere};
use crate::batch::Batch;
use crate::dialect::Dialect;
use crate::sender::Answer;
use crate::wire::Version;

/// What became of a request.
pub(super) enum Outcome {
    /// The receiver has it, or a part of it.
    Taken,
    /// It goes out once more, otherwise.
    Again,
    /// It is lost.
    Refused(String),
    /// No more can be sent now.
    Failed(ExportError),
}

impl RemoteWriteTarget {
    /// Decides what becomes of a request.
    pub(super) async fn settle(&mut self, batch: &Batch, answer: Answer) -> Outcome {
        let is_two = batch.version == Version::V2;
        let written = answer.written;
        match answer.outcome {
            // A receiver of 1.0 that does not look at the version finds nothing in the message.
            Ok(()) if is_two && written.is_none() => {
                self.speak_one("it took a request in 2.0 and did not say how much it wrote");
                Outcome::Again
            }
            Ok(()) => {
                self.learn(if is_two { Dialect::Two } else { Dialect::One });
                self.queue.remove(batch.id);
                let taken = written.map_or(batch.len(), |count| count.min(batch.len()));
                self.counts.add_written(taken);
                if taken < batch.len() {
                    self.refuse(batch.len() - taken, "it wrote less than it was sent");
                }
                Outcome::Taken
            }
            Err(error) if is_two && error.status == Some(StatusCode::UNSUPPORTED_MEDIA_TYPE) => {
                self.speak_one(&error.reason);
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
                self.give_up(batch, error.reason, written)
            }
            Err(error) => self.settle_failed(batch, error, written).await,
        }
    }

    /// Decides what becomes of a request that failed for a reason other than its version.
    async fn settle_failed(
        &mut self,
        batch: &Batch,
        error: SendError,
        written: Option<u64>,
    ) -> Outcome {
        let SendError { kind, reason, retry_after, .. } = error;
        match kind {
            SendErrorKind::TooLarge if batch.len() > 1 => self.halve(batch, &reason).await,
            SendErrorKind::TooLarge | SendErrorKind::Invalid => {
                self.give_up(batch, reason, written)
            }
            // It may be accepted when someone has changed what is wrong.
            SendErrorKind::Denied => Outcome::Failed(ExportError::permanent(reason)),
            SendErrorKind::Unavailable => {
                if let Some(pause) = retry_after {
                    self.pause = Instant::now().checked_add(pause.min(LONGEST_PAUSE));
                }
                Outcome::Failed(ExportError::Retryable { reason, retry_after })
            }
        }
    }

    /// Puts two halves in the place of a request that is too large, and makes smaller ones from now on.
    async fn halve(&mut self, batch: &Batch, reason: &str) -> Outcome {
        if self.counts.says_too_large() {
            tracing::error!(
                target = self.config.name,
                endpoint = self.endpoint(),
                bytes = batch.size,
                values = batch.len(),
                "the receiver refuses requests of this size, and gets smaller ones from now on ({reason})"
            );
        }
        self.limits.bytes = self.limits.bytes.min(batch.size / 2).max(SMALLEST_LIMIT);
        let whole = batch.clone();
        match elsewhere(move || whole.halves()).await {
            Ok(halves) => {
                self.queue.replace(batch.id, halves.into());
                Outcome::Again
            }
            Err(error) => self.give_up(batch, error.to_string(), None),
        }
    }

    fn learn(&mut self, dialect: Dialect) {
        if self.dialect.is_open() {
            tracing::debug!(target = self.config.name, ?dialect, "the receiver was found to speak");
            self.dialect = dialect;
        }
    }

    fn speak_one(&mut self, reason: &str) {
        if self.dialect != Dialect::One {
            tracing::info!(
                target = self.config.name,
                endpoint = self.endpoint(),
                "the receiver does not know remote write 2.0, and gets 1.0 from now on ({reason})"
            );
        }
        self.dialect = Dialect::One;
    }

    /// Takes a request out of the queue that the receiver will never take, or only a part of it.
    fn give_up(&mut self, batch: &Batch, reason: String, written: Option<u64>) -> Outcome {
        self.queue.remove(batch.id);
        if self.dialect == Dialect::Doubted {
            // It is the request that was at fault, not the version.
            self.dialect = Dialect::Unknown;
        }
        let taken = written.unwrap_or(0).min(batch.len());
        self.counts.add_written(taken);
        self.refuse(batch.len() - taken, &reason);
        if taken > 0 { Outcome::Taken } else { Outcome::Refused(reason) }
    }

    fn refuse(&self, values: u64, reason: &str) {
        self.counts.add_refused(values);
        if self.counts.is_new_refusal(reason) {
            tracing::error!(
                target = self.config.name,
                endpoint = self.endpoint(),
                values,
                "the receiver refused values, which are lost: {reason}"
            );
        }
    }
}

/// The one that says more of when to try again.
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

/// A receiver that takes less takes nothing.
const SMALLEST_LIMIT: usize = 1024;

/// Longer pauses are cut short: an hour of values may wait, a year of them never.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
