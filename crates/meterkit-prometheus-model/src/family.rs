//! Families: metrics that Prometheus sees under one name. For targets whose receivers have Prometheus' data model.
//!
//! By OpenTelemetry's "Prometheus and OpenMetrics Compatibility"; the names are those of
//! [`prometheus_name`](meterkit_rules::prometheus_name).

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use meterkit_core::{Data, Metric, ScopeMetrics};
use meterkit_rules::prometheus_name::{FamilyType, Names};
use opentelemetry::InstrumentationScope;

use crate::labels::may_become_equal;

/// The name of the metric that carries the resource.
pub const TARGET_INFO: &str = "target_info";

/// All metrics of one name. They come from different scopes, or their names became the same in translation.
///
/// `S` is what a target makes of a scope's labels.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Family<'a, S> {
    /// As it stands in `# TYPE`.
    pub name: String,
    /// That of all members.
    pub family_type: FamilyType,
    /// The first description that is not empty.
    pub help: &'a str,
    /// At least one; by scope, then by their own names.
    pub members: Vec<Member<'a, S>>,
}

/// One metric of a family.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Member<'a, S> {
    /// The metric.
    pub metric: &'a Metric,
    /// The labels that say which scope it comes from.
    pub scope: S,
}

/// The families of all scopes, by name; their members by scope, then by their own name, however they came. `names`
/// names the families, `labels` makes the labels of a scope.
///
/// Of metrics that clash in type, the first one stays and the later ones are left out; of different descriptions,
/// the first one counts; a family that has the name of a part of a histogram is left out. Each clash is logged once.
pub fn group<'a, S: Clone + Ord>(
    scopes: &'a [ScopeMetrics],
    names: Names,
    labels: impl Fn(&'a InstrumentationScope) -> S,
) -> Vec<Family<'a, S>> {
    let mut named: Vec<(String, FamilyType, Member<'a, S>)> = Vec::new();
    for scope in scopes {
        let labels = labels(&scope.scope);
        for metric in &scope.metrics {
            let family_type = FamilyType::from(&metric.data);
            let name = names.family(&metric.descriptor.name, &metric.descriptor.unit, family_type);
            named.push((name, family_type, Member { metric, scope: labels.clone() }));
        }
    }
    named.sort_by(|(a, _, one), (b, _, other)| {
        (a, &one.scope, one.name()).cmp(&(b, &other.scope, other.name()))
    });

    let mut families: Vec<Family<'a, S>> = Vec::new();
    for (name, family_type, member) in named {
        let help = &*member.metric.descriptor.description;
        match families.last_mut() {
            Some(family) if family.name == name => family.add(family_type, help, member),
            _ => families.push(Family { name, family_type, help, members: vec![member] }),
        }
    }
    leave_out_parts_of_histograms(&mut families);
    families
}

impl<'a, S> Family<'a, S> {
    /// Whether two members could hold the same series, or one member hold it twice. `label` names the label of a key.
    pub fn may_repeat_series(&self, label: impl for<'k> Fn(&'k str) -> Cow<'k, str>) -> bool
    where
        S: PartialEq,
    {
        // Members are ordered by scope.
        self.members.windows(2).any(|pair| pair[0].scope == pair[1].scope)
            || self.members.iter().any(|member| match &member.metric.data {
                Data::Gauge(points) | Data::Sum { points, .. } => {
                    may_become_equal(points.iter().map(|point| &point.attributes), &label)
                }
                Data::Histogram { points, .. } => {
                    may_become_equal(points.iter().map(|point| &point.attributes), &label)
                }
                Data::ExponentialHistogram { points, .. } => {
                    may_become_equal(points.iter().map(|point| &point.attributes), &label)
                }
                _ => false,
            })
    }

    /// Logs, once, what is wrong with the whole family.
    pub fn warn(&self, clash: &str) {
        if let Some(member) = self.members.first() {
            self.warn_of(member, clash);
        }
    }

    /// Logs, once, what is wrong with one of its metrics.
    pub fn warn_of(&self, member: &Member<'_, S>, clash: &str) {
        warn_once(&self.name, member.name(), clash);
    }

    fn add(&mut self, family_type: FamilyType, help: &'a str, member: Member<'a, S>) {
        if family_type != self.family_type {
            let clash = "has another type than the first metric of that name: left out";
            self.warn_of(&member, clash);
            return;
        }
        if self.help.is_empty() {
            self.help = help;
        } else if !help.is_empty() && help != self.help {
            self.warn_of(&member, "has another description than the first metric of that name");
        }
        self.members.push(member);
    }
}

impl<'a, S> Member<'a, S> {
    /// The metric's own name.
    pub fn name(&self) -> &'a str {
        &self.metric.descriptor.name
    }
}

/// A histogram has three more names for itself: a family that is called so would be taken for a part of it.
fn leave_out_parts_of_histograms<S>(families: &mut Vec<Family<'_, S>>) {
    let mut histograms = HashSet::new();
    // By name, a histogram comes before its parts.
    families.retain(|family| {
        let is_part = ["_bucket", "_sum", "_count"].iter().any(|part| {
            family.name.strip_suffix(part).is_some_and(|name| histograms.contains(name))
        });
        if is_part {
            family.warn("has the name of a part of a histogram: left out");
        } else if family.family_type == FamilyType::Histogram {
            histograms.insert(family.name.clone());
        }
        !is_part
    });
}

/// Logs a clash the first time it is seen, by whichever target. Scrapes and exports repeat; the log must not.
fn warn_once(family: &str, metric: &str, clash: &str) {
    /// Beyond this many, further clashes go unlogged: memory stays bounded whatever the names.
    const REMEMBERED: usize = 1000;
    static SEEN: LazyLock<Mutex<HashSet<String>>> = LazyLock::new(Mutex::default);

    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let is_new = seen.len() < REMEMBERED && seen.insert(format!("{family} {metric} {clash}"));
    drop(seen);
    if is_new {
        tracing::warn!(family, metric, "{clash}");
    }
}
