//! Labels of series and scopes in each format.

use std::borrow::Cow;

use meterkit_core::{AttributeValue, Attributes};
use meterkit_prometheus_model::{LabelText, ScopeLabels, for_each_label};
use meterkit_rules::prometheus_name::{FamilyType, Names};

use crate::text;

/// The labels of a scope, and what is written of them for each of its series.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    labels: ScopeLabels<'static>,
    text: String,
    /// As fields of a message; empty if the format is text.
    pub(crate) message: Vec<u8>,
}

impl Scope {
    pub(crate) fn new(labels: ScopeLabels<'_>, names: Names, message: Vec<u8>) -> Self {
        let mut text = String::new();
        for (label, value) in labels.iter() {
            text::label(&mut text, names, label, value);
        }
        Self { labels: labels.into_owned(), text, message }
    }
}

/// Calls `visit` with name and value of each label of a series. `label` names the label of an attribute key. Returns
/// whether those of the scope come on top.
#[inline]
#[must_use]
pub(crate) fn series_labels<'a>(
    attributes: &'a Attributes,
    scope: &'a Scope,
    label: impl Fn(&'a str) -> Cow<'a, str>,
    mut visit: impl FnMut(&str, &str),
) -> bool {
    for_each_label(attributes.iter(), &scope.labels, label, |label, value| match value {
        // Most labels are text, and integers would be allocated.
        LabelText::Attribute(AttributeValue::Str(value)) => visit(&label, value),
        LabelText::Attribute(AttributeValue::I64(value)) => {
            visit(&label, itoa::Buffer::new().format(*value));
        }
        value => visit(&label, &Cow::from(value)),
    })
}

/// Writes all labels of a series as text: the same one for equal series only.
pub(crate) fn write_series<'a>(
    out: &mut String,
    names: Names,
    of: FamilyType,
    scope: &'a Scope,
    attributes: &'a Attributes,
) {
    let label = |key| names.series_label(key, of);
    let write = |name: &str, value: &str| text::label(out, names, name, value);
    if series_labels(attributes, scope, label, write) {
        text::labels(out, &scope.text);
    }
}
