//! Errors from starting, flushing and stopping a pipeline.

use std::fmt;
use std::io;
use std::time::Duration;

use crate::source::Closed;

/// Why a pipeline could not be started.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The operating system did not provide a thread, or an event queue for the runtime.
    #[error("the metrics thread could not be started: {0}")]
    Thread(#[source] io::Error),
}

/// Why a flush or a shutdown failed.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FlushError {
    /// These targets failed. With delta temporality, their next successful export includes the missed values.
    #[error("{}", Listed(.0))]
    Targets(Vec<TargetFailure>),

    /// The pipeline did not answer within this time.
    #[error("the metrics pipeline did not finish within {} ms", .0.as_millis())]
    Deadline(Duration),

    /// The pipeline has shut down, so there is nothing left to flush.
    #[error(transparent)]
    Closed(#[from] Closed),
}

meterkit_rules::debug_as_text!(StartError, FlushError);

/// One target's failure.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TargetFailure {
    /// The target's name.
    pub target: String,
    /// A description of the failure.
    pub reason: String,
}

struct Listed<'a>(&'a [TargetFailure]);

impl fmt::Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, failure) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "; " };
            write!(f, "{separator}target `{}`: {}", failure.target, failure.reason)?;
        }
        Ok(())
    }
}
