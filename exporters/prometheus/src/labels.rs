//! Labels of series and scopes, written.

use std::borrow::Cow;

use meterkit_core::{AttributeValue, Attributes};
use meterkit_prometheus_model::joined;
use meterkit_rules::prometheus_name::Names;
use opentelemetry::InstrumentationScope;

use crate::text;

/// The labels of a scope.
pub(crate) fn scope_labels(scope: &InstrumentationScope, names: Names) -> String {
    let mut written = String::new();
    for (label, value) in meterkit_prometheus_model::scope_labels(scope, names) {
        text::label(&mut written, names, &label, &value);
    }
    written
}

/// Writes the labels of a series, without the empty ones. Keys that become the same label have their values joined by
/// `;`, in the order of the keys.
pub(crate) fn series_labels(out: &mut String, names: Names, attributes: &Attributes) {
    let attributes = || attributes.iter().filter(|(_, value)| !is_empty(value));
    // A key that is a label as it is: no other key can become it.
    if attributes().all(|(key, _)| matches!(names.series_label(key), Cow::Borrowed(_))) {
        for (key, value) in attributes() {
            write(out, names, key, value);
        }
        return;
    }
    let labels =
        attributes().map(|(key, value)| (names.series_label(key), value.to_string().into()));
    for (label, value) in joined(labels) {
        text::label(out, names, &label, &value);
    }
}

/// To Prometheus an empty label is none.
fn is_empty(value: &AttributeValue) -> bool {
    matches!(value, AttributeValue::Str(text) if text.is_empty())
}

fn write(out: &mut String, names: Names, label: &str, value: &AttributeValue) {
    match value {
        AttributeValue::Str(value) => text::label(out, names, label, value),
        AttributeValue::Bool(value) => {
            text::label(out, names, label, if *value { "true" } else { "false" })
        }
        AttributeValue::I64(value) => {
            text::label(out, names, label, itoa::Buffer::new().format(*value));
        }
        other => text::label(out, names, label, &other.to_string()),
    }
}
