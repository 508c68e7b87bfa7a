//! Why a push target did not take a snapshot.

use std::time::Duration;

use meterkit_rules::Cause;

/// Why an export failed.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// It may succeed later: the receiver is down, or busy.
    #[error("{reason}")]
    #[non_exhaustive]
    Retryable {
        /// What happened. Must not hold secrets.
        reason: String,
        /// How long the receiver asked to be left alone. Neither the interval nor a flush makes another attempt before;
        /// only the last export at shutdown does. More than an hour is taken for an hour.
        retry_after: Option<Duration>,
        /// Why, as the attribute `error.type` names it.
        cause: Cause,
    },

    /// It will not succeed as long as nobody changes something: bad credentials, a malformed request.
    #[error("{reason}")]
    #[non_exhaustive]
    Permanent {
        /// What happened. Must not hold secrets.
        reason: String,
        /// Why, as the attribute `error.type` names it.
        cause: Cause,
    },

    /// It took longer than the export timeout.
    #[error("no answer within {} ms (OTEL_METRIC_EXPORT_TIMEOUT)", .0.as_millis())]
    Timeout(Duration),
}

meterkit_rules::debug_as_text!(ExportError);

impl ExportError {
    /// Returns the error for a failure that may pass if it `is_retryable`, or for one that stays.
    pub fn new(is_retryable: bool, reason: impl Into<String>) -> Self {
        if is_retryable { Self::retryable(reason) } else { Self::permanent(reason) }
    }

    /// Returns the error for a failure that may pass.
    pub fn retryable(reason: impl Into<String>) -> Self {
        Self::Retryable { reason: reason.into(), retry_after: None, cause: Cause::Other }
    }

    /// Returns the error for a failure that stays.
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self::Permanent { reason: reason.into(), cause: Cause::Other }
    }

    /// Sets why the export failed. By default, [`Cause::Other`].
    ///
    /// ```
    /// use meterkit_pipeline::{Cause, ExportError};
    ///
    /// let error = ExportError::retryable("connection refused").with_cause(Cause::Connect);
    /// assert_eq!(error.cause().error_type(), "connect");
    /// ```
    #[must_use]
    pub fn with_cause(mut self, is: Cause) -> Self {
        if let Self::Retryable { cause, .. } | Self::Permanent { cause, .. } = &mut self {
            *cause = is;
        }
        self
    }

    /// Sets how long the receiver asked to be left alone. Matters for a [retryable](Self::retryable) failure only.
    #[must_use]
    pub fn with_retry_after(mut self, asked: Option<Duration>) -> Self {
        if let Self::Retryable { retry_after, .. } = &mut self {
            *retry_after = asked;
        }
        self
    }

    /// Returns why the export failed: the attribute `error.type` of self-metrics.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Retryable { cause, .. } | Self::Permanent { cause, .. } => *cause,
            Self::Timeout(_) => Cause::Timeout,
        }
    }

    /// Returns whether the same export may succeed later: the attribute `meterkit.retryable` of self-metrics.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Permanent { .. })
    }

    /// Returns how long the receiver asked to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Retryable { retry_after, .. } => *retry_after,
            Self::Permanent { .. } | Self::Timeout(_) => None,
        }
    }
}
