//! Snapshots, the input of exporters: all values at one moment.

use std::sync::Arc;
use std::time::SystemTime;

use crate::history::History;
use meterkit_core::{AbsentSeries, Attributes, Exemplars, PrometheusNames, ScopeMetrics};

/// All metrics at one moment. Immutable, so that targets can share it behind an `Arc`.
///
/// Snapshots are numbered, and for an hour and up to 100,000 series they list the series that earlier snapshots
/// contained and this one lacks. A target can therefore find out what disappeared since the last snapshot that it took,
/// whoever else took snapshots in between: all [`absent`](Self::absent) series with a number greater than that of the
/// earlier snapshot.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "exporters build snapshots in their tests")]
pub struct Snapshot {
    /// The resource that the metrics describe, such as service name, version and host.
    pub resource: Attributes,
    /// When the snapshot was taken.
    pub time: SystemTime,
    /// The metrics by scope, ordered by the names of the scopes.
    pub scopes: Vec<ScopeMetrics>,
    /// The number of the snapshot, greater than that of every earlier snapshot of the pipeline. 0 outside of pipelines.
    pub number: u64,
    /// Series that are temporarily missing or have ended, ordered by the snapshot in which they were first missing.
    pub absent: Vec<Arc<AbsentSeries>>,
    /// The Prometheus names of the instruments behind these metrics. Empty outside of pipelines.
    pub names: PrometheusNames,
    /// What histograms recorded in recent collections, if a target takes deltas. Empty outside of pipelines.
    pub history: History,
    /// Sample measurements of these series, for targets whose format supports exemplars.
    pub exemplars: Arc<Exemplars>,
}

impl Snapshot {
    /// Creates a snapshot outside of a pipeline, for example in a test.
    pub fn new(resource: Attributes, time: SystemTime, scopes: Vec<ScopeMetrics>) -> Self {
        let (absent, names, history, exemplars) = Default::default();
        Self { resource, time, scopes, number: 0, absent, names, history, exemplars }
    }

    /// Returns the series that became absent after the snapshot with this number.
    pub fn absent_since(&self, number: u64) -> impl Iterator<Item = &AbsentSeries> {
        self.absent.iter().map(|absent| &**absent).filter(move |absent| absent.number > number)
    }

    /// Returns the total number of points of all metrics.
    pub fn len(&self) -> usize {
        let metrics = self.scopes.iter().flat_map(|scope| &scope.metrics);
        metrics.map(|metric| metric.data.len()).sum()
    }

    /// Returns whether the snapshot contains no points.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
