//! Tags, Datadog's counterpart of labels.

/// The maximum length of a tag at Datadog, in characters, including key and value.
const MAX_LENGTH: usize = 200;

/// Returns the tag `key:value` as Datadog stores it, or `None` if `key` contains no letter.
///
/// - A tag begins with a letter: leading characters that are not letters are removed.
/// - It consists of lower-case letters, digits, `_`, `-`, `.`, `/` and `:`. Other characters become `_`.
/// - The first `:` ends the key, and a tag does not end with `:`. An empty value becomes `n/a`, as in Datadog's own
///   translation of OpenTelemetry.
/// - A tag is cut after 200 characters.
///
/// Different labels can become the same tag. Their points must then be added up before they are sent: Datadog keeps
/// only the last of several points with the same name, time and tags.
///
/// ```
/// use meterkit_datadog::tag;
///
/// assert_eq!(tag("http.method", "GET").as_deref(), Some("http.method:get"));
/// assert_eq!(tag("route", "/entities/{id}").as_deref(), Some("route:/entities/_id_"));
/// ```
pub fn tag(key: &str, value: &str) -> Option<String> {
    let key = normal(&key.replace(':', "_"))?;
    match value.trim_end_matches(':') {
        "" => normal(&format!("{key}:n/a")),
        value => normal(&format!("{key}:{value}")),
    }
}

/// Returns a whole tag, with or without a value, as Datadog stores it. Returns `None` if nothing remains of it.
pub(crate) fn normal(tag: &str) -> Option<String> {
    let mut stored = String::with_capacity(tag.len());
    let mut room = MAX_LENGTH;
    for c in tag.chars().skip_while(|c| !c.is_alphabetic()) {
        if room == 0 {
            break;
        }
        // A fast path for ASCII, which is the most common case.
        if c.is_ascii() {
            stored.push(legal(c.to_ascii_lowercase()));
            room -= 1;
            continue;
        }
        for c in c.to_lowercase().take(room) {
            stored.push(legal(c));
            room -= 1;
        }
    }
    let stored = stored.trim_end_matches(':');
    (!stored.is_empty()).then(|| stored.to_owned())
}

/// Returns whole tags as Datadog stores them, without those of which nothing remains.
pub(crate) fn all_normal(tags: impl IntoIterator<Item = impl AsRef<str>>) -> Vec<String> {
    tags.into_iter().filter_map(|tag| normal(tag.as_ref())).collect()
}

fn legal(c: char) -> char {
    let is_legal = c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ':');
    if is_legal { c } else { '_' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_values_become_what_the_back_end_would_make_of_them() {
        for (key, value, stored) in [
            ("kind", "create", "kind:create"),
            ("http.method", "GET", "http.method:get"),
            ("status", "200", "status:200"),
            ("url", "https://a.b/c?d=1", "url:https://a.b/c_d_1"),
            ("city", "Köln, Nord|1", "city:köln__nord_1"),
            ("has space", "a b", "has_space:a_b"),
            ("a:b", "c", "a_b:c"),
            ("_9lives", "x", "lives:x"),
            ("empty", "", "empty:n/a"),
            ("colon", ":", "colon:n/a"),
            ("ends", "a:", "ends:a"),
        ] {
            assert_eq!(tag(key, value).as_deref(), Some(stored), "{key} {value}");
        }
    }

    #[test]
    fn a_key_without_letters_is_none() {
        for key in ["", "_", "42", ":"] {
            assert_eq!(tag(key, "x"), None, "{key}");
        }
    }

    #[test]
    fn two_hundred_characters_are_the_limit() {
        let long = "ä".repeat(300);
        let stored = tag("k", &long).unwrap_or_default();
        assert_eq!(stored.chars().count(), 200);
        assert!(stored.starts_with("k:ä"));

        let key = "k".repeat(199);
        assert_eq!(tag(&key, "value"), Some(key), "a trailing `:` is removed");
    }

    #[test]
    fn a_stored_tag_is_stored_as_itself() {
        for (key, value) in [("Kind", "DryRun"), ("İ", "İ"), ("a b", "c:d:"), ("x", "½ + 日本")]
        {
            let stored = tag(key, value);
            assert_eq!(stored.as_deref().and_then(normal), stored, "{key} {value}");
        }
    }
}
