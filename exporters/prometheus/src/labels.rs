//! Writes the labels of series and scopes in each format.

use std::borrow::Cow;

use meterkit_core::{AttributeRef, Attributes};
use meterkit_prometheus_model::{LabelText, ScopeLabels, for_each_label};
use meterkit_rules::prometheus_name::{FamilyType, Names};

use crate::text;

/// The labels of a scope, and their text or message fields, which are written for each series of the scope.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    labels: ScopeLabels<'static>,
    text: String,
    /// The labels as message fields; empty in text formats.
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

/// Writes the labels of series, and remembers keys that need no translation.
///
/// The series of an instrument share the texts of their keys, and most keys are valid label names. If the address of a
/// key is already known, the key needs neither translation nor a search for other keys with the same label name.
#[derive(Debug, Default)]
pub(crate) struct SeriesLabels {
    /// The naming rules that the heads were written with.
    names: Names,
    /// The address of the scope.
    scope: usize,
    /// The keys that are valid label names and differ from the labels of the scope, in the order of the series.
    plain: Vec<PlainKey>,
}

#[derive(Debug)]
struct PlainKey {
    /// The address and the length of the text.
    place: (usize, usize),
    /// The text before the value.
    head: String,
}

impl SeriesLabels {
    /// Forgets all keys, because the keys of the next family may have other labels.
    pub(crate) fn clear(&mut self) {
        self.plain.clear();
    }

    /// Calls `visit` with the name and value of each label of a series. `label` returns the label name for an attribute
    /// key, and must always return the same name for the same key. Returns whether the labels of the scope have to be
    /// added unchanged.
    #[inline]
    #[must_use]
    pub(crate) fn visit<'a>(
        &mut self,
        attributes: &'a Attributes,
        scope: &'a Scope,
        label: impl Fn(&'a str) -> Cow<'a, str>,
        mut visit: impl FnMut(&str, &str),
    ) -> bool {
        let address = std::ptr::from_ref(scope) as usize;
        if self.scope != address {
            (self.scope, self.plain) = (address, Vec::new());
        }
        let mut next = 0;
        if attributes.iter().all(|(key, _)| self.plain(&mut next, key).is_some()) {
            for (key, value) in attributes.iter().filter(|(_, value)| !is_empty(*value)) {
                visit_text(key, LabelText::Attribute(value), &mut visit);
            }
            return true;
        }
        let mut are_plain = true;
        let comes_on_top =
            for_each_label(attributes.iter(), &scope.labels, label, |label, value| {
                are_plain &= matches!(value, LabelText::Attribute(_));
                visit_text(&label, value, &mut visit);
            });
        if comes_on_top && are_plain {
            for (key, _) in attributes.iter().filter(|(_, value)| !is_empty(*value)) {
                if self.plain(&mut 0, key).is_none() {
                    let mut head = String::new();
                    text::label_head(&mut head, self.names, key);
                    self.plain.push(PlainKey { place: place(key), head });
                }
            }
        }
        comes_on_top
    }

    /// Writes the labels of a series as text, without those of the scope, if all its keys are known to be plain.
    /// Returns whether they are.
    #[inline]
    fn write_plain(&self, out: &mut String, attributes: &Attributes, scope: &Scope) -> bool {
        if self.scope != std::ptr::from_ref(scope) as usize {
            return false;
        }
        let (start, mut next) = (out.len(), 0);
        let are_plain = attributes.iter().all(|(key, value)| {
            let Some(PlainKey { head, .. }) = self.plain(&mut next, key) else { return false };
            if !is_empty(value) {
                visit_text(head, LabelText::Attribute(value), &mut |head, value| {
                    text::label_with(out, head, value);
                });
            }
            true
        });
        if !are_plain {
            out.truncate(start);
        }
        are_plain
    }

    /// Returns the entry of a plain key, if it is known. `next` is the index at which the entry is likely to be.
    #[inline]
    fn plain(&self, next: &mut usize, key: &str) -> Option<&PlainKey> {
        let is_it = |known: &PlainKey| known.place == place(key);
        if !self.plain.get(*next).is_some_and(is_it) {
            *next = self.plain.iter().position(is_it)?;
        }
        *next += 1;
        self.plain.get(*next - 1)
    }
}

fn is_empty(value: AttributeRef<'_>) -> bool {
    matches!(value, AttributeRef::Str(text) if text.is_empty())
}

/// Returns the address and the length of a text.
fn place(text: &str) -> (usize, usize) {
    (text.as_ptr() as usize, text.len())
}

#[inline]
fn visit_text(label: &str, value: LabelText<'_>, visit: &mut impl FnMut(&str, &str)) {
    match value {
        // Avoid an allocation for the two most common types.
        LabelText::Attribute(AttributeRef::Str(value)) => visit(label, value),
        LabelText::Attribute(AttributeRef::I64(value)) => {
            visit(label, itoa::Buffer::new().format(value));
        }
        value => visit(label, &Cow::from(value)),
    }
}

/// Writes all labels of a series as text. Two series have the same text only if their labels are equal.
pub(crate) fn write_series<'a>(
    out: &mut String,
    labels: &mut SeriesLabels,
    names: Names,
    of: FamilyType,
    scope: &'a Scope,
    attributes: &'a Attributes,
) {
    if labels.write_plain(out, attributes, scope) {
        return text::labels(out, &scope.text);
    }
    labels.names = names;
    let label = |key| names.series_label(key, of);
    let write = |name: &str, value: &str| text::label(out, names, name, value);
    if labels.visit(attributes, scope, label, write) {
        text::labels(out, &scope.text);
    }
}
