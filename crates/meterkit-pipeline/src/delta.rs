//! Deltas: what came since a target acknowledged something.
//!
//! Each target has its own [`Baseline`](crate::baseline::Baseline). An export that failed leaves it where it was, so
//! the next one carries the whole difference: nothing is lost, nothing counts twice.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use foldhash::fast::RandomState;
use meterkit_core::order;
use meterkit_core::{
    Data, Exemplars, ExponentialHistogramPoint, HistogramPoint, Kind, Metric, NumberPoint,
    ScopeMetrics, SeriesId, Temporality,
};

use crate::history::History;
use crate::point::{self, Point};
use crate::snapshot::Snapshot;
use crate::stream::are_alike;

/// Up to when the last deltas of series reach that are in no snapshot any more.
pub(crate) type Covered = HashMap<SeriesId, SystemTime>;

impl Snapshot {
    /// Returns this snapshot with its rising sums and its histograms as the difference to `acknowledged`, or in full
    /// when nothing was acknowledged yet.
    ///
    /// - A series that is new, or whose value fell, comes in full.
    /// - The difference includes what series that are [absent](Self::absent) now counted before they went.
    /// - Exemplars that were acknowledged are left out.
    /// - Gauges and sums that also fall stay as they are: their last value counts.
    /// - The difference of two floats is rounded to the nearest float and not to fewer digits: 0.3 − 0.1 stays
    ///   0.19999999999999998. A total has at most one rounding error per addition, so a delta differs from the sum of
    ///   its measurements by at most one unit in the last place of each of both totals per addition.
    pub fn delta_since(&self, acknowledged: Option<&Self>) -> Self {
        let covered = Covered::default();
        Acknowledged::new(acknowledged, &covered).delta_of(self, Temporality::Delta)
    }
}

/// The snapshot that a target has, to look up its series.
pub(crate) struct Acknowledged<'a> {
    number: u64,
    time: SystemTime,
    exemplars: Option<&'a Exemplars>,
    /// When the snapshot that follows was taken.
    end: SystemTime,
    /// What histograms recorded up to then.
    history: History,
    /// What has deltas: first what was there, then what was absent.
    metrics: Vec<&'a Data>,
    /// How many of them were there.
    live: usize,
    covered: &'a Covered,
    /// The metric and the place of the series that comes next if all is as it was.
    next: (usize, usize),
    /// Metric and place of each series. Made when one is not where it was.
    places: Option<HashMap<SeriesId, (usize, usize), RandomState>>,
}

impl<'a> Acknowledged<'a> {
    pub(crate) fn new(snapshot: Option<&'a Snapshot>, covered: &'a Covered) -> Self {
        let scopes = snapshot.into_iter().flat_map(|it| &it.scopes);
        let live = scopes.flat_map(|scope| &scope.metrics).map(|metric| &metric.data);
        let mut metrics: Vec<&Data> = live.filter(|data| has_deltas(data)).collect();
        let live = metrics.len();
        let absent = snapshot.into_iter().flat_map(|it| &it.absent).flat_map(|it| it.metrics());
        metrics.extend(absent.map(|metric| &metric.data).filter(|data| has_deltas(data)));
        let time = snapshot.map_or(SystemTime::UNIX_EPOCH, |it| it.time);
        Self {
            number: snapshot.map_or(0, |it| it.number),
            time,
            exemplars: snapshot.map(|it| &*it.exemplars),
            end: time,
            history: History::default(),
            metrics,
            live,
            covered,
            next: (0, 0),
            places: None,
        }
    }

    /// Returns what `snapshot` has beyond this, with observable counters in the temporality `observed`.
    pub(crate) fn delta_of(&mut self, snapshot: &Snapshot, observed: Temporality) -> Snapshot {
        self.end = snapshot.time;
        self.history = snapshot.history.clone();
        let is_total = |metric: &Metric| is_observed(metric) && observed == Temporality::Cumulative;
        let mut scopes: Vec<ScopeMetrics> = Vec::with_capacity(snapshot.scopes.len());
        for scope in &snapshot.scopes {
            let metrics = scope.metrics.iter().map(|metric| {
                let delta = if is_total(metric) { None } else { self.delta(&metric.data) };
                let data = delta.unwrap_or_else(|| metric.data.clone());
                Metric { descriptor: metric.descriptor.clone(), data }
            });
            scopes.push(ScopeMetrics { scope: scope.scope.clone(), metrics: metrics.collect() });
        }
        let absent = self.absent_deltas(snapshot);
        for (scope, metric) in absent.into_iter().filter(|(_, metric)| !is_total(metric)) {
            add_counted(&mut scopes, scope, metric);
        }
        let exemplars = match self.exemplars {
            Some(earlier) if !snapshot.exemplars.is_empty() => {
                Arc::new(snapshot.exemplars.since(earlier))
            }
            _ => snapshot.exemplars.clone(),
        };
        let delta = Snapshot::new(snapshot.resource.clone(), snapshot.time, scopes);
        Snapshot { exemplars, ..delta }
    }

    /// Returns up to when the target has the absent series of `snapshot`, once it has its delta.
    pub(crate) fn covered_with(&mut self, snapshot: &Snapshot) -> Covered {
        let mut covered = Covered::default();
        for (_, metric) in self.absent_deltas(snapshot) {
            covered.extend(delivered(&metric.data).map(|(series, start, is_nothing)| {
                // Nothing is sent of a series that has not counted: its last delta ended where this one begins.
                (series, if is_nothing { start } else { snapshot.time })
            }));
        }
        let before = snapshot.absent.iter().filter(|absent| absent.number <= self.number);
        covered.extend(
            before
                .flat_map(|absent| absent.series())
                .filter_map(|series| Some((series, *self.covered.get(&series)?))),
        );
        covered
    }

    /// Returns the deltas of the series that are absent since this.
    fn absent_deltas<'s>(&mut self, snapshot: &'s Snapshot) -> Vec<(&'s ScopeMetrics, Metric)> {
        let scopes = snapshot.absent_since(self.number).flat_map(|absent| &absent.scopes);
        let metrics = scopes.flat_map(|scope| scope.metrics.iter().map(move |it| (scope, it)));
        let delta = |(scope, metric): (&'s ScopeMetrics, &Metric)| {
            let data = self.delta(&metric.data)?;
            Some((scope, Metric { descriptor: metric.descriptor.clone(), data }))
        };
        metrics.filter_map(delta).collect()
    }

    /// Returns `data` as a delta, if it can be one.
    fn delta(&mut self, data: &Data) -> Option<Data> {
        if !has_deltas(data) {
            return None;
        }
        let mut delta = data.empty();
        match &mut delta {
            Data::Sum { temporality, points, .. } => {
                (*temporality, *points) = (Temporality::Delta, self.each(data).into());
            }
            Data::Histogram { temporality, points, .. } => {
                (*temporality, *points) = (Temporality::Delta, self.each(data));
            }
            Data::ExponentialHistogram { temporality, points } => {
                (*temporality, *points) = (Temporality::Delta, self.each(data));
            }
            _ => {}
        }
        Some(delta)
    }

    fn each<P: Point>(&mut self, data: &Data) -> Vec<P> {
        let (points, end) = (P::each(data), self.end);
        let deltas = points.map(|point| match self.find::<P>(point.series(), data) {
            Some((earlier, time)) => {
                let mut delta = point.since(&earlier, time.min(end));
                if let Some(interval) = self.history.of(point.series(), self.number) {
                    delta.refine(&point, &interval);
                }
                delta
            }
            None => point.into_owned(),
        });
        deltas.collect()
    }

    /// Returns what the target has of a series of `now`, and up to when. A metric with other buckets has begun anew.
    fn find<P: Point>(&mut self, series: SeriesId, now: &Data) -> Option<(Cow<'a, P>, SystemTime)> {
        let (metric, at) = self.place(series)?;
        let data = self.metrics[metric];
        self.next = if at + 1 < data.len() { (metric, at + 1) } else { (metric + 1, 0) };
        let until = match metric < self.live {
            true => self.time,
            false => self.covered.get(&series).copied().unwrap_or(self.time),
        };
        let earlier = P::at(data, at)?;
        are_alike(data, now).then_some((earlier, until))
    }

    fn place(&mut self, series: SeriesId) -> Option<(usize, usize)> {
        let (metric, at) = self.next;
        if self.metrics.get(metric).and_then(|data| data.series_at(at)) == Some(series) {
            return Some(self.next);
        }
        let metrics = &self.metrics;
        let places = self.places.get_or_insert_with(|| {
            let places = metrics.iter().enumerate().flat_map(|(metric, data)| {
                data.series().enumerate().map(move |(at, series)| (series, (metric, at)))
            });
            places.collect()
        });
        places.get(&series).copied()
    }
}

/// Returns whether it is a rising sum or a histogram, since its series began.
pub(crate) fn has_deltas(data: &Data) -> bool {
    matches!(
        data,
        Data::Sum { monotonic: true, temporality: Temporality::Cumulative, .. }
            | Data::Histogram { temporality: Temporality::Cumulative, .. }
            | Data::ExponentialHistogram { temporality: Temporality::Cumulative, .. }
    )
}

/// Removes the series of a delta that have no measurement in it, as OpenTelemetry's specification requires.
pub(crate) fn remove_unmeasured(delta: &mut Snapshot) {
    fn remove<P: Point>(data: &mut Data) {
        P::all_mut(data).into_iter().for_each(|points| points.retain(|it| !it.is_nothing()));
    }
    for scope in &mut delta.scopes {
        for metric in scope.metrics.iter_mut().filter(|metric| !is_observed(metric)) {
            match &mut metric.data {
                data @ Data::Sum { temporality: Temporality::Delta, .. } => {
                    remove::<NumberPoint>(data);
                }
                data => {
                    remove::<HistogramPoint>(data);
                    remove::<ExponentialHistogramPoint>(data);
                }
            }
        }
        scope.metrics.retain(|metric| !metric.data.is_empty());
    }
    delta.scopes.retain(|scope| !scope.metrics.is_empty());
}

/// Returns whether callbacks report the totals of `metric`: each report is a measurement, even if nothing was added.
fn is_observed(metric: &Metric) -> bool {
    metric.descriptor.kind == Kind::ObservableCounter
}

/// Returns how many series of counters and histograms have counted something.
pub(crate) fn counted_something(data: &Data) -> usize {
    let rising = Some(data).filter(|data| has_deltas(data)).into_iter();
    rising.flat_map(delivered).filter(|(_, _, is_nothing)| !is_nothing).count()
}

/// Returns since when each series counted what `data` has, and whether that is nothing.
fn delivered(data: &Data) -> impl Iterator<Item = (SeriesId, SystemTime, bool)> {
    fn of<P: Point>(data: &Data) -> impl Iterator<Item = (SeriesId, SystemTime, bool)> {
        P::each(data).map(|point| (point.series(), point.start(), point.is_nothing()))
    }
    let exponential = of::<ExponentialHistogramPoint>(data);
    of::<NumberPoint>(data).chain(of::<HistogramPoint>(data)).chain(exponential)
}

/// Adds those points of `metric` that have counted something to the metric that `scopes` has of its kind.
fn add_counted(scopes: &mut Vec<ScopeMetrics>, of: &ScopeMetrics, metric: Metric) {
    let counted = delivered(&metric.data).filter(|(_, _, is_nothing)| !is_nothing);
    let counted: HashSet<SeriesId> = counted.map(|(series, ..)| series).collect();
    if counted.is_empty() {
        return;
    }
    let data = metric.data.only(|series| counted.contains(&series));
    let added = Metric { data, ..metric };
    if let Some((known, added)) = add_metric(scopes, of, added) {
        join::<NumberPoint>(&mut known.data, &added.data);
        join::<HistogramPoint>(&mut known.data, &added.data);
        join::<ExponentialHistogramPoint>(&mut known.data, &added.data);
    }
}

/// Adds a metric to `scopes`. Returns it, and the one that `scopes` has already of its kind, if there is one.
pub(crate) fn add_metric<'a>(
    scopes: &'a mut Vec<ScopeMetrics>,
    of: &ScopeMetrics,
    metric: Metric,
) -> Option<(&'a mut Metric, Metric)> {
    if !scopes.iter().any(|known| known.scope == of.scope) {
        scopes.push(ScopeMetrics { scope: of.scope.clone(), metrics: Vec::new() });
        ScopeMetrics::sort(scopes);
    }
    let metrics = &mut scopes.iter_mut().find(|known| known.scope == of.scope)?.metrics;
    let is_same = |known: &Metric| {
        known.descriptor == metric.descriptor && are_alike(&known.data, &metric.data)
    };
    if let Some(at) = metrics.iter().position(is_same) {
        return Some((&mut metrics[at], metric));
    }
    metrics.push(metric);
    order::sort_by(metrics, |a, b| a.descriptor.name.cmp(&b.descriptor.name));
    None
}

/// A series that ended and one that took its place are one delta.
fn join<P: Point>(data: &mut Data, more: &Data) {
    if let Some(points) = P::all_mut(data) {
        points.extend(P::each(more).map(Cow::into_owned));
        point::merge(points);
    }
}
