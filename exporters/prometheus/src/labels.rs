//! Labels of series and scopes in the text format.

use std::borrow::Cow;

use meterkit_core::{AttributeValue, Attributes};
use meterkit_prometheus_model::{LabelText, ScopeLabels, for_each_label};
use meterkit_rules::prometheus_name::Names;

use crate::text;

/// The labels of a scope, and their text, which is written once for all series.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ScopeText {
    labels: ScopeLabels<'static>,
    text: String,
}

impl ScopeText {
    pub(crate) fn new(labels: ScopeLabels<'_>, names: Names) -> Self {
        let mut text = String::new();
        for (label, value) in labels.iter() {
            text::label(&mut text, names, label, value);
        }
        Self { labels: labels.into_owned(), text }
    }
}

/// Writes the labels of a series. `label` names the label of an attribute key.
pub(crate) fn series_labels<'a>(
    out: &mut String,
    names: Names,
    label: impl Fn(&'a str) -> Cow<'a, str>,
    attributes: &'a Attributes,
    scope: &'a ScopeText,
) {
    let write = |label: Cow<'_, str>, value| match value {
        // Most labels are text, and integers would be allocated.
        LabelText::Attribute(AttributeValue::Str(value)) => text::label(out, names, &label, value),
        LabelText::Attribute(AttributeValue::I64(value)) => {
            text::label(out, names, &label, itoa::Buffer::new().format(*value));
        }
        value => text::label(out, names, &label, &Cow::from(value)),
    };
    if for_each_label(attributes.iter(), &scope.labels, label, write) {
        text::labels(out, &scope.text);
    }
}
