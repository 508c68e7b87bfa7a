//! Units: UCUM symbols, as OpenTelemetry writes them.

/// The maximum length of a unit that OpenTelemetry's specification asks back ends to accept.
const MAX_LENGTH: usize = 63;

/// Words that Backstage's plugins use, and their UCUM symbols. A count becomes an annotation rather than `1`, which is
/// a ratio in Prometheus.
const ACCEPTED: [(&str, &str); 4] =
    [("seconds", "s"), ("milliseconds", "ms"), ("bytes", "By"), ("count", "{count}")];

/// UCUM symbols, each with the words and symbols that people write instead, in lower case.
const WORDS: [(&str, &[&str]); 13] = [
    ("s", &["second", "seconds", "sec", "secs"]),
    ("ms", &["millisecond", "milliseconds", "millis", "msec", "msecs"]),
    ("us", &["microsecond", "microseconds", "micros", "usec", "usecs"]),
    ("ns", &["nanosecond", "nanoseconds", "nanos", "nsec", "nsecs"]),
    ("min", &["minute", "minutes", "mins"]),
    ("h", &["hour", "hours", "hr", "hrs"]),
    ("d", &["day", "days"]),
    ("By", &["byte", "bytes", "b"]),
    ("kBy", &["kb", "kilobyte", "kilobytes"]),
    ("MBy", &["megabyte", "megabytes"]),
    ("%", &["percent", "pct"]),
    ("Cel", &["celsius"]),
    ("1", &["ratio", "fraction"]),
];

/// Multiples of bytes as people write them. In UCUM, `B` is the bel.
const BYTES: [(&str, &str); 6] = [
    ("MB", "MBy"),
    ("GB", "GBy"),
    ("TB", "TBy"),
    ("KiB", "KiBy"),
    ("MiB", "MiBy"),
    ("GiB", "GiBy"),
];

/// A longer unit is a word: UCUM symbols with prefixes have at most four letters, except for multiples of `bit`.
const LONGEST_SYMBOL: usize = 4;

/// Returns the UCUM symbol of a word that is accepted as a unit, or any other unit unchanged.
pub fn symbol(unit: &str) -> &str {
    ACCEPTED.iter().find(|(word, _)| *word == unit).map_or(unit, |(_, symbol)| symbol)
}

/// Returns what is wrong with `unit` and what to write instead, or `None` if the unit is valid or empty.
pub fn problem(unit: &str) -> Option<String> {
    let unit = symbol(unit);
    if unit.len() > MAX_LENGTH {
        return Some(format!(
            "has {} characters, but at most {MAX_LENGTH} are allowed; use a UCUM symbol such as `s` or `By`",
            unit.len()
        ));
    }
    if !unit.is_ascii() {
        return Some("must be ASCII; use a UCUM symbol such as `us` or `Cel`".to_owned());
    }
    if unit.contains(|c: char| c.is_ascii_whitespace() || c.is_ascii_control()) {
        return Some(format!(
            "must not contain white space; for a number of things, write an annotation such as `{{{}}}`",
            unit.split_ascii_whitespace().collect::<Vec<_>>().join("_")
        ));
    }
    if let Some(symbol) = symbol_for(unit) {
        return Some(format!("is not a UCUM symbol; write `{symbol}`"));
    }
    let is_word = unit.len() > LONGEST_SYMBOL && unit.chars().all(|c| c.is_ascii_alphabetic());
    if is_word && !unit.ends_with("bit") {
        let one = unit.strip_suffix('s').unwrap_or(unit).to_ascii_lowercase();
        return Some(format!(
            "is a word; for a number of things, write an annotation such as `{{{one}}}`"
        ));
    }
    if !braces_match(unit) {
        return Some("has unmatched braces; write for example `{request}`".to_owned());
    }
    None
}

/// Returns how many of `unit` make one second, if it is a unit of time.
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

/// Returns the symbol that `unit` stands for, if `unit` itself is not that symbol.
fn symbol_for(unit: &str) -> Option<&'static str> {
    let lower = unit.to_ascii_lowercase();
    let words = WORDS.iter().map(|(symbol, words)| (*symbol, words.contains(&&*lower)));
    let bytes = BYTES.iter().map(|(written, symbol)| (*symbol, *written == unit));
    // `b` is the barn, so only the capital letter is taken for bytes.
    words.chain(bytes).find(|(_, is_meant)| *is_meant && unit != "b").map(|(symbol, _)| symbol)
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
    use super::{problem, symbol};

    #[test]
    fn symbols_and_annotations_are_units() {
        for unit in [
            "",
            "s",
            "ms",
            "By",
            "MiBy",
            "1",
            "%",
            "{operation}",
            "By/s",
            "{request}/min",
            "Cel",
            "mmol",
            "kHz",
            "Mibit",
            "m/s2",
            "b",
        ] {
            assert_eq!(problem(unit), None, "{unit}");
        }
    }

    #[test]
    fn units_in_words_are_accepted_as_symbols() {
        for (word, expected) in [
            ("seconds", "s"),
            ("milliseconds", "ms"),
            ("bytes", "By"),
            ("count", "{count}"),
            ("h", "h"),
        ] {
            assert_eq!((problem(word), symbol(word)), (None, expected));
        }
    }

    #[test]
    fn each_invalid_unit_has_a_remedy() {
        for (unit, remedy) in [
            ("second", "`s`"),
            ("byte", "`By`"),
            ("B", "`By`"),
            ("KB", "`kBy`"),
            ("MiB", "`MiBy`"),
            ("Second", "`s`"),
            ("msec", "`ms`"),
            ("requests", "`{request}`"),
            ("Items", "`{item}`"),
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
