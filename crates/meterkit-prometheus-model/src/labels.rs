//! Labels of scopes, and labels that become equal.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};

use meterkit_core::{AttributeValue, Attributes};
use meterkit_rules::prometheus_name::Names;
use opentelemetry::InstrumentationScope;

/// A label's name or value.
type Text<'a> = Cow<'a, str>;

/// `otel_scope_name`, version, schema URL and attributes of a scope. Empty ones are left out: to Prometheus an empty
/// label is none.
pub fn scope_labels(
    scope: &InstrumentationScope,
    names: Names,
) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let fixed = [
        ("otel_scope_name", scope.name()),
        ("otel_scope_schema_url", scope.schema_url().unwrap_or_default()),
        ("otel_scope_version", scope.version().unwrap_or_default()),
    ];
    let attributes = scope.attributes().map(|attribute| {
        let label = format!("otel_scope_{}", names.label(attribute.key.as_str()));
        let value = AttributeValue::from(&attribute.value).to_string();
        (Cow::Owned(label), Cow::Owned(value))
    });
    // An attribute called `name`, `version` or `schema_url` would stand for another thing.
    let attributes = attributes.filter(|(label, _)| fixed.iter().all(|(taken, _)| taken != label));
    let attributes = joined(attributes);
    let fixed = fixed.map(|(label, value)| (Cow::Borrowed(label), Cow::Borrowed(value)));
    fixed.into_iter().chain(attributes).filter(|(_, value)| !value.is_empty()).collect()
}

/// Labels by name. Those that became the same have their values joined by `;`, in the order in which they come.
pub fn joined<'a>(
    labels: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
) -> BTreeMap<Cow<'a, str>, Cow<'a, str>> {
    let mut by_name: BTreeMap<Text<'a>, Text<'a>> = BTreeMap::new();
    for (label, value) in labels {
        match by_name.get_mut(&label) {
            Some(joined) if !joined.is_empty() => {
                let joined = joined.to_mut();
                joined.push(';');
                joined.push_str(&value);
            }
            _ => {
                by_name.insert(label, value);
            }
        }
    }
    by_name
}

/// Whether two of these different sets could become the same labels: keys that become equal, values that differ in
/// type alone, or an empty value where another set has none.
pub(crate) fn may_become_equal<'a>(
    series: impl Iterator<Item = &'a Attributes>,
    label: impl for<'k> Fn(&'k str) -> Cow<'k, str>,
) -> bool {
    let mut known: Vec<(&str, Text<'_>, Discriminant<AttributeValue>)> = Vec::new();
    for (key, value) in series.flat_map(Attributes::iter) {
        let value_type = discriminant(value);
        match known.iter().find(|(known, ..)| *known == key) {
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
    use meterkit_rules::prometheus_name::Translation;
    use opentelemetry::KeyValue;

    use super::*;

    #[test]
    fn labels_of_scopes_are_joined_where_they_became_one_and_left_out_where_empty() {
        let scope = InstrumentationScope::builder("a")
            .with_attributes([
                KeyValue::new("kind", "k"),
                KeyValue::new("name", "mine"),
                KeyValue::new("x.y", ""),
                KeyValue::new("x_y", "1"),
                KeyValue::new("x-y", 2),
                KeyValue::new("z", ""),
            ])
            .build();
        let labels = scope_labels(&scope, Names::default());
        let labels: Vec<_> = labels.iter().map(|(name, value)| (&**name, &**value)).collect();
        let expected =
            [("otel_scope_name", "a"), ("otel_scope_kind", "k"), ("otel_scope_x_y", "1;2")];
        assert_eq!(labels, expected);

        let labels = scope_labels(&scope, Translation::NoTranslation.utf8());
        let labels: Vec<_> = labels.iter().map(|(name, value)| (&**name, &**value)).collect();
        let expected = [
            ("otel_scope_name", "a"),
            ("otel_scope_kind", "k"),
            ("otel_scope_x-y", "2"),
            ("otel_scope_x_y", "1"),
        ];
        assert_eq!(labels, expected);
    }

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
