//! Labels of series, scopes and the resource.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};

use meterkit_core::{AttributeValue, Attributes, prometheus_name};
use opentelemetry::InstrumentationScope;

/// Names and values. Those of a series are ordered by name.
pub(crate) type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// The metric that carries the resource.
pub(crate) const TARGET_INFO: &str = "target_info";

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE: &str = "service.instance.id";

/// `job` and `instance`: which process it is, on every series. Where the resource does not say, there is no label.
pub(crate) fn target_labels(resource: &Attributes) -> Labels<'_> {
    let text = |key| resource.get(key).map(text).filter(|value| !value.is_empty());
    let mut labels = Labels::new();
    match (text(SERVICE_NAMESPACE), text(SERVICE_NAME)) {
        (Some(namespace), Some(name)) => {
            labels.push((Cow::Borrowed("job"), Cow::Owned(format!("{namespace}/{name}"))));
        }
        (None, Some(name)) => labels.push((Cow::Borrowed("job"), name)),
        (_, None) => {}
    }
    if let Some(instance) = text(SERVICE_INSTANCE) {
        labels.push((Cow::Borrowed("instance"), instance));
    }
    labels
}

/// The labels of `target_info`: the resource, but for what `target` says of it. `None` where that is all.
pub(crate) fn info_labels<'a>(resource: &'a Attributes, target: &Labels<'a>) -> Option<Labels<'a>> {
    let identifying = [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE];
    let rest = resource.iter().filter(|(key, _)| !identifying.contains(key));
    let mut labels = named(rest);
    if labels.is_empty() {
        return None;
    }
    labels.extend(target.iter().cloned());
    labels.sort();
    insert(&mut labels, "__name__", TARGET_INFO);
    Some(labels)
}

/// `otel_scope_name`, version, schema URL and attributes of a scope. Empty ones are left out: to Prometheus an empty
/// label is none.
pub(crate) fn scope_labels(scope: &InstrumentationScope) -> Labels<'_> {
    let fixed = [
        ("otel_scope_name", scope.name()),
        ("otel_scope_schema_url", scope.schema_url().unwrap_or_default()),
        ("otel_scope_version", scope.version().unwrap_or_default()),
    ];
    let mut attributes = BTreeMap::new();
    for attribute in scope.attributes() {
        let label = format!("otel_scope_{}", prometheus_name::label(attribute.key.as_str()));
        let value = AttributeValue::from(&attribute.value).to_string();
        // An attribute called `name`, `version` or `schema_url` would stand for another thing.
        if fixed.iter().all(|(taken, _)| *taken != label) {
            join(&mut attributes, Cow::Owned(label), Cow::Owned(value));
        }
    }
    let fixed = fixed.map(|(label, value)| (Cow::Borrowed(label), Cow::Borrowed(value)));
    fixed.into_iter().chain(attributes).filter(|(_, value)| !value.is_empty()).collect()
}

/// The labels of a series with those of its `envelope`, ordered by name.
pub(crate) fn series_labels<'a>(attributes: &'a Attributes, envelope: &Labels<'a>) -> Labels<'a> {
    let mut labels = named(attributes.iter());
    labels.extend(envelope.iter().cloned());
    labels.sort();
    labels
}

/// Adds a label where its name belongs. There is none of that name.
pub(crate) fn insert<'a>(labels: &mut Labels<'a>, name: &'a str, value: &'a str) {
    let at = labels.partition_point(|(other, _)| **other < *name);
    labels.insert(at, (Cow::Borrowed(name), Cow::Borrowed(value)));
}

/// Labels without the empty ones. Keys that become the same label have their values joined by `;`, in the order of the
/// keys.
fn named<'a>(attributes: impl Iterator<Item = (&'a str, &'a AttributeValue)>) -> Labels<'a> {
    let pairs: Labels<'a> = attributes
        .map(|(key, value)| (series_label(key), text(value)))
        .filter(|(_, value)| !value.is_empty())
        .collect();
    // A key that is a label as it is: no other key can become it.
    if pairs.iter().all(|(label, _)| matches!(label, Cow::Borrowed(_))) {
        return pairs;
    }
    let mut labels = BTreeMap::new();
    for (label, value) in pairs {
        join(&mut labels, label, value);
    }
    labels.into_iter().collect()
}

/// Whether two of these different sets could become the same labels: keys that become equal, values that differ in
/// type alone, or an empty value where another set has none.
pub(crate) fn may_become_equal<'a>(series: impl Iterator<Item = &'a Attributes>) -> bool {
    let mut known: Vec<(&str, Cow<'_, str>, Discriminant<AttributeValue>)> = Vec::new();
    for (key, value) in series.flat_map(Attributes::iter) {
        let value_type = discriminant(value);
        match known.iter().find(|(known, ..)| *known == key) {
            _ if text(value).is_empty() => return true,
            Some((.., known)) if *known != value_type => return true,
            Some(_) => {}
            None => {
                let label = series_label(key);
                if known.iter().any(|(_, known, _)| *known == label) {
                    return true;
                }
                known.push((key, label, value_type));
            }
        }
    }
    false
}

/// The label's name for an attribute key of a series. Names that are taken, by buckets, by the scope, by the target or
/// by Prometheus itself, get a prefix, as a scrape would give it to them.
fn series_label(key: &str) -> Cow<'_, str> {
    let label = prometheus_name::label(key);
    let is_taken = ["otel_scope_", "__"].iter().any(|prefix| label.starts_with(prefix))
        || ["instance", "job", "le", "quantile"].contains(&&*label);
    if is_taken { Cow::Owned(format!("exported_{label}")) } else { label }
}

fn text(value: &AttributeValue) -> Cow<'_, str> {
    match value {
        AttributeValue::Str(value) => Cow::Borrowed(value),
        AttributeValue::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        other => Cow::Owned(other.to_string()),
    }
}

fn join<'a>(
    labels: &mut BTreeMap<Cow<'a, str>, Cow<'a, str>>,
    label: Cow<'a, str>,
    value: Cow<'a, str>,
) {
    match labels.get_mut(&label) {
        None => {
            labels.insert(label, value);
        }
        Some(joined) => {
            let joined = joined.to_mut();
            joined.push(';');
            joined.push_str(&value);
        }
    }
}
