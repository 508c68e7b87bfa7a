//! Datadog's names of units.

/// Returns Datadog's name for a UCUM unit, or `None` if Datadog has no such unit.
pub(super) fn unit(ucum: &str) -> Option<&'static str> {
    Some(match ucum {
        "ns" => "nanosecond",
        "us" => "microsecond",
        "ms" => "millisecond",
        "s" => "second",
        "min" => "minute",
        "h" => "hour",
        "d" => "day",
        "wk" => "week",
        "bit" => "bit",
        "By" => "byte",
        "KiBy" => "kibibyte",
        "MiBy" => "mebibyte",
        "GiBy" => "gibibyte",
        "TiBy" => "tebibyte",
        "%" => "percent",
        "Hz" => "hertz",
        "Cel" => "degree celsius",
        "V" => "volt",
        "W" => "watt",
        "J" => "joule",
        "1" => "fraction",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::unit;

    #[test]
    fn units_of_time_and_size_have_names_and_what_is_counted_has_none() {
        for (ucum, name) in [
            ("s", Some("second")),
            ("ms", Some("millisecond")),
            ("By", Some("byte")),
            ("%", Some("percent")),
            ("{request}", None),
            ("By/s", None),
            ("", None),
        ] {
            assert_eq!(unit(ucum), name, "{ucum}");
        }
    }
}
