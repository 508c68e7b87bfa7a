//! Series of a family that become equal in Prometheus.

use std::borrow::Cow;
use std::collections::HashSet;
use std::hash::Hash;
use std::mem::{Discriminant, discriminant};
use std::ptr;

use meterkit_core::{AttributeValue, Attributes, Data};

use crate::family::{Family, Member};

/// Finds the series of a family that equal an earlier one, which targets leave out.
///
/// Costs nothing per series for families whose series cannot become equal. `L` is the form in which a target has the
/// labels of a series.
#[derive(Debug)]
pub struct DistinctSeries<'f, 'a, S, L> {
    family: &'f Family<'a, S>,
    /// The series so far; `None` if none of the family can equal another.
    seen: Option<HashSet<L>>,
}

impl<'f, 'a, S: PartialEq, L: Clone + Eq + Hash> DistinctSeries<'f, 'a, S, L> {
    /// Starts with no series. `label` names the label of a key.
    pub fn of(family: &'f Family<'a, S>, label: impl for<'k> Fn(&'k str) -> Cow<'k, str>) -> Self {
        Self { family, seen: may_repeat_series(family, label).then(HashSet::new) }
    }

    /// Returns whether a series is the first one with these labels. Another one is logged, once per metric.
    pub fn is_first(&mut self, member: &Member<'_, S>, labels: &L) -> bool {
        let is_first = self.seen.as_mut().is_none_or(|seen| seen.insert(labels.clone()));
        if !is_first {
            let clash = "has a series that becomes the same as another one of that name: left out";
            self.family.warn_of(member, clash);
        }
        is_first
    }
}

/// Returns whether two members could have the same series, or one member could have it twice.
fn may_repeat_series<S: PartialEq>(
    family: &Family<'_, S>,
    label: impl for<'k> Fn(&'k str) -> Cow<'k, str>,
) -> bool {
    // Members are ordered by scope.
    family.members.windows(2).any(|pair| pair[0].scope == pair[1].scope)
        || family.members.iter().any(|member| match &member.metric.data {
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

/// Returns whether two of these different sets could become the same labels: by keys that become equal, values that
/// differ in type alone, or an empty value where another set has none.
fn may_become_equal<'a>(
    series: impl Iterator<Item = &'a Attributes>,
    label: impl for<'k> Fn(&'k str) -> Cow<'k, str>,
) -> bool {
    let mut known: Vec<(&str, Cow<'_, str>, Discriminant<AttributeValue>)> = Vec::new();
    for (key, value) in series.flat_map(Attributes::iter) {
        let value_type = discriminant(value);
        // The series of an instrument share the texts of their keys: comparing addresses is enough for most.
        match known.iter().find(|(known, ..)| ptr::eq(*known, key) || *known == key) {
            _ if matches!(value, AttributeValue::Str(text) if text.is_empty()) => return true,
            Some((.., known)) if *known != value_type => return true,
            Some(_) => {}
            None => {
                let label = label(key);
                if known.iter().any(|(_, known, _)| *known == label) {
                    return true;
                }
                known.push((key, label, value_type));
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use meterkit_rules::prometheus_name::Names;

    use super::*;

    #[test]
    fn sets_may_become_equal_by_key_by_type_and_by_an_empty_value() {
        let one = |pairs: &[(&'static str, AttributeValue)]| {
            Attributes::from_pairs(pairs.iter().map(|(key, value)| ((*key).into(), value.clone())))
        };
        let text = AttributeValue::from;
        for (sets, expected) in [
            (vec![one(&[("a", text("1"))]), one(&[("a", text("2"))])], false),
            (vec![one(&[("a", text("1"))]), one(&[("b", text("1"))])], false),
            (vec![one(&[("a.b", text("1"))]), one(&[("a_b", text("1"))])], true),
            (vec![one(&[("a", text("1"))]), one(&[("a", 1_i64.into())])], true),
            (vec![one(&[("a", text(""))]), one(&[])], true),
        ] {
            let may = may_become_equal(sets.iter(), |key| Names::default().series_label(key));
            assert_eq!(may, expected, "{sets:?}");
        }
    }
}
