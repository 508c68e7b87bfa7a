//! `prometheus/development`: a scrape endpoint.

use meterkit_pipeline::KeyFilter;
use meterkit_rules::prometheus_name::Translation;

use crate::file::key_filter;
use crate::file::report::Report;
use crate::file::schema::At;

/// The settings of a scrape endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrometheusExporter {
    /// The host name or address to listen on; `None` for `localhost`.
    pub host: Option<String>,
    /// The port to listen on; `None` for 9464.
    pub port: Option<u16>,
    /// How metric names are translated for Prometheus; `None` for `underscore_escaping_with_suffixes`.
    pub translation: Option<Translation>,
    /// Whether series carry the labels of their scope; `None` means `true`.
    pub scope_info: Option<bool>,
    /// Whether the resource is exposed as the metric `target_info`; `None` means `true`.
    pub target_info: Option<bool>,
    /// The resource attributes that become labels of every series; `None` means no attributes.
    pub resource_constant_labels: Option<KeyFilter>,
}

/// The translation strategies by their names in the schema.
const STRATEGIES: [(&str, Translation); 4] = [
    ("underscore_escaping_with_suffixes", Translation::UnderscoreEscapingWithSuffixes),
    (
        "underscore_escaping_without_suffixes/development",
        Translation::UnderscoreEscapingWithoutSuffixes,
    ),
    ("no_utf8_escaping_with_suffixes/development", Translation::NoUtf8EscapingWithSuffixes),
    ("no_translation/development", Translation::NoTranslation),
];

pub(super) fn read(at: At<'_>, report: &mut Report) -> Option<PrometheusExporter> {
    let mut fields = at.fields_or_nothing(report)?;
    let host = fields.take("host").and_then(|at| at.filled_text(report).map(str::to_owned));
    let port = fields.take("port").and_then(|at| {
        let port = at.integer(0..=65_535, "a port from 0 to 65535", report)?;
        u16::try_from(port).ok()
    });
    // Version 1.0 of the schema has a `without_*` key for each of these switches.
    let mut switch = |key, without| {
        let with = fields.take(key).and_then(|at| at.boolean(report));
        let without = fields.take(without).and_then(|at| at.boolean(report));
        with.or_else(|| without.map(|is_left_out| !is_left_out))
    };
    let scope_info = switch("scope_info_enabled", "without_scope_info");
    let target_info = switch("target_info_enabled/development", "without_target_info/development");
    let keys = ["resource_constant_labels", "with_resource_constant_labels"];
    let filters = keys.map(|key| fields.take(key).and_then(|at| key_filter::read(at, report)));
    let resource_constant_labels = filters.into_iter().flatten().next();
    let translation = fields.take("translation_strategy");
    let translation = translation.and_then(|at| at.choice(&STRATEGIES, report));
    fields.end(report);
    Some(PrometheusExporter {
        host,
        port,
        translation,
        scope_info,
        target_info,
        resource_constant_labels,
    })
}
