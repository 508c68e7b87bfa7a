//! Redaction of credentials in texts.

use std::cmp::Reverse;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// The text that replaces a secret.
const HIDDEN: &str = "...";

/// The minimum length of a secret in bytes. Hiding shorter values would make texts unreadable, and they protect
/// nothing.
const SHORTEST: usize = 4;

/// The maximum number of bytes of a text that are processed. The result is later cut to far less.
const LONGEST: usize = 64 * 1024;

/// Returns `text` without the parts that quote `values`, the values of headers and parameters. Each value may contain
/// several secrets. Finds secrets literally and escaped as in URLs, JSON, HTML or source code.
pub(crate) fn redact<'a>(text: &str, values: impl Iterator<Item = &'a str>) -> String {
    let mut secrets: Vec<String> = values.flat_map(secrets_in).collect();
    secrets.retain(|secret| secret.len() >= SHORTEST);
    // Try the longest secret first: if a shorter one matched, the rest of the longer one would remain visible.
    secrets.sort_unstable_by_key(|secret| Reverse(secret.len()));
    let (mut shown, mut rest) = (String::new(), truncated(text, LONGEST));
    while let Some(next) = rest.chars().next() {
        let found = secrets.iter().find_map(|secret| quoted_length(rest, secret));
        let length = match found {
            Some(length) => {
                shown.push_str(HIDDEN);
                length
            }
            None => {
                shown.push(next);
                next.len_utf8()
            }
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    secrets.iter().for_each(|secret| remove_beginning(&mut shown, secret));
    shown
}

/// Returns the whole value and those of its parts that receivers are known to quote separately: the text after the
/// scheme of a credential, the password of Basic authentication, each element of a list, and the value of a `key=value`
/// pair.
fn secrets_in(value: &str) -> Vec<String> {
    let mut secrets = vec![value.to_owned()];
    let (scheme, credential) = value.split_once(' ').unwrap_or(("", value));
    if scheme.eq_ignore_ascii_case("basic") {
        if let Some(pair) =
            STANDARD.decode(credential).ok().and_then(|it| String::from_utf8(it).ok())
        {
            secrets.extend(pair.split_once(':').map(|(_, password)| password.to_owned()));
            secrets.push(pair);
        }
    }
    // The names of signed headers are not secret, and without them a text would be of little use.
    let is_signature = scheme.starts_with("AWS4-");
    let is_secret = |part: &&str| {
        !is_signature || part.starts_with("Credential=") || part.starts_with("Signature=")
    };
    for part in credential.split([' ', ',', ';', '&']).filter(is_secret) {
        let value = part.split_once('=').map_or("", |(_, value)| value);
        let parts = [part, part.trim_end_matches('='), value];
        secrets.extend(parts.map(|part| part.trim_matches('"').to_owned()));
    }
    secrets
}

/// Returns the number of bytes at the beginning of `text` that represent `secret`, or `None` if `text` does not start
/// with it.
fn quoted_length(text: &str, secret: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut rest = bytes;
    for byte in secret.bytes() {
        let unescaped = unescape(rest).filter(|(value, _)| *value == byte);
        rest = match (unescaped, rest) {
            (Some((_, after)), _) => after,
            (None, [first, after @ ..]) if *first == byte => after,
            _ => return None,
        };
    }
    Some(bytes.len() - rest.len())
}

/// Returns the byte that an escape sequence at the beginning of `text` represents, and the rest of the text.
fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    let hex = |rest| {
        let (digits, after): (&[u8; 2], &[u8]) = <[u8]>::split_first_chunk(rest)?;
        let digits = std::str::from_utf8(digits).ok()?;
        Some((u8::from_str_radix(digits, 16).ok()?, after))
    };
    match text {
        [b'%', rest @ ..] | [b'\\', b'x', rest @ ..] | [b'\\', b'u', b'0', b'0', rest @ ..] => {
            hex(rest)
        }
        [b'+', rest @ ..] => Some((b' ', rest)),
        [b'\\', escaped @ (b'"' | b'\'' | b'\\' | b'/'), rest @ ..] => Some((*escaped, rest)),
        [b'&', ..] => ENTITIES
            .iter()
            .find_map(|(name, byte)| Some((*byte, text.strip_prefix(name.as_bytes())?))),
        _ => None,
    }
}

/// HTML escapes and the characters that they represent.
const ENTITIES: [(&str, u8); 9] = [
    ("&amp;", b'&'),
    ("&lt;", b'<'),
    ("&gt;", b'>'),
    ("&quot;", b'"'),
    ("&#34;", b'"'),
    ("&#39;", b'\''),
    ("&#x27;", b'\''),
    ("&#43;", b'+'),
    ("&#61;", b'='),
];

/// Removes the beginning of `secret` from the end of a text that was cut off in the middle of it.
fn remove_beginning(text: &mut String, secret: &str) {
    let kept = text.strip_suffix(HIDDEN).or_else(|| text.strip_suffix('…')).unwrap_or(text);
    let mut beginnings = (SHORTEST..secret.len()).rev().filter_map(|end| secret.get(..end));
    if let Some(beginning) = beginnings.find(|beginning| kept.ends_with(beginning)) {
        text.truncate(kept.len() - beginning.len());
        text.push_str(HIDDEN);
    }
}

fn truncated(text: &str, longest: usize) -> &str {
    let end = (0..=longest.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_however_it_is_escaped() {
        let secret = r#"a+b/c="d"&<é> %"#;
        for quoted in [
            secret,
            "a%2Bb%2Fc%3D%22d%22%26%3C%C3%A9%3E%20%25",
            "a%2bb%2fc%3d%22d%22%26%3c%c3%a9%3e+%25",
            "a+b%2Fc=%22d%22&<é>%20%",
            r#"a+b\/c=\"d\"&<é> %"#,
            r#"a\u002Bb/c\u003d\"d\"\u0026\u003cé\u003e %"#,
            r"a\x2bb/c\x3d\x22d\x22&<é> %",
            "a&#43;b/c&#61;&quot;d&#34;&amp;&lt;é&gt; %",
        ] {
            let said = redact(&format!("bad <{quoted}>, sorry"), [secret].into_iter());
            assert_eq!(said, "bad <...>, sorry", "{quoted}");
        }
    }

    #[test]
    fn parts_that_are_quoted_alone_are_found() {
        for (value, said) in [
            ("Bearer hunter2", "invalid Bearer token hunter2"),
            ("Basic bWU6aHVudGVyMg==", "me:hunter2, bWU6aHVudGVyMg== or bWU6aHVudGVyMg, hunter2"),
            ("Digest username=\"me\", response=\"hunter2\"", "hunter2 is no response"),
            ("tenant=1;key=hunter2", "`hunter2`"),
            ("hunter2==", "hunter2"),
        ] {
            let said = redact(said, [value].into_iter());
            assert!(!said.contains("hunter") && !said.contains("aHVu"), "{value}: {said}");
            assert!(!said.contains("invalid") || said.contains("Bearer"), "{said}");
        }
    }

    #[test]
    fn a_signature_hides_itself_and_not_the_names_of_what_is_signed() {
        let value = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261130/us-east-1/monitoring/aws4_request, \
                     SignedHeaders=host;x-amz-date, Signature=5d672d79c15b13162d9279b0855cfba6";
        for (said, shown) in [
            ("host and x-amz-date are signed", "host and x-amz-date are signed"),
            ("5d672d79c15b13162d9279b0855cfba6 does not match", "... does not match"),
            ("Credential=AKIDEXAMPLE/20261130/us-east-1/monitoring/aws4_request", "..."),
            (value, "..."),
        ] {
            assert_eq!(redact(said, [value].into_iter()), shown);
        }
    }

    #[test]
    fn a_beginning_where_the_text_was_cut_off_is_removed() {
        for (said, shown) in [
            ("bad token hunt...", "bad token ..."),
            ("bad token hunter…", "bad token ..."),
            ("bad token hunte", "bad token ..."),
            ("bad token hun...", "bad token hun..."),
            ("hunt is on", "hunt is on"),
        ] {
            assert_eq!(redact(said, ["hunter2"].into_iter()), shown);
        }
        let long = format!("{}hunter2", "é".repeat(LONGEST / 2 - 2));
        assert!(!redact(&long, ["hunter2"].into_iter()).contains("hunt"));
    }
}
