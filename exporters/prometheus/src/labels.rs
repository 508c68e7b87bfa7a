//! Labels of series and scopes in the text format.

use std::borrow::Cow;

use meterkit_core::{AttributeValue, Attributes};
use meterkit_prometheus_model::{LabelText, Labels, for_each_label};
use meterkit_rules::prometheus_name::Names;

use crate::text;

/// Returns the labels of a scope as text.
pub(crate) fn scope_labels(labels: &Labels<'_>, names: Names) -> String {
    let mut written = String::new();
    for (label, value) in labels {
        text::label(&mut written, names, label, value);
    }
    written
}

/// Writes the labels of a series.
pub(crate) fn series_labels(out: &mut String, names: Names, attributes: &Attributes) {
    let name = |key| names.series_label(key);
    for_each_label(attributes.iter(), name, |label, value| match value {
        // Most labels are text, and integers would be allocated.
        LabelText::Attribute(AttributeValue::Str(value)) => text::label(out, names, &label, value),
        LabelText::Attribute(AttributeValue::I64(value)) => {
            text::label(out, names, &label, itoa::Buffer::new().format(*value));
        }
        value => text::label(out, names, &label, &Cow::from(value)),
    });
}
