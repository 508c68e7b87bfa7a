//! Backslashes, quotes and line ends in the text formats.

/// Writes text between quotes.
pub(crate) fn quoted(out: &mut String, text: &str) {
    out.push('"');
    escape_quoted(out, text);
    out.push('"');
}

/// Writes text as it may stand between quotes.
#[inline]
pub(crate) fn escape_quoted(out: &mut String, text: &str) {
    if has_escaped(text.as_bytes()) {
        escape(out, text, is_escaped);
    } else {
        out.push_str(text);
    }
}

/// Returns whether a backslash, a quote or a line end is among these bytes. Looks at many of them at a time: a scrape asks
/// for each label of each series.
#[inline]
fn has_escaped(bytes: &[u8]) -> bool {
    // The last chunk overlaps with those before.
    if let Some(last) = bytes.last_chunk::<16>() {
        return has_escaped_in(last)
            || bytes
                .chunks_exact(16)
                .filter_map(|it| it.try_into().ok())
                .any(has_escaped_in::<16>);
    }
    match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => has_escaped_in(first) | has_escaped_in(last),
        _ => bytes.iter().copied().any(is_escaped),
    }
}

/// The same of so many bytes, without a branch: the compiler makes it a few instructions of the processor.
#[inline]
fn has_escaped_in<const N: usize>(bytes: &[u8; N]) -> bool {
    bytes.iter().fold(false, |has, byte| has | is_escaped(*byte))
}

#[inline]
fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'\\' | b'\n' | b'"')
}

/// Writes text, and escapes the bytes for which `must` returns true. They are ASCII, so they are never a part of another
/// character.
pub(crate) fn escape(out: &mut String, text: &str, must: impl Fn(u8) -> bool) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(&must) {
        out.push_str(&rest[..at]);
        out.push_str(match rest.as_bytes()[at] {
            b'\\' => "\\\\",
            b'\n' => "\\n",
            _ => "\\\"",
        });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_be_escaped_is_found_wherever_it_stands() {
        for (length, at) in (1..40).flat_map(|length| (0..length).map(move |at| (length, at))) {
            for special in [b'\\', b'\n', b'"'] {
                let mut bytes = vec![b'\xff'; length];
                assert!(!has_escaped(&bytes));
                bytes[at] = special;
                assert!(has_escaped(&bytes), "{bytes:?}");
            }
        }
    }
}
