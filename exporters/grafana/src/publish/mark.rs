//! The mark of published dashboards: the message of the version, which Grafana stores beside the dashboard.
//!
//! The mark is visible in the history of the dashboard. Versions that people save carry their own message, or none.

use std::hash::Hasher;

use fnv::FnvHasher;
use serde_json::Value;

/// A version in the history of a dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) number: i64,
    pub(crate) message: String,
    /// The user who saved the version; empty if Grafana does not name the user.
    pub(crate) by: String,
}

/// The origin of the current version of a dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Latest {
    /// A publisher saved it. `content` is the hash of the content.
    Ours { number: i64, content: String },
    /// Someone else saved the version.
    Theirs { by: String },
}

/// Returns the version message for a content hash.
pub(crate) fn message(content: &str) -> String {
    format!("{START}{} {CONTENT}{content})", env!("CARGO_PKG_VERSION"))
}

/// Returns the hash of a dashboard. It must never change, which is why it is FNV-1a.
pub(crate) fn content(dashboard: &str) -> String {
    let mut hasher = FnvHasher::default();
    hasher.write(dashboard.trim().as_bytes());
    format!("{:016x}", hasher.finish())
}

/// Returns the versions in a response, newest first. The response is a list; as of Grafana 11.6, it is an object with
/// a list.
pub(crate) fn versions(answer: &Value) -> Option<Vec<Version>> {
    let list = answer.get("versions").unwrap_or(answer).as_array()?;
    let text = |version: &Value, key| {
        version.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut versions: Vec<_> = list
        .iter()
        .filter_map(|version| {
            let number = version.get("version")?.as_i64()?;
            let (message, by) = (text(version, "message"), text(version, "createdBy"));
            Some(Version { number, message, by })
        })
        .collect();
    versions.sort_by_key(|version| std::cmp::Reverse(version.number));
    Some(versions)
}

/// Returns who saved the latest version, if the history includes version `current` or a later one.
pub(crate) fn latest(versions: &[Version], current: i64) -> Latest {
    // If the history lacks the current version, its origin is unknown.
    let Some(last) = versions.first().filter(|last| last.number >= current) else {
        return Latest::Theirs { by: String::new() };
    };
    // A publisher never saves the same content twice in a row. A repeated message therefore means that a person
    // changed the dashboard through Grafana's newer API, where the message is part of the dashboard and is kept.
    let is_copied = versions.get(1).is_some_and(|before| before.message == last.message);
    match read(&last.message).filter(|_| !is_copied) {
        Some(content) => Latest::Ours { number: last.number, content: content.to_owned() },
        None => Latest::Theirs { by: last.by.clone() },
    }
}

const START: &str = "Published by meterkit ";
const CONTENT: &str = "(content ";

fn read(message: &str) -> Option<&str> {
    let (_, content) = message.strip_prefix(START)?.split_once(CONTENT)?;
    let content = content.strip_suffix(')')?;
    let is_content = content.len() == 16 && content.chars().all(|c| c.is_ascii_hexdigit());
    is_content.then_some(content)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn version(number: i64, message: &str) -> Version {
        Version { number, message: message.to_owned(), by: "jane".to_owned() }
    }

    #[test]
    fn the_content_of_a_text_has_one_mark_for_good() {
        // Existing dashboards carry this value, so that it must never change.
        assert_eq!(content("{\"title\": \"Shop\"}\n"), "dc4f524aa6095fa9");
        assert_ne!(content("{\"title\": \"shop\"}"), content("{\"title\": \"Shop\"}"));
    }

    #[test]
    fn only_our_own_last_version_is_ours() {
        let (ours, older) = (message(&content("{}")), message(&content("[]")));
        let foreign = |by: &str| Latest::Theirs { by: by.to_owned() };
        let known = Latest::Ours { number: 3, content: content("{}") };
        for (versions, current, expected) in [
            (vec![version(3, &ours)], 3, known.clone()),
            (vec![version(3, &ours), version(2, "")], 3, known.clone()),
            (vec![version(3, &ours), version(2, &older)], 2, known),
            (vec![version(3, ""), version(2, &ours)], 3, foreign("jane")),
            (vec![version(3, "Restored from version 2")], 3, foreign("jane")),
            (vec![version(3, &format!("{ours} and me"))], 3, foreign("jane")),
            (vec![version(3, "Published by meterkit 1.0 (content no)")], 3, foreign("jane")),
            // A person changed the dashboard and kept the message.
            (vec![version(3, &ours), version(2, &ours)], 3, foreign("jane")),
            // The history lacks the last version.
            (vec![version(2, &ours)], 3, foreign("")),
            (vec![], 1, foreign("")),
        ] {
            assert_eq!(latest(&versions, current), expected, "{versions:?}");
        }
    }

    #[test]
    fn histories_of_all_grafana_versions_are_read() {
        let one = json!({"version": 1, "message": "a", "createdBy": "jane", "id": 7});
        let two = json!({"version": 2});
        let expected =
            vec![Version { number: 2, message: String::new(), by: String::new() }, version(1, "a")];
        for answer in [json!([one, two]), json!({"continueToken": "", "versions": [two, one]})] {
            assert_eq!(versions(&answer), Some(expected.clone()), "{answer}");
        }
        for nonsense in [json!({"message": "no"}), json!("a"), json!({"versions": 1})] {
            assert_eq!(versions(&nonsense), None, "{nonsense}");
        }
    }
}
