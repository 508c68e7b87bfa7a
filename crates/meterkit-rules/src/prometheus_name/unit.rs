//! Units in metric names: UCUM symbols as words.
//!
//! By OpenTelemetry's "Prometheus and OpenMetrics Compatibility", section Metric Metadata. Where the Go reference
//! implementation differs from the specification's table (`TiBy`, `kBy`), the table wins.

use std::borrow::Cow;

/// Returns the words for `unit` that end a metric's name, empty for no unit. Only gauges are ratios.
pub(super) fn suffix(unit: &str, is_gauge: bool) -> String {
    if unit == "1" {
        return if is_gauge { "ratio".to_owned() } else { String::new() };
    }
    let plain = without_annotations(unit);
    let (whole, per) = match plain.split_once('/') {
        Some((whole, per)) => (whole, per),
        None => (&*plain, ""),
    };
    let whole = word(whole);
    match per_word(per) {
        per if per.is_empty() => whole.into_owned(),
        per if whole.is_empty() => format!("per_{per}"),
        per => format!("{whole}_per_{per}"),
    }
}

/// Removes annotations in braces: `{request}/s` is a count per second.
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

fn word(symbol: &str) -> Cow<'_, str> {
    Cow::Borrowed(match symbol {
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
        "1" => "",
        other => return clean(other),
    })
}

fn per_word(symbol: &str) -> Cow<'_, str> {
    Cow::Borrowed(match symbol {
        "s" => "second",
        "m" | "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => return clean(other),
    })
}

/// Reduces a unit that the table lacks to characters that a name may contain.
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
