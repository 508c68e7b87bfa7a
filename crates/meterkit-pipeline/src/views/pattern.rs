//! Names with wildcards.

use std::borrow::Cow;
use std::fmt;

use meterkit_core::Attributes;
use meterkit_rules::glob;

use crate::point::OVERFLOW;

/// A name in which `*` stands for any text, including none, and `?` for any one character. Case-sensitive.
///
/// See section Instrument selection criteria in the specification of OpenTelemetry's metrics SDK.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamePattern(String);

impl NamePattern {
    /// Returns the pattern as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns whether the pattern may match more than one name.
    pub fn has_wildcards(&self) -> bool {
        self.0.contains(['*', '?'])
    }

    /// Returns whether the pattern matches `name`.
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

/// A filter of keys or names, which keeps those that match `included` and do not match `excluded`.
///
/// ```
/// use meterkit_pipeline::KeyFilter;
///
/// let filter = KeyFilter::parse("http.*,!http.user*");
/// assert_eq!(filter, Some(KeyFilter::only(["http.*"]).without(["http.user*"])));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "OpenTelemetry defines exactly these two")]
pub struct KeyFilter {
    /// The patterns to keep. `None` keeps everything.
    pub included: Option<Vec<NamePattern>>,
    /// The patterns to leave out, even if they match `included`.
    pub excluded: Vec<NamePattern>,
}

impl KeyFilter {
    /// Creates a filter that keeps names that match one of these patterns.
    pub fn only(patterns: impl IntoIterator<Item = impl Into<NamePattern>>) -> Self {
        let included = patterns.into_iter().map(Into::into).collect();
        Self { included: Some(included), excluded: Vec::new() }
    }

    /// Adds patterns to leave out. `KeyFilter::default().without(..)` keeps everything else.
    #[must_use]
    pub fn without(mut self, patterns: impl IntoIterator<Item = impl Into<NamePattern>>) -> Self {
        self.excluded.extend(patterns.into_iter().map(Into::into));
        self
    }

    /// Parses a comma-separated list of patterns, in which `!` marks a pattern to leave out. A list that contains only
    /// such patterns keeps everything else. Returns `None` if a pattern contains white space, or if nothing follows a
    /// `!`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut filter = Self::default();
        for pattern in text.split(',').map(str::trim).filter(|pattern| !pattern.is_empty()) {
            let (list, pattern) = match pattern.strip_prefix('!') {
                Some(pattern) => (&mut filter.excluded, pattern.trim_start()),
                None => (filter.included.get_or_insert_default(), pattern),
            };
            if pattern.is_empty() || pattern.contains(char::is_whitespace) {
                return None;
            }
            list.push(pattern.into());
        }
        Some(filter)
    }

    /// Returns all patterns.
    pub fn patterns(&self) -> impl Iterator<Item = &NamePattern> {
        self.included.iter().flatten().chain(&self.excluded)
    }

    /// Returns whether the filter keeps everything.
    pub(crate) fn is_all(&self) -> bool {
        self.included.is_none() && self.excluded.is_empty()
    }

    /// Returns whether `key` is kept.
    pub fn keeps(&self, key: &str) -> bool {
        let is_included = match &self.included {
            Some(patterns) => patterns.iter().any(|pattern| pattern.matches(key)),
            None => true,
        };
        is_included && !self.excluded.iter().any(|pattern| pattern.matches(key))
    }

    /// Returns the attributes of a series that the filter keeps. The attribute of the overflow series is always kept.
    pub(crate) fn kept(&self, attributes: &Attributes) -> Attributes {
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
