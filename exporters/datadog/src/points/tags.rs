//! The tags of points.

use std::borrow::Cow;
use std::sync::Arc;

use foldhash::HashMap;
use meterkit_core::{AttributeRef, Attributes, ScopeMetrics};

use crate::tag::tag;

/// The tags of points besides those from their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tagging {
    /// The tags of every point, as Datadog stores them; see [`ServiceTags`](crate::ServiceTags).
    pub(crate) common: Vec<String>,
    /// Whether to add the scope: `instrumentation_scope:name` and `instrumentation_scope_version:version`.
    pub(crate) scopes: bool,
}

/// The tags of one point, without duplicates, in the order of Datadog's clients: those of its labels in alphabetical
/// order, those of its scope, and those of all points.
pub(crate) type Tags = Arc<[Arc<str>]>;

/// Builds the tags of the points of one snapshot. Each label is converted only once, however many points have it.
#[derive(Debug, Default)]
pub(super) struct Tagger<'a> {
    /// The tags that all points of the current scope share, without duplicates.
    shared: Vec<Arc<str>>,
    known: HashMap<(&'a str, AttributeRef<'a>), Option<Arc<str>>>,
    /// A buffer that is reused to avoid allocations.
    own: Vec<Arc<str>>,
}

impl<'a> Tagger<'a> {
    /// Continues with the points of this scope.
    pub(super) fn enter(&mut self, scope: &ScopeMetrics, tagging: &Tagging) {
        self.shared.clear();
        let scope = Some(&scope.scope).filter(|_| tagging.scopes);
        let of_scope = [
            ("instrumentation_scope", scope.map(|scope| scope.name())),
            ("instrumentation_scope_version", scope.and_then(|scope| scope.version())),
        ];
        let of_scope = of_scope.into_iter().filter_map(|(key, value)| {
            value.filter(|value| !value.is_empty()).and_then(|value| tag(key, value))
        });
        let common = tagging.common.iter().cloned();
        for tag in of_scope.chain(common).map(Arc::from) {
            if !self.shared.contains(&tag) {
                self.shared.push(tag);
            }
        }
    }

    /// Returns the tags of a point with these labels.
    pub(super) fn tags(&mut self, labels: &'a Attributes) -> Tags {
        self.own.clear();
        for label in labels.iter() {
            let tag = self.known.entry(label).or_insert_with(|| {
                let (key, value) = label;
                tag(key, &text(value)).map(Arc::from)
            });
            self.own.extend(tag.clone().filter(|tag| !self.shared.contains(tag)));
        }
        self.own.sort_unstable();
        self.own.dedup();
        self.own.iter().chain(&self.shared).cloned().collect()
    }
}

fn text(value: AttributeRef<'_>) -> Cow<'_, str> {
    match value {
        AttributeRef::Str(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}
