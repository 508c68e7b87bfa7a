//! Names of metrics and labels in Prometheus, as defined by OpenTelemetry's "Prometheus and OpenMetrics Compatibility".
//!
//! The functions follow the translation strategy `UnderscoreEscapingWithSuffixes`: illegal characters become `_`; the
//! unit and `_total` are added unless the name already ends with them. [`Names`] follows any [`Translation`].
//!
//! # Differences from the Go implementation
//!
//! Where `otlptranslator`, or its use in OpenTelemetry's Collector and Go SDK, differs from the specification, this
//! module follows the specification:
//!
//! | case | here | in Go | what the specification says |
//! |---|---|---|---|
//! | counter `total.a` | `total_a_total` | `a_total` | "If the metric name [...] does not end in a suffix of `_total` a suffix of `_total` SHOULD be added by default, otherwise the name MUST remain unchanged." |
//! | gauge `bytes.used` in `By` | `bytes_used_bytes` | `bytes_used` | "A suffix to the metric name SHOULD be added unless the metric name already ends with the unit (before type-specific suffixes)." |
//! | gauge `x` in `TiBy`, `kBy` | `x_tebibytes`, `x_kilobytes` | `x_tibibytes`, `x_kBy` | "The Unit of an OTLP metric point MUST be converted from the UCUM unit to the equivalent unit word in Prometheus if it is included in the table" |
//! | metric or label `_a` | `_a` | `a` for metrics | "Multiple consecutive `_` characters SHOULD be replaced with a single `_` character." |
//! | label `__a__` | `_a_` | `__a__` | the same sentence, which has no exception |
//! | labels `a.b="2"`, `a_b="1"` | `a_b="2;1"` | `a_b="1;2"` | "the values MUST be concatenated together, separated by `;`, and ordered by the lexicographical order of the original keys" |
//! | attribute `otel_scope_name` of a point | joined with the name of the scope | replaced by it, or an error | "This conversion, or other labels (e.g. `otel_scope_name`) added by this specification, may cause different OpenTelemetry keys to map to the same Prometheus key.", and the sentence above |
//! | metric or label of `_` alone | kept | an error | nothing |
//!
//! [`UnitSuffixes::Known`] names metrics like the older Rust exporter, which leaves out some units.
//!
//! The specification does not cover names that begin with a digit; as in Go, metrics get the prefix `_` and labels the
//! prefix `key_`. It has no rule for `_ratio` either; as in Go, only gauges in `1` get this suffix.
//!
//! [Escaping schemes](Escaping) follow Prometheus' `EscapeName`, with lower-case hexadecimal digits in `values` and
//! `__` for other characters in `dots`, where its documentation has upper-case digits and `_`. As documented, `dots`
//! also applies to legal names, which Go's exposition leaves unchanged; and `:` is escaped in labels.

mod escaping;
mod meeting;
mod translation;
mod unit;

use std::borrow::Cow;

use crate::Kind;

pub use self::escaping::Escaping;
pub use self::translation::{
    Names, Translation, TranslationError, is_legal_family, is_legal_label,
};
use self::translation::{is_label_as_it_stands, is_legal_in_label};
pub use self::unit::{UnitSuffixes, is_unit_suffix};

/// The name of the metric that carries the resource attributes.
pub const TARGET_INFO: &str = "target_info";

/// The type of a metric family in Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum FamilyType {
    /// A sum that only increases.
    Counter,
    /// A value that increases and decreases.
    Gauge,
    /// A distribution over buckets.
    Histogram,
    /// Quantiles of a distribution.
    Summary,
    /// A value of unknown type.
    Unknown,
}

impl FamilyType {
    /// Returns the type as written in `# TYPE` lines of OpenMetrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Summary => "summary",
            Self::Unknown => "unknown",
        }
    }

    /// Returns the label that samples of this type carry in addition to the labels of their series.
    const fn own_label(self) -> Option<&'static str> {
        match self {
            Self::Histogram => Some("le"),
            Self::Summary => Some("quantile"),
            _ => None,
        }
    }
}

impl From<Kind> for FamilyType {
    /// Returns the family type of an instrument of this kind.
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Counter | Kind::ObservableCounter => Self::Counter,
            Kind::UpDownCounter
            | Kind::Gauge
            | Kind::ObservableUpDownCounter
            | Kind::ObservableGauge => Self::Gauge,
            Kind::Histogram => Self::Histogram,
            Kind::Summary => Self::Summary,
        }
    }
}

/// Returns the family name of a metric, as written in `# TYPE`: with `_total` for a counter, without `_bucket`, `_sum`
/// or `_count` for a histogram.
///
/// ```
/// use meterkit_rules::Kind;
/// use meterkit_rules::prometheus_name::family;
///
/// let name = family("backstage.core.http.sent", "By", Kind::Counter);
/// assert_eq!(name, "backstage_core_http_sent_bytes_total");
/// ```
pub fn family(name: &str, unit: &str, kind: Kind) -> String {
    Names::default().family(name, unit, kind)
}

/// Returns the words for `unit` at the end of a family's name: `bytes` for `By`, an empty string for no unit. `1` is a
/// ratio only for gauges, because an up-down counter in `1` counts something.
///
/// ```
/// use meterkit_rules::Kind;
/// use meterkit_rules::prometheus_name::unit;
///
/// assert_eq!(unit("By", Kind::Counter), "bytes");
/// assert_eq!(unit("1", Kind::Gauge), "ratio");
/// assert_eq!(unit("1", Kind::UpDownCounter), "");
/// assert_eq!(unit("{request}", Kind::Counter), "");
/// ```
pub fn unit(unit: &str, kind: Kind) -> String {
    unit_in(unit, kind, UnitSuffixes::All)
}

fn unit_in(unit: &str, kind: Kind, units: UnitSuffixes) -> String {
    unit::suffix(unit, matches!(kind, Kind::Gauge | Kind::ObservableGauge), units)
}

/// Returns the label name for an attribute key: illegal characters become `_`, and runs of `_` a single one.
pub fn label(key: &str) -> Cow<'_, str> {
    if is_label_as_it_stands(key) {
        return Cow::Borrowed(key);
    }
    let mut label = legal(key, "key_", is_legal_in_label);
    if label.is_empty() {
        label.push('_');
    }
    Cow::Owned(label)
}

/// Returns the label name for an attribute key of a series of this type. The label that samples of the type carry
/// themselves is reserved: the attribute `le` of a histogram becomes `exported_le`.
pub fn series_label(key: &str, of: FamilyType) -> Cow<'_, str> {
    Names::default().series_label(key, of)
}

/// Returns the label name for an attribute key of a series, as Prometheus stores it. `job` and `instance` identify the
/// target, so attributes with these keys get the prefix `exported_` too.
pub fn stored_label(key: &str, of: FamilyType) -> Cow<'_, str> {
    Names::default().stored_label(key, of)
}

/// Returns whether `name` is `word`, or ends with `word` after `_` or after a character that becomes `_`.
fn ends_with_word(name: &str, word: &str) -> bool {
    let is_between = |c: char| !c.is_alphanumeric() && c != ':';
    match name.strip_suffix(word) {
        Some(rest) => rest.is_empty() || rest.ends_with(is_between),
        None => false,
    }
}

/// Replaces illegal characters with `_`, and runs of `_` with a single one. A name that starts with a digit gets a
/// prefix.
fn legal(name: &str, before_digit: &str, is_legal: fn(char) -> bool) -> String {
    let mut legal = String::with_capacity(name.len() + 16);
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        legal.push_str(before_digit);
    }
    for (at, part) in name.split(|c| c == '_' || !is_legal(c)).enumerate() {
        if at > 0 && !legal.ends_with('_') {
            legal.push('_');
        }
        legal.push_str(part);
    }
    legal
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind::{self, Counter, Gauge, Histogram, ObservableUpDownCounter, UpDownCounter};

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
            ("cpu.utilization", "1", Kind::ObservableGauge, "cpu_utilization_ratio"),
            ("hits", "1", Counter, "hits_total"),
            ("runs", "1", UpDownCounter, "runs"),
            ("runs.active", "1", ObservableUpDownCounter, "runs_active"),
            ("parts", "1", Histogram, "parts"),
            ("used", "By", UpDownCounter, "used_bytes"),
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
            assert_eq!(family(name, unit, kind), expected, "{name} in {unit}");
        }
    }

    #[test]
    fn labels_hold_only_what_prometheus_allows() {
        for (key, expected) in [
            ("kind", "kind"),
            ("http.route", "http_route"),
            ("a:b", "a_b"),
            ("1x", "key_1x"),
            ("größe", "gr_e"),
            ("a..b", "a_b"),
            ("a__b", "a_b"),
            ("a_.-b_", "a_b_"),
            ("__name__", "_name_"),
            ("1..x", "key_1_x"),
            ("", "_"),
            ("...", "_"),
        ] {
            assert_eq!(label(key), expected, "{key}");
        }
    }

    #[test]
    fn stored_labels_of_series_are_never_those_of_the_target() {
        for (key, expected) in [
            ("job", "exported_job"),
            ("instance", "exported_instance"),
            ("le", "exported_le"),
            ("job.id", "job_id"),
        ] {
            assert_eq!(stored_label(key, FamilyType::Histogram), expected, "{key}");
        }
    }

    #[test]
    fn a_series_label_is_renamed_only_if_samples_have_the_same_label() {
        for (key, of_gauge, of_histogram) in [
            ("http.route", "http_route", "http_route"),
            ("le", "le", "exported_le"),
            ("quantile", "quantile", "quantile"),
            ("otel.scope_x", "otel_scope_x", "otel_scope_x"),
            ("_.x", "_x", "_x"),
        ] {
            assert_eq!(series_label(key, FamilyType::Gauge), of_gauge, "{key}");
            assert_eq!(series_label(key, FamilyType::Counter), of_gauge, "{key}");
            assert_eq!(series_label(key, FamilyType::Histogram), of_histogram, "{key}");
        }
    }
}
