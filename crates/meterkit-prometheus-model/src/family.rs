//! Families: the metrics that Prometheus sees under one name.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use meterkit_core::{AbsentSeries, Data, LogOnce, Metric, NameMeetings, ScopeMetrics, SeriesId};
use meterkit_rules::prometheus_name::{self, FamilyType, Names};

use crate::labels::ScopeLabels;

pub use meterkit_rules::prometheus_name::TARGET_INFO;

/// The description of [`TARGET_INFO`].
pub const TARGET_INFO_HELP: &str = "Target metadata";

/// The metrics that families are made of.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "targets take both from a snapshot")]
pub struct Collection<'a> {
    /// The metrics that are there.
    pub scopes: &'a [ScopeMetrics],
    /// The last points of series that are not: they go on to count in the totals that they were part of.
    pub absent: &'a [Arc<AbsentSeries>],
}

/// All metrics with one name: they come from different scopes, or the translation made their names equal.
///
/// Holds the places of the metrics in the [`Collection`] that it was made of, which its methods take.
///
/// `S` is the form in which a target keeps the labels of a scope.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Family<S> {
    /// The name, as `# TYPE` has it.
    pub name: String,
    /// The type of all members.
    pub family_type: FamilyType,
    /// How labels are named: of what another library counts, they stay as they are.
    pub names: Names,
    /// At least one; ordered by scope, then by their own names.
    pub members: Vec<Member<S>>,
    /// Metrics that have series which are absent, in the same order. None of gauges.
    pub(crate) absent: Vec<Member<S>>,
}

/// One metric of a family.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Member<S> {
    /// The labels that identify its scope.
    pub scope: S,
    place: Place,
}

/// Where a collection has a metric.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Among which of the absent series; `None` if it is there.
    absent: Option<usize>,
    scope: usize,
    metric: usize,
}

/// Returns the families of all scopes, ordered by name. Members are ordered by scope, then by their own name, whatever
/// the order of scopes in `collection`. `names` names the families, `meetings` says which instruments have no name of
/// their own; `keep` turns the labels of each scope into the target's own form.
///
/// Conflicts are resolved as follows, and each is logged once:
///
/// - When metrics with one name differ in type, or one has the name of a histogram's part (`_bucket`, `_sum`,
///   `_count`), the older one stays and the other is left out. `meetings` decides which one is older; of metrics that it
///   does not know, the one whose oldest series is older.
/// - When a counter [meets](Names::open_metrics) another family in OpenMetrics only, it is of unknown type there.
/// - When their descriptions differ, the first one counts.
pub fn families<'a, S: Clone + Ord>(
    collection: Collection<'a>,
    names: Names,
    meetings: &NameMeetings,
    keep: impl Fn(ScopeLabels<'a>) -> S,
) -> Vec<Family<S>> {
    let name = |scope: &ScopeMetrics, metric: &Metric| {
        let (scope, kind) = (scope.scope.name(), metric.data.kind());
        let name = meetings.family(scope, &metric.descriptor, kind, names);
        (name, FamilyType::from(&metric.data))
    };
    let labels = |scope: &'a ScopeMetrics| {
        keep(match meetings.shows_scope(scope.scope.name()) {
            true => ScopeLabels::of(&scope.scope, names),
            false => ScopeLabels::none(),
        })
    };
    let mut named: Vec<(String, FamilyType, Member<S>)> = Vec::new();
    for (scope_at, scope) in collection.scopes.iter().enumerate() {
        let labels = labels(scope);
        for (metric_at, metric) in scope.metrics.iter().enumerate() {
            let (name, family_type) = name(scope, metric);
            if meetings.hide(&name, family_type) {
                // The store warns of meetings under the default names when instruments are made.
                if names != Names::default() {
                    warn(&name, metric, OLDER_HAS_NAME);
                }
                continue;
            }
            let place = Place { absent: None, scope: scope_at, metric: metric_at };
            named.push((name, family_type, Member { scope: labels.clone(), place }));
        }
    }
    named.sort_by(|(a, a_type, one), (b, b_type, other)| {
        let names = (a, a_type, &one.scope).cmp(&(b, b_type, &other.scope));
        names.then_with(|| {
            let descriptor = |member: &Member<S>| &member.metric(collection).descriptor;
            let (one, other) = (descriptor(one), descriptor(other));
            (meetings.age(one), &one.name).cmp(&(meetings.age(other), &other.name))
        })
    });

    let mut families: Vec<Family<S>> = Vec::new();
    for (name, family_type, member) in named {
        match families.last_mut() {
            Some(family) if family.name == name && family.family_type == family_type => {
                family.members.push(member);
            }
            _ => {
                let (members, absent) = (vec![member], Vec::new());
                families.push(Family { name, family_type, names, members, absent });
            }
        }
    }
    for family in &mut families {
        let mut members = family.members.iter();
        if members.all(|member| member.is_import(collection, meetings)) {
            family.names = names.untranslated();
        }
    }
    leave_out_younger(&mut families, collection, names);
    if !collection.absent.is_empty() {
        add_absent(&mut families, collection, name, labels);
    }
    if names.is_open_metrics() {
        take_types(&mut families, collection, names, meetings);
    }
    families
}

/// Leaves out families that take a name of the resource's metric, for targets that write it.
pub fn reserve_target_info<S>(
    families: &mut Vec<Family<S>>,
    collection: Collection<'_>,
    names: Names,
) {
    families.retain(|family| {
        let is_taken = names.meets_resource(family.named());
        if is_taken {
            family.warn(collection, "has the name of the resource's metric: left out");
        }
        !is_taken
    });
}

impl<S> Family<S> {
    /// Returns the label name for an attribute key of a series.
    pub fn label<'k>(&self, key: &'k str) -> Cow<'k, str> {
        self.names.series_label(key, self.family_type)
    }

    /// Returns the label name for an attribute key of a series, as Prometheus stores it.
    pub fn stored_label<'k>(&self, key: &'k str) -> Cow<'k, str> {
        self.names.stored_label(key, self.family_type)
    }

    /// Returns the first description that is not empty. One that differs from it is logged.
    pub fn help<'a>(&self, collection: Collection<'a>) -> &'a str {
        let metrics = self.members.iter().map(|member| member.metric(collection));
        let mut described = metrics.filter(|metric| !metric.descriptor.description.is_empty());
        let Some(first) = described.next() else { return "" };
        let help = &first.descriptor.description;
        for other in described.filter(|metric| metric.descriptor.description != *help) {
            self.warn_of(other, "has another description than the first metric of that name");
        }
        help
    }

    /// Returns the unit in words, as OpenMetrics and remote write have it; empty for no unit.
    pub fn unit(&self, collection: Collection<'_>) -> String {
        let first = self.members.first().map(|member| member.metric(collection));
        first.map_or_else(String::new, |metric| {
            prometheus_name::unit(&metric.descriptor.unit, metric.data.kind())
        })
    }

    /// Logs a problem with one of the metrics the first time that any target meets it: scrapes and exports repeat, the
    /// log must not.
    pub fn warn_of(&self, metric: &Metric, clash: &str) {
        warn(&self.name, metric, clash);
    }

    /// Logs a problem with the whole family, once.
    pub fn warn(&self, collection: Collection<'_>, clash: &str) {
        if let Some(member) = self.members.first() {
            self.warn_of(member.metric(collection), clash);
        }
    }

    fn named(&self) -> (&str, FamilyType) {
        (&self.name, self.family_type)
    }

    /// Returns the oldest series.
    fn oldest(&self, collection: Collection<'_>) -> Option<SeriesId> {
        let metrics = self.members.iter().map(|member| &member.metric(collection).data);
        metrics.flat_map(Data::series).min()
    }
}

impl<S> Member<S> {
    /// Returns the metric.
    ///
    /// # Panics
    ///
    /// May panic if the family was made of another collection.
    pub fn metric<'a>(&self, collection: Collection<'a>) -> &'a Metric {
        &self.scope_metrics(collection).metrics[self.place.metric]
    }

    /// Returns the metric with the others of its scope.
    pub(crate) fn scope_metrics<'a>(&self, collection: Collection<'a>) -> &'a ScopeMetrics {
        let scopes = match self.place.absent {
            Some(absent) => &collection.absent[absent].scopes,
            None => collection.scopes,
        };
        &scopes[self.place.scope]
    }

    fn is_import(&self, collection: Collection<'_>, meetings: &NameMeetings) -> bool {
        let (scope, metric) = (self.scope_metrics(collection), self.metric(collection));
        meetings.is_import(scope.scope.name(), &metric.descriptor)
    }

    /// Returns when the last collection with its series was taken, if they are absent.
    pub(crate) fn last_seen(&self, collection: Collection<'_>) -> Option<SystemTime> {
        self.place.absent.map(|absent| collection.absent[absent].last_seen)
    }
}

fn warn(family: &str, metric: &Metric, clash: &str) {
    static LOGGED: LazyLock<LogOnce> = LazyLock::new(LogOnce::default);

    let metric = &*metric.descriptor.name;
    if LOGGED.is_new(&(family, metric, clash)) {
        tracing::warn!(family, metric, "{clash}");
    }
}

const OLDER_HAS_NAME: &str = "has a name that an older metric has in Prometheus: left out";

/// Adds the metrics of absent series to the families that have their names.
fn add_absent<'a, S: Clone + Ord>(
    families: &mut [Family<S>],
    collection: Collection<'a>,
    name: impl Fn(&ScopeMetrics, &Metric) -> (String, FamilyType),
    labels: impl Fn(&'a ScopeMetrics) -> S,
) {
    // Most descriptors and scopes are those of earlier entries: what belongs to them is found by their addresses.
    let (mut known, mut scopes) = (HashMap::new(), HashMap::new());
    for (absent_at, absent) in collection.absent.iter().enumerate() {
        for (scope_at, scope) in absent.scopes.iter().enumerate() {
            for (metric_at, metric) in scope.metrics.iter().enumerate() {
                let family_type = FamilyType::from(&metric.data);
                if family_type == FamilyType::Gauge {
                    continue;
                }
                let descriptor = (Arc::as_ptr(&metric.descriptor), family_type);
                let family = *known.entry(descriptor).or_insert_with(|| {
                    let name = name(scope, metric);
                    let find =
                        |it: &Family<S>| (&*it.name, it.family_type).cmp(&(&*name.0, name.1));
                    families.binary_search_by(find).ok()
                });
                if let Some(family) = family {
                    let known = scopes.entry(Arc::as_ptr(&scope.scope));
                    let scope = known.or_insert_with(|| labels(scope)).clone();
                    let place =
                        Place { absent: Some(absent_at), scope: scope_at, metric: metric_at };
                    families[family].absent.push(Member { scope, place });
                }
            }
        }
    }
    families.iter_mut().for_each(|family| family.absent.sort_by(|a, b| a.scope.cmp(&b.scope)));
}

/// Leaves out families that cannot stand beside an older one.
fn leave_out_younger<S>(families: &mut Vec<Family<S>>, collection: Collection<'_>, names: Names) {
    let mut younger = HashSet::new();
    for_each_meeting(families, names, |one, other| {
        if names.exclude(families[one].named(), families[other].named()) {
            let ages = [one, other].map(|at| families[at].oldest(collection));
            let loser = if ages[0] < ages[1] { other } else { one };
            families[loser].warn(collection, OLDER_HAS_NAME);
            younger.insert(loser);
        }
    });
    let mut at = 0;
    families.retain(|_| {
        at += 1;
        !younger.contains(&(at - 1))
    });
}

/// Takes the type from counters that meet another family in OpenMetrics.
fn take_types<S>(
    families: &mut [Family<S>],
    collection: Collection<'_>,
    names: Names,
    meetings: &NameMeetings,
) {
    let mut untyped = HashSet::new();
    for_each_meeting(families, names, |one, other| untyped.extend([one, other]));
    for (at, family) in families.iter_mut().enumerate() {
        if !names.allow(family.named()) {
            family.family_type = FamilyType::Unknown;
        }
        let meets = || untyped.contains(&at) || names.meets_resource(family.named());
        let is_known = || meetings.take_type(&family.name, family.family_type);
        if family.family_type == FamilyType::Counter && (is_known() || meets()) {
            let clash = "has a name that another metric has in OpenMetrics: a counter of unknown type there";
            family.warn(collection, clash);
            family.family_type = FamilyType::Unknown;
        }
    }
}

/// Calls `visit` with the places of each two families that meet; first the one whose name is the longer one.
fn for_each_meeting<S>(families: &[Family<S>], names: Names, mut visit: impl FnMut(usize, usize)) {
    let bases = families.iter().enumerate().map(|(at, it)| (names.base(it.named()), at));
    let mut bases: Vec<_> = bases.collect();
    bases.sort_unstable();
    let of_base = |base: &str| {
        let start = bases.partition_point(|(other, _)| *other < base);
        let end = start + bases[start..].partition_point(|(other, _)| *other == base);
        &bases[start..end]
    };
    for &(base, at) in &bases {
        let before = of_base(base).iter().take_while(|(_, other)| *other < at);
        before.for_each(|(_, other)| visit(at, *other));
        for (whole, of) in names.wholes(base) {
            let wholes = of_base(whole).iter().map(|(_, at)| *at);
            wholes.filter(|at| families[*at].family_type == of).for_each(|whole| visit(at, whole));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use meterkit_core::{
        Attributes, Descriptor, HistogramPoint, Kind, NumberPoint, Temporality, Value,
    };
    use meterkit_rules::prometheus_name::Translation;
    use opentelemetry::InstrumentationScope;

    use super::*;

    fn metric(name: &str, description: &str, is_gauge: bool) -> Metric {
        let (attributes, start, value) = (Attributes::empty(), UNIX_EPOCH, Value::U64(1));
        let points = vec![NumberPoint { series: SeriesId::new(), attributes, start, value }];
        let temporality = Temporality::Cumulative;
        let data = match is_gauge {
            true => Data::Gauge(points),
            false => Data::Sum { monotonic: true, temporality, points },
        };
        let (name, unit, description) = (name.to_owned(), "By".to_owned(), description.to_owned());
        Metric {
            descriptor: Arc::new(Descriptor { name, unit, description, kind: data.kind() }),
            data,
        }
    }

    fn scope(name: &'static str, metrics: Vec<Metric>) -> ScopeMetrics {
        ScopeMetrics { scope: Arc::new(InstrumentationScope::builder(name).build()), metrics }
    }

    #[test]
    fn metrics_of_one_name_are_one_family_whatever_the_order_of_their_scopes() {
        let mut scopes = [
            scope("b", vec![metric("sent", "Bytes.", false), metric("sent.bytes.total", "", true)]),
            scope("a", vec![metric("sent_bytes", "", false), metric("load", "", true)]),
        ];
        for _ in 0..2 {
            let of = Collection { scopes: &scopes, absent: &[] };
            let families = families(of, Names::default(), &NameMeetings::default(), |it| it);
            let found: Vec<_> = families
                .iter()
                .map(|family| {
                    let members: Vec<_> = family
                        .members
                        .iter()
                        .map(|it| {
                            (it.scope.iter().next().unwrap().1, &*it.metric(of).descriptor.name)
                        })
                        .collect();
                    let (help, unit) = (family.help(of), family.unit(of));
                    (&*family.name, family.family_type, help, unit, members)
                })
                .collect();
            let (load, sent) = (("a", "load"), [("a", "sent_bytes"), ("b", "sent")]);
            let total = ("b", "sent.bytes.total");
            let unit = || "bytes".to_owned();
            assert_eq!(
                found,
                [
                    ("load_bytes", FamilyType::Gauge, "", unit(), vec![load]),
                    ("sent_bytes_total", FamilyType::Counter, "Bytes.", unit(), sent.to_vec()),
                    ("sent_bytes_total_bytes", FamilyType::Gauge, "", unit(), vec![total]),
                ]
            );
            scopes.reverse();
        }
    }

    #[test]
    fn the_later_type_and_a_metric_named_like_the_resource_are_left_out() {
        let translation = Translation::NoTranslation;
        let scopes = [
            scope("a", vec![metric("x", "", true), metric("target_info", "", true)]),
            scope("b", vec![metric("x", "", false)]),
        ];
        let of = Collection { scopes: &scopes, absent: &[] };
        let mut families = families(of, translation.utf8(), &NameMeetings::default(), |_| ());
        assert_eq!(families.len(), 2);
        let x = &families[1];
        assert_eq!((&*x.name, x.family_type, x.members.len()), ("x", FamilyType::Gauge, 1));
        reserve_target_info(&mut families, of, translation.utf8());
        assert_eq!(families.iter().map(|family| &*family.name).collect::<Vec<_>>(), ["x"]);
    }

    /// Returns a counter, a gauge or a histogram without a unit.
    fn of_kind(name: &str, kind: Kind) -> Metric {
        let mut plain = metric(name, "", kind == Kind::Gauge);
        let descriptor = Descriptor { unit: String::new(), ..(*plain.descriptor).clone() };
        plain.descriptor = Arc::new(descriptor);
        if kind != Kind::Histogram {
            return plain;
        }
        let point = HistogramPoint {
            series: SeriesId::new(),
            attributes: Attributes::empty(),
            start: UNIX_EPOCH,
            count: 1,
            sum: 1.0,
            min: None,
            max: None,
            buckets: [1].into(),
        };
        let (temporality, bounds) = (Temporality::Cumulative, Arc::default());
        Metric { data: Data::Histogram { temporality, bounds, points: vec![point] }, ..plain }
    }

    #[test]
    fn in_open_metrics_no_name_is_taken_twice() {
        use Kind::{Counter, Gauge, Histogram};
        let names = Names::default();
        for (metrics, expected) in [
            (
                &[("o.requests", Gauge), ("o.requests", Counter)][..],
                &["o_requests gauge", "o_requests_total unknown"][..],
            ),
            (
                &[("hh", Histogram), ("hh.count", Counter)],
                &["hh histogram", "hh_count_total unknown"],
            ),
            (&[("hh", Histogram), ("hh", Counter)], &["hh histogram", "hh_total unknown"]),
            (&[("hh", Histogram), ("hh.created", Gauge)], &["hh histogram"]),
            (&[("hh.created", Gauge), ("hh", Histogram)], &["hh_created gauge"]),
            (
                &[("hh", Histogram), ("hh.created", Counter)],
                &["hh histogram", "hh_created_total unknown"],
            ),
            (&[("c", Counter), ("c.created", Gauge)], &["c_created gauge", "c_total unknown"]),
            (
                &[("c", Counter), ("c.created", Counter)],
                &["c_created_total unknown", "c_total unknown"],
            ),
            (&[("c", Counter), ("c.total", Gauge)], &["c_total counter"]),
            (&[("c.total", Gauge), ("c", Counter)], &["c_total gauge"]),
            (&[("c", Counter), ("c.total", Histogram)], &["c_total counter"]),
            (&[("c", Counter), ("c.info", Gauge)], &["c_info gauge", "c_total counter"]),
            (&[("target", Counter)], &["target_total unknown"]),
            (&[("target.info", Counter)], &["target_info_total unknown"]),
            (&[("target", Gauge), ("target.info", Gauge)], &["target gauge"]),
            (&[("target", Histogram)], &["target histogram"]),
            (&[("total", Counter)], &["total unknown"]),
            (
                &[("total", Counter), ("total.total", Counter)],
                &["total unknown", "total_total unknown"],
            ),
            (&[("otel.scope.info", Gauge)], &["otel_scope_info gauge"]),
        ] {
            let names = names.open_metrics();
            let metrics = metrics.iter().map(|(name, kind)| of_kind(name, *kind)).collect();
            let scopes = [scope("a", metrics)];
            let of = Collection { scopes: &scopes, absent: &[] };
            let mut families = families(of, names, &NameMeetings::default(), |_| ());
            reserve_target_info(&mut families, of, names);
            let found = families.iter();
            let found = found.map(|it| format!("{} {}", it.name, it.family_type.as_str()));
            let found: Vec<_> = found.collect();
            assert_eq!(found, expected);
        }
    }
}
