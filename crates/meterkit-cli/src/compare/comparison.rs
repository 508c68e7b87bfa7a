//! The comparison of two inventories.

use std::collections::{BTreeMap, BTreeSet};

use meterkit_core::OWN_SCOPE;
use meterkit_rules::prometheus_name::TARGET_INFO;
use serde::Serialize;

use super::bounds;
use super::cause::Cause;
use super::labels::{self, SCOPE_LABELS};
use super::names;
use crate::inventory::{Family, Format, Inventory};

/// The differences between two inventories, grouped by cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    groups: Vec<Group>,
    /// The number of metrics without differences.
    pub(super) same: usize,
}

/// The differences that share a cause.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Group {
    /// The cause, which also explains how to remove the differences.
    pub cause: Cause,
    /// One difference per metric, sorted by name.
    pub differences: Vec<Difference>,
}

/// The difference in one metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Difference {
    /// The name in OLD, if it has the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<String>,
    /// The name in NEW, if it has the metric.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<String>,
    /// The parts that only OLD has: labels, bounds, a type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_old: Vec<String>,
    /// The parts that only NEW has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub only_new: Vec<String>,
    /// Code that restores this metric, if it can be derived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// The error for a comparison of a catalog with an exposition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an exposition cannot be compared with a catalog; pass two expositions or two catalogs")]
#[expect(clippy::exhaustive_structs, reason = "the error has no details")]
pub struct MixedError;

/// A metric of both inventories, perhaps under different names.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) old: (&'a str, &'a Family),
    pub(super) new: (&'a str, &'a Family),
}

/// Collects differences by cause.
#[derive(Default)]
pub(super) struct Findings(BTreeMap<Cause, Vec<Difference>>);

impl Comparison {
    /// Compares two expositions, or two catalogs.
    ///
    /// # Errors
    ///
    /// Returns an error if one inventory is an exposition and the other is a catalog.
    pub fn new(old: &Inventory, new: &Inventory) -> Result<Self, MixedError> {
        if (old.format == Format::Catalog) != (new.format == Format::Catalog) {
            return Err(MixedError);
        }
        let mut findings = Findings::default();
        let [old_rest, new_rest] = [(old, new), (new, old)].map(|(one, other)| {
            let rest = one.families.iter().map(|(name, family)| (&**name, family));
            rest.filter(|(name, _)| !other.families.contains_key(*name)).collect::<Vec<_>>()
        });
        let [old_rest, new_rest] = [
            without_additions(old_rest, &mut findings, Side::Old),
            without_additions(new_rest, &mut findings, Side::New),
        ];
        let same_names = old.families.iter().filter_map(|(name, family)| {
            let (new_name, new_family) = new.families.get_key_value(name)?;
            Some(Pair { old: (name, family), new: (new_name, new_family) })
        });
        let renamed = names::pairs(&old_rest, &new_rest, &mut findings);
        let mut paired: [BTreeSet<&str>; 2] = Default::default();
        for pair in &renamed {
            paired[0].insert(pair.old.0);
            paired[1].insert(pair.new.0);
        }
        let pairs: Vec<_> = same_names.chain(renamed).collect();
        labels::compare(&pairs, &mut findings);
        for pair in &pairs {
            compare_families(pair, [old.format, new.format], &mut findings);
        }
        for (name, _) in old_rest.iter().filter(|(name, _)| !paired[0].contains(name)) {
            findings.add(Cause::Missing, Side::Old.difference(name));
        }
        for (name, _) in new_rest.iter().filter(|(name, _)| !paired[1].contains(name)) {
            findings.add(Cause::New, Side::New.difference(name));
        }
        let changed: BTreeSet<_> =
            findings.0.values().flatten().filter_map(|it| it.old.as_deref()).collect();
        let same = old.families.keys().filter(|name| !changed.contains(&***name)).count();
        let groups = findings.0.into_iter().map(|(cause, mut differences)| {
            differences.sort_by(|a, b| (&a.old, &a.new).cmp(&(&b.old, &b.new)));
            // A unit that differs in the name also differs in `# UNIT`.
            if cause == Cause::UnitChanged {
                differences.dedup_by(|next, kept| (&next.old, &next.new) == (&kept.old, &kept.new));
            }
            Group { cause, differences }
        });
        Ok(Self { groups: groups.collect(), same })
    }

    /// Returns whether nothing differs.
    pub fn is_equal(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns the differences, with one group per cause.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }
}

impl Findings {
    pub(super) fn add(&mut self, cause: Cause, difference: Difference) {
        self.0.entry(cause).or_default().push(difference);
    }
}

impl Pair<'_> {
    /// Returns a difference of this metric, with the parts that only one inventory has.
    pub(super) fn difference(&self, only_old: Vec<String>, only_new: Vec<String>) -> Difference {
        Difference {
            old: Some(self.old.0.to_owned()),
            new: Some(self.new.0.to_owned()),
            only_old,
            only_new,
            code: None,
        }
    }
}

#[derive(Clone, Copy)]
enum Side {
    Old,
    New,
}

impl Side {
    /// Returns the difference for a metric that exists only on this side.
    fn difference(self, name: &str) -> Difference {
        let name = Some(name.to_owned());
        match self {
            Self::Old => Difference { old: name, ..Difference::default() },
            Self::New => Difference { new: name, ..Difference::default() },
        }
    }
}

/// Removes the metrics that only one inventory has because the library adds them.
fn without_additions<'a>(
    rest: Vec<(&'a str, &'a Family)>,
    findings: &mut Findings,
    side: Side,
) -> Vec<(&'a str, &'a Family)> {
    let mut kept = Vec::new();
    for (name, family) in rest {
        let [added, missing] = if name == TARGET_INFO {
            [Cause::TargetInfoAdded, Cause::TargetInfoMissing]
        } else if is_own(name, family) {
            [Cause::OwnMetricsAdded, Cause::OwnMetricsMissing]
        } else {
            kept.push((name, family));
            continue;
        };
        let cause = match side {
            Side::Old => missing,
            Side::New => added,
        };
        findings.add(cause, side.difference(name));
    }
    kept
}

/// Returns whether this is a metric about meterkit itself.
fn is_own(name: &str, family: &Family) -> bool {
    match family.labels.get(SCOPE_LABELS[0]) {
        Some(scopes) => scopes.values.iter().all(|scope| scope == OWN_SCOPE),
        None => name.starts_with("meterkit_") || name.starts_with("otel_sdk_"),
    }
}

/// Compares types, units, bounds and start times.
fn compare_families(pair: &Pair<'_>, formats: [Format; 2], findings: &mut Findings) {
    let (old, new) = (pair.old.1, pair.new.1);
    let [old_type, new_type] = [old, new].map(|family| match &*family.family_type {
        // The text format represents types that only OpenMetrics has as these types.
        "info" | "stateset" if formats[0] != formats[1] => "gauge",
        "gaugehistogram" if formats[0] != formats[1] => "histogram",
        other => other,
    });
    let is_distribution = |it: &str| ["summary", "histogram"].contains(&it);
    if old_type != new_type {
        let cause = match is_distribution(old_type) && is_distribution(new_type) {
            true => Cause::SummaryAgainstHistogram,
            false => Cause::TypeChanged,
        };
        findings.add(cause, pair.difference(vec![old_type.to_owned()], vec![new_type.to_owned()]));
    } else {
        bounds::compare(pair, findings);
    }
    if pair.old.0 == pair.new.0 && old.instrument != new.instrument {
        let [old, new] = [old, new].map(|family| family.instrument.iter().cloned().collect());
        findings.add(Cause::NameSpelling, pair.difference(old, new));
    }
    if formats[0] == formats[1] && old.unit != new.unit {
        let unit = |unit: &str| if unit.is_empty() { vec![] } else { vec![unit.to_owned()] };
        findings.add(Cause::UnitChanged, pair.difference(unit(&old.unit), unit(&new.unit)));
    }
    let cause = match (old.has_start_times, new.has_start_times) {
        (false, true) => Cause::StartTimesAdded,
        (true, false) => Cause::StartTimesMissing,
        _ => return,
    };
    findings.add(cause, pair.difference(vec![], vec![]));
}
