//! Series that views make of several others.
//!
//! Such a series has an id and a start of its own. A total of rising values must not fall while the pipeline runs:
//! targets would take that for a restart, and count what is left once more. So members that are absent for now go on to
//! count as they last did, and what those counted that are not coming back is kept.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

use foldhash::fast::RandomState;
use meterkit_core::{
    AbsentSeries, Attributes, Collections, Data, ExponentialHistogramPoint, HistogramPoint,
    NumberPoint, ScopeMetrics, SeriesId,
};

use super::Selected;
use crate::delta::has_deltas;
use crate::point::{self, Point};
use crate::stream::Stream;

/// All series that views make of others.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// What views made them of in the last collection.
    last: Vec<ScopeMetrics>,
    members: Collections,
    /// Which metric they are of: tells apart those that differ in nothing but the type of their numbers.
    places: HashMap<(Stream, usize), Place>,
    next_place: Place,
    numbers: Of<NumberPoint>,
    histograms: Of<HistogramPoint>,
    exponentials: Of<ExponentialHistogramPoint>,
}

/// One of the metrics that are made of others.
pub(super) type Place = u64;

/// All series of one kind.
#[derive(Debug)]
struct Of<P> {
    totals: Vec<Total<P>>,
    by_attributes: HashMap<(Place, Attributes), usize>,
    /// By the series itself, and the view.
    by_member: HashMap<(SeriesId, usize), usize, RandomState>,
}

#[derive(Debug)]
struct Total<P> {
    series: SeriesId,
    attributes: Attributes,
    /// Fixed: a total whose start changed would be another one.
    start: SystemTime,
    place: Place,
    /// Whether it only rises.
    rises: bool,
    /// What members counted that have ended.
    ended: Option<P>,
    /// As it was last exported.
    last: Option<P>,
    /// What members count in this collection.
    sum: Option<P>,
    /// Whether one of them is there.
    is_live: bool,
}

/// How a collection has the members of totals.
#[derive(Clone, Copy, Debug)]
pub(super) enum Presence {
    /// They are absent for now: what they last counted goes on to count.
    Absent,
    /// They are forgotten: whatever comes later is another series.
    Forgotten,
}

impl Totals {
    /// Begins a collection that was taken at `time`. Returns the members that are remembered no longer.
    pub(super) fn begin(
        &mut self,
        members: &[ScopeMetrics],
        time: SystemTime,
    ) -> Vec<Arc<AbsentSeries>> {
        self.numbers.begin();
        self.histograms.begin();
        self.exponentials.begin();
        self.members.add(&self.last, members, time)
    }

    /// Returns the members that this collection lacks.
    pub(super) fn absent(&self) -> Vec<Arc<AbsentSeries>> {
        self.members.absent().to_vec()
    }

    /// Returns the place of a metric: one of those that look alike.
    pub(super) fn place(&mut self, stream: Stream, ordinal: usize) -> Place {
        *self.places.entry((stream, ordinal)).or_insert_with(|| {
            self.next_place += 1;
            self.next_place
        })
    }

    /// Adds what members count that are there.
    pub(super) fn add(&mut self, selected: &Selected<'_>, place: Place) {
        match &*selected.data {
            Data::Histogram { .. } => self.histograms.add(selected, place),
            Data::ExponentialHistogram { .. } => self.exponentials.add(selected, place),
            _ => self.numbers.add(selected, place),
        }
    }

    /// Adds what members counted that are not there.
    pub(super) fn add_absent(&mut self, selected: &Selected<'_>, presence: Presence) {
        match &*selected.data {
            Data::Histogram { .. } => self.histograms.add_absent(selected, presence),
            Data::ExponentialHistogram { .. } => self.exponentials.add_absent(selected, presence),
            _ => self.numbers.add_absent(selected, presence),
        }
    }

    /// Ends the collection, which had these members. Fills the metrics, each with those totals of its place that have a
    /// member.
    pub(super) fn end<'a>(
        &mut self,
        metrics: impl Iterator<Item = (Place, &'a mut Data)>,
        members: Vec<ScopeMetrics>,
    ) {
        self.last = members;
        let mut metrics: HashMap<Place, &mut Data> = metrics.collect();
        self.numbers.end(&mut metrics);
        self.histograms.end(&mut metrics);
        self.exponentials.end(&mut metrics);
    }

    /// Forgets totals. Those with such attributes that come later are other ones.
    pub(crate) fn forget(&mut self, absent: &[Arc<AbsentSeries>]) {
        let series: HashSet<SeriesId> = absent.iter().flat_map(|absent| absent.series()).collect();
        if series.is_empty() {
            return;
        }
        self.numbers.forget(&series);
        self.histograms.forget(&series);
        self.exponentials.forget(&series);
        let used: HashSet<Place> = (self.numbers.places())
            .chain(self.histograms.places())
            .chain(self.exponentials.places())
            .collect();
        self.places.retain(|_, place| used.contains(place));
    }
}

impl<P: Point> Of<P> {
    fn begin(&mut self) {
        for total in &mut self.totals {
            (total.sum, total.is_live) = (None, false);
        }
    }

    fn add(&mut self, selected: &Selected<'_>, place: Place) {
        let is_gauge = matches!(&*selected.data, Data::Gauge(_));
        for point in P::all(&selected.data) {
            let key = (point.series(), selected.view);
            let known = self.by_member.get(&key).copied();
            let at = match known.filter(|at| self.totals[*at].place == place) {
                Some(at) => at,
                None => self.add_member(key, point, selected, place),
            };
            let total = &mut self.totals[at];
            total.is_live = true;
            if total.last.is_none() {
                // Its first members are those of one collection.
                total.start = total.start.min(point.start());
            }
            match &mut total.sum {
                Some(sum) if !is_gauge => sum.add(point),
                sum => *sum = Some(point.clone()),
            }
        }
    }

    fn add_member(
        &mut self,
        key: (SeriesId, usize),
        point: &P,
        selected: &Selected<'_>,
        place: Place,
    ) -> usize {
        let attributes = match selected.filter {
            Some(filter) => filter.kept(point.attributes()),
            None => point.attributes().clone(),
        };
        let totals = &mut self.totals;
        let at = *self.by_attributes.entry((place, attributes.clone())).or_insert_with(|| {
            totals.push(Total {
                series: SeriesId::new(),
                attributes,
                start: point.start(),
                place,
                rises: has_deltas(&selected.data),
                ended: None,
                last: None,
                sum: None,
                is_live: false,
            });
            totals.len() - 1
        });
        self.by_member.insert(key, at);
        at
    }

    fn add_absent(&mut self, selected: &Selected<'_>, presence: Presence) {
        for point in P::all(&selected.data) {
            let key = (point.series(), selected.view);
            let known = match presence {
                Presence::Absent => self.by_member.get(&key).copied(),
                Presence::Forgotten => self.by_member.remove(&key),
            };
            let Some(total) = known.map(|at| &mut self.totals[at]).filter(|it| it.rises) else {
                continue;
            };
            let to = match presence {
                Presence::Absent => &mut total.sum,
                Presence::Forgotten => &mut total.ended,
            };
            match to {
                Some(sum) => sum.add(point),
                None => *to = Some(point.clone()),
            }
        }
    }

    fn end(&mut self, metrics: &mut HashMap<Place, &mut Data>) {
        for total in self.totals.iter_mut().filter(|total| total.is_live) {
            let metric = metrics.get_mut(&total.place).and_then(|data| P::all_mut(data));
            let (Some(points), Some(mut point)) = (metric, total.sum.take()) else {
                continue;
            };
            total.ended.iter().for_each(|ended| point.add(ended));
            point.identify(total.series, &total.attributes, total.start);
            if total.rises {
                // Floats do not add up to the same in another order.
                total.last.iter().for_each(|last| point.raise_to(last));
            }
            total.last = Some(point.clone());
            points.push(point);
        }
        for points in metrics.values_mut().filter_map(|data| P::all_mut(data)) {
            point::sort(points);
        }
    }

    fn forget(&mut self, series: &HashSet<SeriesId>) {
        let mut kept = 0;
        let is_forgotten = |total: &Total<P>| series.contains(&total.series);
        let moved = self.totals.iter().map(|total| {
            let to = (!is_forgotten(total)).then_some(kept);
            kept += usize::from(to.is_some());
            to
        });
        let moved: Vec<Option<usize>> = moved.collect();
        if kept == self.totals.len() {
            return;
        }
        self.totals.retain(|total| !is_forgotten(total));
        let follow = |at: &mut usize| match moved[*at] {
            Some(to) => {
                *at = to;
                true
            }
            None => false,
        };
        self.by_attributes.retain(|_, at| follow(at));
        self.by_member.retain(|_, at| follow(at));
    }

    fn places(&self) -> impl Iterator<Item = Place> {
        self.totals.iter().map(|total| total.place)
    }
}

impl<P> Default for Of<P> {
    fn default() -> Self {
        Self {
            totals: Vec::new(),
            by_attributes: HashMap::default(),
            by_member: HashMap::default(),
        }
    }
}
