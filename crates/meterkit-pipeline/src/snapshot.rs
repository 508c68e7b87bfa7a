//! What exporters are given: everything that was counted, at one moment.

use std::sync::Arc;
use std::time::SystemTime;

use crate::history::History;
use meterkit_core::{AbsentSeries, Attributes, Exemplars, PrometheusNames, ScopeMetrics};

/// All metrics at one moment. Never changes: targets share one behind an `Arc`.
///
/// Snapshots are numbered, and list the series that they lack and earlier ones had, for an hour and up to 100,000
/// series. So a target knows what has gone since the last snapshot that it took, whoever else took snapshots in
/// between: all [`absent`](Self::absent) series whose number is greater than the number of that one.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct Snapshot {
    /// What is being measured: service name, version, host.
    pub resource: Attributes,
    /// When it was taken.
    pub time: SystemTime,
    /// Metrics by scope, ordered by the scope's name.
    pub scopes: Vec<ScopeMetrics>,
    /// Greater than that of every earlier snapshot of the pipeline; 0 outside of pipelines.
    pub number: u64,
    /// Series that are missing for now or have ended, ordered by the snapshot in which they first were missing.
    pub absent: Vec<Arc<AbsentSeries>>,
    /// The names that the instruments behind these metrics have in Prometheus; of none outside of pipelines.
    pub names: PrometheusNames,
    /// What histograms recorded in the last collections, if a target takes deltas; nothing outside of pipelines.
    pub history: History,
    /// Single measurements of these series, for targets whose format has a place for them.
    pub exemplars: Arc<Exemplars>,
}

impl Snapshot {
    /// A snapshot that knows of no others, such as one that a test builds.
    pub fn new(resource: Attributes, time: SystemTime, scopes: Vec<ScopeMetrics>) -> Self {
        let (absent, names, history, exemplars) = Default::default();
        Self { resource, time, scopes, number: 0, absent, names, history, exemplars }
    }

    /// Returns the series that are gone since the snapshot with this number.
    pub fn absent_since(&self, number: u64) -> impl Iterator<Item = &AbsentSeries> {
        self.absent.iter().map(|absent| &**absent).filter(move |absent| absent.number > number)
    }

    /// Returns how many points all metrics have together.
    pub fn len(&self) -> usize {
        let metrics = self.scopes.iter().flat_map(|scope| &scope.metrics);
        metrics.map(|metric| metric.data.len()).sum()
    }

    /// Returns whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
