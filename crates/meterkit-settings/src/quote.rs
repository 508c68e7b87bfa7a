//! Decides how much of an invalid value may be shown: an operator who mixed up two variables must not find a password
//! in the log.

use crate::value_type::ValueType;

/// Returns the part of an invalid value that may be shown, if any, and the reason to show with it. The reason is
/// replaced where the value looks like a credential, because it may quote a part of the value.
pub(crate) fn quoted(
    value_type: ValueType,
    value: &str,
    reason: String,
) -> (Option<String>, String) {
    match value_type {
        _ if value.contains("-----BEGIN") => {
            // This may be a private key in place of its path.
            let remedy = match value_type {
                ValueType::File => reason,
                _ => format!("write {value_type}"),
            };
            (None, format!("is the text of a PEM file, which is not shown; {remedy}"))
        }
        ValueType::Token | ValueType::Password | ValueType::Username | ValueType::Number => {
            (None, reason)
        }
        ValueType::Url => (Some(url_without_secrets(value)), reason),
        _ if value_type != ValueType::Pairs && value.contains("://") => {
            let shown = url_without_secrets(value);
            let reason = match shown == value {
                true => reason,
                false => format!("is a URL, part of which is not shown; write {value_type}"),
            };
            (Some(shown), reason)
        }
        _ if may_hold_credentials(value_type, value) => {
            (None, format!("looks like a credential, which is not shown; write {value_type}"))
        }
        // The reason names the entry by its number.
        ValueType::Pairs => (None, reason),
        _ => (Some(value.to_owned()), reason),
    }
}

/// Returns whether a value may hold a credential that was meant for another variable.
fn may_hold_credentials(value_type: ValueType, value: &str) -> bool {
    const WORDS: [&str; 8] =
        ["@", "%40", "authorization", "basic ", "bearer ", "password", "secret", "token"];
    let lower = value.to_ascii_lowercase();
    // `user:password` in place of a host. In a valid value, only a port or a part of an IPv6 address follows a colon.
    let is_pair = matches!(value_type, ValueType::Host | ValueType::Hosts | ValueType::Networks)
        && value.split(':').skip(1).any(|part| !part.chars().all(|c| c.is_ascii_hexdigit()));
    // Text that ends like padded Base64 is rarely anything else.
    is_pair || lower.ends_with("==") || WORDS.iter().any(|word| lower.contains(word))
}

/// Returns a URL without the parts that may be secret: the user and password, even if they are percent-encoded or the
/// host is missing, and everything after `?` or `#`.
///
/// ```
/// use meterkit_settings::url_without_secrets;
///
/// assert_eq!(url_without_secrets("http://me:hunter2@c/v1"), "http://...");
/// assert_eq!(url_without_secrets("http://c:4318/v1?token=hunter2"), "http://c:4318/v1?...");
/// ```
pub fn url_without_secrets(text: &str) -> String {
    let scheme = text.find("://").map_or("", |end| &text[..end + 3]);
    if scheme.is_empty() && may_hold_credentials(ValueType::Url, text) {
        return "...".to_owned();
    }
    let has_user = |text: &str| text.contains('@') || text.contains("%40");
    if has_user(text) || has_password(&text[scheme.len()..]) {
        return if has_user(scheme) { "...".to_owned() } else { format!("{scheme}...") };
    }
    match text.find(['?', '#']) {
        Some(end) => format!("{}...", &text[..=end]),
        None => text.to_owned(),
    }
}

/// Returns whether the text after the scheme has a colon followed by letters, and is not an IPv6 address.
fn has_password(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((_, port)) = authority.rsplit(']').next().unwrap_or_default().split_once(':') else {
        return false;
    };
    let is_v6 = port.contains(':') && port.chars().all(|c| c == ':' || c.is_ascii_hexdigit());
    !is_v6 && !authority.starts_with('[') && port.contains(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_in_urls_are_not_shown() {
        for (text, expected) in [
            ("http://c:4318/v1", "http://c:4318/v1"),
            ("http://[::1]:4318/v1", "http://[::1]:4318/v1"),
            ("http://[::1", "http://[::1"),
            ("http://c:99999", "http://c:99999"),
            ("http://c:/v1:x", "http://c:/v1:x"),
            ("c:4318", "c:4318"),
            ("udp://::1", "udp://::1"),
            ("udp://c:+1", "udp://c:+1"),
            ("http://c/v1?token=hunter2", "http://c/v1?..."),
            ("http://c/v1#hunter2?x", "http://c/v1#..."),
            ("http://me:hunter2@c/v1", "http://..."),
            ("http://me:hunt/er?2@c", "http://..."),
            ("http://me:hunter2%40c", "http://..."),
            ("http://me:hunter2", "http://..."),
            ("me:hunter2", "..."),
            ("me:hunter2@c", "..."),
            ("aHVudGVyMg==", "..."),
            ("Bearer hunter2", "..."),
            ("me:hunter2@://c", "..."),
            ("http://ü:hunter2/", "http://..."),
        ] {
            assert_eq!(url_without_secrets(text), expected, "{text}");
        }
    }

    #[test]
    fn a_credential_in_the_wrong_variable_is_not_shown() {
        for (value_type, value, shown) in [
            (ValueType::Count, "many", Some("many")),
            (ValueType::Count, "-----BEGIN PRIVATE KEY-----\nhunter2", None),
            (ValueType::Host, "localhost:9464", Some("localhost:9464")),
            (ValueType::Host, "http://x", Some("http://x")),
            (ValueType::Host, "fe80::1", Some("fe80::1")),
            (ValueType::Host, "http://me:hunter2", Some("http://...")),
            (ValueType::Host, "me:hunter2", None),
            (ValueType::Host, "me@hunter2", None),
            (ValueType::Pairs, "Authorization: Basic aHVudGVyMg==", None),
            (ValueType::Pairs, "aHVudGVyMg==", None),
            (ValueType::Pairs, "Bearer hunter2", None),
            (ValueType::Word(&[]), "Basic hunter2", None),
            (ValueType::Username, "me:hunter2", None),
            (ValueType::Number, "hunter2", None),
            (ValueType::Token, "hunter2", None),
            (ValueType::Scopes, "plugin:x", Some("plugin:x")),
        ] {
            let quoted = quoted(value_type, value, String::new()).0;
            assert_eq!(quoted.as_deref(), shown, "{value_type:?} {value}");
        }
    }
}
