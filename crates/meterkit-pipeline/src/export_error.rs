//! Errors of exports to push targets.

use std::time::Duration;

use meterkit_rules::Cause;

/// Why an export failed.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The export may succeed later: the receiver is down or busy.
    #[error("{reason}")]
    #[non_exhaustive]
    Retryable {
        /// A description of the failure. Must not contain secrets.
        reason: String,
        /// How long the receiver asked to wait before the next attempt. Neither the interval nor a flush attempts an
        /// export earlier; only the last export at shutdown does. Limited to one hour.
        retry_after: Option<Duration>,
        /// The cause, reported as the attribute `error.type`.
        cause: Cause,
    },

    /// The export cannot succeed until somebody changes something, for example because of wrong credentials or a
    /// malformed request.
    #[error("{reason}")]
    #[non_exhaustive]
    Permanent {
        /// A description of the failure. Must not contain secrets.
        reason: String,
        /// The cause, reported as the attribute `error.type`.
        cause: Cause,
    },

    /// The export took longer than the export timeout, `OTEL_METRIC_EXPORT_TIMEOUT`.
    #[error("no answer within {} ms (OTEL_METRIC_EXPORT_TIMEOUT)", .0.as_millis())]
    Timeout(Duration),
}

meterkit_rules::debug_as_text!(ExportError);

impl ExportError {
    /// Creates a retryable error if `is_retryable`, and a permanent one otherwise.
    pub fn new(is_retryable: bool, reason: impl Into<String>) -> Self {
        if is_retryable { Self::retryable(reason) } else { Self::permanent(reason) }
    }

    /// Creates an error for an export that may succeed later.
    pub fn retryable(reason: impl Into<String>) -> Self {
        Self::Retryable { reason: reason.into(), retry_after: None, cause: Cause::Other }
    }

    /// Creates an error for an export that a retry cannot fix.
    pub fn permanent(reason: impl Into<String>) -> Self {
        Self::Permanent { reason: reason.into(), cause: Cause::Other }
    }

    /// Sets the cause of the failure. [`Cause::Other`] by default.
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

    /// Sets how long the receiver asked to wait before the next attempt. Ignored unless the failure is
    /// [retryable](Self::retryable).
    #[must_use]
    pub fn with_retry_after(mut self, asked: Option<Duration>) -> Self {
        if let Self::Retryable { retry_after, .. } = &mut self {
            *retry_after = asked;
        }
        self
    }

    /// Returns the cause of the failure, which self-metrics report as the attribute `error.type`.
    pub fn cause(&self) -> Cause {
        match self {
            Self::Retryable { cause, .. } | Self::Permanent { cause, .. } => *cause,
            Self::Timeout(_) => Cause::Timeout,
        }
    }

    /// Returns whether the same export may succeed later. Self-metrics report this as the attribute
    /// `meterkit.retryable`.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::Permanent { .. })
    }

    /// Returns how long the receiver asked to wait before the next attempt.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Retryable { retry_after, .. } => *retry_after,
            Self::Permanent { .. } | Self::Timeout(_) => None,
        }
    }
}
