//! `prometheus/development`: a scrape endpoint.

use meterkit_rules::prometheus_name::Translation;

use crate::file::key_filter;
use crate::file::report::Report;
use crate::file::schema::At;

/// A scrape endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PrometheusExporter {
    /// On which name or address it listens; `None` for `localhost`.
    pub host: Option<String>,
    /// On which port; `None` for 9464.
    pub port: Option<u16>,
    /// How names become those of Prometheus; `None` for `underscore_escaping_with_suffixes`.
    pub translation: Option<Translation>,
}

/// The words of the schema.
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
    // The names that have `without` are those of version 1.0.
    let switches = [
        ("scope_info_enabled", true),
        ("target_info_enabled/development", true),
        ("without_scope_info", false),
        ("without_target_info/development", false),
    ];
    for (key, what_we_do) in switches {
        if let Some(at) = fields.take(key) {
            if at.boolean(report).is_some_and(|asked| asked != what_we_do) {
                at.unused(report);
            }
        }
    }
    for key in ["resource_constant_labels", "with_resource_constant_labels"] {
        if let Some(at) = fields.take(key) {
            key_filter::read(at.clone(), report);
            at.unused(report);
        }
    }
    let translation = fields.take("translation_strategy");
    let translation = translation.and_then(|at| at.choice(&STRATEGIES, report));
    fields.end(report);
    Some(PrometheusExporter { host, port, translation })
}
