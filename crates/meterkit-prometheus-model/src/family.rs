//! Families: the metrics that Prometheus sees under one name.

use std::collections::HashSet;
use std::sync::LazyLock;

use meterkit_core::{Data, LogOnce, Metric, NameMeetings, ScopeMetrics, SeriesId};
use meterkit_rules::prometheus_name::{self, FamilyType, Names, whole_of_part};

use crate::labels::{Labels, scope_labels};

pub use meterkit_rules::prometheus_name::TARGET_INFO;

/// The description of [`TARGET_INFO`].
pub const TARGET_INFO_HELP: &str = "Target metadata";

/// All metrics with one name: they come from different scopes, or the translation made their names equal.
///
/// `S` is the form in which a target keeps the labels of a scope.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Family<'a, S> {
    /// The name, as `# TYPE` has it.
    pub name: String,
    /// The type of all members.
    pub family_type: FamilyType,
    /// The first description that is not empty.
    pub help: &'a str,
    /// At least one; ordered by scope, then by their own names.
    pub members: Vec<Member<'a, S>>,
}

/// One metric of a family.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Member<'a, S> {
    /// The metric.
    pub metric: &'a Metric,
    /// The labels that identify its scope.
    pub scope: S,
}

/// Returns the families of all scopes, ordered by name. Members are ordered by scope, then by their own name, whatever
/// the order of `scopes`. `names` names the families, `meetings` says which instruments have no name of their own; `keep`
/// turns the labels of each scope into the target's own form.
///
/// Conflicts are resolved as follows, and each is logged once:
///
/// - When metrics with one name differ in type, or one has the name of a histogram's part (`_bucket`, `_sum`,
///   `_count`), the older one stays and the other is left out. `meetings` decides which one is older; of metrics that it
///   does not know, the one whose oldest series is older.
/// - When their descriptions differ, the first one counts.
pub fn families<'a, S: Clone + Ord>(
    scopes: &'a [ScopeMetrics],
    names: Names,
    meetings: &NameMeetings,
    keep: impl Fn(Labels<'a>) -> S,
) -> Vec<Family<'a, S>> {
    let mut named: Vec<(String, FamilyType, Member<'a, S>)> = Vec::new();
    for scope in scopes {
        let labels = keep(scope_labels(&scope.scope, names));
        for metric in &scope.metrics {
            let family_type = FamilyType::from(&metric.data);
            let (name, unit) = (&metric.descriptor.name, &metric.descriptor.unit);
            let name = names.family(name, unit, family_type);
            if !meetings.hide(&name, family_type) {
                named.push((name, family_type, Member { metric, scope: labels.clone() }));
            }
        }
    }
    named.sort_by(|(a, a_type, one), (b, b_type, other)| {
        let names = (a, a_type, &one.scope).cmp(&(b, b_type, &other.scope));
        names.then_with(|| {
            let age = |member: &Member<'_, S>| meetings.age(&member.metric.descriptor);
            (age(one), one.name()).cmp(&(age(other), other.name()))
        })
    });

    let mut families: Vec<Family<'a, S>> = Vec::new();
    for (name, family_type, member) in named {
        let help = &*member.metric.descriptor.description;
        match families.last_mut() {
            Some(family) if family.name == name && family.family_type == family_type => {
                family.add(help, member);
            }
            _ => families.push(Family { name, family_type, help, members: vec![member] }),
        }
    }
    leave_out_younger(&mut families);
    families
}

/// Leaves out a family called `target_info`, for targets that write the resource under that name.
pub fn reserve_target_info<S>(families: &mut Vec<Family<'_, S>>) {
    families.retain(|family| {
        let is_taken = family.name == TARGET_INFO;
        if is_taken {
            family.warn("has the name of the resource's metric: left out");
        }
        !is_taken
    });
}

impl<'a, S> Family<'a, S> {
    /// Returns the unit in words, as OpenMetrics and remote write have it; empty for no unit.
    pub fn unit(&self) -> String {
        let unit = self.members.first().map_or("", |member| &member.metric.descriptor.unit);
        prometheus_name::unit(unit, self.family_type)
    }

    /// Logs a problem with one of the metrics the first time that any target meets it: scrapes and exports repeat, the
    /// log must not.
    pub fn warn_of(&self, member: &Member<'_, S>, clash: &str) {
        static LOGGED: LazyLock<LogOnce> = LazyLock::new(LogOnce::default);

        let (family, metric) = (&*self.name, member.name());
        if LOGGED.is_new(&(family, metric, clash)) {
            tracing::warn!(family, metric, "{clash}");
        }
    }

    /// Logs a problem with the whole family, once.
    fn warn(&self, clash: &str) {
        if let Some(member) = self.members.first() {
            self.warn_of(member, clash);
        }
    }

    fn add(&mut self, help: &'a str, member: Member<'a, S>) {
        if self.help.is_empty() {
            self.help = help;
        } else if !help.is_empty() && help != self.help {
            self.warn_of(&member, "has another description than the first metric of that name");
        }
        self.members.push(member);
    }

    /// Returns the oldest series.
    fn oldest(&self) -> Option<SeriesId> {
        let metrics = self.members.iter().map(|member| &member.metric.data);
        metrics.flat_map(Data::series).min()
    }
}

impl<'a, S> Member<'a, S> {
    /// Returns the metric's own name.
    pub fn name(&self) -> &'a str {
        &self.metric.descriptor.name
    }
}

/// Leaves out families whose name is also that of an older one, or of a part of one.
fn leave_out_younger<S>(families: &mut Vec<Family<'_, S>>) {
    let place = |name: &str, of: FamilyType| {
        families.binary_search_by(|it| (&*it.name, it.family_type).cmp(&(name, of))).ok()
    };
    let mut younger = HashSet::new();
    for (at, family) in families.iter().enumerate() {
        let same = families[..at].iter().rposition(|it| it.name != family.name);
        let same = same.map_or(0, |before| before + 1)..at;
        let whole = whole_of_part(&family.name).and_then(|it| place(it, FamilyType::Histogram));
        for other in same.chain(whole) {
            let is_older = family.oldest() < families[other].oldest();
            let (loser, clash) = match (is_older, families[other].name == family.name) {
                (true, _) => (other, "has the name of an older metric in Prometheus: left out"),
                (false, true) => (at, "has the name of an older metric in Prometheus: left out"),
                (false, false) => (at, "has the name of a part of a histogram: left out"),
            };
            families[loser].warn(clash);
            younger.insert(loser);
        }
    }
    let mut at = 0;
    families.retain(|_| {
        at += 1;
        !younger.contains(&(at - 1))
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::UNIX_EPOCH;

    use meterkit_core::{Attributes, Descriptor, NumberPoint, Temporality, Value};
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
            let families =
                families(&scopes, Names::default(), &NameMeetings::default(), |labels| labels);
            let found: Vec<_> = families
                .iter()
                .map(|family| {
                    let members: Vec<_> = family
                        .members
                        .iter()
                        .map(|member| (&*member.scope[0].1, member.name()))
                        .collect();
                    (&*family.name, family.family_type, family.help, family.unit(), members)
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
        let translation = prometheus_name::Translation::NoTranslation;
        let scopes = [
            scope("a", vec![metric("x", "", true), metric("target_info", "", true)]),
            scope("b", vec![metric("x", "", false)]),
        ];
        let mut families = families(&scopes, translation.utf8(), &NameMeetings::default(), |_| ());
        assert_eq!(families.len(), 2);
        let x = &families[1];
        assert_eq!((&*x.name, x.family_type, x.members.len()), ("x", FamilyType::Gauge, 1));
        reserve_target_info(&mut families);
        assert_eq!(families.iter().map(|family| &*family.name).collect::<Vec<_>>(), ["x"]);
    }
}
