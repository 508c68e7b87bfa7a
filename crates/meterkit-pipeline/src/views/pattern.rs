//! Names with wildcards.

use std::borrow::Cow;
use std::fmt;

use meterkit_core::Attributes;
use meterkit_rules::glob;

use crate::point::OVERFLOW;

/// A name in which `*` stands for any text, also none, and `?` for any one character. Capitals count.
///
/// By OpenTelemetry's metrics SDK, section Instrument selection criteria.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamePattern(String);

impl NamePattern {
    /// Returns the pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether it may match more than one name.
    pub fn has_wildcards(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// Returns whether `name` is what the pattern says.
    ///
    /// ```
    /// use meterkit_pipeline::NamePattern;
    ///
    /// let pattern = NamePattern::from("http.*.d?ration");
    /// assert!(pattern.matches("http.server.request.duration"));
    /// assert!(!pattern.matches("http.duration"));
    /// ```
    pub fn matches(&self, name: &str) -> bool {
        glob::matches(&self.0, name)
    }
}

impl<T: Into<String>> From<T> for NamePattern {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for NamePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Keys to keep: those that `included` has, without those that `excluded` has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "OpenTelemetry has these two")]
pub struct KeyFilter {
    /// What is kept; `None` for everything.
    pub included: Option<Vec<NamePattern>>,
    /// What is not kept, also where `included` has it.
    pub excluded: Vec<NamePattern>,
}

impl KeyFilter {
    /// Returns whether `key` is kept.
    pub fn keeps(&self, key: &str) -> bool {
        let is_included = match &self.included {
            Some(patterns) => patterns.iter().any(|pattern| pattern.matches(key)),
            None => true,
        };
        is_included && !self.excluded.iter().any(|pattern| pattern.matches(key))
    }

    /// Returns the attributes that are left of those of a series.
    pub(super) fn kept(&self, attributes: &Attributes) -> Attributes {
        let keeps = |key: &str| key == OVERFLOW || self.keeps(key);
        if attributes.iter().all(|(key, _)| keeps(key)) {
            return attributes.clone();
        }
        let kept = attributes.iter().filter(|(key, _)| keeps(key));
        let kept = kept.map(|(key, value)| (Cow::Owned(key.to_owned()), value.into()));
        Attributes::from_pairs(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text_and_question_marks_for_one_character() {
        let table = [
            ("queue.length", "queue.length", true),
            ("queue.length", "queue.lengths", false),
            ("queue.length", "Queue.length", false),
            ("*", "", true),
            ("*", "anything", true),
            ("", "", true),
            ("", "a", false),
            ("?", "", false),
            ("?", "ä", true),
            ("?", "ab", false),
            ("queue.*", "queue.", true),
            ("queue.*", "queue", false),
            ("*.length", "queue.length", true),
            ("*.length", "queue.length.max", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*ab", "aab", true),
            ("*a?b", "aaxab", false),
            ("*a?b", "aaxaab", true),
            ("a**", "a", true),
            ("**a**", "bab", true),
            ("a.c", "abc", false),
        ];
        for (pattern, name, expected) in table {
            let matches = NamePattern::from(pattern).matches(name);
            assert_eq!(matches, expected, "`{pattern}` and `{name}`");
        }
    }

    #[test]
    fn many_stars_do_not_take_forever() {
        let pattern = NamePattern::from("*a".repeat(200) + "b");
        assert!(!pattern.matches(&"a".repeat(5_000)));
    }

    #[test]
    fn excluded_keys_go_even_if_they_are_included() {
        let filter = KeyFilter {
            included: Some(vec!["http.*".into()]),
            excluded: vec!["http.user*".into()],
        };
        let kept = ["http.route", "http.user_agent", "url.path"].map(|key| filter.keeps(key));
        assert_eq!(kept, [true, false, false]);
    }
}
