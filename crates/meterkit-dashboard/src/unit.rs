//! Grafana units for UCUM units.

/// The unit and scale of a rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RateUnit {
    /// Grafana's identifier of the unit.
    pub(crate) unit: String,
    /// The divisor that converts the rate to the unit.
    pub(crate) divisor: u64,
}

/// Returns the unit of a value. The unit `1` means a share only if the metric's `name` indicates that.
pub(crate) fn of_value(unit: &str, name: &str) -> String {
    if unit == "1" {
        return if is_share(name) { "percentunit" } else { "none" }.to_owned();
    }
    if let Some(known) = known(unit) {
        return known.to_owned();
    }
    match unit.split_once('/') {
        Some((counted, "s")) if is_count(counted) => per_second(annotation(counted)).to_owned(),
        Some((counted, "min")) if is_count(counted) => per_minute(annotation(counted)).to_owned(),
        _ if is_count(unit) => "short".to_owned(),
        _ => suffix(unit),
    }
}

/// Returns the unit of a counter's rate per second.
pub(crate) fn of_rate(unit: &str) -> RateUnit {
    let undivided = |unit: &str| RateUnit { unit: unit.to_owned(), divisor: 1 };
    // Time per time is a share: a core that is always busy has 100 %.
    let share = |divisor| RateUnit { unit: "percentunit".to_owned(), divisor };
    match unit {
        "s" => share(1),
        "ms" => share(1_000),
        "us" => share(1_000_000),
        "ns" => share(1_000_000_000),
        "By" => undivided("Bps"),
        "KiBy" => undivided("KiBs"),
        "MiBy" => undivided("MiBs"),
        "GiBy" => undivided("GiBs"),
        "kBy" => undivided("KBs"),
        "MBy" => undivided("MBs"),
        "GBy" => undivided("GBs"),
        "bit" => undivided("bps"),
        "J" => undivided("watt"),
        "1" => undivided("cps"),
        unit if is_count(unit) => undivided(per_second(annotation(unit))),
        unit => undivided(&suffix(&format!("{unit}/s"))),
    }
}

/// Returns whether `unit` is a share, for which the axis starts at zero.
pub(crate) fn is_share_unit(unit: &str) -> bool {
    matches!(unit, "percentunit" | "percent")
}

fn known(unit: &str) -> Option<&'static str> {
    Some(match unit {
        // Time
        "ns" => "ns",
        "us" => "µs",
        "ms" => "ms",
        "s" => "s",
        "min" => "m",
        "h" => "h",
        "d" => "d",
        // Data
        "By" => "bytes",
        "KiBy" => "kbytes",
        "MiBy" => "mbytes",
        "GiBy" => "gbytes",
        "TiBy" => "tbytes",
        "kBy" => "deckbytes",
        "MBy" => "decmbytes",
        "GBy" => "decgbytes",
        "TBy" => "dectbytes",
        "bit" => "decbits",
        "By/s" => "Bps",
        "bit/s" => "bps",
        // Others
        "%" => "percent",
        "Cel" => "celsius",
        "K" => "kelvin",
        "Hz" => "hertz",
        "1/s" => "cps",
        "m" => "lengthm",
        "m/s" => "velocityms",
        "g" => "massg",
        "kg" => "masskg",
        "l" | "L" => "litre",
        "V" => "volt",
        "A" => "amp",
        "W" => "watt",
        "J" => "joule",
        "Pa" => "pressurepa",
        _ => return None,
    })
}

/// Returns whether the unit is empty or only names the counted things, like `{request}`.
fn is_count(unit: &str) -> bool {
    unit.is_empty() || (unit.starts_with('{') && unit.find('}') == Some(unit.len() - 1))
}

fn annotation(unit: &str) -> &str {
    unit.trim_start_matches('{').trim_end_matches('}')
}

fn per_second(counted: &str) -> &'static str {
    match counted {
        "request" => "reqps",
        "operation" | "statement" | "query" | "call" | "command" => "ops",
        "read" => "rps",
        "write" => "wps",
        "row" => "rowsps",
        "record" => "recps",
        "message" => "mps",
        "event" => "eps",
        "packet" => "pps",
        _ => "cps",
    }
}

fn per_minute(counted: &str) -> &'static str {
    match per_second(counted) {
        "reqps" => "reqpm",
        "ops" => "opm",
        "rps" => "rpm",
        "wps" => "wpm",
        "rowsps" => "rowspm",
        "recps" => "recpm",
        "mps" => "mpm",
        "eps" => "epm",
        _ => "cpm",
    }
}

/// Returns a custom unit that Grafana shows after the number, for units that it does not support.
fn suffix(unit: &str) -> String {
    format!("suffix: {unit}")
}

fn is_share(name: &str) -> bool {
    let last = name.rsplit(['.', '_', '/', '-']).next().unwrap_or_default();
    matches!(last, "utilization" | "utilisation" | "ratio" | "fraction" | "share" | "usage")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shown_in_the_unit_that_was_declared() {
        for (unit, name, expected) in [
            ("s", "duration", "s"),
            ("us", "duration", "µs"),
            ("By", "size", "bytes"),
            ("MBy", "size", "decmbytes"),
            ("By/s", "throughput", "Bps"),
            ("Cel", "temperature", "celsius"),
            ("Hz", "clock", "hertz"),
            ("%", "load", "percent"),
            ("1", "cpu.utilization", "percentunit"),
            ("1", "cache.hit_ratio", "percentunit"),
            ("1", "score", "none"),
            ("{request}", "active", "short"),
            ("", "active", "short"),
            ("{request}/s", "limit", "reqps"),
            ("{task}/min", "limit", "cpm"),
            ("mol", "amount", "suffix: mol"),
            ("{a}By", "odd", "suffix: {a}By"),
        ] {
            assert_eq!(of_value(unit, name), expected, "{unit} of {name}");
        }
    }

    #[test]
    fn rates_are_shown_per_second() {
        for (unit, expected, divisor) in [
            ("s", "percentunit", 1),
            ("ms", "percentunit", 1000),
            ("By", "Bps", 1),
            ("{request}", "reqps", 1),
            ("{operation}", "ops", 1),
            ("{row}", "rowsps", 1),
            ("{task}", "cps", 1),
            ("", "cps", 1),
            ("1", "cps", 1),
            ("mol", "suffix: mol/s", 1),
        ] {
            let expected = RateUnit { unit: expected.to_owned(), divisor };
            assert_eq!(of_rate(unit), expected, "{unit}");
        }
    }
}
