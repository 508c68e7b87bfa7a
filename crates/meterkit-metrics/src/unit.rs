//! UCUM units.

use metrics::Unit;

/// Returns the UCUM symbol of a unit.
pub(crate) fn symbol(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "{count}",
        Unit::Percent => "%",
        Unit::Seconds => "s",
        Unit::Milliseconds => "ms",
        Unit::Microseconds => "us",
        Unit::Nanoseconds => "ns",
        Unit::Tebibytes => "TiBy",
        Unit::Gibibytes => "GiBy",
        Unit::Mebibytes => "MiBy",
        Unit::Kibibytes => "KiBy",
        Unit::Bytes => "By",
        Unit::TerabitsPerSecond => "Tbit/s",
        Unit::GigabitsPerSecond => "Gbit/s",
        Unit::MegabitsPerSecond => "Mbit/s",
        Unit::KilobitsPerSecond => "kbit/s",
        Unit::BitsPerSecond => "bit/s",
        Unit::CountPerSecond => "{count}/s",
    }
}

/// Returns the unit of a histogram: the unit in its description, otherwise the unit at the end of its name, otherwise
/// an empty string.
pub(crate) fn of_histogram(name: &str, described: &'static str) -> &'static str {
    let last_word = name.rsplit(['_', '.']).next().and_then(Unit::from_string);
    let by_name = || match last_word {
        Some(unit) if unit.is_time_based() || unit == Unit::Bytes => symbol(unit),
        _ => "",
    };
    if described.is_empty() { by_name() } else { described }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_ends_with_its_unit() {
        for (name, unit) in [
            ("rpc_seconds", "s"),
            ("rpc.seconds", "s"),
            ("seconds", "s"),
            ("rpc_duration_milliseconds", "ms"),
            ("rpc_nanoseconds", "ns"),
            ("body_bytes", "By"),
            ("rpc_seconds_total", ""),
            ("milliseconds_of_rpc", ""),
            ("bits_per_second", ""),
            ("count", ""),
        ] {
            assert_eq!(of_histogram(name, ""), unit, "{name}");
        }
        assert_eq!(of_histogram("rpc_seconds", "ms"), "ms");
    }
}
