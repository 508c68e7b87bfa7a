//! Parsing and formatting of receivers' replies.

use std::error::Error;
use std::fmt::Display;
use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use serde_json::Value;

use crate::client::Reply;
use crate::headers::Headers;

/// The maximum number of characters in a message. Longer ones are cut off, because messages go into logs.
const LONGEST: usize = 300;

/// Formats a text of the receiver as one line of at most 300 characters, with control characters escaped.
///
/// ```
/// use meterkit_http::reply::shown;
///
/// assert_eq!(shown("no such\r\n  key\n"), "no such key");
/// ```
pub fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let escaped = |c: char| match c.is_control() || REORDERING.contains(&c) {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    let line: String = line.chars().map(escaped).collect();
    match line.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}

/// Characters that change the display order of the text that follows them.
const REORDERING: [char; 9] = [
    '\u{202a}', '\u{202b}', '\u{202c}', '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}',
    '\u{2069}',
];

/// Returns the error message in a reply: `message` or the texts in `errors` of a JSON body, or else the body. For an
/// HTML page, it returns only the title.
///
/// ```
/// use meterkit_http::{Reply, reply::message};
///
/// let said = |body: &'static str| message(&Reply::new(body.into()));
/// assert_eq!(said(r#"{"message": "no such key"}"#), "no such key");
/// assert_eq!(said(r#"{"errors": ["bad tag", "too long"]}"#), "bad tag; too long");
/// assert_eq!(said("no such key\n"), "no such key\n");
/// assert_eq!(said("<html>hello</html>"), "");
/// ```
pub fn message(reply: &Reply) -> String {
    let body = std::str::from_utf8(reply.body()).unwrap_or_default();
    if has_type(reply, "html") || body.trim_start().starts_with('<') {
        return title(body).unwrap_or_default().to_owned();
    }
    let json: Value = serde_json::from_str(body).unwrap_or_default();
    if let Some(message) = json["message"].as_str() {
        return message.to_owned();
    }
    let Some(errors) = json["errors"].as_array() else {
        return body.to_owned();
    };
    errors.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
}

/// Returns the title of an HTML page, where nginx and proxies state the problem.
fn title(page: &str) -> Option<&str> {
    let lower = page.to_ascii_lowercase();
    let start = lower.find("<title>")? + "<title>".len();
    let end = lower[start..].find("</title>")?;
    Some(page[start..start + end].trim())
}

/// Returns whether the header `Content-Type` contains `part`, such as `json`, in any case.
pub fn has_type(reply: &Reply, part: &str) -> bool {
    let content_type = reply.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    content_type.is_some_and(|content_type| content_type.to_ascii_lowercase().contains(part))
}

/// Formats `status` and the receiver's `message` as one line of limited length, without the values of `secrets`.
pub fn quoted(status: impl Display, message: &str, secrets: &Headers) -> String {
    // Redact first: a secret that is cut off would not be found.
    match shown(&secrets.redact(message)) {
        message if message.is_empty() => status.to_string(),
        message => format!("{status}: {message}"),
    }
}

/// Formats an error with its causes. The client's own text, such as "client error (Connect)", says less than its cause
/// and is left out.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if text.starts_with("client error (") {
            text = told;
        } else if !text.ends_with(&told) {
            text = format!("{text}: {told}");
        }
        cause = error.source();
    }
    text
}

/// Returns how long the header `Retry-After` asks to wait, which states seconds or a date. A date in the past is a wait
/// of zero.
///
/// See RFC 9110, section 10.2.3. A header in any other form is ignored.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Some(time) = seconds(text) {
        return Some(time);
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

/// Parses a header value in whole seconds, with any number of digits.
pub fn seconds(text: &str) -> Option<Duration> {
    let text = text.trim();
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| Duration::from_secs(text.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use std::io;

    use http::HeaderValue;

    use super::*;

    #[test]
    fn only_the_title_of_a_page_for_browsers_counts() {
        let said = |content_type, body: &'static str| {
            let mut reply = Reply::new(body.into());
            reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
            message(&reply)
        };
        assert_eq!(said("text/HTML; charset=utf-8", "hello"), "");
        assert_eq!(said("text/plain", " <html>"), "");
        let page = "<HTML><head><TITLE> 400 No certificate was sent </TITLE></head><p>nginx</p>";
        assert_eq!(said("text/html", page), "400 No certificate was sent");
        assert_eq!(said("text/html", "<title>ends here"), "");
        assert_eq!(said("text/html+json", r#"{"message": "hello"}"#), "");
        assert_eq!(said("text/plain", r#"{"errors": []}"#), "");
        for body in ["hello", r#"["message"]"#, r#"{"message": 1}"#] {
            assert_eq!(said("application/json", body), body);
        }
    }

    #[test]
    fn messages_are_shown_on_one_line_of_bounded_length() {
        assert_eq!(shown(" a\r\n  b\t"), "a b");
        assert_eq!(shown("\u{1b}[31mred\0 \u{202e}der"), "\\u{1b}[31mred\\u{0} \\u{202e}der");
        let long = shown(&"ü".repeat(1000));
        assert_eq!(long.chars().count(), LONGEST + 3);
        assert!(long.ends_with("ü..."));
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] io::Error);

    #[derive(Debug, thiserror::Error)]
    #[error("tells it all: {0}")]
    struct Talkative(#[source] io::Error);

    #[test]
    fn causes_are_told_once() {
        let cause = || io::Error::other("inner");
        assert_eq!(with_causes(&Outer(cause())), "outer: inner");
        assert_eq!(with_causes(&Talkative(cause())), "tells it all: inner");
    }

    #[test]
    fn a_pause_is_asked_for_in_seconds_or_with_a_date() {
        let pause = |text: &'static str| {
            let pair = (RETRY_AFTER, HeaderValue::from_static(text));
            retry_after(&HeaderMap::from_iter([pair]))
        };
        assert_eq!(pause(" 7 "), Some(Duration::from_secs(7)));
        assert_eq!(pause("99999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(pause("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        let later = pause("Fri, 31 Dec 9999 23:59:59 GMT").expect("a date");
        assert!(later > Duration::from_secs(3600 * 24 * 365), "{later:?}");
        for nonsense in ["-1", "soon", ""] {
            assert_eq!(pause(nonsense), None);
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
