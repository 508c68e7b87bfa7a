//! The families of a collection, computed once for all collections with the same metrics.

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use meterkit_core::order;
use meterkit_core::{
    Data, Descriptor, Kind, Metric, NameMeetings, PrometheusNames, ScopeMetrics, SeriesId,
};
use meterkit_rules::prometheus_name::{FamilyType, Names};
use opentelemetry::InstrumentationScope;

use crate::family::{Collection, Place, warn};

/// The families of a collection. A plan contains no points, so later collections with the same metrics can reuse it.
#[derive(Debug)]
pub(crate) struct Plan {
    names: Names,
    meetings: NameMeetings,
    /// The scopes of the collection, each with the number of its metrics.
    scopes: Vec<(Arc<InstrumentationScope>, usize)>,
    metrics: Vec<(Arc<Descriptor>, Kind)>,
    /// Sorted by name, then by type.
    families: Vec<Planned>,
    /// The metrics of all families, one family after the other. Within a family, metrics are sorted by age, then by their own
    /// names.
    members: Vec<Place>,
    /// Whether the ages of series decided a conflict. With other series, the decision may differ.
    depends_on_series: bool,
}

#[derive(Debug)]
struct Planned {
    name: Box<str>,
    of: FamilyType,
    /// Whether the format cannot show the type.
    is_untyped: bool,
    /// Whether all members come from another library, so that their labels are not translated.
    is_literal: bool,
    members: Range<u32>,
}

const OLDER_HAS_NAME: &str = "metric left out: an older metric has the same name in Prometheus";

impl Plan {
    /// Returns the plan of this collection. Reuses the plan of the previous collection if it had the same metrics.
    pub(crate) fn of(
        collection: Collection<'_>,
        names: Names,
        known: &PrometheusNames,
    ) -> Arc<Self> {
        let meetings = known.meetings(names);
        let kept = known.kept(names).and_then(|kept| kept.downcast::<Self>().ok());
        if let Some(kept) = kept.filter(|kept| kept.is_for(collection.scopes, &meetings)) {
            return kept;
        }
        let plan = Arc::new(Self::new(collection, names, meetings));
        if !plan.depends_on_series {
            known.keep(names, plan.clone());
        }
        plan
    }

    fn new(collection: Collection<'_>, names: Names, meetings: NameMeetings) -> Self {
        let all = collection.scopes;
        let scopes = all.iter().map(|it| (it.scope.clone(), it.metrics.len())).collect();
        let metrics = all.iter().flat_map(|it| &it.metrics);
        let metrics = metrics.map(|it| (it.descriptor.clone(), it.data.kind())).collect();
        let (families, members) = Default::default();
        let mut plan =
            Self { names, meetings, scopes, metrics, families, members, depends_on_series: false };
        plan.name_all(collection);
        plan.leave_out_younger(collection);
        if names.is_open_metrics() {
            plan.take_types(collection);
        }
        plan.families.shrink_to_fit();
        plan
    }

    /// Returns whether the plan applies to these metrics.
    fn is_for(&self, scopes: &[ScopeMetrics], meetings: &NameMeetings) -> bool {
        let mut known = self.metrics.iter();
        let mut is_known = |metric: &Metric| {
            known.next().is_some_and(|(descriptor, kind)| {
                // Views create new descriptors for each collection, so compare the contents too.
                let is_same =
                    Arc::ptr_eq(descriptor, &metric.descriptor) || *descriptor == metric.descriptor;
                is_same && *kind == metric.data.kind()
            })
        };
        self.scopes.len() == scopes.len()
            && self.meetings == *meetings
            && self.scopes.iter().zip(scopes).all(|((scope, metrics), now)| {
                (Arc::ptr_eq(scope, &now.scope) || *scope == now.scope)
                    && *metrics == now.metrics.len()
                    && now.metrics.iter().all(&mut is_known)
            })
    }

    pub(crate) fn meetings(&self) -> &NameMeetings {
        &self.meetings
    }

    /// Returns the type, the naming rules for labels, and the metrics of the family at index `at`.
    pub(crate) fn family(&self, at: usize) -> Option<(FamilyType, Names, &[Place])> {
        let family = self.families.get(at)?;
        let of = if family.is_untyped { FamilyType::Unknown } else { family.of };
        let names = if family.is_literal { self.names.untranslated() } else { self.names };
        Some((of, names, self.members_of(family)))
    }

    pub(crate) fn name(&self, at: usize) -> &str {
        &self.families[at].name
    }

    /// Returns the index of the family that a metric belongs to.
    pub(crate) fn family_of(&self, scope: &ScopeMetrics, metric: &Metric) -> Option<usize> {
        let (name, of) = self.name_of(scope, metric);
        self.find(&name).find(|at| self.families[*at].of == of)
    }

    /// Returns the indices of all families with this name.
    pub(crate) fn find(&self, name: &str) -> Range<usize> {
        let start = self.families.partition_point(|it| *it.name < *name);
        let len = self.families[start..].iter().take_while(|it| *it.name == *name).count();
        start..start + len
    }

    /// Returns the indices of the families whose names conflict with `target_info`.
    pub(crate) fn meeting_resource(&self) -> impl Iterator<Item = usize> {
        let families = self.families.iter().enumerate();
        families.filter(|(_, it)| self.names.meets_resource(it.shown())).map(|(at, _)| at)
    }

    /// Logs a problem with the family at index `at`, once.
    pub(crate) fn warn(&self, at: usize, collection: Collection<'_>, clash: &str) {
        let family = &self.families[at];
        if let Some(first) = self.members_of(family).first() {
            warn(&family.name, first.of(collection.scopes), clash);
        }
    }

    fn members_of(&self, family: &Planned) -> &[Place] {
        &self.members[family.members.start as usize..family.members.end as usize]
    }

    fn name_of(&self, scope: &ScopeMetrics, metric: &Metric) -> (String, FamilyType) {
        let (scope, kind) = (scope.scope.name(), metric.data.kind());
        let name = self.meetings.family(scope, &metric.descriptor, kind, self.names);
        (name, FamilyType::from(&metric.data))
    }

    /// Adds each metric to the family of its name, unless an older instrument has that name.
    fn name_all(&mut self, collection: Collection<'_>) {
        let mut named = Vec::with_capacity(self.metrics.len());
        for (scope_at, scope) in (0..).zip(collection.scopes) {
            for (metric_at, metric) in (0..).zip(&scope.metrics) {
                let (name, of) = self.name_of(scope, metric);
                if self.meetings.hide(&name, of) {
                    // For the default names, the store logs this conflict when the instrument is created.
                    if self.names != Names::default() {
                        warn(&name, metric, OLDER_HAS_NAME);
                    }
                    continue;
                }
                named.push((name, of, Place { scope: scope_at, metric: metric_at }));
            }
        }
        order::sort_by(&mut named, |(a, a_type, one), (b, b_type, other)| {
            (a, a_type).cmp(&(b, b_type)).then_with(|| {
                let [one, other] =
                    [one, other].map(|place| &place.of(collection.scopes).descriptor);
                let age = |descriptor| self.meetings.age(descriptor);
                (age(one), &one.name).cmp(&(age(other), &other.name))
            })
        });
        self.members = named.iter().map(|(.., place)| *place).collect();
        for (at, (name, of, place)) in (0..).zip(named) {
            let scope = &collection.scopes[place.scope as usize].scope;
            let descriptor = &place.of(collection.scopes).descriptor;
            let is_literal = self.meetings.is_literal(scope.name(), descriptor);
            match self.families.last_mut() {
                Some(family) if *family.name == *name && family.of == of => {
                    family.members.end = at + 1;
                    family.is_literal &= is_literal;
                }
                _ => {
                    let (name, members) = (name.into_boxed_str(), at..at + 1);
                    let family = Planned { name, of, is_untyped: false, is_literal, members };
                    self.families.push(family);
                }
            }
        }
    }

    /// Removes families that conflict with an older family.
    fn leave_out_younger(&mut self, collection: Collection<'_>) {
        let mut younger = HashSet::new();
        self.for_each_meeting(|one, other| {
            let [a, b] = [one, other].map(|at| self.families[at].named());
            if self.names.exclude(a, b) {
                let [a, b] = [one, other].map(|at| self.oldest(at, collection));
                let loser = if a < b { other } else { one };
                self.warn(loser, collection, OLDER_HAS_NAME);
                younger.insert(loser);
            }
        });
        self.depends_on_series = !younger.is_empty();
        let mut at = 0;
        self.families.retain(|_| {
            at += 1;
            !younger.contains(&(at - 1))
        });
    }

    /// Makes the type of counters that conflict with another family in OpenMetrics `unknown`.
    fn take_types(&mut self, collection: Collection<'_>) {
        let mut met = HashSet::new();
        self.for_each_meeting(|one, other| met.extend([one, other]));
        for at in 0..self.families.len() {
            let family = &self.families[at];
            let named = family.named();
            let mut is_untyped = !self.names.allow(named);
            let meets = || met.contains(&at) || self.names.meets_resource(named);
            let is_known = || self.meetings.take_type(&family.name, family.of);
            if !is_untyped && family.of == FamilyType::Counter && (is_known() || meets()) {
                is_untyped = true;
                let clash = "counter exported with type unknown in OpenMetrics: another metric has the same name there";
                self.warn(at, collection, clash);
            }
            self.families[at].is_untyped = is_untyped;
        }
    }

    /// Returns the id of the oldest series of a family.
    fn oldest(&self, at: usize, collection: Collection<'_>) -> Option<SeriesId> {
        let members = self.members_of(&self.families[at]).iter();
        members.map(|place| &place.of(collection.scopes).data).flat_map(Data::series).min()
    }

    /// Calls `visit` with the indices of each pair of families that conflict. The first index is that of the family
    /// with the longer name.
    fn for_each_meeting(&self, mut visit: impl FnMut(usize, usize)) {
        let (families, names) = (&self.families, self.names);
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
                wholes.filter(|at| families[*at].of == of).for_each(|whole| visit(at, whole));
            }
        }
    }
}

impl Planned {
    fn named(&self) -> (&str, FamilyType) {
        (&self.name, self.of)
    }

    /// Returns the name, and the type that the format shows.
    fn shown(&self) -> (&str, FamilyType) {
        (&self.name, if self.is_untyped { FamilyType::Unknown } else { self.of })
    }
}

#[cfg(test)]
mod tests {
    use meterkit_rules::prometheus_name::Translation;

    use super::*;
    use crate::family::tests::{metric, scope};

    fn plan(scopes: &[ScopeMetrics], names: Names, known: &PrometheusNames) -> Arc<Plan> {
        Plan::of(Collection { scopes, ..Collection::default() }, names, known)
    }

    #[test]
    fn a_plan_serves_collections_with_the_same_metrics_and_no_others() {
        let known = PrometheusNames::default();
        let all = || {
            let load = vec![metric("load", "", true)];
            vec![scope("a", load), scope("b", vec![metric("sent", "", false)])]
        };
        let names = Names::default();
        let first = plan(&all(), names, &known);
        let is_first = |scopes: &[ScopeMetrics]| Arc::ptr_eq(&first, &plan(scopes, names, &known));
        assert!(is_first(&all()), "equal descriptors suffice, because views create new ones");
        assert!(!Arc::ptr_eq(&first, &plan(&all(), names.open_metrics(), &known)));
        assert!(is_first(&all()), "each set of naming rules has its own plan");

        type Change = fn(&mut Vec<ScopeMetrics>);
        let changes: [Change; 6] = [
            |scopes| drop(scopes.pop()),
            |scopes| scopes.push(scope("c", vec![metric("load", "", true)])),
            |scopes| scopes[0].metrics.push(metric("more", "", true)),
            |scopes| scopes[0].metrics[0] = metric("load", "", false),
            |scopes| scopes[0].metrics[0] = metric("load.average", "", true),
            |scopes| scopes[1].scope = scope("z", Vec::new()).scope,
        ];
        for (at, change) in changes.into_iter().enumerate() {
            let kept = plan(&all(), names, &known);
            let mut scopes = all();
            change(&mut scopes);
            assert!(!Arc::ptr_eq(&kept, &plan(&scopes, names, &known)), "change {at}");
        }
    }

    #[test]
    fn a_plan_that_depends_on_the_ages_of_series_is_not_reused() {
        let (known, names) = (PrometheusNames::default(), Translation::NoTranslation.utf8());
        for is_gauge in [true, false, true] {
            // Created first, so that its series is older.
            let older = metric("x", "", is_gauge);
            let mut metrics = vec![older, metric("x", "", !is_gauge)];
            metrics.sort_by_key(|metric| metric.data.kind() == Kind::Counter);
            let plan = plan(&[scope("a", metrics)], names, &known);
            let expected = if is_gauge { FamilyType::Gauge } else { FamilyType::Counter };
            assert_eq!(plan.family(0).map(|(of, ..)| of), Some(expected));
            assert!(plan.family(1).is_none());
        }
    }
}
