//! Labels of series and scopes.

use std::collections::BTreeMap;

use meterkit_core::{AttributeValue, Attributes};
use opentelemetry::InstrumentationScope;

use crate::name;
use crate::text;

/// `otel_scope_name`, version, schema URL and attributes of a scope, written. Empty ones are left out: to Prometheus an
/// empty label is none.
pub(crate) fn scope_labels(scope: &InstrumentationScope) -> String {
    let mut written = String::new();
    let fixed = [
        ("otel_scope_name", scope.name()),
        ("otel_scope_schema_url", scope.schema_url().unwrap_or_default()),
        ("otel_scope_version", scope.version().unwrap_or_default()),
    ];
    for (label, value) in fixed.iter().filter(|(_, value)| !value.is_empty()) {
        text::label(&mut written, label, value);
    }
    let mut attributes = BTreeMap::new();
    for attribute in scope.attributes() {
        let label = format!("otel_scope_{}", name::label(attribute.key.as_str()));
        let value = AttributeValue::from(&attribute.value).to_string();
        // An attribute called `name`, `version` or `schema_url` would stand for another thing.
        if fixed.iter().all(|(taken, _)| *taken != label) {
            join(&mut attributes, label, &value);
        }
    }
    for (label, value) in attributes.iter().filter(|(_, value)| !value.is_empty()) {
        text::label(&mut written, label, value);
    }
    written
}

/// Writes the labels of a series. Keys that become the same label have their values joined by `;`, in the order of
/// the keys.
pub(crate) fn series_labels(out: &mut String, attributes: &Attributes) {
    if attributes.iter().all(|(key, _)| is_plain(key)) {
        for (key, value) in attributes.iter() {
            write(out, key, value);
        }
        return;
    }
    let mut labels = BTreeMap::new();
    for (key, value) in attributes.iter() {
        let label = match name::label(key) {
            // Taken by the buckets, and by the scope.
            label if label == "le" || label == "quantile" || label.starts_with("otel_scope_") => {
                format!("exported_{label}")
            }
            label => label.into_owned(),
        };
        join(&mut labels, label, &value.to_string());
    }
    for (label, value) in &labels {
        text::label(out, label, value);
    }
}

/// Whether the key is a label as it is, and no other key can become it.
fn is_plain(key: &str) -> bool {
    let reserved = key == "le" || key == "quantile" || key.starts_with("otel_scope_");
    !reserved && matches!(name::label(key), std::borrow::Cow::Borrowed(_))
}

fn write(out: &mut String, label: &str, value: &AttributeValue) {
    match value {
        AttributeValue::Str(value) => text::label(out, label, value),
        AttributeValue::Bool(value) => {
            text::label(out, label, if *value { "true" } else { "false" })
        }
        AttributeValue::I64(value) => {
            text::label(out, label, itoa::Buffer::new().format(*value));
        }
        other => text::label(out, label, &other.to_string()),
    }
}

fn join(labels: &mut BTreeMap<String, String>, label: String, value: &str) {
    let joined = labels.entry(label).or_default();
    if !joined.is_empty() {
        joined.push(';');
    }
    joined.push_str(value);
}
