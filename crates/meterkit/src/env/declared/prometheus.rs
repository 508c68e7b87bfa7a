//! Variables about the Prometheus target.
//!
//! By OpenTelemetry's Environment Variable Specification, section Prometheus Exporter; it has none for the names, and
//! none for protection.

use meterkit_rules::prometheus_name::Translation;

use crate::env::parse;
use crate::env::setting::{Setting, read_by_target, text};
use crate::env::variable::{ValueType, Variable};

/// About who may scrape, and how: no configuration file has a place for it.
pub(in crate::env) const PROTECTION: [&str; 6] = [
    "METERKIT_PROMETHEUS_USERNAME",
    "METERKIT_PROMETHEUS_PASSWORD",
    "METERKIT_PROMETHEUS_BEARER_TOKEN",
    "METERKIT_PROMETHEUS_TLS_CERTIFICATE",
    "METERKIT_PROMETHEUS_TLS_KEY",
    "METERKIT_PROMETHEUS_TLS_CLIENT_CA",
];

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

    USERNAME: String = text("METERKIT_PROMETHEUS_USERNAME")
        .target("prometheus")
        .meaning("the name that scrapers have to show, by HTTP Basic authentication; without, everybody may scrape");

    PASSWORD: String = text("METERKIT_PROMETHEUS_PASSWORD")
        .target("prometheus")
        .secret()
        .meaning("the password that goes with it");

    BEARER_TOKEN: String = text("METERKIT_PROMETHEUS_BEARER_TOKEN")
        .target("prometheus")
        .secret()
        .meaning("a token that scrapers have to show, instead of name and password");

    TLS_CERTIFICATE: String =
        read_by_target("METERKIT_PROMETHEUS_TLS_CERTIFICATE", ValueType::File)
            .target("prometheus")
            .meaning(
                "the certificate of the endpoint with its chain, in PEM; HTTPS then, with feature \
                 `prometheus-tls`",
            );

    TLS_KEY: String = read_by_target("METERKIT_PROMETHEUS_TLS_KEY", ValueType::File)
        .target("prometheus")
        .meaning("the private key of that certificate, in PEM");

    TLS_CLIENT_CA: String = read_by_target("METERKIT_PROMETHEUS_TLS_CLIENT_CA", ValueType::File)
        .target("prometheus")
        .meaning("certificates in PEM that those of scrapers are checked against; without, scrapers need none");
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
