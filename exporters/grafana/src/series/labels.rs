//! Labels of series and the resource.

use std::borrow::Cow;

use meterkit_core::{AttributeValue, Attributes};
use meterkit_prometheus_model::{TARGET_INFO, joined};
use meterkit_rules::prometheus_name;

/// Names and values. Those of a series are ordered by name.
pub(crate) type Labels<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

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

/// The labels of a series with those of its `envelope`, ordered by name.
pub(crate) fn series_labels<'a>(attributes: &'a Attributes, envelope: &Labels<'a>) -> Labels<'a> {
    let mut labels = named(attributes.iter());
    // With room for `__name__` and `le`.
    labels.reserve_exact(envelope.len() + 2);
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
    joined(pairs.into_iter()).into_iter().collect()
}

/// The label's name for an attribute key of a series. Names that are taken by the target get a prefix too, as a scrape
/// would give it to them.
pub(crate) fn series_label(key: &str) -> Cow<'_, str> {
    let label = prometheus_name::series_label(key);
    let is_taken = ["instance", "job"].contains(&&*label);
    if is_taken { Cow::Owned(format!("exported_{label}")) } else { label }
}

fn text(value: &AttributeValue) -> Cow<'_, str> {
    match value {
        AttributeValue::Str(value) => Cow::Borrowed(value),
        AttributeValue::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
        other => Cow::Owned(other.to_string()),
    }
}
