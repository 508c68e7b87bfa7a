//! Families: metrics that Prometheus sees under one name.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use meterkit_core::prometheus_name::{self, FamilyType};
use meterkit_core::{Data, Metric, ScopeMetrics};

use crate::labels::{may_become_equal, scope_labels};

/// All metrics of one name. They come from different scopes, or their names became the same in translation.
pub(crate) struct Family<'a> {
    pub(crate) name: String,
    pub(crate) family_type: FamilyType,
    pub(crate) help: &'a str,
    pub(crate) members: Vec<Member<'a>>,
}

/// One metric of a family.
pub(crate) struct Member<'a> {
    pub(crate) metric: &'a Metric,
    /// The labels that say which scope it comes from, written.
    pub(crate) scope: std::rc::Rc<str>,
}

impl<'a> Member<'a> {
    /// The metric's own name.
    pub(crate) fn name(&self) -> &'a str {
        &self.metric.descriptor.name
    }
}

impl Family<'_> {
    /// Whether two members could hold the same series, or one member hold it twice.
    pub(crate) fn may_repeat_series(&self) -> bool {
        // Members are ordered by scope.
        self.members.windows(2).any(|pair| pair[0].scope == pair[1].scope)
            || self.members.iter().any(|member| match &member.metric.data {
                Data::Gauge(points) | Data::Sum { points, .. } => {
                    may_become_equal(points.iter().map(|point| &point.attributes))
                }
                Data::Histogram { points, .. } => {
                    may_become_equal(points.iter().map(|point| &point.attributes))
                }
                Data::ExponentialHistogram { points, .. } => {
                    may_become_equal(points.iter().map(|point| &point.attributes))
                }
                _ => false,
            })
    }
}

/// The families of all scopes, by name; their members by scope, then by their own name, however they came.
///
/// Of metrics that clash in type, the first one stays and the later ones are left out; of different descriptions,
/// the first one counts. Each clash is logged once.
pub(crate) fn group(scopes: &[ScopeMetrics]) -> Vec<Family<'_>> {
    let mut named: Vec<(String, FamilyType, Member<'_>)> = Vec::new();
    for scope in scopes {
        let labels: std::rc::Rc<str> = scope_labels(&scope.scope).into();
        for metric in &scope.metrics {
            let family_type = FamilyType::of(&metric.data);
            let name = prometheus_name::family(&metric.descriptor, family_type);
            named.push((name, family_type, Member { metric, scope: labels.clone() }));
        }
    }
    named.sort_by(|(a, _, one), (b, _, other)| {
        (a, &one.scope, one.name()).cmp(&(b, &other.scope, other.name()))
    });

    let mut families: Vec<Family<'_>> = Vec::new();
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

/// A histogram has three more names for itself: a family that is called so would be taken for a part of it.
fn leave_out_parts_of_histograms(families: &mut Vec<Family<'_>>) {
    let mut histograms = HashSet::new();
    // By name, a histogram comes before its parts.
    families.retain(|family| {
        let is_part = ["_bucket", "_sum", "_count"].iter().any(|part| {
            family.name.strip_suffix(part).is_some_and(|name| histograms.contains(name))
        });
        if is_part {
            family.warn_of("has the name of a part of a histogram: left out");
        } else if family.family_type == FamilyType::Histogram {
            histograms.insert(family.name.clone());
        }
        !is_part
    });
}

impl<'a> Family<'a> {
    fn add(&mut self, family_type: FamilyType, help: &'a str, member: Member<'a>) {
        let metric = member.name();
        if family_type != self.family_type {
            warn_once(
                &self.name,
                metric,
                "has another type than the first metric of that name: left out",
            );
            return;
        }
        if self.help.is_empty() {
            self.help = help;
        } else if !help.is_empty() && help != self.help {
            warn_once(
                &self.name,
                metric,
                "has another description than the first metric of that name",
            );
        }
        self.members.push(member);
    }

    /// Logs, once, what is wrong with the whole family.
    pub(crate) fn warn_of(&self, clash: &str) {
        if let Some(member) = self.members.first() {
            warn_once(&self.name, member.name(), clash);
        }
    }
}

/// Logs a clash the first time it is seen. Scrapes repeat; the log must not.
pub(crate) fn warn_once(family: &str, metric: &str, clash: &str) {
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
