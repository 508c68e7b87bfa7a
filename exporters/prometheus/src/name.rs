//! Names of metrics and labels, by OpenTelemetry's "Prometheus and OpenMetrics Compatibility".
//!
//! Translation strategy `UnderscoreEscapingWithSuffixes`: illegal characters become `_`, the unit and `_total` are
//! added unless they are there.

use std::borrow::Cow;

use meterkit_core::{Data, Descriptor};

use crate::unit;

/// What a family is to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FamilyType {
    Counter,
    Gauge,
    Histogram,
}

impl FamilyType {
    pub(crate) fn of(data: &Data) -> Option<Self> {
        match data {
            Data::Gauge(_) | Data::Sum { monotonic: false, .. } => Some(Self::Gauge),
            Data::Sum { monotonic: true, .. } => Some(Self::Counter),
            Data::Histogram { .. } => Some(Self::Histogram),
            _ => None,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The family's name for a metric.
pub(crate) fn family(descriptor: &Descriptor, family: FamilyType) -> String {
    let mut name = legal(&descriptor.name);
    if family == FamilyType::Counter && name.len() > "_total".len() && name.ends_with("_total") {
        name.truncate(name.len() - "_total".len());
    }
    let unit = unit::suffix(&descriptor.unit, family == FamilyType::Gauge);
    if !unit.is_empty() && !ends_with_word(&name, &unit) {
        name.push('_');
        name.push_str(&unit);
    }
    if family == FamilyType::Counter && !ends_with_word(&name, "total") {
        name.push_str("_total");
    }
    name
}

/// The label's name for an attribute key.
pub(crate) fn label(key: &str) -> Cow<'_, str> {
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts_well = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if starts_well && key.chars().all(is_legal) {
        return Cow::Borrowed(key);
    }
    let mut label = String::with_capacity(key.len() + 4);
    if key.starts_with(|c: char| c.is_ascii_digit()) {
        label.push_str("key_");
    }
    label.extend(key.chars().map(|c| if is_legal(c) { c } else { '_' }));
    if label.is_empty() {
        label.push('_');
    }
    Cow::Owned(label)
}

/// Whether `name` is `word`, or ends with it after a `_`.
fn ends_with_word(name: &str, word: &str) -> bool {
    match name.strip_suffix(word) {
        Some(rest) => rest.is_empty() || rest.ends_with('_'),
        None => false,
    }
}

/// Illegal characters become `_`, and runs of `_` one.
fn legal(name: &str) -> String {
    let mut legal = String::with_capacity(name.len() + 16);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        legal.push('_');
    }
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() || c == ':' { c } else { '_' };
        if c != '_' || !legal.ends_with('_') {
            legal.push(c);
        }
    }
    legal
}

#[cfg(test)]
mod tests {
    use super::FamilyType::{Counter, Gauge, Histogram};
    use super::*;

    #[test]
    fn families_are_named_by_the_compatibility_specification() {
        for (name, unit, kind, expected) in [
            ("requests", "", Counter, "requests_total"),
            ("requests_total", "1", Counter, "requests_total"),
            ("requests.total", "{request}", Counter, "requests_total"),
            ("total", "", Counter, "total"),
            ("foo.bar", "By", Counter, "foo_bar_bytes_total"),
            ("foo.bytes.total", "By", Counter, "foo_bytes_total"),
            ("x_seconds", "s", Counter, "x_seconds_total"),
            ("x_seconds", "s", Gauge, "x_seconds"),
            ("seconds", "s", Gauge, "seconds"),
            ("milliseconds", "s", Gauge, "milliseconds_seconds"),
            ("cpu.utilization", "1", Gauge, "cpu_utilization_ratio"),
            ("hits", "1", Counter, "hits_total"),
            (
                "http.server.request.duration",
                "s",
                Histogram,
                "http_server_request_duration_seconds",
            ),
            ("share", "%", Gauge, "share_percent"),
            ("mem", "TiBy", Gauge, "mem_tebibytes"),
            ("kb", "kBy", Gauge, "kb_kilobytes"),
            ("speed", "m/s", Gauge, "speed_meters_per_second"),
            ("rps", "{request}/s", Gauge, "rps_per_second"),
            ("weird", "foo/bar", Gauge, "weird_foo_per_bar"),
            ("odd", "a-b", Gauge, "odd_a_b"),
            ("queue", "{item}", Gauge, "queue"),
            ("123abc", "", Gauge, "_123abc"),
            ("a..b__c", "", Gauge, "a_b_c"),
            ("mcp-server/x", "", Gauge, "mcp_server_x"),
        ] {
            let descriptor = Descriptor {
                name: name.to_owned(),
                unit: unit.to_owned(),
                description: String::new(),
            };
            assert_eq!(family(&descriptor, kind), expected, "{name} in {unit}");
        }
    }

    #[test]
    fn labels_hold_only_what_prometheus_allows() {
        for (key, expected) in [
            ("kind", "kind"),
            ("http.route", "http_route"),
            ("a:b", "a_b"),
            ("1x", "key_1x"),
            ("größe", "gr__e"),
            ("", "_"),
        ] {
            assert_eq!(label(key), expected, "{key}");
        }
    }
}
