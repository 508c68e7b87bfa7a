//! Escapes backslashes, quotes and line ends in the text formats.

/// Writes text in quotes, with escapes.
pub(crate) fn quoted(out: &mut String, text: &str) {
    out.push('"');
    escape_quoted(out, text);
    out.push('"');
}

/// Writes text with the escapes that are required between quotes.
#[inline]
pub(crate) fn escape_quoted(out: &mut String, text: &str) {
    if has_escaped(text.as_bytes()) {
        escape(out, text, |byte| matches!(byte, b'\\' | b'\n' | b'"'));
    } else {
        out.push_str(text);
    }
}

/// Returns whether the bytes contain a backslash, a quote or a line end. Checks eight bytes at a time, because a scrape
/// calls this for each label of each series.
#[inline]
fn has_escaped(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let has = |eight: u64, byte: u8| {
        let zero_where_equal = eight ^ (ONES * u64::from(byte));
        zero_where_equal.wrapping_sub(ONES) & !zero_where_equal & (ONES << 7)
    };
    let has_any = |eight: [u8; 8]| {
        let eight = u64::from_le_bytes(eight);
        has(eight, b'\\') | has(eight, b'\n') | has(eight, b'"') != 0
    };
    // The last eight bytes may overlap with the chunks before them.
    let Some(last) = bytes.last_chunk() else {
        let [Some(first), Some(last)] = [bytes.first_chunk::<4>(), bytes.last_chunk()] else {
            return bytes.iter().any(|byte| matches!(byte, b'\\' | b'\n' | b'"'));
        };
        let [first, last] = [first, last].map(|four| u64::from(u32::from_le_bytes(*four)));
        return has_any((first << 32 | last).to_le_bytes());
    };
    bytes.chunks_exact(8).filter_map(|eight| eight.try_into().ok()).any(has_any) || has_any(*last)
}

/// Writes text and escapes the bytes for which `must` returns `true`. These bytes must be ASCII, so that they are never
/// part of another character.
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
    fn a_byte_to_escape_is_found_at_every_position() {
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
