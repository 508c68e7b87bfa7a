//! Pull targets, from which metrics are scraped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::component::Component;
use crate::export_error::ExportError;

/// A pull target on which self-metrics and [`Health`](crate::Health) report. Created by
/// [`Source::endpoint`](crate::Source::endpoint).
///
/// The server reports each scrape with [`answered`](Self::answered) or [`failed`](Self::failed). Cheap to clone.
#[derive(Clone)]
pub struct Endpoint {
    component: Arc<Component>,
}

impl Endpoint {
    pub(crate) fn new(component: Arc<Component>) -> Self {
        Self { component }
    }

    /// Records that scrapes cannot be received or answered. The failure lasts until [`answered`](Self::answered) is
    /// called.
    pub fn failed(&self, reason: impl Into<String>) {
        let error = ExportError::retryable(reason);
        self.component.attempt_failed(&error);
        self.component.log_unanswered(&error);
    }

    /// Records that a scrape was answered with `points` points, and that the answer took `took`.
    pub fn answered(&self, points: usize, took: Duration) {
        self.component.begin(points).began_before(took).succeeded(0);
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.component.fmt_as(f, "Endpoint")
    }
}
