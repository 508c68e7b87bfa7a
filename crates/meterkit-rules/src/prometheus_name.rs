//! Names of metrics and labels in Prometheus, by OpenTelemetry's "Prometheus and OpenMetrics Compatibility".
//!
//! The functions follow the translation strategy `UnderscoreEscapingWithSuffixes`: illegal characters become `_`; the
//! unit and `_total` are added unless the name already ends with them. [`Names`] follows any [`Translation`].

mod escaping;
mod meeting;
mod translation;
mod unit;

use std::borrow::Cow;

pub use self::escaping::Escaping;
pub use self::meeting::{meeting, neighbors, whole_of_part};
pub use self::translation::{
    Names, Translation, TranslationError, is_legal_family, is_legal_label,
};

/// The name of the metric that carries the resource.
pub const TARGET_INFO: &str = "target_info";

/// The type of a metric family in Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// Returns the type as `# TYPE` spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Returns the family name of a metric, as `# TYPE` has it: a counter's with `_total`, a histogram's without `_bucket`,
/// `_sum` or `_count`.
///
/// ```
/// use meterkit_rules::prometheus_name::{FamilyType, family};
///
/// let name = family("backstage.core.http.sent", "By", FamilyType::Counter);
/// assert_eq!(name, "backstage_core_http_sent_bytes_total");
/// ```
pub fn family(name: &str, unit: &str, family: FamilyType) -> String {
    Names::default().family(name, unit, family)
}

/// Returns the words for `unit` that end a family's name: `bytes` for `By`, an empty string for no unit.
///
/// ```
/// use meterkit_rules::prometheus_name::{FamilyType, unit};
///
/// assert_eq!(unit("By", FamilyType::Counter), "bytes");
/// assert_eq!(unit("1", FamilyType::Gauge), "ratio");
/// assert_eq!(unit("{request}", FamilyType::Counter), "");
/// ```
pub fn unit(unit: &str, family: FamilyType) -> String {
    unit::suffix(unit, family == FamilyType::Gauge)
}

/// Returns the label name for an attribute key.
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

/// Returns the label name for an attribute key of a series. Names reserved for buckets, scopes or Prometheus itself get
/// the prefix `exported_`.
pub fn series_label(key: &str) -> Cow<'_, str> {
    Names::default().series_label(key)
}

/// Returns the label name for an attribute key of a series, as Prometheus stores it: `job` and `instance` identify the
/// target, so that keys called so get the prefix `exported_` too.
pub fn stored_label(key: &str) -> Cow<'_, str> {
    let label = series_label(key);
    if label == "job" || label == "instance" {
        return Cow::Owned(format!("exported_{label}"));
    }
    label
}

/// Returns whether `name` is `word`, or ends with `word` after a `_` or a character that would become one.
fn ends_with_word(name: &str, word: &str) -> bool {
    let is_between = |c: char| !c.is_alphanumeric() && c != ':';
    match name.strip_suffix(word) {
        Some(rest) => rest.is_empty() || rest.ends_with(is_between),
        None => false,
    }
}

/// Replaces illegal characters with `_`, and runs of `_` with a single one.
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
            ("größe", "gr__e"),
            ("", "_"),
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
            assert_eq!(stored_label(key), expected, "{key}");
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
