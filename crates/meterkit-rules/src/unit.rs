//! Units: UCUM symbols, as OpenTelemetry writes them.

/// Longest unit that OpenTelemetry's specification asks back ends to take.
const MAX_LENGTH: usize = 63;

/// Words that people write where UCUM has a symbol.
const WORDS: [(&str, &str); 16] = [
    ("second", "s"),
    ("seconds", "s"),
    ("sec", "s"),
    ("millisecond", "ms"),
    ("milliseconds", "ms"),
    ("microseconds", "us"),
    ("nanoseconds", "ns"),
    ("minutes", "min"),
    ("hours", "h"),
    ("days", "d"),
    ("byte", "By"),
    ("bytes", "By"),
    ("B", "By"),
    ("percent", "%"),
    ("celsius", "Cel"),
    ("ratio", "1"),
];

/// What is wrong with `unit`, and what to write, or `None` when it is fine. No unit is fine.
pub fn problem(unit: &str) -> Option<String> {
    if unit.len() > MAX_LENGTH {
        return Some(format!(
            "has {} characters, {MAX_LENGTH} are allowed; use a UCUM symbol such as `s` or `By`",
            unit.len()
        ));
    }
    if !unit.is_ascii() {
        return Some("must be ASCII; use a UCUM symbol such as `us` or `Cel`".to_owned());
    }
    if unit.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control()) {
        return Some(format!(
            "must not hold white space; for what is counted write an annotation such as `{{{}}}`",
            unit.split_ascii_whitespace().collect::<Vec<_>>().join("_")
        ));
    }
    if let Some((_, symbol)) = WORDS.iter().find(|(word, _)| *word == unit) {
        return Some(format!("is a word; write the UCUM symbol `{symbol}`"));
    }
    if !braces_match(unit) {
        return Some("has braces that do not match; write for example `{request}`".to_owned());
    }
    None
}

/// How many of `unit` a second has, when it is a unit of time.
pub fn per_second(unit: &str) -> Option<f64> {
    match unit {
        "ns" => Some(1e9),
        "us" => Some(1e6),
        "ms" => Some(1e3),
        "s" => Some(1.0),
        "min" => Some(1.0 / 60.0),
        "h" => Some(1.0 / 3600.0),
        "d" => Some(1.0 / 86400.0),
        _ => None,
    }
}

fn braces_match(unit: &str) -> bool {
    let mut open = false;
    for c in unit.chars() {
        match c {
            '{' if open => return false,
            '{' => open = true,
            '}' if !open => return false,
            '}' => open = false,
            _ => {}
        }
    }
    !open
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn symbols_and_annotations_are_units() {
        for unit in ["", "s", "ms", "By", "1", "%", "{operation}", "By/s", "{request}/min"] {
            assert_eq!(problem(unit), None, "{unit}");
        }
    }

    #[test]
    fn each_bad_unit_is_told_what_to_write() {
        for (unit, remedy) in [
            ("seconds", "`s`"),
            ("bytes", "`By`"),
            ("open files", "`{open_files}`"),
            ("{request", "`{request}`"),
            ("request}", "`{request}`"),
            ("µs", "`us`"),
            (&"x".repeat(64), "64 characters"),
        ] {
            let text = problem(unit).unwrap_or_else(|| panic!("{unit} passed"));
            assert!(text.contains(remedy), "{unit}: {text}");
        }
    }
}
