//! Families: metrics that Prometheus sees under one name.

use std::collections::HashSet;
use std::sync::{LazyLock, Mutex, PoisonError};

use meterkit_core::{Metric, ScopeMetrics};

use crate::labels::scope_labels;
use crate::name::{self, FamilyType};

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

impl Family<'_> {
    /// Whether two members could hold the same series: they come from one scope.
    pub(crate) fn may_repeat_series(&self) -> bool {
        self.members.windows(2).any(|pair| pair[0].scope == pair[1].scope)
    }
}

/// The families of all scopes, by name.
///
/// Of metrics that clash in type, the first one stays and the later ones are left out; of different descriptions,
/// the first one counts. Each clash is logged once.
pub(crate) fn group(scopes: &[ScopeMetrics]) -> Vec<Family<'_>> {
    let mut named: Vec<(String, FamilyType, Member<'_>)> = Vec::new();
    for scope in scopes {
        let labels: std::rc::Rc<str> = scope_labels(&scope.scope).into();
        for metric in &scope.metrics {
            if let Some(family_type) = FamilyType::of(&metric.data) {
                let name = name::family(&metric.descriptor, family_type);
                named.push((name, family_type, Member { metric, scope: labels.clone() }));
            }
        }
    }
    // Stable: within a name, scopes stay in their order.
    named.sort_by(|a, b| a.0.cmp(&b.0));

    let mut families: Vec<Family<'_>> = Vec::new();
    for (name, family_type, member) in named {
        let help = &*member.metric.descriptor.description;
        match families.last_mut() {
            Some(family) if family.name == name => family.add(family_type, help, member),
            _ => families.push(Family { name, family_type, help, members: vec![member] }),
        }
    }
    families
}

impl<'a> Family<'a> {
    fn add(&mut self, family_type: FamilyType, help: &'a str, member: Member<'a>) {
        let metric = &member.metric.descriptor.name;
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
