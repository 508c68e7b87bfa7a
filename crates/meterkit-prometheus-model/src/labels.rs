//! Labels of scopes and series, and how those that become equal are joined.

use std::borrow::Cow;

use meterkit_core::{AttributeValue, Attributes};
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

/// What every series has of its scope. Attributes of the scope cannot have these names.
const FIXED: [&str; 3] = ["otel_scope_name", "otel_scope_schema_url", "otel_scope_version"];

/// The labels that all series of a scope share: those of the scope itself, and those that a target adds.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScopeLabels<'a>(Labels<'a>);

impl<'a> ScopeLabels<'a> {
    /// Returns no labels: those of series without a scope.
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// Returns `otel_scope_name`, version, schema URL and attributes of a scope, without the empty ones.
    pub(crate) fn of(scope: &'a InstrumentationScope, names: Names) -> Self {
        let [schema_url, version] =
            [scope.schema_url(), scope.version()].map(Option::unwrap_or_default);
        let mut labels = Self::none();
        for (key, value) in FIXED.into_iter().zip([scope.name(), schema_url, version]) {
            labels.push(names.label(key), Cow::Borrowed(value));
        }
        let attributes = Attributes::from_key_values(scope.attributes());
        let attributes = attributes.iter().map(|(key, value)| Translated {
            key: format!("otel_scope_{key}").into(),
            label: names.label(&format!("otel_scope_{key}")).into_owned().into(),
            value: value.to_string().into(),
        });
        // An attribute called `name`, `version` or `schema_url` would take the label of the scope's own.
        let is_taken = |label: &str| FIXED.iter().any(|key| names.label(key) == label);
        let attributes = attributes.filter(|it| !it.value.is_empty() && !is_taken(&it.label));
        labels.0.extend(joined(attributes.collect()));
        labels
    }

    /// Adds a label that no series has among its own, unless it is empty.
    pub fn push(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        if !value.is_empty() {
            self.0.push((name, value));
        }
    }

    /// Returns the same labels for longer than their scope lives.
    pub fn into_owned(self) -> ScopeLabels<'static> {
        let own = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        ScopeLabels(self.0.into_iter().map(|(name, value)| (own(name), own(value))).collect())
    }

    /// Returns names and values, each name once.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }
}

/// Calls `visit` with the name and value of each label that a series with these attributes has beside those of its
/// scope. `label` names the label of a key, and borrows the key only if it is a label as it stands. Returns whether the
/// labels of the scope come on top. If an attribute has a label that is, or could be, that of a scope, `visit` got all.
///
/// Empty labels are left out: to Prometheus they do not exist. The values of keys that become the same label are joined
/// by `;`, in the order of the keys. The labels come in the order of the keys, or by name if any key was translated.
/// Labels of scopes come last.
#[inline]
#[must_use]
pub fn for_each_label<'a>(
    attributes: impl Iterator<Item = (&'a str, &'a AttributeValue)> + Clone,
    scope: &'a ScopeLabels<'_>,
    label: impl Fn(&'a str) -> Cow<'a, str>,
    mut visit: impl FnMut(Cow<'a, str>, LabelText<'a>),
) -> bool {
    let attributes = attributes
        .filter(|(_, value)| !matches!(value, AttributeValue::Str(text) if text.is_empty()));
    // No other key can become a label that is a key as it stands: there is nothing to join.
    let stands = |key: &'a str| {
        matches!(label(key), Cow::Borrowed(_)) && !is_of_scope(key) && !scope.has(key)
    };
    if attributes.clone().all(|(key, _)| stands(key)) {
        attributes.for_each(|(key, value)| visit(Cow::Borrowed(key), LabelText::Attribute(value)));
        return true;
    }
    let own = attributes.map(|(key, value)| Translated {
        key: Cow::Borrowed(key),
        label: label(key),
        value: LabelText::Attribute(value).into(),
    });
    let own: Vec<_> = own.collect();
    let comes_on_top = !own.iter().any(|it| is_of_scope(&it.label) || scope.has(&it.label));
    let of_scope = scope.0.iter().filter(|_| !comes_on_top);
    let of_scope = of_scope.map(|(label, value)| Translated {
        key: label.clone(),
        label: label.clone(),
        value: value.clone(),
    });
    let mut labels = joined(of_scope.chain(own).collect());
    // As for series that get them on top.
    labels.sort_by_key(|(label, _)| {
        let fixed = FIXED.iter().position(|fixed| fixed == label);
        is_of_scope(label).then_some(fixed.unwrap_or(FIXED.len()))
    });
    labels.into_iter().for_each(|(label, value)| visit(label, LabelText::Text(value)));
    comes_on_top
}

/// Returns whether a label could be that of a scope, as it stands or with `_` as the scheme `dots` escapes it.
pub(crate) fn is_of_scope(label: &str) -> bool {
    label.starts_with("otel_scope_") || label.starts_with("otel__scope__")
}

/// An attribute, and the label that its key becomes.
struct Translated<'a> {
    key: Cow<'a, str>,
    label: Cow<'a, str>,
    value: Cow<'a, str>,
}

/// Orders labels by name. The values of equal names are joined by `;`, in the order of their keys.
fn joined(mut attributes: Vec<Translated<'_>>) -> Labels<'_> {
    attributes.sort_by(|a, b| (&a.label, &a.key).cmp(&(&b.label, &b.key)));
    let mut labels = Labels::with_capacity(attributes.len());
    for Translated { label, value, .. } in attributes {
        match labels.last_mut() {
            Some((last, joined)) if *last == label => {
                let joined = joined.to_mut();
                joined.push(';');
                joined.push_str(&value);
            }
            _ => labels.push((label, value)),
        }
    }
    labels
}

#[cfg(test)]
mod tests {
    use meterkit_core::Attributes;
    use meterkit_rules::prometheus_name::{FamilyType, Translation};
    use opentelemetry::{KeyValue, StringValue, Value};

    use super::*;

    #[test]
    fn labels_of_series_are_joined_where_they_became_one_and_left_out_where_empty() {
        let labels = |pairs: &[(&'static str, AttributeValue)]| {
            let pairs = pairs.iter().map(|(key, value)| ((*key).into(), value.clone()));
            let attributes = Attributes::from_pairs(pairs);
            let mut labels = Vec::new();
            let label = |key| Names::default().series_label(key, FamilyType::Histogram);
            let none = ScopeLabels::default();
            let is_all = for_each_label(attributes.iter(), &none, label, |label, value| {
                let text = Cow::from(value).into_owned();
                labels.push(format!("{label}={text}"));
            });
            assert!(is_all);
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
                KeyValue::new("1x", "digit"),
                KeyValue::new(
                    "list",
                    Value::Array(vec![StringValue::from("a\"b"), "c".into()].into()),
                ),
            ])
            .build();
        let labels = ScopeLabels::of(&scope, Names::default());
        let expected = [
            ("otel_scope_name", "a"),
            ("otel_scope_1x", "digit"),
            ("otel_scope_kind", "k"),
            ("otel_scope_list", r#"["a\"b","c"]"#),
            ("otel_scope_x_y", "2;1"),
        ];
        assert_eq!(labels.iter().collect::<Vec<_>>(), expected);

        let labels = ScopeLabels::of(&scope, Translation::NoTranslation.utf8());
        let expected = [
            ("otel_scope_name", "a"),
            ("otel_scope_1x", "digit"),
            ("otel_scope_kind", "k"),
            ("otel_scope_list", r#"["a\"b","c"]"#),
            ("otel_scope_x-y", "2"),
            ("otel_scope_x_y", "1"),
        ];
        assert_eq!(labels.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn labels_of_series_are_joined_with_those_of_their_scope() {
        let scope = InstrumentationScope::builder("scope").with_version("1.0");
        let scope = scope.with_attributes([KeyValue::new("kind", "core")]).build();
        let scope = ScopeLabels::of(&scope, Names::default());
        for (pairs, expected) in [
            (&[("a", "1")][..], None),
            (
                &[("a", "1"), ("otel.scope.kin", "1")],
                Some(
                    &[
                        "a=1",
                        "otel_scope_name=scope",
                        "otel_scope_version=1.0",
                        "otel_scope_kin=1",
                        "otel_scope_kind=core",
                    ][..],
                ),
            ),
            (
                &[("a", "1"), ("otel.scope.name", "mine")],
                Some(
                    &[
                        "a=1",
                        "otel_scope_name=mine;scope",
                        "otel_scope_version=1.0",
                        "otel_scope_kind=core",
                    ][..],
                ),
            ),
            (
                &[("a", "1"), ("otel_scope_name", "mine")],
                Some(
                    &[
                        "a=1",
                        "otel_scope_name=scope;mine",
                        "otel_scope_version=1.0",
                        "otel_scope_kind=core",
                    ][..],
                ),
            ),
            (
                &[
                    ("a", "1"),
                    ("otel.scope.version", "3"),
                    ("otel_scope-version", "2"),
                    ("otel~scope_version", "4"),
                ],
                Some(
                    &[
                        "a=1",
                        "otel_scope_name=scope",
                        "otel_scope_version=3;2;1.0;4",
                        "otel_scope_kind=core",
                    ][..],
                ),
            ),
            (
                &[("a", "1"), ("otel_scope_kind", "x")],
                Some(
                    &[
                        "a=1",
                        "otel_scope_name=scope",
                        "otel_scope_version=1.0",
                        "otel_scope_kind=core;x",
                    ][..],
                ),
            ),
        ] {
            let pairs = pairs.iter().map(|(key, value)| ((*key).into(), (*value).into()));
            let attributes = Attributes::from_pairs(pairs);
            let mut labels = Vec::new();
            let label = |key| Names::default().series_label(key, FamilyType::Gauge);
            let comes_on_top = for_each_label(attributes.iter(), &scope, label, |label, value| {
                labels.push(format!("{label}={}", Cow::from(value)));
            });
            assert_eq!(comes_on_top, expected.is_none(), "{attributes:?}");
            if let Some(expected) = expected {
                assert_eq!(labels, expected, "{attributes:?}");
            }
        }
    }
}
