//! Filters, which select the instruments that one target receives and the labels of their series.

use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use meterkit_core::{
    Collections, Data, Exemplars, ExponentialHistogramPoint, HistogramPoint, Metric, NumberPoint,
    PrometheusNames, Registry, ScopeMetrics, SummaryPoint, Unpoisoned,
};

use crate::delta::add_metric;
use crate::point::Point;
use crate::snapshot::Snapshot;
use crate::views::{KeyFilter, Totals, View, ViewSelector, ViewStream, Views};

/// A selection of the instruments that one target receives and of the labels of their series.
///
/// A filter applies after [views](Views), which change what all targets receive, and before the target encodes anything.
/// Self-metrics are filtered like all other metrics.
///
/// Series that differ only in labels that the filter removes are merged. Counters, up-down counters and histograms are
/// added up, and the total does not fall when a merged series ends. If they are gauges, the last one in the
/// order of labels remains. Exemplars lose the removed labels too. Labels that targets add, such as those of the scope or of the
/// resource, are not filtered.
///
/// ```
/// use meterkit_pipeline::{KeyFilter, TargetFilter};
///
/// let filter = TargetFilter {
///     instruments: KeyFilter::only(["http.*"]).without(["http.debug.*"]),
///     labels: KeyFilter::default().without(["user.id"]),
/// };
/// assert!(filter.instruments.keeps("http.requests") && !filter.labels.keeps("user.id"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "metrics only have names and labels")]
pub struct TargetFilter {
    /// The instruments to keep, by their full names.
    pub instruments: KeyFilter,
    /// The labels to keep, by their keys.
    pub labels: KeyFilter,
}

impl TargetFilter {
    /// Returns whether the filter keeps everything.
    pub(crate) fn is_all(&self) -> bool {
        self.instruments.is_all() && self.labels.is_all()
    }

    /// Returns the metrics of the instruments that the filter keeps, with all their labels.
    fn kept(&self, scopes: &[ScopeMetrics]) -> Vec<ScopeMetrics> {
        let is_kept = |metric: &&Metric| self.instruments.keeps(&metric.descriptor.name);
        let scopes = scopes.iter().map(|of| {
            let metrics = of.metrics.iter().filter(is_kept).cloned().collect();
            ScopeMetrics { scope: of.scope.clone(), metrics }
        });
        scopes.filter(|scope| !scope.metrics.is_empty()).collect()
    }
}

/// Applies one filter to the snapshots of a pipeline.
#[derive(Debug)]
pub(crate) struct Filtered {
    filter: TargetFilter,
    /// Views that merge series which differ only in labels that the filter removes.
    views: Views,
    registry: Registry,
    names: PrometheusNames,
    memory: Mutex<Memory>,
}

/// The state that is carried from one snapshot to the next.
#[derive(Debug, Default)]
struct Memory {
    collections: Collections,
    totals: Totals,
    last: Option<Arc<Snapshot>>,
}

impl Filtered {
    pub(crate) fn new(filter: TargetFilter, registry: Registry) -> Self {
        let attribute_keys = Some(filter.labels.clone()).filter(|labels| !labels.is_all());
        let stream = ViewStream { attribute_keys, ..ViewStream::default() };
        let view = View { selector: ViewSelector::default(), stream };
        let views = Some(view).filter(|view| view.stream.attribute_keys.is_some());
        let views = Views::from_iter(views).stripping_exemplars();
        let names = registry.prometheus_names().apart();
        Self { filter, views, registry, names, memory: Mutex::default() }
    }

    pub(crate) fn filter(&self) -> &TargetFilter {
        &self.filter
    }

    /// Returns the filtered snapshot, or a later one if the filter has already been applied to that.
    ///
    /// Not every snapshot must be filtered, because a target may skip some: each snapshot also lists the series that
    /// were in the skipped ones and are absent now.
    pub(crate) fn apply(&self, snapshot: &Snapshot) -> Arc<Snapshot> {
        let mut memory = self.memory.lock().unpoisoned();
        if snapshot.number == 0 {
            // The snapshot was taken outside of the pipeline's collections, for example in a callback.
            return Arc::new(self.snapshot(&mut Memory::default(), snapshot));
        }
        if let Some(last) = memory.last.as_ref().filter(|last| last.number >= snapshot.number) {
            return last.clone();
        }
        let filtered = Arc::new(self.snapshot(&mut memory, snapshot));
        memory.last = Some(filtered.clone());
        filtered
    }

    fn snapshot(&self, memory: &mut Memory, snapshot: &Snapshot) -> Snapshot {
        let last = memory.last.take();
        let mut before = last.as_ref().map_or(&[][..], |last| &last.scopes);
        let scopes = self.filter.kept(&snapshot.scopes);
        let add = |memory: &mut Memory, before: &[_], scopes, time, exemplars: &mut _| {
            self.add(memory, snapshot.number, before, scopes, time, exemplars)
        };
        let number = last.as_ref().map_or(0, |last| last.number);
        // First add a collection with the series that ended since the last snapshot, so that their last values count.
        let with_gone;
        if let Some((all, time)) = self.with_gone(&scopes, snapshot, number) {
            with_gone = add(memory, before, all, time, &mut Exemplars::default());
            before = &with_gone;
        }
        let mut exemplars = snapshot.exemplars.clone();
        let scopes = match self.views.is_empty() || exemplars.is_empty() {
            true => add(memory, before, scopes, snapshot.time, &mut Exemplars::default()),
            false => add(memory, before, scopes, snapshot.time, Arc::make_mut(&mut exemplars)),
        };
        let history = match self.views.is_empty() {
            true => snapshot.history.clone(),
            false => snapshot.history.with_totals(&memory.totals),
        };
        Snapshot {
            resource: snapshot.resource.clone(),
            time: snapshot.time,
            scopes,
            number: snapshot.number,
            absent: memory.collections.absent().to_vec(),
            names: self.names.clone(),
            history,
            exemplars,
        }
    }

    /// Returns `scopes` with the last points of the series that became absent after the snapshot with this number, and
    /// the time at which these series were last seen. `None` if there are no such series.
    fn with_gone(
        &self,
        scopes: &[ScopeMetrics],
        snapshot: &Snapshot,
        number: u64,
    ) -> Option<(Vec<ScopeMetrics>, SystemTime)> {
        let absent = || snapshot.absent_since(number);
        let gone: Vec<_> = absent().flat_map(|it| self.filter.kept(&it.scopes)).collect();
        let last_seen = absent().map(|it| it.last_seen).max().filter(|_| !gone.is_empty())?;
        let mut all = scopes.to_vec();
        for scope in &gone {
            for metric in &scope.metrics {
                if let Some((known, gone)) = add_metric(&mut all, scope, metric.clone()) {
                    extend::<NumberPoint>(&mut known.data, &gone.data);
                    extend::<HistogramPoint>(&mut known.data, &gone.data);
                    extend::<ExponentialHistogramPoint>(&mut known.data, &gone.data);
                    extend::<SummaryPoint>(&mut known.data, &gone.data);
                }
            }
        }
        Some((all, last_seen))
    }

    /// Adds a collection of the kept metrics. Returns them without the removed labels.
    fn add(
        &self,
        memory: &mut Memory,
        number: u64,
        before: &[ScopeMetrics],
        scopes: Vec<ScopeMetrics>,
        time: SystemTime,
        exemplars: &mut Exemplars,
    ) -> Vec<ScopeMetrics> {
        let Memory { collections, totals, .. } = memory;
        let scopes = self.views.apply_in(&self.registry, scopes, totals, time, exemplars);
        let forgotten = collections.add_as(number, before, &scopes, time);
        totals.forget(&forgotten);
        self.registry.forget(&forgotten);
        scopes
    }
}

fn extend<P: Point>(data: &mut Data, more: &Data) {
    if let Some(points) = P::all_mut(data) {
        points.extend(P::each(more).map(std::borrow::Cow::into_owned));
    }
}
