//! Deltas: the values recorded since the last snapshot that a target acknowledged.
//!
//! Each target has its own [`Baseline`](crate::baseline::Baseline). A failed export leaves the baseline unchanged, so
//! that the next export carries the whole difference: nothing is lost and nothing counts twice.

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

/// For each series that the snapshots no longer contain, the end of its last delta.
pub(crate) type Covered = HashMap<SeriesId, SystemTime>;

impl Snapshot {
    /// Returns this snapshot with monotonic sums and histograms as the difference to `acknowledged`. Without an
    /// acknowledged snapshot, they are returned in full.
    ///
    /// - A series that is new, or whose value fell, is returned in full.
    /// - The difference includes the values that [absent](Self::absent) series counted before they disappeared.
    /// - Exemplars in `acknowledged` are left out.
    /// - Gauges and non-monotonic sums stay as they are, because their last value counts.
    /// - The difference of two floats is rounded to the nearest float and not to fewer digits: 0.3 − 0.1 stays
    ///   0.19999999999999998. A total has at most one rounding error per addition, so a delta differs from the sum of
    ///   its measurements by at most one unit in the last place of each of the two totals per addition.
    pub fn delta_since(&self, acknowledged: Option<&Self>) -> Self {
        let covered = Covered::default();
        Acknowledged::new(acknowledged, &covered).delta_of(self, Temporality::Delta)
    }
}

/// The snapshot that a target acknowledged, prepared for looking up its series.
pub(crate) struct Acknowledged<'a> {
    number: u64,
    time: SystemTime,
    exemplars: Option<&'a Exemplars>,
    /// When the next snapshot was taken.
    end: SystemTime,
    /// What histograms recorded before the next snapshot.
    history: History,
    /// The metrics that have deltas: first those with live series, then those with absent series.
    metrics: Vec<&'a Data>,
    /// The number of metrics with live series.
    live: usize,
    covered: &'a Covered,
    /// The metric and the position of the series that comes next if no series was added or removed.
    next: (usize, usize),
    /// The metric and the position of each series. Built when the first series is not found at `next`.
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

    /// Returns the difference between `snapshot` and the acknowledged one. `observed` is the temporality of observable
    /// counters.
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
        Snapshot { exemplars, names: snapshot.names.clone(), ..delta }
    }

    /// Returns, for each absent series of `snapshot`, the time up to which the target has its values once it has
    /// acknowledged the delta.
    pub(crate) fn covered_with(&mut self, snapshot: &Snapshot) -> Covered {
        let mut covered = Covered::default();
        for (_, metric) in self.absent_deltas(snapshot) {
            covered.extend(delivered(&metric.data).map(|(series, start, is_nothing)| {
                // A series that counted nothing is not sent, so it stays covered only up to the start of this delta.
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

    /// Returns the deltas of the series that became absent after the acknowledged snapshot.
    fn absent_deltas<'s>(&mut self, snapshot: &'s Snapshot) -> Vec<(&'s ScopeMetrics, Metric)> {
        let scopes = snapshot.absent_since(self.number).flat_map(|absent| &absent.scopes);
        let metrics = scopes.flat_map(|scope| scope.metrics.iter().map(move |it| (scope, it)));
        let delta = |(scope, metric): (&'s ScopeMetrics, &Metric)| {
            let data = self.delta(&metric.data)?;
            Some((scope, Metric { descriptor: metric.descriptor.clone(), data }))
        };
        metrics.filter_map(delta).collect()
    }

    /// Returns `data` as a delta, or `None` if its kind has no deltas.
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

    /// Returns the point that the target has of a series of `now`, and its time. `None` if the metric has other buckets
    /// now, because it has then started afresh.
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

/// Returns whether `data` is a cumulative monotonic sum or a cumulative histogram.
pub(crate) fn has_deltas(data: &Data) -> bool {
    matches!(
        data,
        Data::Sum { monotonic: true, temporality: Temporality::Cumulative, .. }
            | Data::Histogram { temporality: Temporality::Cumulative, .. }
            | Data::ExponentialHistogram { temporality: Temporality::Cumulative, .. }
    )
}

/// Removes series without measurements from a delta, as OpenTelemetry's specification requires.
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

/// Returns whether callbacks report the totals of `metric`. Each report is a measurement, even if nothing was added.
fn is_observed(metric: &Metric) -> bool {
    metric.descriptor.kind == Kind::ObservableCounter
}

/// Returns the number of counter and histogram series in `data` with a count other than zero.
pub(crate) fn counted_something(data: &Data) -> usize {
    let rising = Some(data).filter(|data| has_deltas(data)).into_iter();
    rising.flat_map(delivered).filter(|(_, _, is_nothing)| !is_nothing).count()
}

/// Returns, for each series of `data`, its start time and whether it has counted nothing.
fn delivered(data: &Data) -> impl Iterator<Item = (SeriesId, SystemTime, bool)> {
    fn of<P: Point>(data: &Data) -> impl Iterator<Item = (SeriesId, SystemTime, bool)> {
        P::each(data).map(|point| (point.series(), point.start(), point.is_nothing()))
    }
    let exponential = of::<ExponentialHistogramPoint>(data);
    of::<NumberPoint>(data).chain(of::<HistogramPoint>(data)).chain(exponential)
}

/// Adds the points of `metric` that have counted something to the matching metric in `scopes`.
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

/// Adds `metric` to `scopes`, unless they already contain a matching metric. In that case, returns the known metric and
/// `metric` itself.
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

/// Merges points of `more` into `data`, so that a series that ended and its successor become one delta.
fn join<P: Point>(data: &mut Data, more: &Data) {
    if let Some(points) = P::all_mut(data) {
        points.extend(P::each(more).map(Cow::into_owned));
        point::merge(points);
    }
}
