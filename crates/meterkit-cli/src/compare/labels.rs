//! Labels: which ones are new, missing or renamed, and whose values changed.

use std::collections::{BTreeMap, BTreeSet};

use meterkit_rules::prometheus_name::TARGET_INFO;

use super::cause::Cause;
use super::comparison::{Findings, Pair};
use super::names::normalized;
use crate::inventory::LabelValues;

/// The fixed labels of the scope. Labels for its attributes are named `otel_scope_` and the attribute's key.
pub(super) const SCOPE_LABELS: [&str; 3] =
    ["otel_scope_name", "otel_scope_version", "otel_scope_schema_url"];

/// The label of the overflow series, which counts label sets beyond the cardinality limit.
const OVERFLOW: &str = "otel_metric_overflow";

pub(super) fn is_of_scope(key: &str) -> bool {
    key.starts_with("otel_scope_")
}

pub(super) fn compare(pairs: &[Pair<'_>], findings: &mut Findings) {
    let constant = constant_labels(pairs);
    for pair in pairs {
        let only = |one: &BTreeMap<String, LabelValues>, other: &BTreeMap<String, LabelValues>| {
            let keys = one.keys().filter(|key| !other.contains_key(*key));
            keys.cloned().collect::<Vec<_>>()
        };
        let (old, new) = (&pair.old.1.labels, &pair.new.1.labels);
        let (mut only_old, mut only_new) = (only(old, new), only(new, old));
        let mut one_sided = |cause, keys: Vec<String>, is_new: bool| {
            if !keys.is_empty() {
                let (old, new) = if is_new { (vec![], keys) } else { (keys, vec![]) };
                findings.add(cause, pair.difference(old, new));
            }
        };
        one_sided(Cause::ScopeLabelsMissing, taken(&mut only_old, is_of_scope), false);
        one_sided(Cause::ScopeLabelsAdded, taken(&mut only_new, is_of_scope), true);
        one_sided(Cause::OverflowSeries, taken(&mut only_new, |key| key == OVERFLOW), true);
        let is_constant = |key: &str| constant.contains(key);
        one_sided(Cause::ConstantLabelAdded, taken(&mut only_new, is_constant), true);

        let mut common: Vec<_> = old
            .keys()
            .filter(|key| new.contains_key(*key))
            .map(|key| (key.clone(), key.clone()))
            .collect();
        let renamed = renamed(&mut only_old, &mut only_new, pair);
        for (only_old, only_new) in &renamed {
            let difference = pair.difference(vec![only_old.clone()], vec![only_new.clone()]);
            findings.add(Cause::LabelRenamed, difference);
        }
        common.extend(renamed);
        if !only_old.is_empty() {
            findings.add(Cause::LabelMissing, pair.difference(only_old, vec![]));
        }
        if !only_new.is_empty() {
            findings.add(Cause::LabelAdded, pair.difference(vec![], only_new));
        }
        for (old_key, new_key) in &common {
            compare_values(pair, (old_key, &old[old_key]), (new_key, &new[new_key]), findings);
        }
    }
}

/// Removes the keys that match, and returns them.
fn taken(keys: &mut Vec<String>, is_chosen: impl Fn(&str) -> bool) -> Vec<String> {
    let (chosen, rest) = std::mem::take(keys).into_iter().partition(|key| is_chosen(key));
    *keys = rest;
    chosen
}

/// Returns the labels that every metric of NEW has, with one value, and that no metric of OLD has.
fn constant_labels<'a>(pairs: &[Pair<'a>]) -> BTreeSet<&'a str> {
    // `target_info` has the attributes of the resource in any case.
    let pairs: Vec<_> = pairs.iter().filter(|pair| pair.new.0 != TARGET_INFO).collect();
    let (Some(first), 2..) = (pairs.first(), pairs.len()) else { return BTreeSet::new() };
    let is_constant = |key: &str, values: &LabelValues| {
        values.values.len() == 1
            && pairs.iter().all(|pair| {
                pair.new.1.labels.get(key) == Some(values) && !pair.old.1.labels.contains_key(key)
            })
    };
    let labels = first.new.1.labels.iter();
    labels.filter(|(key, values)| is_constant(key, values)).map(|(key, _)| &**key).collect()
}

/// Removes from both lists the keys that belong together: keys of similar spelling, with the same values, or the last
/// ones left.
fn renamed(
    only_old: &mut Vec<String>,
    only_new: &mut Vec<String>,
    pair: &Pair<'_>,
) -> Vec<(String, String)> {
    let (old, new) = (&pair.old.1.labels, &pair.new.1.labels);
    let mut renamed = Vec::new();
    let mut take = |is_same: &dyn Fn(&str, &str) -> bool| {
        only_old.retain(|old| match only_new.iter().position(|new| is_same(old, new)) {
            Some(at) => {
                renamed.push((old.clone(), only_new.remove(at)));
                false
            }
            None => true,
        });
    };
    let spelled = |key: &str| normalized(key).replace('_', "");
    take(&|a, b| spelled(a) == spelled(b));
    take(&|a, b| !old[a].values.is_empty() && old[a] == new[b]);
    if let ([_], [_]) = (&**only_old, &**only_new) {
        renamed.push((only_old.remove(0), only_new.remove(0)));
    }
    renamed
}

/// Values come and go as a program runs. Therefore only values of enums count as missing; for other labels, only a
/// changed spelling is certain.
fn compare_values(
    pair: &Pair<'_>,
    (old_key, old): (&str, &LabelValues),
    (new_key, new): (&str, &LabelValues),
    findings: &mut Findings,
) {
    let only = |one: &LabelValues, other: &LabelValues| {
        one.values.difference(&other.values).cloned().collect::<Vec<_>>()
    };
    let (mut only_old, mut only_new) = (only(old, new), only(new, old));
    if !(old.are_all && new.are_all) {
        let spelled = |value: &String| normalized(value).replace('_', "");
        let [in_old, in_new] =
            [&only_old, &only_new].map(|it| it.iter().map(spelled).collect::<BTreeSet<_>>());
        let is_in_both = |value: &String| {
            let value = spelled(value);
            !value.is_empty() && in_old.contains(&value) && in_new.contains(&value)
        };
        only_old.retain(is_in_both);
        only_new.retain(is_in_both);
    }
    if only_old.is_empty() && only_new.is_empty() {
        return;
    }
    let shown = |key: &str, values: Vec<String>| {
        values.into_iter().map(|value| format!("{key}={value:?}")).collect()
    };
    findings.add(
        Cause::LabelValues,
        pair.difference(shown(old_key, only_old), shown(new_key, only_new)),
    );
}
