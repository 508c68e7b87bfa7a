//! Labels of scopes and series, and the rules for joining equal labels.

use std::borrow::Cow;

use meterkit_core::{AttributeRef, Attributes};
use meterkit_rules::prometheus_name::Names;
use opentelemetry::InstrumentationScope;

/// Names and values of labels.
pub type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// The value of a label of a series.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "a value is converted already, or not")]
pub enum LabelText<'a> {
    /// The value of one attribute.
    Attribute(AttributeRef<'a>),
    /// The joined text of all attributes that became this label.
    Text(Cow<'a, str>),
}

impl<'a> From<LabelText<'a>> for Cow<'a, str> {
    #[inline]
    fn from(text: LabelText<'a>) -> Self {
        match text {
            LabelText::Attribute(AttributeRef::Str(value)) => Self::Borrowed(value),
            LabelText::Attribute(AttributeRef::Bool(true)) => Self::Borrowed("true"),
            LabelText::Attribute(AttributeRef::Bool(false)) => Self::Borrowed("false"),
            LabelText::Attribute(other) => Self::Owned(other.to_string()),
            LabelText::Text(text) => text,
        }
    }
}

/// The labels that every series gets from its scope. Attributes of the scope cannot have these names.
const FIXED: [&str; 3] = ["otel_scope_name", "otel_scope_schema_url", "otel_scope_version"];

/// The labels that all series of a scope share: the labels of the scope itself, and labels that a target adds.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScopeLabels<'a> {
    own: Labels<'a>,
    /// Copies of resource attributes.
    copied: Vec<Translated<'a>>,
}

impl<'a> ScopeLabels<'a> {
    /// Creates an empty list of labels, for series without a scope.
    pub const fn none() -> Self {
        Self { own: Vec::new(), copied: Vec::new() }
    }

    /// Returns the labels of a scope, `otel_scope_*`: its name, schema URL, version and attributes, except empty ones.
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
        // An attribute named `name`, `version` or `schema_url` would conflict with the scope's own label.
        let is_taken = |label: &str| FIXED.iter().any(|key| names.label(key) == label);
        let attributes = attributes.filter(|it| !it.value.is_empty() && !is_taken(&it.label));
        labels.own.extend(joined(attributes.collect()).map(Translated::into_label));
        labels
    }

    /// Returns labels for the resource attributes for which `keeps` returns `true`. The labels `le` and `quantile`,
    /// which samples have themselves, get the prefix `exported_`. Labels that could belong to a scope are left out.
    pub fn copies(resource: &'a Attributes, names: Names, keeps: impl Fn(&str) -> bool) -> Self {
        let kept = resource.iter().filter(|(key, _)| keeps(key));
        let labels = kept.map(|(key, value)| Translated {
            key: Cow::Borrowed(key),
            label: match names.label(key) {
                label if label == "le" || label == "quantile" => format!("exported_{label}").into(),
                label => label,
            },
            value: LabelText::Attribute(value).into(),
        });
        let labels = labels.filter(|it| !it.value.is_empty() && !is_of_scope(&it.label));
        Self { own: Vec::new(), copied: joined(labels.collect()).collect() }
    }

    /// Adds the [copied resource attributes](Self::copies) of `other`.
    #[must_use]
    pub fn with_copies_of(mut self, other: &Self) -> Self {
        self.copied.extend_from_slice(&other.copied);
        self
    }

    /// Adds a label that no series has itself, unless its value is empty.
    pub fn push(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        if !value.is_empty() {
            self.own.push((name, value));
        }
    }

    /// Converts the labels to owned ones, which can outlive their scope.
    pub fn into_owned(self) -> ScopeLabels<'static> {
        let owned = |text: Cow<'a, str>| Cow::Owned(text.into_owned());
        let own = self.own.into_iter().map(|(name, value)| (owned(name), owned(value)));
        let copied = self.copied.into_iter().map(|it| Translated {
            key: owned(it.key),
            label: owned(it.label),
            value: owned(it.value),
        });
        ScopeLabels { own: own.collect(), copied: copied.collect() }
    }

    /// Returns the names and values. Each name occurs once.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let own = self.own.iter().map(|(name, value)| (&**name, &**value));
        own.chain(self.copied.iter().map(|it| (&*it.label, &*it.value)))
    }

    fn has(&self, name: &str) -> bool {
        self.own.iter().any(|(known, _)| known == name) || self.has_copied(name)
    }

    fn has_copied(&self, name: &str) -> bool {
        self.copied.iter().any(|it| it.label == name)
    }
}

/// Calls `visit` with the name and value of each label of a series with these attributes. `label` returns the label
/// name for a key, and must return the borrowed key only if the key is a valid label name.
///
/// Returns whether the caller has to add the labels of the scope. If the label of an attribute is, or could be, that of
/// a scope, `visit` is called with the labels of the scope too, and this function returns `false`.
///
/// Empty labels are left out, because Prometheus treats them as absent. The values of keys that become the same label
/// are joined with `;`, in the order of the keys. Labels are visited in the order of the keys, or sorted by name if any
/// key was translated. Labels of scopes come last.
#[inline]
#[must_use]
pub fn for_each_label<'a>(
    attributes: impl Iterator<Item = (&'a str, AttributeRef<'a>)> + Clone,
    scope: &'a ScopeLabels<'_>,
    label: impl Fn(&'a str) -> Cow<'a, str>,
    mut visit: impl FnMut(Cow<'a, str>, LabelText<'a>),
) -> bool {
    let attributes = attributes
        .filter(|(_, value)| !matches!(value, AttributeRef::Str(text) if text.is_empty()));
    // If all keys are valid label names, no two keys have the same label, and there is nothing to join.
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
    let of_scope = scope.own.iter().map(|(label, value)| Translated {
        key: label.clone(),
        label: label.clone(),
        value: value.clone(),
    });
    // An attribute of the series replaces a resource attribute with the same key.
    let is_replaced = |copied: &&Translated<'_>| own.iter().any(|it| it.key == copied.key);
    let copied = scope.copied.iter().filter(|it| !is_replaced(it)).cloned();
    let on_top: Vec<_> = of_scope.chain(copied).filter(|_| !comes_on_top).collect();
    let mut labels: Vec<_> = joined(on_top.into_iter().chain(own).collect()).collect();
    // Use the same order as for series whose caller adds the labels of the scope.
    labels.sort_by_key(|it| {
        let fixed = FIXED.iter().position(|fixed| *fixed == it.label);
        let of_scope = is_of_scope(&it.label).then_some(fixed.unwrap_or(FIXED.len()));
        of_scope.or_else(|| scope.has_copied(&it.label).then_some(FIXED.len() + 1))
    });
    labels.into_iter().for_each(|it| visit(it.label, LabelText::Text(it.value)));
    comes_on_top
}

/// Returns whether a label could be that of a scope, unescaped or with `_` escaped as in the scheme `dots`.
pub(crate) fn is_of_scope(label: &str) -> bool {
    label.starts_with("otel_scope_") || label.starts_with("otel__scope__")
}

/// An attribute, and the label name for its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Translated<'a> {
    key: Cow<'a, str>,
    label: Cow<'a, str>,
    value: Cow<'a, str>,
}

impl<'a> Translated<'a> {
    fn into_label(self) -> (Cow<'a, str>, Cow<'a, str>) {
        (self.label, self.value)
    }
}

/// Sorts labels by name, and joins the values of equal names with `;`, in the order of their keys.
fn joined(mut attributes: Vec<Translated<'_>>) -> impl Iterator<Item = Translated<'_>> {
    attributes.sort_by(|a, b| (&a.label, &a.key).cmp(&(&b.label, &b.key)));
    attributes.dedup_by(|later, earlier| {
        let is_same = later.label == earlier.label;
        if is_same {
            let joined = earlier.value.to_mut();
            joined.push(';');
            joined.push_str(&later.value);
        }
        is_same
    });
    attributes.into_iter()
}

#[cfg(test)]
mod tests {
    use meterkit_core::{AttributeValue, Attributes};
    use meterkit_rules::prometheus_name::{FamilyType, Translation};
    use opentelemetry::{KeyValue, StringValue, Value};

    use super::*;

    #[test]
    fn equal_labels_of_series_are_joined_and_empty_ones_left_out() {
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
    fn equal_labels_of_scopes_are_joined_and_empty_ones_left_out() {
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
    fn labels_of_series_are_joined_with_equal_ones_of_their_scope() {
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

    #[test]
    fn copies_of_the_resource_yield_to_attributes_of_the_same_key_and_are_joined_with_others() {
        let resource = Attributes::from_pairs([
            ("service.name".into(), "shop".into()),
            ("host.name".into(), "h".into()),
            ("le".into(), "1".into()),
            ("otel.scope.name".into(), "mine".into()),
            ("secret".into(), "s".into()),
            ("empty".into(), "".into()),
        ]);
        let scope = InstrumentationScope::builder("a").build();
        let copies = ScopeLabels::copies(&resource, Names::default(), |key| key != "secret");
        let scope = ScopeLabels::of(&scope, Names::default()).with_copies_of(&copies);
        let expected = [
            ("otel_scope_name", "a"),
            ("exported_le", "1"),
            ("host_name", "h"),
            ("service_name", "shop"),
        ];
        assert_eq!(scope.iter().collect::<Vec<_>>(), expected);
        for (key, expected) in [
            ("a", None),
            ("service.name", Some("own")),
            ("service_name", Some("shop;own")),
            ("service-name", Some("own;shop")),
        ] {
            let attributes = Attributes::from_pairs([(key.into(), "own".into())]);
            let mut labels = Vec::new();
            let label = |key| Names::default().series_label(key, FamilyType::Gauge);
            let comes_on_top = for_each_label(attributes.iter(), &scope, label, |label, value| {
                labels.push(format!("{label}={}", Cow::from(value)));
            });
            match expected {
                None => assert!(comes_on_top && labels == ["a=own"], "{labels:?}"),
                Some(value) => {
                    let last = format!("service_name={value}");
                    let all = ["otel_scope_name=a", "exported_le=1", "host_name=h", &last];
                    assert!(!comes_on_top && labels == all, "{labels:?}");
                }
            }
        }
    }
}
