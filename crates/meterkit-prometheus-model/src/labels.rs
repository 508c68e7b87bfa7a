//! Labels of scopes and series, and what happens where they become equal.

use std::borrow::Cow;
use std::collections::BTreeMap;

use meterkit_core::AttributeValue;
use meterkit_rules::prometheus_name::Names;
use opentelemetry::InstrumentationScope;

/// Names and values of labels.
pub type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// The value of a label of a series.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a value is converted already, or not")]
pub enum LabelText<'a> {
    /// The value of one attribute.
    Attribute(&'a AttributeValue),
    /// The text of the attributes that became this label.
    Text(Cow<'a, str>),
}

impl<'a> From<LabelText<'a>> for Cow<'a, str> {
    #[inline]
    fn from(text: LabelText<'a>) -> Self {
        match text {
            LabelText::Attribute(AttributeValue::Str(value)) => Self::Borrowed(value),
            LabelText::Attribute(AttributeValue::Bool(true)) => Self::Borrowed("true"),
            LabelText::Attribute(AttributeValue::Bool(false)) => Self::Borrowed("false"),
            LabelText::Attribute(other) => Self::Owned(other.to_string()),
            LabelText::Text(text) => text,
        }
    }
}

/// Calls `visit` with the name and value of each label that a series with these attributes has. `label` names the
/// label of a key, and borrows the key only if it is a label as it stands.
///
/// Empty labels are left out: to Prometheus they do not exist. The values of keys that become the same label are joined
/// by `;`, in the order of the keys. The labels come in the order of the keys, or by name if any key was translated.
#[inline]
pub fn for_each_label<'a>(
    attributes: impl Iterator<Item = (&'a str, &'a AttributeValue)> + Clone,
    label: impl Fn(&'a str) -> Cow<'a, str>,
    mut visit: impl FnMut(Cow<'a, str>, LabelText<'a>),
) {
    let attributes = attributes
        .filter(|(_, value)| !matches!(value, AttributeValue::Str(text) if text.is_empty()));
    // No other key can become a label that is a key as it stands: there is nothing to join.
    if attributes.clone().all(|(key, _)| matches!(label(key), Cow::Borrowed(_))) {
        attributes.for_each(|(key, value)| visit(Cow::Borrowed(key), LabelText::Attribute(value)));
        return;
    }
    let labels = attributes.map(|(key, value)| (label(key), LabelText::Attribute(value).into()));
    for (label, value) in joined(labels) {
        visit(label, LabelText::Text(value));
    }
}

/// Returns `otel_scope_name`, version, schema URL and attributes of a scope, without the empty ones.
pub(crate) fn scope_labels(scope: &InstrumentationScope, names: Names) -> Labels<'_> {
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
    // An attribute called `name`, `version` or `schema_url` would take the label of the scope's own.
    let attributes = attributes.filter(|(label, _)| fixed.iter().all(|(taken, _)| taken != label));
    let attributes = joined(attributes);
    let fixed = fixed.map(|(label, value)| (Cow::Borrowed(label), Cow::Borrowed(value)));
    fixed.into_iter().chain(attributes).filter(|(_, value)| !value.is_empty()).collect()
}

/// Orders labels by name. The values of equal names are joined by `;`, in the order in which they come.
fn joined<'a>(
    labels: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
) -> BTreeMap<Cow<'a, str>, Cow<'a, str>> {
    let mut by_name: BTreeMap<Cow<'a, str>, Cow<'a, str>> = BTreeMap::new();
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

#[cfg(test)]
mod tests {
    use meterkit_core::Attributes;
    use meterkit_rules::prometheus_name::Translation;
    use opentelemetry::KeyValue;

    use super::*;

    #[test]
    fn labels_of_series_are_joined_where_they_became_one_and_left_out_where_empty() {
        let labels = |pairs: &[(&'static str, AttributeValue)]| {
            let pairs = pairs.iter().map(|(key, value)| ((*key).into(), value.clone()));
            let attributes = Attributes::from_pairs(pairs);
            let mut labels = Vec::new();
            let label = |key| Names::default().series_label(key);
            for_each_label(attributes.iter(), label, |label, value| {
                let text = Cow::from(value).into_owned();
                labels.push(format!("{label}={text}"));
            });
            labels
        };
        let plain = [("flag", true.into()), ("n", 7_i64.into()), ("none", "".into())];
        assert_eq!(labels(&plain), ["flag=true", "n=7"]);

        let translated = [("x_y", "b".into()), ("x.y", 1_i64.into()), ("le", 0.5.into())];
        assert_eq!(labels(&translated), ["exported_le=0.5", "x_y=1;b"]);
    }

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
}
