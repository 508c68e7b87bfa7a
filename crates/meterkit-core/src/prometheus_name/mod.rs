//! Names of metrics and labels in Prometheus, by OpenTelemetry's "Prometheus and OpenMetrics Compatibility".
//!
//! The functions follow the translation strategy `UnderscoreEscapingWithSuffixes`: illegal characters become `_`, the
//! unit and `_total` are added unless they are there. [`Names`] are those of any [`Translation`].

mod translation;
mod unit;

use std::borrow::Cow;

pub use self::translation::{
    Names, Translation, TranslationError, is_legal_family, is_legal_label,
};
use crate::data::{Data, Descriptor};
use crate::kind::Kind;

/// What a family is to Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FamilyType {
    /// A sum that only rises.
    Counter,
    /// A value that rises and falls.
    Gauge,
    /// A distribution over buckets.
    Histogram,
}

impl FamilyType {
    /// The type of a metric with this data.
    pub const fn of(data: &Data) -> Self {
        match data {
            Data::Gauge(_) | Data::Sum { monotonic: false, .. } => Self::Gauge,
            Data::Sum { monotonic: true, .. } => Self::Counter,
            Data::Histogram { .. } | Data::ExponentialHistogram { .. } => Self::Histogram,
        }
    }

    /// The type of what an instrument of `kind` records.
    pub const fn of_kind(kind: Kind) -> Self {
        match kind {
            Kind::Counter | Kind::ObservableCounter => Self::Counter,
            Kind::UpDownCounter
            | Kind::Gauge
            | Kind::ObservableUpDownCounter
            | Kind::ObservableGauge => Self::Gauge,
            Kind::Histogram => Self::Histogram,
        }
    }

    /// The type as it stands in `# TYPE`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The family's name for a metric, as it stands in `# TYPE`: a counter's with `_total`, a histogram's without
/// `_bucket`, `_sum` or `_count`.
///
/// ```
/// use meterkit_core::Descriptor;
/// use meterkit_core::prometheus_name::{FamilyType, family};
///
/// let descriptor = Descriptor {
///     name: "backstage.core.http.sent".to_owned(),
///     unit: "By".to_owned(),
///     description: String::new(),
/// };
/// let name = family(&descriptor, FamilyType::Counter);
/// assert_eq!(name, "backstage_core_http_sent_bytes_total");
/// ```
pub fn family(descriptor: &Descriptor, family: FamilyType) -> String {
    Names::default().family(descriptor, family)
}

/// The unit of a metric in the words that end its family's name: `bytes` for `By`, empty for none.
///
/// ```
/// use meterkit_core::prometheus_name::{FamilyType, unit};
///
/// assert_eq!(unit("By", FamilyType::Counter), "bytes");
/// assert_eq!(unit("1", FamilyType::Gauge), "ratio");
/// assert_eq!(unit("{request}", FamilyType::Counter), "");
/// ```
pub fn unit(unit: &str, family: FamilyType) -> String {
    unit::suffix(unit, family == FamilyType::Gauge)
}

/// The label's name for an attribute key.
pub fn label(key: &str) -> Cow<'_, str> {
    if is_legal_label(key) {
        return Cow::Borrowed(key);
    }
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
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

/// The label's name for an attribute key of a series. Names that are taken, by buckets, by the scope or by Prometheus
/// itself, get a prefix.
pub fn series_label(key: &str) -> Cow<'_, str> {
    Names::default().series_label(key)
}

/// Whether `name` is `word`, or ends with it after a `_`, or after what would become one.
fn ends_with_word(name: &str, word: &str) -> bool {
    let is_between = |c: char| !c.is_alphanumeric() && c != ':';
    match name.strip_suffix(word) {
        Some(rest) => rest.is_empty() || rest.ends_with(is_between),
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

    #[test]
    fn labels_of_series_are_never_those_of_buckets_or_scopes() {
        for (key, expected) in [
            ("http.route", "http_route"),
            ("le", "exported_le"),
            ("quantile", "exported_quantile"),
            ("otel.scope_x", "exported_otel_scope_x"),
            ("_.x", "exported___x"),
        ] {
            assert_eq!(series_label(key), expected, "{key}");
        }
    }
}
