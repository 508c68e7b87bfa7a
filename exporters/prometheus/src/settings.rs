//! The operator's settings of the scrape endpoint.
//!
//! Follows OpenTelemetry's Environment Variable Specification, section Prometheus Exporter, which has no variables for
//! names and for access control.

use meterkit_pipeline::KeyFilter;
use meterkit_rules::prometheus_name::{Translation, UnitSuffixes};
use meterkit_settings::{
    Reader, Setting, ValueType, bare_host, boolean, file, host, password, port, settings, token,
    username,
};

use crate::credentials::Credentials;
use crate::hosts;
use crate::networks::Networks;
use crate::options::ExpositionOptions;
use crate::path;
use crate::protection::Protection;
use crate::server::PrometheusServer;
use crate::tls::{self, Encryption, ServerTls, TlsError};

settings! {
    SETTINGS for Some("prometheus");

    HOST: String = host("OTEL_EXPORTER_PROMETHEUS_HOST")
        .by_default("`localhost`")
        .meaning("the host name or address to listen on");

    PORT: u16 = port("OTEL_EXPORTER_PROMETHEUS_PORT")
        .by_default("`9464`")
        .meaning("the port to listen on");

    TRANSLATION: Translation =
        Setting::new("METERKIT_PROMETHEUS_TRANSLATION", TRANSLATIONS, translation)
            .by_default("`underscore_escaping_with_suffixes`")
            .meaning(
                "how OpenTelemetry names are translated to Prometheus names: with or without suffixes for units and \
                 `_total`, and with `_` in place of other characters, or with all characters for scrapers that ask for \
                 them",
            );

    USERNAME: String = username("METERKIT_PROMETHEUS_USERNAME")
        .beside_file()
        .meaning(
            "the user name that scrapers must send (HTTP Basic authentication); without a user name or token, \
             anyone may scrape",
        );

    PASSWORD: String = password("METERKIT_PROMETHEUS_PASSWORD")
        .beside_file()
        .meaning("the password that scrapers must send with the user name");

    BEARER_TOKEN: String = token("METERKIT_PROMETHEUS_BEARER_TOKEN")
        .beside_file()
        .meaning("the token that scrapers must send instead of a user name and password");

    TLS_CERTIFICATE: String = file("METERKIT_PROMETHEUS_TLS_CERTIFICATE").beside_file().meaning(
        "the certificate of the endpoint with its chain, in PEM; enables HTTPS, which requires the feature \
         `prometheus-tls`",
    );

    TLS_KEY: String = file("METERKIT_PROMETHEUS_TLS_KEY")
        .beside_file()
        .meaning("the private key of the certificate, in PEM");

    TLS_CLIENT_CA: String = file("METERKIT_PROMETHEUS_TLS_CLIENT_CA")
        .beside_file()
        .meaning(
            "the authorities of the certificates of scrapers, in PEM; if unset, scrapers need no certificate",
        );

    ALLOWED_HOSTS: Vec<String> =
        Setting::new("METERKIT_PROMETHEUS_ALLOWED_HOSTS", ValueType::Hosts, hosts::parse)
            .beside_file()
            .meaning(
                "further host names that scrapers may use; if unset, an endpoint on `localhost` answers only requests \
                 for that host, and other endpoints answer requests for every host",
            );

    ALLOWED_NETWORKS: Networks =
        Setting::new("METERKIT_PROMETHEUS_ALLOWED_NETWORKS", ValueType::Networks, Networks::parse)
            .beside_file()
            .meaning("the networks that scrapers may connect from; if unset, all networks");

    PATH: String = Setting::new("METERKIT_PROMETHEUS_PATH", ValueType::UrlPath, path::parse)
        .beside_file()
        .by_default("`/metrics`")
        .meaning("the path of the metrics");

    PAGE: bool = boolean("METERKIT_PROMETHEUS_PAGE")
        .beside_file()
        .by_default("`true`")
        .meaning(
            "whether `/` shows the metrics and the health of all targets in a browser, and `/metrics.json` returns \
             them as JSON",
        );

    UNIT_SUFFIXES: UnitSuffixes =
        Setting::new("METERKIT_PROMETHEUS_UNIT_SUFFIXES", UNITS, unit_suffixes)
            .beside_file()
            .by_default("`true`")
            .meaning(
                "whether a translation with suffixes appends units to names; with `known`, only units that \
                 `opentelemetry-prometheus` translates",
            );

    TOTAL_SUFFIXES: bool = boolean("METERKIT_PROMETHEUS_TOTAL_SUFFIXES")
        .beside_file()
        .by_default("`true`")
        .meaning("whether a translation with suffixes appends `_total` to the names of counters");

    SCOPE_INFO: bool = boolean("METERKIT_PROMETHEUS_SCOPE_INFO")
        .by_default("`true`")
        .meaning("whether series have `otel_scope_*` labels");

    TARGET_INFO: bool = boolean("METERKIT_PROMETHEUS_TARGET_INFO")
        .by_default("`true`")
        .meaning("whether the resource is exposed as the metric `target_info`");

    SELF_METRICS: bool = boolean("METERKIT_PROMETHEUS_SELF_METRICS")
        .beside_file()
        .by_default("`true`")
        .meaning(
            "whether scrapes contain the library's own metrics, which have the scope `meterkit`",
        );

    START_TIMES: bool = boolean("METERKIT_PROMETHEUS_START_TIMES")
        .beside_file()
        .by_default("`true`")
        .meaning("whether OpenMetrics and protobuf contain the start times of series");

    RESOURCE_CONSTANT_LABELS: KeyFilter = Setting::new(
        "METERKIT_PROMETHEUS_RESOURCE_CONSTANT_LABELS",
        ValueType::NamePatterns,
        |text| KeyFilter::parse(text).ok_or_else(|| format!("write {}", ValueType::NamePatterns)),
    )
    .by_default("none")
    .meaning("the resource attributes that become labels of every series");
}

/// The names of the strategies. OpenTelemetry's own spelling, such as `NoTranslation`, is accepted too.
const TRANSLATIONS: ValueType = ValueType::Word(&[
    Translation::UnderscoreEscapingWithSuffixes.as_str(),
    Translation::UnderscoreEscapingWithoutSuffixes.as_str(),
    Translation::NoUtf8EscapingWithSuffixes.as_str(),
    Translation::NoTranslation.as_str(),
]);

fn translation(text: &str) -> Result<Translation, String> {
    text.parse().map_err(|_| format!("write {TRANSLATIONS}"))
}

const UNITS: ValueType = ValueType::Word(&["true", "false", "known"]);

fn unit_suffixes(text: &str) -> Result<UnitSuffixes, String> {
    match &*text.to_ascii_lowercase() {
        "true" => Ok(UnitSuffixes::All),
        "false" => Ok(UnitSuffixes::None),
        "known" => Ok(UnitSuffixes::Known),
        _ => Err(format!("write {UNITS}")),
    }
}

impl ExpositionOptions {
    /// Reads the following variables, whose names begin with `METERKIT_PROMETHEUS_`: `TRANSLATION`, `UNIT_SUFFIXES`,
    /// `TOTAL_SUFFIXES`, `SCOPE_INFO`, `TARGET_INFO`, `SELF_METRICS`, `START_TIMES` and `RESOURCE_CONSTANT_LABELS`.
    pub fn read(reader: &Reader<'_>) -> Self {
        let options = reader.get(&TRANSLATION).into_iter().fold(Self::new(), Self::translation);
        let options = reader.get(&UNIT_SUFFIXES).into_iter().fold(options, Self::unit_suffixes);
        let options = reader.get(&TOTAL_SUFFIXES).into_iter().fold(options, Self::total_suffixes);
        let options = reader.get(&SCOPE_INFO).into_iter().fold(options, Self::scope_info);
        let options = reader.get(&TARGET_INFO).into_iter().fold(options, Self::target_info);
        let options = reader.get(&SELF_METRICS).into_iter().fold(options, Self::self_metrics);
        let options = reader.get(&START_TIMES).into_iter().fold(options, Self::start_times);
        let constant = reader.get(&RESOURCE_CONSTANT_LABELS).into_iter();
        constant.fold(options, Self::resource_constant_labels)
    }
}

impl PrometheusServer {
    /// Creates an endpoint from the variables `OTEL_EXPORTER_PROMETHEUS_HOST`, `OTEL_EXPORTER_PROMETHEUS_PORT`,
    /// `METERKIT_PROMETHEUS_PATH`, `METERKIT_PROMETHEUS_PAGE` and those of [`ExpositionOptions::read`]. The endpoint
    /// has no access control; [`Protection::read`] reads it.
    pub fn read(reader: &Reader<'_>) -> Self {
        let host = reader.get_with(&HOST, |text| bare_host(text, &reader.name(&PORT)));
        let server = host.into_iter().fold(Self::new(), Self::host);
        let server = reader.get(&PORT).into_iter().fold(server, Self::port);
        let server = reader.get(&PATH).into_iter().fold(server, Self::path);
        let server = reader.get(&PAGE).into_iter().fold(server, Self::page);
        server.options(ExpositionOptions::read(reader))
    }
}

impl Protection {
    /// Reads the following variables, whose names begin with `METERKIT_PROMETHEUS_`:
    ///
    /// - `USERNAME` and `PASSWORD`, or `BEARER_TOKEN`;
    /// - `TLS_CERTIFICATE`, `TLS_KEY` and `TLS_CLIENT_CA`, which are paths of PEM files;
    /// - `ALLOWED_HOSTS` and `ALLOWED_NETWORKS`, which are comma-separated lists.
    ///
    /// Files are read now, and again when they change.
    ///
    /// The reader reports a problem if a user name has no password or the reverse, if a certificate has no key or the
    /// reverse, if both kinds of credentials are set, if no request could carry the credentials, if a file cannot be
    /// used, or if TLS is not compiled in.
    pub fn read(reader: &Reader<'_>) -> Self {
        Self {
            credentials: credentials(reader),
            tls: encryption(reader),
            allowed_hosts: reader.get(&ALLOWED_HOSTS),
            allowed_networks: reader.get(&ALLOWED_NETWORKS),
        }
    }
}

fn credentials(reader: &Reader<'_>) -> Option<Credentials> {
    let by_name = reader.first_set(&[&USERNAME, &PASSWORD]);
    if let (Some(setting), true) = (by_name, reader.is_set(&BEARER_TOKEN)) {
        reader.conflict(setting, &BEARER_TOKEN, "keep the one that scrapers send");
        return None;
    }
    if by_name.is_none() {
        let file = reader.secret_file(&BEARER_TOKEN);
        return reader.get(&BEARER_TOKEN).map(|token| Credentials::Bearer { token, file });
    }
    reader.needs(&USERNAME, &PASSWORD, "write the user name that belongs to the password");
    reader.needs(&PASSWORD, &USERNAME, "write the password of the user");
    let (username, password) = (reader.get(&USERNAME), reader.get(&PASSWORD));
    let file = reader.secret_file(&PASSWORD);
    Some(Credentials::Basic { username: username?, password: password?, file })
}

fn encryption(reader: &Reader<'_>) -> Option<ServerTls> {
    let present = reader.first_set(&[&TLS_CERTIFICATE, &TLS_KEY, &TLS_CLIENT_CA])?;
    if let Some(reason) = tls::missing() {
        reader.refuse(present, reason);
        return None;
    }
    reader.needs(
        &TLS_CERTIFICATE,
        present,
        "name the PEM file with the certificate of the endpoint",
    );
    reader.needs(&TLS_KEY, present, "name the PEM file with the private key of the endpoint");
    let path = |setting: &Setting<String>, check: fn(&[u8]) -> Result<(), TlsError>| {
        reader.pem(setting, check)?;
        reader.get(setting)
    };
    let certificate = path(&TLS_CERTIFICATE, tls::check_certificate);
    let key = path(&TLS_KEY, tls::check_key);
    let authorities = path(&TLS_CLIENT_CA, tls::check_client_authorities);
    let is_complete = !reader.is_set(&TLS_CLIENT_CA) || authorities.is_some();
    let tls = ServerTls::from_files(certificate?, key?);
    let tls = authorities.into_iter().fold(tls, ServerTls::client_authorities_file);
    match Encryption::new(tls.clone()) {
        Err(error) if is_complete => {
            reader.refuse(&TLS_KEY, error);
            None
        }
        _ => Some(tls),
    }
}

#[cfg(test)]
mod tests;
