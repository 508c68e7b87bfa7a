//! Joins series of a family that become equal in Prometheus.

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

/// The joined points of the series of one family that are equal in Prometheus. Other series are not affected.
///
/// - Sums, histograms with the same boundaries, and exponential histograms are added up. Series that are absent or have
///   ended still count for as long as the snapshot [lists](meterkit_core::AbsentSeries) them, so that a total does not
///   decrease when one of its series ends.
/// - If several are gauges, the last one is exported: the last by scope, then by metric name, then by attributes.
/// - If histograms have different boundaries, only those with the boundaries of the oldest series are added up.
///
/// Series that are not exported are logged once per metric. Finding equal series costs nothing per series in families
/// whose series cannot be equal, and eight bytes per series in other families.
#[derive(Debug, Default)]
pub struct Joins(Option<Box<Joined>>);

/// The points and exemplars that are exported in place of equal series.
#[derive(Debug)]
struct Joined {
    /// The joined points, by the position of a replaced point: the index of the member in the family, and the index of
    /// the point in its metric. `None` for points that are included in another joined point.
    points: BTreeMap<(usize, usize), Option<Data>>,
    /// The exemplars of all series that are included in a joined point, by the series of the joined point.
    exemplars: Exemplars,
}

impl Joins {
    /// Finds and joins the equal series of a family. `label` returns the label name for an attribute key. `write`
    /// writes all labels of a series, including those of its scope, as a text that only equal series share.
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

    /// Returns the exemplars of an exported point, sorted by time.
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

    /// Returns the point to export for the point `at` of member `member`, as data and an index: the point itself, or
    /// the joined point that replaces it. Returns `None` if the point is included in another joined point.
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

/// A series, live or absent, of a family.
struct Series<'a, S> {
    member: &'a Member<S>,
    metric: &'a Metric,
    scope: &'a ScopeMetrics,
    /// The index of the point in the metric.
    at: usize,
    /// The position of the point in the family; `None` for an absent series.
    live: Option<(usize, usize)>,
    /// The time of the last collection with this series, if it is absent.
    last_seen: Option<SystemTime>,
}

impl<S> Series<'_, S> {
    fn id(&self) -> Option<SeriesId> {
        self.metric.data.series_at(self.at)
    }

    fn attributes(&self) -> Option<Cow<'_, Attributes>> {
        self.metric.data.attributes_at(self.at)
    }

    /// Compares series by scope, metric name and attributes, which distinguish them in OpenTelemetry.
    fn cmp_origin(&self, other: &Self) -> Ordering {
        let names = || self.metric.descriptor.name.cmp(&other.metric.descriptor.name);
        let scopes = self.scope.cmp_scopes(other.scope).then_with(names);
        scopes.then_with(|| self.attributes().cmp(&other.attributes()))
    }

    /// Returns whether this series counts in the join of `all`. An absent series counts only if it existed at the same
    /// time as a series of another origin; otherwise it ended before there was a joined total.
    fn counts_beside(&self, all: &[Self]) -> bool {
        self.last_seen.is_none_or(|last_seen| {
            all.iter().any(|other| {
                let start = other.metric.data.start_at(other.at);
                start.is_some_and(|start| start <= last_seen) && self.cmp_origin(other).is_ne()
            })
        })
    }
}

/// Returns groups of series with the same labels, each with at least two series.
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

/// Calls `visit` with all live series in the order of the family, and then with the absent ones.
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

/// Returns the joined point of these series; `None` if fewer than two of them count.
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
        let clash =
            "several gauges are the same series in Prometheus: only the last one is exported";
        family.warn_of(last.metric, clash);
        return Some(last.metric.data.only_at(last.at));
    }
    // Sort by id, because that order does not change while series come and go. Floats are then always added in the same
    // order, so that a sum of non-decreasing floats does not decrease.
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
        let clash = "histogram left out: an older histogram with other buckets is the same series in Prometheus";
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
    // Live and absent members are both sorted by scope.
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

/// Returns whether two different attribute sets with these [shapes](Data::shapes) could become the same labels.
/// Possible causes are keys that become equal, values that differ only in type, an empty value of a key that another
/// set lacks, and keys like those of scope labels. Lists and NaN count as ambiguous, because different values can have
/// the same text.
fn may_become_equal<'a>(
    shapes: impl Iterator<Item = &'a Attributes>,
    label: impl for<'k> Fn(&'k str) -> Cow<'k, str>,
) -> bool {
    let mut known: Vec<(&str, Cow<'_, str>, Discriminant<AttributeRef<'a>>)> = Vec::new();
    let mut alike = None;
    for attributes in shapes {
        // Most sets have the same keys and types as the previous one, and need no second check.
        let texts_alike = attributes.texts_alike();
        if texts_alike.is_some() && texts_alike == alike {
            continue;
        }
        alike = texts_alike;
        for (at, (key, value)) in attributes.iter().enumerate() {
            // The series of an instrument share the texts of their keys and mostly have the same keys, so comparing the
            // address of the key at the same index suffices for most.
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
                    // Series of another scope may have this label from their scope.
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
