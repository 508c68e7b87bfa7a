//! Families: the metrics that share a Prometheus name.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use meterkit_core::order;
use meterkit_core::{AbsentSeries, Exemplars, LogOnce, Metric, PrometheusNames, ScopeMetrics};
use meterkit_rules::prometheus_name::{self, FamilyType, Names};

use crate::labels::ScopeLabels;
use crate::plan::Plan;

pub use meterkit_rules::prometheus_name::TARGET_INFO;

/// The description of [`TARGET_INFO`].
pub const TARGET_INFO_HELP: &str = "Target metadata";

/// The metrics of a collection, from which families are made.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "targets take both from a snapshot")]
pub struct Collection<'a> {
    /// The metrics with live series.
    pub scopes: &'a [ScopeMetrics],
    /// The last points of absent series, which still count in the totals that they were part of.
    pub absent: &'a [Arc<AbsentSeries>],
    /// The exemplars of live series; `None` if no exemplars are exported.
    pub exemplars: Option<&'a Exemplars>,
}

/// All metrics with one Prometheus name. They come from different scopes, or the translation made their names equal.
///
/// A family stores only the positions of its metrics in a [`Collection`]. Pass the collection that the family was made
/// from to its methods.
///
/// `S` is the form in which a target keeps the labels of a scope.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Family<S> {
    plan: Arc<Plan>,
    /// The index of the family in the plan.
    at: usize,
    /// The type of all members.
    pub family_type: FamilyType,
    /// The naming rules for labels. The labels of metrics from another library are not translated.
    pub names: Names,
    /// The metrics of the family, at least one, sorted by scope and then by their own names.
    pub members: Vec<Member<S>>,
    /// Metrics with absent series, in the same order. Gauges are not included.
    pub(crate) absent: Vec<Member<S>>,
}

/// One metric of a family.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Member<S> {
    /// The labels of the metric's scope.
    pub scope: S,
    /// The index of the entry among the absent series; `None` for a live metric.
    absent: Option<u32>,
    place: Place,
}

/// The position of a metric in a list of scopes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) scope: u32,
    pub(crate) metric: u32,
}

impl Place {
    pub(crate) fn of(self, scopes: &[ScopeMetrics]) -> &Metric {
        &scopes[self.scope as usize].metrics[self.metric as usize]
    }
}

/// Returns the families of all scopes, sorted by name. Members are sorted by scope and then by their own name, whatever
/// the order of scopes in `collection`. `names` determines the names of the families, `known` contains the names of all
/// instruments, and `keep` converts the labels of each scope to the target's own form.
///
/// Conflicts are resolved as follows, and each is logged once:
///
/// - If metrics with the same name differ in type, or one has the name of a histogram's sample (`_bucket`, `_sum`,
///   `_count`), the older metric is exported and the other one is left out. `known` decides which metric is older. If
///   it does not contain them, the metric with the oldest series is older.
/// - If a counter [conflicts](Names::open_metrics) with another family only in OpenMetrics, its type there is
///   `unknown`.
/// - If the descriptions differ, the first one is used.
///
/// Names, order and conflicts are computed only when the metrics differ from those of the previous collection. `known`
/// keeps the result.
pub fn families<'a, S: Clone + Ord>(
    collection: Collection<'a>,
    names: Names,
    known: &PrometheusNames,
    keep: impl Fn(ScopeLabels<'a>) -> S,
) -> Families<S> {
    let plan = Plan::of(collection, names, known);
    let labels = |scope: &'a ScopeMetrics| {
        keep(match plan.meetings().shows_scope(scope.scope.name()) {
            true => ScopeLabels::of(&scope.scope, names),
            false => ScopeLabels::none(),
        })
    };
    let absent = absent_members(&plan, collection, labels);
    let scopes = collection.scopes.iter().map(labels).collect();
    Families { plan, scopes, absent, left_out: Vec::new(), hidden: None, next: 0, spare: None }
}

/// An iterator over the families of a collection.
#[derive(Clone, Debug)]
pub struct Families<S> {
    plan: Arc<Plan>,
    /// The labels of each scope.
    scopes: Vec<S>,
    /// Members with absent series, by the index of their family.
    absent: HashMap<usize, Vec<Member<S>>>,
    left_out: Vec<usize>,
    /// The index of the scope whose metrics are left out.
    hidden: Option<u32>,
    next: usize,
    /// A family that is no longer used, whose memory is reused.
    spare: Option<Family<S>>,
}

impl<S> Families<S> {
    /// Leaves out families whose name conflicts with `target_info`, for targets that write this metric.
    pub fn reserve_target_info(&mut self, collection: Collection<'_>) {
        for at in self.plan.meeting_resource() {
            self.plan.warn(at, collection, "metric left out: its name is reserved for target_info");
            self.left_out.push(at);
        }
    }

    /// Leaves out the metrics of the scope named `scope`.
    pub fn hide_scope(&mut self, scope: &str, collection: Collection<'_>) {
        let mut scopes = (0..).zip(collection.scopes);
        self.hidden = scopes.find(|(_, it)| it.scope.name() == scope).map(|(at, _)| at);
    }

    /// Takes back a family of this iterator that is no longer used, to reuse its memory for the next one.
    pub fn reuse(&mut self, family: Family<S>) {
        self.spare = Some(family);
    }

    /// Returns whether a family has this name.
    pub fn has(&self, name: &str) -> bool {
        let mut named = self.plan.find(name);
        named.any(|at| !self.left_out.contains(&at))
    }
}

impl<S: Clone + Ord> Iterator for Families<S> {
    type Item = Family<S>;

    fn next(&mut self) -> Option<Family<S>> {
        let (plan, hidden) = (&self.plan, self.hidden);
        let is_shown = |place: &&Place| Some(place.scope) != hidden;
        let (at, family_type, names, places) = loop {
            let at = self.next;
            let (family_type, names, places) = plan.family(at)?;
            self.next += 1;
            if !self.left_out.contains(&at) && places.iter().any(|place| is_shown(&place)) {
                break (at, family_type, names, places);
            }
        };
        let spare = self.spare.take().map(|spare| (spare.plan, spare.members));
        let (plan, mut members) = spare.unwrap_or_else(|| (plan.clone(), Vec::new()));
        match (&mut *members, places) {
            // Most families consist of one metric, from the same scope as the previous family.
            ([member], [place]) if member.place.scope == place.scope => member.place = *place,
            _ => {
                members.clear();
                members.extend(places.iter().filter(is_shown).map(|place| {
                    let scope = self.scopes[place.scope as usize].clone();
                    Member { scope, absent: None, place: *place }
                }));
            }
        }
        if members.len() > 1 {
            order::sort_by(&mut members, |a, b| a.scope.cmp(&b.scope));
        }
        let absent = match self.absent.is_empty() {
            true => Vec::new(),
            false => self.absent.remove(&at).unwrap_or_default(),
        };
        Some(Family { plan, at, family_type, names, members, absent })
    }
}

impl<S> Family<S> {
    /// Returns the name, as in `# TYPE`.
    pub fn name(&self) -> &str {
        self.plan.name(self.at)
    }

    /// Returns the label name for an attribute key of a series.
    pub fn label<'k>(&self, key: &'k str) -> Cow<'k, str> {
        self.names.series_label(key, self.family_type)
    }

    /// Returns the label name that Prometheus stores for an attribute key of a series.
    pub fn stored_label<'k>(&self, key: &'k str) -> Cow<'k, str> {
        self.names.stored_label(key, self.family_type)
    }

    /// Returns the first description that is not empty. Other descriptions are logged.
    pub fn help<'a>(&self, collection: Collection<'a>) -> &'a str {
        let metrics = self.members.iter().map(|member| member.metric(collection));
        let mut described = metrics.filter(|metric| !metric.descriptor.description.is_empty());
        let Some(first) = described.next() else { return "" };
        let help = &first.descriptor.description;
        for other in described.filter(|metric| metric.descriptor.description != *help) {
            self.warn_of(
                other,
                "description not used: the first metric of this name has another one",
            );
        }
        help
    }

    /// Returns the unit in words, as in OpenMetrics and remote write, or an empty text if the family has no unit.
    pub fn unit(&self, collection: Collection<'_>) -> String {
        let first = self.members.first().map(|member| member.metric(collection));
        first.map_or_else(String::new, |metric| {
            prometheus_name::unit(&metric.descriptor.unit, metric.data.kind())
        })
    }

    /// Logs a problem with one of the metrics, but only the first time that any target meets it, because scrapes and
    /// exports repeat.
    pub fn warn_of(&self, metric: &Metric, clash: &str) {
        warn(self.name(), metric, clash);
    }
}

impl<S> Member<S> {
    /// Returns the metric.
    ///
    /// # Panics
    ///
    /// May panic if the family was made from another collection.
    pub fn metric<'a>(&self, collection: Collection<'a>) -> &'a Metric {
        self.place.of(self.scopes(collection))
    }

    /// Returns all metrics of the scope to which the metric belongs.
    pub(crate) fn scope_metrics<'a>(&self, collection: Collection<'a>) -> &'a ScopeMetrics {
        &self.scopes(collection)[self.place.scope as usize]
    }

    /// Returns the time of the last collection with the series, if they are absent.
    pub(crate) fn last_seen(&self, collection: Collection<'_>) -> Option<SystemTime> {
        self.absent.map(|absent| collection.absent[absent as usize].last_seen)
    }

    fn scopes<'a>(&self, collection: Collection<'a>) -> &'a [ScopeMetrics] {
        match self.absent {
            Some(absent) => &collection.absent[absent as usize].scopes,
            None => collection.scopes,
        }
    }
}

/// Logs a problem with a metric, but only the first time that any target meets it.
pub(crate) fn warn(family: &str, metric: &Metric, clash: &str) {
    static LOGGED: LazyLock<LogOnce> = LazyLock::new(LogOnce::default);

    let metric = &*metric.descriptor.name;
    if LOGGED.is_new(&(family, metric, clash)) {
        tracing::warn!(family, metric, "{clash}");
    }
}

/// Returns the metrics of absent series, by the index of the family with their name.
fn absent_members<'a, S: Clone + Ord>(
    plan: &Plan,
    collection: Collection<'a>,
    labels: impl Fn(&'a ScopeMetrics) -> S,
) -> HashMap<usize, Vec<Member<S>>> {
    let mut members: HashMap<usize, Vec<Member<S>>> = HashMap::new();
    // Entries mostly share descriptors and scopes, so results are cached by their addresses.
    let (mut known, mut scopes) = (HashMap::new(), HashMap::new());
    for (absent, entry) in (0..).zip(collection.absent) {
        for (scope_at, scope) in (0..).zip(&entry.scopes) {
            for (metric_at, metric) in (0..).zip(&scope.metrics) {
                let family_type = FamilyType::from(&metric.data);
                if family_type == FamilyType::Gauge {
                    continue;
                }
                let descriptor = (Arc::as_ptr(&metric.descriptor), family_type);
                let family = known.entry(descriptor);
                if let Some(family) = *family.or_insert_with(|| plan.family_of(scope, metric)) {
                    let known = scopes.entry(Arc::as_ptr(&scope.scope));
                    let labels = known.or_insert_with(|| labels(scope)).clone();
                    let place = Place { scope: scope_at, metric: metric_at };
                    let member = Member { scope: labels, absent: Some(absent), place };
                    members.entry(family).or_default().push(member);
                }
            }
        }
    }
    members.values_mut().for_each(|absent| order::sort_by(absent, |a, b| a.scope.cmp(&b.scope)));
    members
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use meterkit_core::{
        Attributes, Data, Descriptor, HistogramPoint, Kind, NumberPoint, SeriesId, Temporality,
        Value,
    };
    use meterkit_rules::prometheus_name::Translation;
    use opentelemetry::InstrumentationScope;

    use super::*;

    pub(crate) fn metric(name: &str, description: &str, is_gauge: bool) -> Metric {
        let (attributes, start, value) = (Attributes::empty(), UNIX_EPOCH, Value::U64(1));
        let points = vec![NumberPoint { series: SeriesId::new(), attributes, start, value }];
        let temporality = Temporality::Cumulative;
        let data = match is_gauge {
            true => Data::Gauge(points.into()),
            false => Data::Sum { monotonic: true, temporality, points: points.into() },
        };
        let (name, unit, description) = (name.to_owned(), "By".to_owned(), description.to_owned());
        Metric {
            descriptor: Arc::new(Descriptor { name, unit, description, kind: data.kind() }),
            data,
        }
    }

    pub(crate) fn scope(name: &'static str, metrics: Vec<Metric>) -> ScopeMetrics {
        ScopeMetrics { scope: Arc::new(InstrumentationScope::builder(name).build()), metrics }
    }

    #[test]
    fn metrics_of_one_name_are_one_family_whatever_the_order_of_their_scopes() {
        let mut scopes = [
            scope("b", vec![metric("sent", "Bytes.", false), metric("sent.bytes.total", "", true)]),
            scope("a", vec![metric("sent_bytes", "", false), metric("load", "", true)]),
        ];
        for _ in 0..2 {
            let of = Collection { scopes: &scopes, ..Collection::default() };
            let families = families(of, Names::default(), &PrometheusNames::default(), |it| it);
            let families: Vec<_> = families.collect();
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
                    (family.name(), family.family_type, help, unit, members)
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
        let of = Collection { scopes: &scopes, ..Collection::default() };
        let mut families = families(of, translation.utf8(), &PrometheusNames::default(), |_| ());
        let all: Vec<_> = families.clone().collect();
        assert_eq!(all.len(), 2);
        let x = &all[1];
        assert_eq!((x.name(), x.family_type, x.members.len()), ("x", FamilyType::Gauge, 1));
        assert!(families.has("target_info"));
        families.reserve_target_info(of);
        assert!(!families.has("target_info"));
        let left: Vec<_> = families.collect();
        assert_eq!(left.iter().map(Family::name).collect::<Vec<_>>(), ["x"]);
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
            let of = Collection { scopes: &scopes, ..Collection::default() };
            let mut families = families(of, names, &PrometheusNames::default(), |_| ());
            families.reserve_target_info(of);
            let found = families.map(|it| format!("{} {}", it.name(), it.family_type.as_str()));
            let found: Vec<_> = found.collect();
            assert_eq!(found, expected);
        }
    }
}
