//! The labels of series, including those from the resource.

use std::borrow::Cow;

use meterkit_core::{AttributeRef, Attributes};
use meterkit_prometheus_model::{LabelText, Labels, ScopeLabels, TARGET_INFO, for_each_label};
use meterkit_rules::prometheus_name::{FamilyType, stored_label};

const SERVICE_NAME: &str = "service.name";
const SERVICE_NAMESPACE: &str = "service.namespace";
const SERVICE_INSTANCE: &str = "service.instance.id";

/// The scope labels of `target_info`: the resource belongs to no scope.
static NO_SCOPE: ScopeLabels<'static> = ScopeLabels::none();

/// Returns `job` and `instance`, which identify the process on every series. A label is left out if the resource has
/// no value for it.
pub(crate) fn target_labels(resource: &Attributes) -> Labels<'_> {
    let text = |key| {
        let text: Cow<'_, str> = LabelText::Attribute(resource.get(key)?).into();
        Some(text).filter(|text| !text.is_empty())
    };
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

/// Returns the labels of `target_info`: the resource, except for the attributes that `target` already holds, and
/// `target` itself. Returns `None` if the resource has no other attributes.
pub(crate) fn info_labels<'a>(resource: &'a Attributes, target: &Labels<'a>) -> Option<Labels<'a>> {
    let identifying = [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE];
    let rest = resource.iter().filter(|(key, _)| !identifying.contains(key));
    let mut labels =
        named(rest, |key| stored_label(key, FamilyType::Gauge), &NO_SCOPE, target.len() + 1);
    if labels.is_empty() {
        return None;
    }
    labels.extend(target.iter().cloned());
    labels.sort();
    insert(&mut labels, "__name__", TARGET_INFO);
    Some(labels)
}

/// Returns the labels of a series and of its scope, ordered by name. `label` maps an attribute key to its label name.
pub(crate) fn series_labels<'a>(
    attributes: &'a Attributes,
    label: impl Fn(&'a str) -> Cow<'a, str>,
    scope: &'a ScopeLabels<'_>,
) -> Labels<'a> {
    // Two more: `__name__` and `le`.
    let mut labels = named(attributes.iter(), label, scope, scope.iter().count() + 2);
    labels.sort();
    labels
}

/// Inserts a label at its place in the order. `labels` must not contain its name yet.
pub(crate) fn insert<'a>(labels: &mut Labels<'a>, name: &'a str, value: &'a str) {
    let at = labels.partition_point(|(other, _)| **other < *name);
    labels.insert(at, (Cow::Borrowed(name), Cow::Borrowed(value)));
}

/// Returns the labels for these attributes and for the scope, with capacity for `room` labels besides those of the
/// attributes.
fn named<'a>(
    attributes: impl Iterator<Item = (&'a str, AttributeRef<'a>)> + Clone,
    label: impl Fn(&'a str) -> Cow<'a, str>,
    scope: &'a ScopeLabels<'_>,
    room: usize,
) -> Labels<'a> {
    let mut labels = Labels::with_capacity(attributes.clone().count() + room);
    let write = |label, value: LabelText<'a>| labels.push((label, value.into()));
    if for_each_label(attributes, scope, label, write) {
        let scope = scope.iter().map(|(name, value)| (name.into(), value.into()));
        labels.extend(scope);
    }
    labels
}
