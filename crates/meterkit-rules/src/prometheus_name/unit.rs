//! Units in metric names: UCUM symbols as words.
//!
//! Specification: OpenTelemetry's "Prometheus and OpenMetrics Compatibility", section Metric Metadata. Where the Go
//! reference implementation differs from the specification's table (`TiBy`, `kBy`), this module follows the table.

use std::borrow::Cow;

/// The units that a translation with suffixes appends to metric names.
///
/// `opentelemetry-prometheus` for Rust leaves out units that are not in its table, such as `bytes` or `page`. The
/// specification, the Collector and Prometheus' own OTLP receiver append such units unchanged.
///
/// ```
/// use meterkit_rules::Kind;
/// use meterkit_rules::prometheus_name::{Names, UnitSuffixes};
///
/// let name = |units| Names::default().unit_suffixes(units).family("active", "bytes", Kind::Gauge);
/// assert_eq!(name(UnitSuffixes::All), "active_bytes");
/// assert_eq!(name(UnitSuffixes::Known), "active");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum UnitSuffixes {
    /// All units, as specified. The default.
    #[default]
    All,
    /// Only the units that `opentelemetry-prometheus` translates: the units of the specification's table, and `B`,
    /// `KB`, `MB`, `GB` and `TB`. `foo/s` becomes `per_second`, and `By/foo` is left out.
    Known,
    /// No units.
    None,
}

/// Returns the words for `unit` at the end of a metric name; empty for no unit. `1` is a ratio only for gauges.
pub(super) fn suffix(unit: &str, is_gauge: bool, units: UnitSuffixes) -> String {
    if units == UnitSuffixes::None {
        return String::new();
    }
    if unit == "1" {
        return if is_gauge { "ratio".to_owned() } else { String::new() };
    }
    let plain = without_annotations(unit);
    let (whole, per) = match plain.split_once('/') {
        Some((whole, per)) => (whole, per),
        None => (&*plain, ""),
    };
    let [whole, per] = match (units, word(whole), per_word(per)) {
        (UnitSuffixes::Known, _, None) => return String::new(),
        (UnitSuffixes::Known, known, Some(per)) => {
            [known.or_else(|| short_word(whole)).unwrap_or_default(), per].map(Cow::Borrowed)
        }
        (_, known, known_per) => [
            known.map_or_else(|| clean(whole), Cow::Borrowed),
            known_per.map_or_else(|| clean(per), Cow::Borrowed),
        ],
    };
    match per {
        per if per.is_empty() => whole.into_owned(),
        per if whole.is_empty() => format!("per_{per}"),
        per => format!("{whole}_per_{per}"),
    }
}

/// Returns whether these words may be a unit that was appended to a name: `seconds`, `bytes_per_second`, `ratio`.
///
/// A unit that is not in the specification's table is appended unchanged, so other words can be units as well.
///
/// ```
/// use meterkit_rules::prometheus_name::is_unit_suffix;
///
/// assert!(is_unit_suffix("bytes_per_second"));
/// assert!(!is_unit_suffix("requests"));
/// ```
pub fn is_unit_suffix(words: &str) -> bool {
    let is_whole = |words: &str| SYMBOLS.iter().any(|symbol| word(symbol) == Some(words));
    let is_per = |words: &str| PER_SYMBOLS.iter().any(|symbol| per_word(symbol) == Some(words));
    match (words.strip_prefix("per_"), words.split_once("_per_")) {
        (Some(per), _) => is_per(per),
        (_, Some((whole, per))) => is_whole(whole) && is_per(per),
        _ => words == "ratio" || is_whole(words),
    }
}

/// Removes annotations in braces: `{request}/s` means per second.
fn without_annotations(unit: &str) -> Cow<'_, str> {
    if !unit.contains('{') {
        return Cow::Borrowed(unit.trim());
    }
    let mut plain = String::new();
    let mut depth = 0_usize;
    for c in unit.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            c if depth == 0 => plain.push(c),
            _ => {}
        }
    }
    Cow::Owned(plain.trim().to_owned())
}

/// One symbol for each word of the table.
const SYMBOLS: [&str; 25] = [
    "d", "h", "min", "s", "ms", "us", "ns", "By", "KiBy", "MiBy", "GiBy", "TiBy", "KBy", "MBy",
    "GBy", "TBy", "m", "V", "A", "J", "W", "g", "Cel", "Hz", "%",
];

/// One symbol for each word after `per`.
const PER_SYMBOLS: [&str; 7] = ["s", "m", "h", "d", "w", "mo", "y"];

fn word(symbol: &str) -> Option<&'static str> {
    Some(match symbol {
        // Time
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        // Bytes
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        "TiBy" => "tebibytes",
        "kBy" | "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        // SI
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        // Others
        "Cel" => "celsius",
        "Hz" => "hertz",
        "%" => "percent",
        "" | "1" => "",
        _ => return None,
    })
}

/// Returns the word for a unit that `opentelemetry-prometheus` translates but the specification does not.
fn short_word(symbol: &str) -> Option<&'static str> {
    Some(match symbol {
        "B" => "bytes",
        "KB" => "kilobytes",
        "MB" => "megabytes",
        "GB" => "gigabytes",
        "TB" => "terabytes",
        _ => return None,
    })
}

fn per_word(symbol: &str) -> Option<&'static str> {
    Some(match symbol {
        "" => "",
        "s" => "second",
        "m" | "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        _ => return None,
    })
}

/// Reduces a unit that is not in the table to characters that are legal in a name.
fn clean(unit: &str) -> Cow<'_, str> {
    if unit.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Cow::Borrowed(unit);
    }
    let mut words = String::new();
    for part in unit.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()) {
        if !words.is_empty() {
            words.push('_');
        }
        words.push_str(part);
    }
    Cow::Owned(words)
}

#[test]
fn words_that_units_append_are_known_as_such() {
    for symbol in SYMBOLS {
        let word = word(symbol).expect(symbol);
        assert!(is_unit_suffix(word), "{word}");
    }
    for symbol in PER_SYMBOLS {
        let word = per_word(symbol).expect(symbol);
        assert!(is_unit_suffix(&format!("per_{word}")), "{word}");
    }
    for (words, expected) in [
        ("ratio", true),
        ("bytes_per_second", true),
        ("", false),
        ("per_", false),
        ("_per_second", false),
        ("requests", false),
        ("requests_per_second", false),
        ("bytes_per_bytes", false),
        ("used_bytes", false),
    ] {
        assert_eq!(is_unit_suffix(words), expected, "{words}");
    }
}
