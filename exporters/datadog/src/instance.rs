//! The tag that distinguishes processes with the same host and tags.

use std::hash::{BuildHasher, RandomState};

use meterkit_pipeline::Snapshot;

use crate::service::key;
use crate::tag::tag;

/// The key of the tag, and of the resource attribute that provides its value.
const INSTANCE: &str = "service.instance.id";

/// The identity of one target in one process.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    /// A random id, for a resource without the attribute.
    id: String,
}

impl Instance {
    /// Creates an instance with a unique id.
    pub(crate) fn new() -> Self {
        Self { id: format!("{:016x}", RandomState::new().hash_one(std::process::id())) }
    }

    /// Returns the tag for all points of `snapshot`, or `None` if `tags` already has one with this key.
    pub(crate) fn tag(&self, snapshot: &Snapshot, tags: &[String]) -> Option<String> {
        if tags.iter().any(|tag| key(tag) == INSTANCE) {
            return None;
        }
        let given = snapshot.resource.get(INSTANCE).map(|value| value.to_string());
        let given = given.filter(|id| !id.trim().is_empty());
        tag(INSTANCE, given.as_deref().unwrap_or(&self.id))
    }
}

#[cfg(test)]
mod tests {
    use meterkit_core::Attributes;

    use super::*;
    use crate::tests::samples::snapshot;

    fn of(id: Option<&'static str>) -> Snapshot {
        let pairs = id.map(|id| (INSTANCE.into(), id.into()));
        Snapshot { resource: Attributes::from_pairs(pairs), ..snapshot(Vec::new()) }
    }

    #[test]
    fn an_id_is_short_and_no_two_are_the_same() {
        let ids: Vec<String> = (0..100).map(|_| Instance::new().id).collect();
        for (at, id) in ids.iter().enumerate() {
            assert!(id.len() == 16 && id.bytes().all(|it| it.is_ascii_hexdigit()), "{id}");
            assert!(!ids[..at].contains(id), "{id}");
        }
    }

    #[test]
    fn a_given_tag_wins_over_the_resource_and_that_over_a_random_id() {
        let instance = Instance::new();
        let random = format!("{INSTANCE}:{}", instance.id);
        let known = Some("service.instance.id:web-7".to_owned());
        assert_eq!(instance.tag(&of(Some("Web-7")), &[]), known);
        for unknown in [None, Some(""), Some(" ")] {
            assert_eq!(instance.tag(&of(unknown), &["team:a".to_owned()]), Some(random.clone()));
        }
        for given in ["service.instance.id:mine", INSTANCE] {
            assert_eq!(instance.tag(&of(Some("web-7")), &[given.to_owned()]), None);
        }
    }
}
