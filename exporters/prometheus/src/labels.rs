//! Labels of series and scopes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::mem::{Discriminant, discriminant};

use meterkit_core::prometheus_name::{self, series_label};
use meterkit_core::{AttributeValue, Attributes};
use opentelemetry::InstrumentationScope;

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
        let label = format!("otel_scope_{}", prometheus_name::label(attribute.key.as_str()));
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

/// Writes the labels of a series, without the empty ones. Keys that become the same label have their values joined by
/// `;`, in the order of the keys.
pub(crate) fn series_labels(out: &mut String, attributes: &Attributes) {
    let attributes = || attributes.iter().filter(|(_, value)| !is_empty(value));
    // A key that is a label as it is: no other key can become it.
    if attributes().all(|(key, _)| matches!(series_label(key), Cow::Borrowed(_))) {
        for (key, value) in attributes() {
            write(out, key, value);
        }
        return;
    }
    let mut labels = BTreeMap::new();
    for (key, value) in attributes() {
        join(&mut labels, series_label(key).into_owned(), &value.to_string());
    }
    for (label, value) in &labels {
        text::label(out, label, value);
    }
}

/// Whether two of these different sets could become the same labels: keys that become equal, values that differ in
/// type alone, or an empty value where another set has none.
pub(crate) fn may_become_equal<'a>(series: impl Iterator<Item = &'a Attributes>) -> bool {
    let mut known: Vec<(&str, Cow<'_, str>, Discriminant<AttributeValue>)> = Vec::new();
    for (key, value) in series.flat_map(Attributes::iter) {
        let value_type = discriminant(value);
        match known.iter().find(|(known, ..)| *known == key) {
            _ if is_empty(value) => return true,
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

/// To Prometheus an empty label is none.
fn is_empty(value: &AttributeValue) -> bool {
    matches!(value, AttributeValue::Str(text) if text.is_empty())
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
