//! Pull targets: where metrics are asked for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::component::Component;
use crate::export_error::ExportError;

/// A pull target, as self-metrics and [`Health`](crate::Health) tell of it. From
/// [`Source::endpoint`](crate::Source::endpoint).
///
/// Whoever serves it says what it served. Cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    component: Arc<Component>,
}

impl Endpoint {
    pub(crate) fn new(component: Arc<Component>) -> Self {
        Self { component }
    }

    /// Requests could not be answered, or not even be received, until one is.
    pub fn failed(&self, reason: impl Into<String>) {
        let error = ExportError::retryable(reason);
        self.component.attempt_failed(&error);
        self.component.log_unanswered(&error);
    }

    /// A request was answered with this many points, and that took this long.
    pub fn answered(&self, points: usize, took: Duration) {
        self.component.begin(points).began_before(took).succeeded(0);
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.component.fmt_as(f, "Endpoint")
    }
}
