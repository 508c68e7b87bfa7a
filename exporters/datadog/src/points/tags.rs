//! The tags of points.

use std::borrow::Cow;
use std::sync::Arc;

use foldhash::HashMap;
use meterkit_core::{AttributeValue, Attributes, ScopeMetrics};

use crate::tag::tag;

/// What points are tagged with beside their labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tagging {
    /// Tags of every point, as Datadog stores them: see [`service_tags`](crate::service_tags).
    pub(crate) common: Vec<String>,
    /// Whether the scope goes along: `instrumentation_scope:name`, `instrumentation_scope_version:version`.
    pub(crate) scopes: bool,
}

/// The tags of one point, in order, each once.
pub(crate) type Tags = Arc<[Arc<str>]>;

/// Makes the tags of the points of one snapshot. Each label becomes a tag once, however many points have it.
#[derive(Debug, Default)]
pub(super) struct Tagger<'a> {
    /// What all points of the present scope have.
    shared: Vec<Arc<str>>,
    known: HashMap<(&'a str, &'a AttributeValue), Option<Arc<str>>>,
    /// Kept for its memory.
    point: Vec<Arc<str>>,
}

impl<'a> Tagger<'a> {
    /// Goes on with the points of this scope.
    pub(super) fn enter(&mut self, scope: &ScopeMetrics, tagging: &Tagging) {
        self.shared = tagging.common.iter().map(|tag| Arc::from(tag.as_str())).collect();
        if tagging.scopes {
            let scope = &scope.scope;
            let name = tag("instrumentation_scope", scope.name());
            let version =
                scope.version().and_then(|version| tag("instrumentation_scope_version", version));
            self.shared.extend(name.into_iter().chain(version).map(Arc::from));
        }
    }

    /// The tags of a point with these labels.
    pub(super) fn tags(&mut self, labels: &'a Attributes) -> Tags {
        self.point.clear();
        self.point.extend(self.shared.iter().cloned());
        for label in labels.iter() {
            let tag = self.known.entry(label).or_insert_with(|| {
                let (key, value) = label;
                tag(key, &text(value)).map(Arc::from)
            });
            self.point.extend(tag.clone());
        }
        self.point.sort_unstable();
        self.point.dedup();
        Arc::from(self.point.as_slice())
    }
}

fn text(value: &AttributeValue) -> Cow<'_, str> {
    match value {
        AttributeValue::Str(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_string()),
    }
}
