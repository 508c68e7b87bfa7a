//! Variables about the Prometheus target.
//!
//! By OpenTelemetry's Environment Variable Specification, section Prometheus Exporter; it has none for the names.

use meterkit_core::prometheus_name::Translation;

use crate::env::parse;
use crate::env::setting::Setting;
use crate::env::variable::{ValueType, Variable};

settings! {
    HOST: String = Setting::new("OTEL_EXPORTER_PROMETHEUS_HOST", ValueType::Host, parse::host)
        .target("prometheus")
        .by_default("`localhost`")
        .meaning("where to listen");

    PORT: u16 = Setting::new("OTEL_EXPORTER_PROMETHEUS_PORT", ValueType::Port, parse::port)
        .target("prometheus")
        .by_default("`9464`")
        .meaning("where to listen");

    TRANSLATION: Translation =
        Setting::new("METERKIT_PROMETHEUS_TRANSLATION", TRANSLATIONS, translation)
            .target("prometheus")
            .by_default("`underscore_escaping_with_suffixes`")
            .meaning(
                "how names become those of Prometheus: with or without units and `_total`; with `_`, or with all \
                 characters for scrapers that ask for them",
            );
}

/// OpenTelemetry's own spelling, `NoTranslation`, is read too.
const TRANSLATIONS: ValueType = ValueType::Word(&[
    Translation::UnderscoreEscapingWithSuffixes.as_str(),
    Translation::UnderscoreEscapingWithoutSuffixes.as_str(),
    Translation::NoUtf8EscapingWithSuffixes.as_str(),
    Translation::NoTranslation.as_str(),
]);

fn translation(text: &str) -> Result<Translation, String> {
    text.parse().map_err(|_| format!("write {TRANSLATIONS}"))
}
