//! The mark on what we publish: the message of its version, which Grafana keeps beside the dashboard.
//!
//! People see it in the history of the dashboard. What they save themselves has their message, or none.

use std::hash::Hasher;

use fnv::FnvHasher;
use serde_json::Value;

/// A version of a dashboard, as the history tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    pub(crate) number: i64,
    pub(crate) message: String,
    /// Who saved it; empty if it is not told.
    pub(crate) by: String,
}

/// What the history says of the dashboard that is there now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Latest {
    /// It is what we published, with this content.
    Ours { number: i64, content: String },
    /// Someone else saved it.
    Theirs { by: String },
}

/// The message of a version with this content.
pub(crate) fn message(content: &str) -> String {
    format!("{START}{} {CONTENT}{content})", env!("CARGO_PKG_VERSION"))
}

/// What tells contents apart: by FNV-1a, which is fixed for good.
pub(crate) fn content(dashboard: &str) -> String {
    let mut hasher = FnvHasher::default();
    hasher.write(dashboard.trim().as_bytes());
    format!("{:016x}", hasher.finish())
}

/// The versions in an answer, newest first. It is a list, and as of Grafana 11.6 an object with one.
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

/// Who saved version `current`, or a later one, last.
pub(crate) fn latest(versions: &[Version], current: i64) -> Latest {
    // A history that lacks the current version tells nothing of it.
    let Some(last) = versions.first().filter(|last| last.number >= current) else {
        return Latest::Theirs { by: String::new() };
    };
    // The same content is never published twice in a row: who changes a dashboard through Grafana's newer API, where
    // the message is part of it, leaves ours on it.
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
        // Dashboards in the field bear it: this value must never change.
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
            // Kept by who changed it.
            (vec![version(3, &ours), version(2, &ours)], 3, foreign("jane")),
            // The last version is not told.
            (vec![version(2, &ours)], 3, foreign("")),
            (vec![], 1, foreign("")),
        ] {
            assert_eq!(latest(&versions, current), expected, "{versions:?}");
        }
    }

    #[test]
    fn histories_of_all_grafanas_are_read() {
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
