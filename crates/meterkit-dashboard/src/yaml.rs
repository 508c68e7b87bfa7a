//! YAML scalars.

/// Returns text as a YAML scalar that parsers read back unchanged: in single quotes, or in double quotes with escapes
/// if it contains line breaks or control characters.
pub(crate) fn scalar(text: &str) -> String {
    if text
        .chars()
        .any(|c| c.is_control() || matches!(c, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'))
    {
        return escaped(text);
    }
    format!("'{}'", text.replace('\'', "''"))
}

fn escaped(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::scalar;

    #[test]
    fn text_is_quoted_so_that_yaml_reads_it_unchanged() {
        for (text, expected) in [
            ("plain", "'plain'"),
            ("", "''"),
            ("it's", "'it''s'"),
            ("a: \"b\" # c\\d", "'a: \"b\" # c\\d'"),
            ("a\n\"b\"\\", "\"a\\n\\\"b\\\"\\\\\""),
            ("a\u{7}\u{2028}", "\"a\\u0007\\u2028\""),
        ] {
            assert_eq!(scalar(text), expected, "{text:?}");
        }
    }
}
