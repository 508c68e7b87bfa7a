//! Series of a family that become equal in Prometheus, and the points that are exported in their place.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::mem::{Discriminant, discriminant};
use std::ptr;
use std::time::SystemTime;

use meterkit_core::order;
use meterkit_core::{
    AttributeRef, Attributes, Data, Exemplar, Exemplars, Metric, ScopeMetrics, SeriesId,
};

use crate::family::{Collection, Family, Member};
use crate::labels::is_of_scope;

/// What becomes of the series of one family that are equal in Prometheus. Others stay as they are.
///
/// - Sums add up, and so do histograms with the same boundaries, and exponential ones. Series that are absent or have
///   ended go on to count, for as long as the snapshot [lists](meterkit_core::AbsentSeries) them, so that a total does
///   not fall with a series that it is made of.
/// - Of gauges, the last one counts: by scope, then by the name of its metric, then by its attributes.
/// - Of histograms with different boundaries, those count that have the boundaries of the oldest series.
///
/// Values that do not count are logged, once per metric. Finding equal series costs nothing per series for families
/// where none can be equal, and eight bytes per series for others.
#[derive(Debug, Default)]
pub struct Joins(Option<Box<Joined>>);

/// What is exported in place of series that are equal.
#[derive(Debug)]
struct Joined {
    /// By the places of the points: the member of the family, and the point of its metric. `None` for those that
    /// another point includes.
    points: BTreeMap<(usize, usize), Option<Data>>,
    /// The exemplars of all series that such a point includes, by the series that it is a point of.
    exemplars: Exemplars,
}

impl Joins {
    /// Finds the equal series of a family. `label` names the label of a key; `write` writes all labels of a series,
    /// with those of its scope, as a text that is the same for equal series only.
    #[inline]
    pub fn of<S: Ord>(
        family: &Family<S>,
        collection: Collection<'_>,
        label: impl for<'k> Fn(&'k str) -> Cow<'k, str>,
        write: impl FnMut(&mut String, &S, &Attributes),
    ) -> Self {
        match (&*family.members, &*family.absent) {
            ([member], []) if member.metric(collection).data.len() == 1 => Self::default(),
            _ => Self::of_several(family, collection, label, write),
        }
    }

    fn of_several<S: Ord>(
        family: &Family<S>,
        collection: Collection<'_>,
        label: impl for<'k> Fn(&'k str) -> Cow<'k, str>,
        mut write: impl FnMut(&mut String, &S, &Attributes),
    ) -> Self {
        if !may_repeat_series(family, collection, label) {
            return Self::default();
        }
        let equal = equal_series(family, collection, &mut write);
        let (mut points, mut exemplars) = (BTreeMap::new(), Exemplars::default());
        for series in equal {
            let live: Vec<_> = series.iter().filter_map(|series| series.live).collect();
            let Some((first, rest)) = live.split_first() else { continue };
            let members: Vec<_> = series.iter().filter_map(Series::id).collect();
            if let Some(joined) = join(family, series) {
                if let (Some(all), Some(joined)) = (collection.exemplars, joined.series_at(0)) {
                    let members = members.iter().flat_map(|series| all.of(*series));
                    let mut members: Vec<_> = members.cloned().collect();
                    order::sort_by_key(&mut members, |exemplar| exemplar.time);
                    exemplars.insert(joined, members.into());
                }
                points.insert(*first, Some(joined));
                points.extend(rest.iter().map(|place| (*place, None)));
            }
        }
        Self((!points.is_empty()).then(|| Box::new(Joined { points, exemplars })))
    }

    /// Returns the exemplars of a point that is exported, ordered by time.
    #[inline]
    pub fn exemplars<'e>(
        &'e self,
        data: &Data,
        at: usize,
        collection: Collection<'e>,
    ) -> &'e [Exemplar] {
        let (Some(all), Some(series)) = (collection.exemplars, data.series_at(at)) else {
            return &[];
        };
        let joined = self.0.as_ref().map_or(&[][..], |joined| joined.exemplars.of(series));
        if joined.is_empty() { all.of(series) } else { joined }
    }

    /// Returns the point to export for the one at this place: itself, or the first point of `data` that is returned
    /// instead. `None` if another one includes it.
    #[inline]
    pub fn point<'d>(
        &'d self,
        data: &'d Data,
        member: usize,
        at: usize,
    ) -> Option<(&'d Data, usize)> {
        let Some(joined) = &self.0 else { return Some((data, at)) };
        match joined.points.get(&(member, at)) {
            None => Some((data, at)),
            Some(joined) => joined.as_ref().map(|joined| (joined, 0)),
        }
    }
}

/// One of several series that are equal in Prometheus.
struct Series<'a, S> {
    member: &'a Member<S>,
    metric: &'a Metric,
    scope: &'a ScopeMetrics,
    /// The place of its point in the metric.
    at: usize,
    /// The place of its point in the family; `None` for a series that is absent.
    live: Option<(usize, usize)>,
    /// When the last collection with it was taken, if it is absent.
    last_seen: Option<SystemTime>,
}

impl<S> Series<'_, S> {
    fn id(&self) -> Option<SeriesId> {
        self.metric.data.series_at(self.at)
    }

    fn attributes(&self) -> Option<Cow<'_, Attributes>> {
        self.metric.data.attributes_at(self.at)
    }

    /// Orders by what tells series apart in OpenTelemetry.
    fn cmp_origin(&self, other: &Self) -> Ordering {
        let names = || self.metric.descriptor.name.cmp(&other.metric.descriptor.name);
        let scopes = self.scope.cmp_scopes(other.scope).then_with(names);
        scopes.then_with(|| self.attributes().cmp(&other.attributes()))
    }

    /// Returns whether the value counts beside these: an absent series does if it was there together with one of
    /// another origin. If not, it ended before there was anything to join.
    fn counts_beside(&self, all: &[Self]) -> bool {
        self.last_seen.is_none_or(|last_seen| {
            all.iter().any(|other| {
                let start = other.metric.data.start_at(other.at);
                start.is_some_and(|start| start <= last_seen) && self.cmp_origin(other).is_ne()
            })
        })
    }
}

/// Returns the groups of series that have the same labels.
fn equal_series<'a, S>(
    family: &'a Family<S>,
    collection: Collection<'a>,
    write: &mut impl FnMut(&mut String, &S, &Attributes),
) -> Vec<Vec<Series<'a, S>>> {
    let hasher = RandomState::new();
    let mut text = String::new();
    let mut hashes = Vec::new();
    for_each_series(family, collection, |series| {
        written(&mut text, &series, write);
        hashes.push(hasher.hash_one(&text));
    });
    hashes.sort_unstable();
    let repeated = hashes.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
    let repeated: HashSet<u64> = repeated.collect();
    drop(hashes);
    if repeated.is_empty() {
        return Vec::new();
    }
    let mut by_labels: HashMap<String, Vec<Series<'a, S>>> = HashMap::new();
    for_each_series(family, collection, |series| {
        written(&mut text, &series, write);
        if repeated.contains(&hasher.hash_one(&text)) {
            by_labels.entry(text.clone()).or_default().push(series);
        }
    });
    by_labels.into_values().filter(|series| series.len() > 1).collect()
}

fn written<S>(
    text: &mut String,
    series: &Series<'_, S>,
    write: &mut impl FnMut(&mut String, &S, &Attributes),
) {
    text.clear();
    if let Some(attributes) = series.attributes() {
        write(text, &series.member.scope, &attributes);
    }
}

/// Calls `visit` with all series, in the order of the family, and then with the absent ones.
fn for_each_series<'a, S>(
    family: &'a Family<S>,
    collection: Collection<'a>,
    mut visit: impl FnMut(Series<'a, S>),
) {
    for (place, member) in family.members.iter().enumerate() {
        let (metric, scope) = (member.metric(collection), member.scope_metrics(collection));
        for at in 0..metric.data.len() {
            let live = Some((place, at));
            visit(Series { member, metric, scope, at, live, last_seen: None });
        }
    }
    for member in &family.absent {
        let (metric, scope) = (member.metric(collection), member.scope_metrics(collection));
        let last_seen = member.last_seen(collection);
        for at in 0..metric.data.len() {
            visit(Series { member, metric, scope, at, live: None, last_seen });
        }
    }
}

/// Returns what these series are together; `None` if they are one.
fn join<S>(family: &Family<S>, series: Vec<Series<'_, S>>) -> Option<Data> {
    let counted: Vec<_> = series.iter().map(|it| it.counts_beside(&series)).collect();
    let mut counted = counted.into_iter();
    let mut series = series;
    series.retain(|_| counted.next() == Some(true));
    if series.len() < 2 {
        return None;
    }
    if series.iter().any(|it| matches!(it.metric.data, Data::Gauge(_))) {
        order::sort_by(&mut series, |a, b| a.cmp_origin(b));
        let last = series.pop()?;
        let clash = "has a gauge that is the same series as another one: the last one is exported";
        family.warn_of(last.metric, clash);
        return Some(last.metric.data.only_at(last.at));
    }
    // The order of ids does not change while series come and go. So floats add up in the same order each time, and
    // a sum of rising ones rises.
    order::sort_by_key(&mut series, |it| it.metric.data.series_at(it.at));
    let oldest = series.iter().find(|it| it.live.is_some())?;
    let is_like = |other: &Data| match (&oldest.metric.data, other) {
        (Data::Histogram { bounds, .. }, Data::Histogram { bounds: others, .. }) => {
            bounds == others
        }
        (one, other) => discriminant(one) == discriminant(other),
    };
    let (like, unlike): (Vec<_>, Vec<_>) = series.iter().partition(|it| is_like(&it.metric.data));
    for other in unlike {
        let clash =
            "has a histogram that is the same series as an older one with other buckets: left out";
        family.warn_of(other.metric, clash);
    }
    let mut like = like.into_iter();
    let first = like.next()?;
    let mut joined = first.metric.data.only_at(first.at);
    like.for_each(|other| joined.add(&other.metric.data, other.at));
    Some(joined)
}

/// Returns whether two members could have the same series, or one member could have it twice.
fn may_repeat_series<S: Ord>(
    family: &Family<S>,
    collection: Collection<'_>,
    label: impl for<'k> Fn(&'k str) -> Cow<'k, str>,
) -> bool {
    let shapes = |member: &Member<S>| member.metric(collection).data.shapes();
    // Both kinds of members are ordered by scope.
    family.members.windows(2).any(|pair| pair[0].scope == pair[1].scope)
        || family.members.iter().any(|member| {
            let start = family.absent.partition_point(|absent| absent.scope < member.scope);
            let absent = family.absent[start..].iter();
            let absent: Vec<_> = absent.take_while(|it| it.scope == member.scope).collect();
            let name = |it: &Member<S>| &it.metric(collection).descriptor.name;
            absent.iter().any(|absent| name(absent) != name(member))
                || may_become_equal(
                    shapes(member).chain(absent.iter().flat_map(|it| shapes(it))),
                    &label,
                )
        })
}

/// Returns whether two different sets of these [shapes](Data::shapes) could become the same labels: by keys that become
/// equal, values that differ in type alone, an empty value where another set has none, or a key like those of scopes.
/// Lists and NaN may differ in what no text shows.
fn may_become_equal<'a>(
    shapes: impl Iterator<Item = &'a Attributes>,
    label: impl for<'k> Fn(&'k str) -> Cow<'k, str>,
) -> bool {
    let mut known: Vec<(&str, Cow<'_, str>, Discriminant<AttributeRef<'a>>)> = Vec::new();
    let mut alike = None;
    for attributes in shapes {
        // Most are like the one before: what is true of that is true of them.
        let texts_alike = attributes.texts_alike();
        if texts_alike.is_some() && texts_alike == alike {
            continue;
        }
        alike = texts_alike;
        for (at, (key, value)) in attributes.iter().enumerate() {
            // The series of an instrument share the texts of their keys, and mostly have all of them: the address of
            // the key at the same place is enough for most.
            let is_like = |known: &(&str, Cow<'_, str>, Discriminant<AttributeRef<'a>>)| {
                ptr::eq(known.0, key) && known.2 == discriminant(&value)
            };
            if known.get(at).is_some_and(is_like) && !is_ambiguous(value) {
                continue;
            }
            match known.iter().find(|(known, ..)| *known == key) {
                _ if is_ambiguous(value) => return true,
                Some((.., known)) if *known != discriminant(&value) => return true,
                Some(_) => {}
                None => {
                    let label = label(key);
                    // The series of another scope may have it of their scope.
                    if is_of_scope(&label) || known.iter().any(|(_, known, _)| *known == label) {
                        return true;
                    }
                    known.push((key, label, discriminant(&value)));
                }
            }
        }
    }
    false
}

fn is_ambiguous(value: AttributeRef<'_>) -> bool {
    match value {
        AttributeRef::Str(text) => text.is_empty(),
        AttributeRef::F64(number) => number.is_nan(),
        AttributeRef::List(_) => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
