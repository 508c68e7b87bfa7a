//! Numbered collections, and the series that the most recent ones lack.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::ptr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use foldhash::fast::RandomState;

use super::{Data, Metric, ScopeMetrics, SeriesId};

/// The maximum number of absent series that are remembered. They take about ten megabytes.
const LIMIT: usize = 100_000;

/// Numbers collections, and remembers the series that the most recent ones lack.
///
/// This is the only memory of absent series: everything that compares collections uses it. A series is listed until it
/// returns, for up to an hour. If there are more than 100,000 absent series, those absent for longest are forgotten
/// first.
#[derive(Clone, Debug, Default)]
pub struct Collections {
    number: u64,
    time: Option<SystemTime>,
    absent: Vec<Arc<AbsentSeries>>,
}

/// Series that one collection had and the next one lacked.
///
/// The series are either missing for now, because the callback that reports them failed or left them out, or they have
/// ended. Only a series that is missing for now can return with the same id.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct AbsentSeries {
    /// The number of the first collection without these series.
    pub number: u64,
    /// The time of the first collection without these series.
    pub since: SystemTime,
    /// The time of the last collection with these series.
    pub last_seen: SystemTime,
    /// The last points of these series.
    pub scopes: Vec<ScopeMetrics>,
}

impl AbsentSeries {
    /// Returns the metrics of all scopes.
    pub fn metrics(&self) -> impl Iterator<Item = &Metric> {
        self.scopes.iter().flat_map(|scope| &scope.metrics)
    }

    /// Returns the ids of all series.
    pub fn series(&self) -> impl Iterator<Item = SeriesId> {
        self.metrics().flat_map(|metric| metric.data.series())
    }
}

impl Collections {
    /// How long an absent series is remembered, counted from the first collection without it and by the times of
    /// collections: a pause between collections does not age it.
    pub const MEMORY: Duration = Duration::from_secs(3600);

    /// Counts the collection taken at `time` with content `now`, which follows the collection with content `before`.
    /// Returns the absent series that are no longer remembered.
    pub fn add(
        &mut self,
        before: &[ScopeMetrics],
        now: &[ScopeMetrics],
        time: SystemTime,
    ) -> Vec<Arc<AbsentSeries>> {
        self.add_as(self.number + 1, before, now, time)
    }

    /// Counts a collection like [`add`](Self::add), under the given number: that of the collection from which it is
    /// derived.
    pub fn add_as(
        &mut self,
        number: u64,
        before: &[ScopeMetrics],
        now: &[ScopeMetrics],
        time: SystemTime,
    ) -> Vec<Arc<AbsentSeries>> {
        self.number = number;
        let last_seen = self.time.replace(time).unwrap_or(time);
        let (gone, new) = compare(before, now, !self.absent.is_empty());
        if !new.is_empty() {
            self.release(&new);
        }
        if !gone.is_empty() {
            let absent = AbsentSeries { number: self.number, since: time, last_seen, scopes: gone };
            self.absent.push(Arc::new(absent));
        }
        self.forget(time, LIMIT)
    }

    /// Returns the number of the last collection, or 0 before the first.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the series that the last collection lacks, ordered from the longest absence to the shortest.
    pub fn absent(&self) -> &[Arc<AbsentSeries>] {
        &self.absent
    }

    /// Forgets the absence of series that have returned.
    fn release(&mut self, back: &Ids) {
        for absent in &mut self.absent {
            if absent.series().any(|series| back.contains(&series)) {
                let scopes = only(&absent.scopes, |series| !back.contains(&series));
                *absent = Arc::new(AbsentSeries { scopes, ..AbsentSeries::clone(absent) });
            }
        }
        self.absent.retain(|absent| !absent.scopes.is_empty());
    }

    /// Forgets series that have been absent for too long. The most recent entry always stays, even beyond the limit: at
    /// most, it holds one whole collection.
    fn forget(&mut self, now: SystemTime, limit: usize) -> Vec<Arc<AbsentSeries>> {
        let mut series = 0;
        let is_forgotten = |absent: &Arc<AbsentSeries>| {
            let is_last = series == 0;
            series += absent.series().count();
            // After the clock has been set back, no absence counts as old.
            let is_old = now.duration_since(absent.since).is_ok_and(|gone| gone >= Self::MEMORY);
            is_old || (series > limit && !is_last)
        };
        let latest_first = std::mem::take(&mut self.absent).into_iter().rev();
        let (forgotten, mut kept): (Vec<_>, Vec<_>) = latest_first.partition(is_forgotten);
        kept.reverse();
        self.absent = kept;
        forgotten
    }
}

type Ids = HashSet<SeriesId, RandomState>;

/// Returns the series that `before` has and `now` lacks, and the ids that `now` has and `before` lacks. The ids are
/// left out if no series is gone and the caller does not need them (`asks_for_new`).
fn compare(
    before: &[ScopeMetrics],
    now: &[ScopeMetrics],
    asks_for_new: bool,
) -> (Vec<ScopeMetrics>, Ids) {
    let (changed, other_now) = unequal(before, now);
    let mut others: HashMap<Key<'_>, &Data> = HashMap::new();
    let mut also_new: Vec<(&Data, Option<&Data>)> = Vec::new();
    for (key, data) in other_now {
        also_new.extend(others.insert(key, data).map(|same_name| (same_name, None)));
    }
    let mut missing = Ids::default();
    for (key, data) in changed {
        match others.remove(&key) {
            Some(now) if now.has_series_of(data) => {}
            now => {
                missing.extend(data.series_beside(now));
                also_new.extend(now.map(|now| (now, Some(data))));
            }
        }
    }
    if missing.is_empty() && !asks_for_new {
        return Default::default();
    }
    also_new.extend(others.into_values().map(|data| (data, None)));
    let new = also_new.into_iter().flat_map(|(data, before)| data.series_beside(before));
    let mut new: Ids = new.collect();
    let gone = match missing.is_subset(&new) {
        true => Vec::new(),
        false => only(before, |series| missing.contains(&series) && !new.contains(&series)),
    };
    new.retain(|series| !missing.contains(series));
    (gone, new)
}

/// Returns the metrics of both collections that differ in their series or the order of these. Nearly all metrics do not
/// differ.
fn unequal<'a>(before: &'a [ScopeMetrics], now: &'a [ScopeMetrics]) -> (Keyed<'a>, Keyed<'a>) {
    let pairs = || before.iter().zip(now);
    if before.len() != now.len() || !pairs().all(|(one, other)| have_same_descriptors(one, other)) {
        return unequal_by_name(before, now);
    }
    let (mut of_before, mut of_now) = (Vec::new(), Vec::new());
    for (one, other) in pairs() {
        let name = one.scope.name();
        for (one, other) in one.metrics.iter().zip(&other.metrics) {
            if !other.data.has_series_of(&one.data) {
                of_before.push(((name, one.descriptor.name.as_str()), &one.data));
                of_now.push(((name, other.descriptor.name.as_str()), &other.data));
            }
        }
    }
    (of_before, of_now)
}

/// Returns whether both have the same metrics in the same order, as most consecutive collections do.
fn have_same_descriptors(one: &ScopeMetrics, other: &ScopeMetrics) -> bool {
    Arc::ptr_eq(&one.scope, &other.scope)
        && one.metrics.len() == other.metrics.len()
        && one
            .metrics
            .iter()
            .zip(&other.metrics)
            .all(|(one, other)| Arc::ptr_eq(&one.descriptor, &other.descriptor))
}

/// Walks both collections in the order of scopes and names. Metrics out of that order are returned from both.
fn unequal_by_name<'a>(
    before: &'a [ScopeMetrics],
    now: &'a [ScopeMetrics],
) -> (Keyed<'a>, Keyed<'a>) {
    let (mut before, mut now) = (keyed(before).peekable(), keyed(now).peekable());
    let (mut of_before, mut of_now) = (Vec::new(), Vec::new());
    loop {
        let order = match (before.peek(), now.peek()) {
            // Most descriptors are shared with the previous collection.
            (Some((one, _)), Some((other, _))) if ptr::eq(one.1, other.1) => Ordering::Equal,
            (Some((one, _)), Some((other, _))) => one.cmp(other),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return (of_before, of_now),
        };
        let one = before.next_if(|_| order.is_le());
        let other = now.next_if(|_| order.is_ge());
        let is_same = one.zip(other).is_some_and(|((_, one), (_, other))| other.has_series_of(one));
        if !is_same {
            of_before.extend(one);
            of_now.extend(other);
        }
    }
}

/// The names of a scope and of a metric, which find the same metric in another collection in nearly all cases.
type Key<'a> = (&'a str, &'a str);

type Keyed<'a> = Vec<(Key<'a>, &'a Data)>;

/// Returns all metrics with their keys.
fn keyed(scopes: &[ScopeMetrics]) -> impl Iterator<Item = (Key<'_>, &Data)> {
    scopes.iter().flat_map(|scope| {
        let name = scope.scope.name();
        scope.metrics.iter().map(move |it| ((name, it.descriptor.name.as_str()), &it.data))
    })
}

/// Returns the scopes with only the series for which `is_kept` returns true.
fn only(scopes: &[ScopeMetrics], is_kept: impl Fn(SeriesId) -> bool) -> Vec<ScopeMetrics> {
    let scopes = scopes.iter().map(|scope| {
        let metrics = scope.metrics.iter().map(|metric| Metric {
            descriptor: metric.descriptor.clone(),
            data: metric.data.only(&is_kept),
        });
        let metrics = metrics.filter(|metric| !metric.data.is_empty()).collect();
        ScopeMetrics { scope: scope.scope.clone(), metrics }
    });
    scopes.filter(|scope| !scope.metrics.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use opentelemetry::InstrumentationScope;

    use super::*;
    use crate::Kind;
    use crate::attributes::Attributes;
    use crate::data::{Descriptor, NumberPoint, Temporality};
    use crate::number::Value;

    fn id(series: u64) -> SeriesId {
        SeriesId::from_hash(series)
    }

    /// Returns one metric for each of these names, with these series.
    fn collection(metrics: &[(&str, &[u64])]) -> Vec<ScopeMetrics> {
        let point = |series: &u64| NumberPoint {
            series: id(*series),
            attributes: Attributes::empty(),
            start: UNIX_EPOCH,
            value: Value::U64(1),
        };
        let metrics = metrics.iter().map(|(name, series)| {
            let points = series.iter().map(point).collect();
            let temporality = Temporality::Cumulative;
            Metric {
                descriptor: Arc::new(Descriptor {
                    name: (*name).to_owned(),
                    unit: String::new(),
                    description: String::new(),
                    kind: Kind::Counter,
                }),
                data: Data::Sum { monotonic: true, temporality, points },
            }
        });
        let scope = Arc::new(InstrumentationScope::builder("catalog").build());
        vec![ScopeMetrics { scope, metrics: metrics.collect() }]
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000 + seconds)
    }

    /// Returns the state after collections of these series of one metric, each at the given second.
    fn after(rounds: &[(u64, &[u64])]) -> Collections {
        let mut collections = Collections::default();
        let mut before = Vec::new();
        for (seconds, series) in rounds {
            let now = collection(&[("requests", series)]);
            collections.add(&before, &now, at(*seconds));
            before = now;
        }
        collections
    }

    /// Returns, for each entry, the number of the first collection that lacked its series, and these series.
    fn listed(collections: &Collections) -> Vec<(u64, Vec<SeriesId>)> {
        let absent = collections.absent().iter();
        absent.map(|absent| (absent.number, absent.series().collect())).collect()
    }

    #[test]
    fn nothing_is_listed_of_series_that_are_there() {
        for rounds in [
            &[(0, &[1, 2][..]), (1, &[1, 2]), (2, &[0, 2, 1, 3])][..],
            &[(0, &[1, 2]), (1, &[2]), (2, &[1, 2])],
        ] {
            let collections = after(rounds);
            assert_eq!(listed(&collections), []);
            assert_eq!(collections.number(), 3);
        }
    }

    #[test]
    fn what_went_is_listed_until_it_is_back() {
        let mut rounds = vec![(10, &[1, 2, 3][..]), (20, &[2]), (30, &[4])];
        let collections = after(&rounds);
        assert_eq!(listed(&collections), [(2, vec![id(1), id(3)]), (3, vec![id(2)])]);
        let first = &collections.absent()[0];
        assert_eq!((first.last_seen, first.since), (at(10), at(20)));
        rounds.push((40, &[1, 4]));
        assert_eq!(listed(&after(&rounds)), [(2, vec![id(3)]), (3, vec![id(2)])]);
        rounds.push((50, &[3, 4]));
        assert_eq!(listed(&after(&rounds)), [(3, vec![id(2)]), (5, vec![id(1)])]);
    }

    #[test]
    fn a_series_is_the_same_in_whichever_metric_it_is() {
        let mut collections = Collections::default();
        let both = collection(&[("a", &[1, 2]), ("b", &[3, 4])]);
        for now in [
            collection(&[("b", &[3, 4]), ("c", &[1, 2])]),
            collection(&[("b", &[3, 1]), ("a", &[2, 4])]),
            collection(&[("a", &[2]), ("a", &[4, 1]), ("b", &[3])]),
        ] {
            collections.add(&both, &now, at(0));
            collections.add(&now, &both, at(0));
            assert_eq!(listed(&collections), []);
        }
        collections.add(&both, &collection(&[("a", &[2]), ("a", &[4])]), at(0));
        assert_eq!(listed(&collections), [(7, vec![id(1), id(3)])]);
    }

    #[test]
    fn a_series_is_forgotten_after_an_hour_of_collections_without_it() {
        let hour = Collections::MEMORY.as_secs();
        let rounds = [(0, &[1][..]), (20, &[]), (20 + hour - 1, &[]), (20 + hour, &[])];
        assert_eq!(listed(&after(&rounds[..3])), [(2, vec![id(1)])]);
        assert_eq!(listed(&after(&rounds)), []);
    }

    #[test]
    fn time_without_collections_makes_no_series_forgotten() {
        let hour = Collections::MEMORY.as_secs();
        let collections = after(&[(0, &[1]), (5 * hour, &[]), (5 * hour + 1, &[])]);
        assert_eq!(listed(&collections), [(2, vec![id(1)])]);
    }

    #[test]
    fn a_clock_that_was_put_back_makes_no_series_forgotten() {
        let rounds = [(10_000, &[1, 2][..]), (10_010, &[2]), (20, &[]), (3620, &[])];
        assert_eq!(listed(&after(&rounds[..3])), [(2, vec![id(1)]), (3, vec![id(2)])]);
        assert_eq!(listed(&after(&rounds)), [(2, vec![id(1)])]);
    }

    #[test]
    fn beyond_the_limit_those_are_forgotten_that_went_first() {
        let rounds = [(0, &[1, 2, 3, 4, 5][..]), (1, &[3, 4, 5]), (2, &[4, 5]), (3, &[5])];
        let mut collections = after(&rounds);
        assert!(collections.forget(at(3), 4).is_empty());
        let forgotten = collections.forget(at(3), 3);
        let forgotten: Vec<_> = forgotten.iter().flat_map(|absent| absent.series()).collect();
        assert_eq!(forgotten, [id(1), id(2)]);
        assert_eq!(listed(&collections), [(3, vec![id(3)]), (4, vec![id(4)])]);
    }

    #[test]
    fn what_went_last_stays_even_if_it_is_beyond_the_limit() {
        let mut collections = after(&[(0, &[1, 2, 3, 4]), (1, &[2, 3, 4]), (2, &[])]);
        collections.forget(at(2), 2);
        assert_eq!(listed(&collections), [(3, vec![id(2), id(3), id(4)])]);
    }
}
