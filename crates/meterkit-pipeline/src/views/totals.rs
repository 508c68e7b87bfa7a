//! Totals over several series, which must not fall while the pipeline runs: targets would take that for a restart, and
//! count what is left once more.
//!
//! A series that is missing goes on to count as it last did: a callback that failed leaves its series out of one
//! collection. When it comes back, it counts as it is then; one that has begun anew adds to what it was before. After
//! an hour it is taken for gone, and its value stays in the total. A total that none of its series is left of is not
//! exported, and forgotten after an hour.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use meterkit_core::{
    Attributes, Data, Descriptor, ExponentialHistogramPoint, HistogramPoint, Metric, NumberPoint,
};

use super::merge::{self, Point};
use super::part::Part;
use crate::absent::MEMORY;
use crate::stream::Stream;

/// How many missing series one metric waits for, and how many totals without any: some ten megabytes.
const LIMIT: usize = 100_000;

/// The totals of all metrics that are made of several series.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    numbers: HashMap<Place, Of<NumberPoint>>,
    histograms: HashMap<Place, Of<HistogramPoint>>,
    exponentials: HashMap<Place, Of<ExponentialHistogramPoint>>,
}

/// Which metric, and which of those that look alike: the SDK may have several that differ in nothing but the type of
/// their numbers.
pub(super) type Place = (Stream, usize);

/// The totals of one metric.
#[derive(Debug)]
struct Of<P> {
    sources: Vec<Source<P>>,
    totals: HashMap<Attributes, Total<P>>,
    used: SystemTime,
    /// The first collection without it: a pause between collections does not make it older.
    absent: Option<SystemTime>,
}

/// The series of one of the metrics that it is made of.
#[derive(Debug)]
struct Source<P> {
    descriptor: Arc<Descriptor>,
    ordinal: usize,
    members: HashMap<Attributes, Member<P>>,
}

/// One series, as it was last seen, with the attributes of its total.
#[derive(Debug)]
struct Member<P> {
    point: P,
    seen: SystemTime,
    /// The first collection without it: a pause between collections does not make it older.
    missing: Option<SystemTime>,
}

#[derive(Debug)]
struct Total<P> {
    /// Fixed: a total of which the start changed would be another one.
    start: SystemTime,
    /// What series counted that are gone, or began anew.
    gone: Option<P>,
    /// As it was last exported.
    last: Option<P>,
    /// When it last had a series.
    live: SystemTime,
    /// The first collection without any.
    dormant: Option<SystemTime>,
}

impl Totals {
    /// The one metric of these parts, which are alike.
    pub(super) fn join(
        &mut self,
        place: Place,
        parts: Vec<Part>,
        now: SystemTime,
    ) -> Option<Metric> {
        let mut metric = parts.first()?.metric.clone();
        match &mut metric.data {
            Data::Sum { points, .. } => {
                *points = of(&mut self.numbers, place, now).join(parts, now);
            }
            Data::Histogram { points, .. } => {
                *points = of(&mut self.histograms, place, now).join(parts, now);
            }
            Data::ExponentialHistogram { points, .. } => {
                *points = of(&mut self.exponentials, place, now).join(parts, now);
            }
            _ => {}
        }
        Some(metric)
    }

    /// Forgets metrics that have not been there for long, such as those of scopes that were unloaded.
    pub(super) fn forget(&mut self, now: SystemTime) {
        fn retain<P>(all: &mut HashMap<Place, Of<P>>, now: SystemTime) {
            all.retain(|_, of| of.used == now || !is_over(*of.absent.get_or_insert(now), now));
        }
        retain(&mut self.numbers, now);
        retain(&mut self.histograms, now);
        retain(&mut self.exponentials, now);
    }
}

fn of<P>(all: &mut HashMap<Place, Of<P>>, place: Place, now: SystemTime) -> &mut Of<P> {
    let new = || Of { sources: Vec::new(), totals: HashMap::new(), used: now, absent: None };
    let of = all.entry(place).or_insert_with(new);
    (of.used, of.absent) = (now, None);
    of
}

fn is_over(since: SystemTime, now: SystemTime) -> bool {
    now.duration_since(since).is_ok_and(|passed| passed > MEMORY)
}

impl<P: Point> Of<P> {
    fn join(&mut self, parts: Vec<Part>, now: SystemTime) -> Vec<P> {
        for part in parts {
            self.take(part, now);
        }
        self.let_go(now);
        let mut sums: HashMap<&Attributes, P> = HashMap::with_capacity(self.totals.len());
        for member in self.sources.iter().flat_map(|source| source.members.values()) {
            match sums.get_mut(member.point.attributes()) {
                Some(sum) => sum.add(member.point.clone()),
                None => {
                    sums.insert(member.point.attributes(), member.point.clone());
                }
            }
        }
        let live = self.totals.iter_mut().filter(|(_, total)| total.live == now);
        let points = live.filter_map(|(attributes, total)| {
            let mut point = sums.remove(attributes)?;
            total.gone.clone().into_iter().for_each(|gone| point.add(gone));
            point.set_start(total.start);
            // Floats do not add up to the same in another order.
            total.last.iter().for_each(|last| point.raise_to(last));
            total.last = Some(point.clone());
            Some(point)
        });
        let mut points: Vec<P> = points.collect();
        merge::sort(&mut points);
        points
    }

    fn take(&mut self, part: Part, now: SystemTime) {
        let Part { metric, origins, descriptor, ordinal } = part;
        let known = self.sources.iter();
        let mut known = known
            .enumerate()
            .filter(|(_, it)| it.ordinal == ordinal && it.descriptor == descriptor);
        let at = known.next().map(|(at, _)| at).unwrap_or_else(|| {
            self.sources.push(Source { descriptor, ordinal, members: HashMap::new() });
            self.sources.len() - 1
        });
        for (origin, point) in origins.into_iter().zip(P::take(metric.data)) {
            let total = self.totals.entry(point.attributes().clone());
            let total = total.or_insert_with(|| Total {
                start: point.start(),
                gone: None,
                last: None,
                live: now,
                dormant: None,
            });
            if total.last.is_none() {
                // Its first series are those of one collection.
                total.start = total.start.min(point.start());
            }
            (total.live, total.dormant) = (now, None);
            let start = point.start();
            let member = Member { point: point.clone(), seen: now, missing: None };
            let before = self.sources[at].members.insert(origin, member);
            let begun_anew = |before: &Member<P>| {
                before.point.start() != start || point.fell_since(&before.point)
            };
            if let Some(before) = before.filter(begun_anew) {
                total.carry(before.point);
            }
        }
    }

    /// Takes series for gone that have been missing for long, and forgets totals without any.
    fn let_go(&mut self, now: SystemTime) {
        let dormant = self.totals.values().filter(|total| total.live != now).count();
        let is_crowded = dormant > LIMIT;
        self.totals.retain(|_, total| {
            let is_live = total.live == now;
            is_live || !(is_crowded || is_over(*total.dormant.get_or_insert(now), now))
        });
        let members = self.sources.iter().flat_map(|source| source.members.values());
        let is_crowded = members.filter(|member| member.seen != now).count() > LIMIT;
        for source in &mut self.sources {
            source.members.retain(|_, Member { point, seen, missing }| {
                let Some(total) = self.totals.get_mut(point.attributes()) else {
                    return false;
                };
                let is_gone =
                    *seen != now && (is_crowded || is_over(*missing.get_or_insert(now), now));
                if is_gone {
                    total.carry(point.clone());
                }
                !is_gone
            });
        }
        self.sources.retain(|source| !source.members.is_empty());
    }
}

impl<P: Point> Total<P> {
    fn carry(&mut self, point: P) {
        match &mut self.gone {
            Some(gone) => gone.add(point),
            None => self.gone = Some(point),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use meterkit_core::{ScopeMetrics, SeriesId, Temporality, Value};
    use opentelemetry::InstrumentationScope;

    use super::*;

    /// A counter with series of these labels and values, as one collection has it.
    fn counter(series: &[(i64, u64)]) -> Part {
        let points = series.iter().map(|(_, value)| NumberPoint {
            series: SeriesId::new(),
            attributes: Attributes::empty(),
            start: SystemTime::UNIX_EPOCH,
            value: Value::U64(*value),
        });
        let origin =
            |(label, _): &(i64, u64)| Attributes::from_pairs([("shard".into(), (*label).into())]);
        let descriptor = Arc::new(Descriptor {
            name: "requests".to_owned(),
            unit: String::new(),
            description: String::new(),
        });
        let (monotonic, temporality) = (true, Temporality::Cumulative);
        let data = Data::Sum { monotonic, temporality, points: points.collect() };
        Part {
            metric: Metric { descriptor: descriptor.clone(), data },
            origins: series.iter().map(origin).collect(),
            descriptor,
            ordinal: 0,
        }
    }

    fn place(part: &Part) -> Place {
        let scope = Arc::new(InstrumentationScope::builder("catalog").build());
        let scope = ScopeMetrics { scope, metrics: Vec::new() };
        (Stream::of(&scope, &part.metric).expect("a rising sum"), 1)
    }

    /// The total after each collection, of which the time is in seconds.
    fn totals(collections: &[(u64, &[(i64, u64)])]) -> Vec<f64> {
        let mut totals = Totals::default();
        let total = |(seconds, series): &(u64, &[(i64, u64)])| {
            let part = counter(series);
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(*seconds);
            let joined = totals.join(place(&part), vec![part], now).expect("a metric");
            match joined.data {
                Data::Sum { points, .. } => points[0].value.as_f64(),
                other => panic!("{other:?}"),
            }
        };
        collections.iter().map(total).collect()
    }

    #[test]
    fn a_long_pause_between_collections_makes_no_series_older() {
        let (both, one): (&[_], &[_]) = (&[(1, 100), (2, 1000)], &[(1, 100)]);
        assert_eq!(totals(&[(0, both), (9000, one), (9010, both)]), [1100.0; 3]);
        // In an hour of collections without it, it is taken for gone: the next one of its name is another one.
        let gone = totals(&[(0, both), (10, one), (5000, one), (5010, both)]);
        assert_eq!(gone, [1100.0, 1100.0, 1100.0, 2100.0]);
    }

    #[test]
    fn floats_that_add_up_to_less_in_another_order_do_not_fall() {
        let parts = [0.1, 0.2, 0.3];
        let (up, down) = (parts.iter().sum::<f64>(), parts.iter().rev().sum::<f64>());
        assert!(down < up);
        let attributes = Attributes::empty;
        let start = SystemTime::UNIX_EPOCH;
        let number = |sum| NumberPoint {
            series: SeriesId::new(),
            attributes: attributes(),
            start,
            value: Value::F64(sum),
        };
        let mut point = number(down);
        point.raise_to(&number(up));
        assert_eq!(point.value, Value::F64(up));
        let histogram = |sum, count| HistogramPoint {
            series: SeriesId::new(),
            attributes: attributes(),
            start,
            count,
            sum,
            min: Some(0.1),
            max: None,
            buckets: [count].into(),
        };
        let mut point = histogram(down, 4);
        point.raise_to(&histogram(up, 3));
        assert_eq!(point.sum, up);
        // With values below zero it may.
        let mut point = HistogramPoint { min: Some(-0.1), ..histogram(down, 4) };
        point.raise_to(&histogram(up, 3));
        assert_eq!(point.sum, down);
    }
}
