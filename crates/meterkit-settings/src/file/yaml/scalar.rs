//! The meaning of plain text: null, a boolean, a number, or text.

/// The value of one scalar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Meaning {
    Null,
    Bool(bool),
    Int(i128),
    Float(f64),
    Text,
    /// The scalar has a problem, which has already been reported.
    Broken,
}

/// Returns the meaning of text without quotes.
///
/// By YAML 1.2.2, section 10.3 Core Schema, `yes`, `no`, `on` and `off` are text, and so are dates.
pub(super) fn plain(text: &str) -> Meaning {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Meaning::Null,
        "true" | "True" | "TRUE" => Meaning::Bool(true),
        "false" | "False" | "FALSE" => Meaning::Bool(false),
        ".nan" | ".NaN" | ".NAN" => Meaning::Float(f64::NAN),
        _ => number(text).unwrap_or(Meaning::Text),
    }
}

fn number(text: &str) -> Option<Meaning> {
    let based = |digits: &str, base| {
        let is_number = !digits.is_empty() && digits.chars().all(|c| c.is_digit(base));
        // A number that does not fit is still a number. The largest one stands for it, because no setting accepts
        // either.
        is_number.then(|| Meaning::Int(i128::from_str_radix(digits, base).unwrap_or(i128::MAX)))
    };
    if let Some(digits) = text.strip_prefix("0x") {
        return based(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return based(digits, 8);
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        let sign = if text.starts_with('-') { -1.0 } else { 1.0 };
        return Some(Meaning::Float(sign * f64::INFINITY));
    }
    // Unlike YAML, Rust also parses `inf` and `nan` as numbers.
    let is_number = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.contains(|c: char| c.is_ascii_digit())
        && unsigned.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | 'e' | 'E' | '+' | '-'));
    if !is_number {
        return None;
    }
    match text.parse() {
        Ok(number) => Some(Meaning::Int(number)),
        Err(_) => text.parse().ok().map(Meaning::Float),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_text_means_what_the_core_schema_says() {
        let table = [
            ("", Meaning::Null),
            ("~", Meaning::Null),
            ("null", Meaning::Null),
            ("nULL", Meaning::Text),
            ("true", Meaning::Bool(true)),
            ("FALSE", Meaning::Bool(false)),
            ("yes", Meaning::Text),
            ("no", Meaning::Text),
            ("on", Meaning::Text),
            ("Off", Meaning::Text),
            ("y", Meaning::Text),
            ("0", Meaning::Int(0)),
            ("007", Meaning::Int(7)),
            ("-12", Meaning::Int(-12)),
            ("+12", Meaning::Int(12)),
            ("0o17", Meaning::Int(15)),
            ("0o8", Meaning::Text),
            ("0xdeadbeef", Meaning::Int(3_735_928_559)),
            ("0xg", Meaning::Text),
            ("0x", Meaning::Text),
            ("0b1", Meaning::Text),
            ("1_000", Meaning::Text),
            ("1.5", Meaning::Float(1.5)),
            ("-.5", Meaning::Float(-0.5)),
            ("1.", Meaning::Float(1.0)),
            ("12e03", Meaning::Float(12_000.0)),
            ("1e-2", Meaning::Float(0.01)),
            (".inf", Meaning::Float(f64::INFINITY)),
            ("-.INF", Meaning::Float(f64::NEG_INFINITY)),
            ("inf", Meaning::Text),
            ("nan", Meaning::Text),
            ("infinity", Meaning::Text),
            (".", Meaning::Text),
            ("-", Meaning::Text),
            (".e3", Meaning::Text),
            ("1.2.3", Meaning::Text),
            ("1:30", Meaning::Text),
            ("2026-11-21", Meaning::Text),
            ("text", Meaning::Text),
            (" 1", Meaning::Text),
        ];
        for (text, expected) in table {
            assert_eq!(plain(text), expected, "`{text}`");
        }
        assert!(matches!(plain(".nan"), Meaning::Float(value) if value.is_nan()));
    }

    #[test]
    fn a_number_of_any_size_is_a_number() {
        assert_eq!(plain(&format!("0x{}", "f".repeat(100))), Meaning::Int(i128::MAX));
        assert_eq!(plain(&"9".repeat(60)), Meaning::Float(1e60));
    }
}
