//! Totals: series that views merge from several others, their members.
//!
//! A total has its own id and start time. A monotonic total must not fall while the pipeline runs: targets would take
//! that for a restart and count the remaining value once more. Members that are temporarily absent therefore continue
//! to count with their last value, and the values of members that ended are kept.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use foldhash::fast::RandomState;
use meterkit_core::{
    AbsentSeries, Attributes, Collections, Data, Exemplar, Exemplars, ExponentialHistogramPoint,
    HistogramPoint, Intervals, NumberPoint, ScopeMetrics, SeriesId, SummaryPoint,
};

use super::Selected;
use crate::delta::has_deltas;
use crate::exemplars::{of_joined, stripped, with_filtered};
use crate::point::{self, Point};
use crate::stream::Stream;

/// All series that views merge from others.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// The members in the last collection.
    last: Vec<ScopeMetrics>,
    members: Collections,
    /// The merged metrics, by stream and by index among metrics that differ only in the type of their numbers.
    metrics: HashMap<Stream, Vec<Box<dyn Join>>>,
}

/// Whether a collection contains a member.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Presence {
    /// The member is part of the collection.
    Live,
    /// The member is temporarily absent, and its last value continues to count.
    Absent,
    /// The member is forgotten: if it returns, it is a new series.
    Forgotten,
}

impl Totals {
    /// Starts a collection that was taken at `time` and contains `members`. Returns the members that are no longer
    /// remembered.
    pub(super) fn begin(
        &mut self,
        members: &[ScopeMetrics],
        time: SystemTime,
    ) -> Vec<Arc<AbsentSeries>> {
        self.metrics.values_mut().flatten().for_each(|metric| metric.begin());
        self.members.add(&self.last, members, time)
    }

    /// Returns the members that are missing in this collection.
    pub(super) fn absent(&self) -> Vec<Arc<AbsentSeries>> {
        self.members.absent().to_vec()
    }

    /// Adds the values of live members to the metric with the index `ordinal` among those of `stream`.
    pub(super) fn add(
        &mut self,
        stream: Stream,
        ordinal: usize,
        selected: &Selected<'_>,
        exemplars: &Exemplars,
    ) {
        let metrics = self.metrics.entry(stream).or_default();
        while metrics.len() <= ordinal {
            metrics.push(match &*selected.data {
                Data::Histogram { .. } => Box::new(JoinedMetric::<HistogramPoint>::default()),
                Data::ExponentialHistogram { .. } => {
                    Box::new(JoinedMetric::<ExponentialHistogramPoint>::default())
                }
                Data::Summary(_) => Box::new(JoinedMetric::<SummaryPoint>::default()),
                _ => Box::new(JoinedMetric::<NumberPoint>::default()),
            });
        }
        metrics[ordinal].add(selected, Presence::Live, exemplars);
    }

    /// Adds the last values of members that are missing in this collection.
    pub(super) fn add_absent(
        &mut self,
        stream: &Stream,
        selected: &Selected<'_>,
        presence: Presence,
    ) {
        let metrics = self.metrics.get_mut(stream).into_iter().flatten();
        metrics.for_each(|metric| metric.add(selected, presence, &Exemplars::default()));
    }

    /// Fills a metric with the totals that have a live member, and adds the exemplars of their members to `exemplars`.
    pub(super) fn fill(
        &mut self,
        stream: &Stream,
        ordinal: usize,
        data: &mut Data,
        exemplars: &mut Exemplars,
    ) {
        if let Some(metric) = self.metrics.get_mut(stream).and_then(|all| all.get_mut(ordinal)) {
            metric.fill(data, exemplars);
        }
    }

    /// Adds to `intervals` what totals recorded, which is the sum of what their members recorded.
    pub(crate) fn add_intervals(&self, intervals: &mut Intervals) {
        if !intervals.is_empty() {
            self.metrics.values().flatten().for_each(|metric| metric.add_intervals(intervals));
        }
    }

    /// Ends the collection, which contained these members.
    pub(super) fn end(&mut self, members: Vec<ScopeMetrics>) {
        self.last = members;
    }

    /// Forgets totals. Later totals with the same attributes are new series.
    pub(crate) fn forget(&mut self, absent: &[Arc<AbsentSeries>]) {
        let series: HashSet<SeriesId> = absent.iter().flat_map(|absent| absent.series()).collect();
        if !series.is_empty() {
            self.metrics.values_mut().flatten().for_each(|metric| metric.forget(&series));
            self.metrics.retain(|_, metrics| !metrics.iter().all(|metric| metric.is_empty()));
        }
    }
}

/// A metric whose series are merged from others.
trait Join: fmt::Debug + Send {
    fn begin(&mut self);
    fn add(&mut self, selected: &Selected<'_>, presence: Presence, exemplars: &Exemplars);
    fn fill(&mut self, data: &mut Data, exemplars: &mut Exemplars);
    fn add_intervals(&self, intervals: &mut Intervals);
    fn forget(&mut self, series: &HashSet<SeriesId>);
    fn is_empty(&self) -> bool;
}

/// The totals of one metric.
#[derive(Debug)]
struct JoinedMetric<P> {
    totals: Vec<Total<P>>,
    by_attributes: HashMap<Attributes, usize>,
    /// The index of the total of each member, by series and view.
    by_member: HashMap<(SeriesId, usize), usize, RandomState>,
}

#[derive(Debug)]
struct Total<P> {
    series: SeriesId,
    attributes: Attributes,
    /// The start time. Fixed, because a total with another start time would be a new series.
    start: SystemTime,
    /// The sum of the members that have ended.
    ended: Option<P>,
    /// The last exported point.
    last: Option<P>,
    /// The sum of the members in this collection.
    sum: Option<P>,
    /// Whether a member is live in this collection.
    is_live: bool,
    /// The exemplars of live members.
    exemplars: Vec<Exemplar>,
}

impl<P: Point> Join for JoinedMetric<P> {
    fn begin(&mut self) {
        for total in &mut self.totals {
            (total.sum, total.is_live) = (None, false);
        }
    }

    fn add(&mut self, selected: &Selected<'_>, presence: Presence, exemplars: &Exemplars) {
        let is_live = presence == Presence::Live;
        if !is_live && !has_deltas(&selected.data) {
            return;
        }
        let is_gauge = matches!(&*selected.data, Data::Gauge(_));
        for point in P::each(&selected.data) {
            let key = (point.series(), selected.view);
            let known = match presence {
                Presence::Forgotten => self.by_member.remove(&key),
                _ => self.by_member.get(&key).copied(),
            };
            let Some(at) =
                known.or_else(|| is_live.then(|| self.add_member(key, &point, selected)))
            else {
                continue;
            };
            let total = &mut self.totals[at];
            total.is_live |= is_live;
            let exemplars = exemplars.of(point.series()).iter();
            total.exemplars.extend(exemplars.map(|it| match selected.filter {
                Some(filter) if selected.strips_exemplars => stripped(it, filter),
                Some(filter) => with_filtered(it, point.attributes(), filter),
                None => it.clone(),
            }));
            if total.last.is_none() {
                // The total has not been exported yet, so its start may still move back.
                total.start = total.start.min(point.start());
            }
            let to = match presence {
                Presence::Forgotten => &mut total.ended,
                _ => &mut total.sum,
            };
            match to {
                Some(sum) if !is_gauge => sum.add(&point),
                _ => *to = Some(point.into_owned()),
            }
        }
    }

    fn fill(&mut self, data: &mut Data, exemplars: &mut Exemplars) {
        let rises = has_deltas(data);
        for total in self.totals.iter_mut().filter(|total| !total.exemplars.is_empty()) {
            let members = std::mem::take(&mut total.exemplars);
            exemplars.insert(total.series, of_joined(members, data));
        }
        let Some(points) = P::all_mut(data) else { return };
        for total in self.totals.iter_mut().filter(|total| total.is_live) {
            let Some(mut point) = total.sum.take() else { continue };
            total.ended.iter().for_each(|ended| point.add(ended));
            point.identify(total.series, &total.attributes, total.start);
            if rises {
                // Floats may add up to slightly less in another order.
                total.last.iter().for_each(|last| point.raise_to(last));
            }
            total.last = Some(point.clone());
            points.push(point);
        }
        point::sort(points);
    }

    fn add_intervals(&self, intervals: &mut Intervals) {
        for ((member, _), total) in &self.by_member {
            if let Some(interval) = intervals.of(*member).cloned() {
                intervals.add(self.totals[*total].series, &interval);
            }
        }
    }

    fn forget(&mut self, series: &HashSet<SeriesId>) {
        let mut kept = 0;
        let moved = self.totals.iter().map(|total| {
            let to = (!series.contains(&total.series)).then_some(kept);
            kept += usize::from(to.is_some());
            to
        });
        let moved: Vec<Option<usize>> = moved.collect();
        let follow = |at: &mut usize| moved[*at].inspect(|to| *at = *to).is_some();
        self.totals.retain(|total| !series.contains(&total.series));
        self.by_attributes.retain(|_, at| follow(at));
        self.by_member.retain(|_, at| follow(at));
    }

    fn is_empty(&self) -> bool {
        self.totals.is_empty()
    }
}

impl<P: Point> JoinedMetric<P> {
    fn add_member(&mut self, key: (SeriesId, usize), point: &P, of: &Selected<'_>) -> usize {
        let attributes = match of.filter {
            Some(filter) => filter.kept(point.attributes()),
            None => point.attributes().clone(),
        };
        let totals = &mut self.totals;
        let at = *self.by_attributes.entry(attributes.clone()).or_insert_with(|| {
            totals.push(Total {
                series: SeriesId::new(),
                attributes,
                start: point.start(),
                ended: None,
                last: None,
                sum: None,
                is_live: false,
                exemplars: Vec::new(),
            });
            totals.len() - 1
        });
        self.by_member.insert(key, at);
        at
    }
}

impl<P> Default for JoinedMetric<P> {
    fn default() -> Self {
        let (by_attributes, by_member) = (HashMap::default(), HashMap::default());
        Self { totals: Vec::new(), by_attributes, by_member }
    }
}
