//! The operator's settings of an OTLP target.
//!
//! Follows OpenTelemetry's specifications "OpenTelemetry Protocol Exporter", section Configuration Options, and
//! "Metrics Exporter - OTLP". A variable with `METRICS` in its name takes precedence over the corresponding one for all
//! signals.

use std::error::Error;
use std::time::Duration;

use meterkit_http::{Compression, Headers, Proxy, TransportSettings, proxy, transport};
use meterkit_pipeline::{IntoTarget, Target};
use meterkit_settings::{
    Reader, Setting, TargetDeclaration, ValueType, Words, boolean, export_interval, settings, url,
    word,
};

use crate::config::OtlpConfig;
use crate::endpoint::Endpoint;
use crate::protocol::Protocol;
use crate::target::OtlpTarget;
use crate::temporality::TemporalityPreference;

settings! {
    SETTINGS for Some("otlp");

    ENDPOINT: String = url("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
        .or(&["OTEL_EXPORTER_OTLP_ENDPOINT"])
        .key("endpoint")
        .by_default("`http://localhost:4318/v1/metrics`, or `http://localhost:4317` for gRPC")
        .meaning(
            "the URL to send to; over HTTP, `/v1/metrics` is appended to `OTEL_EXPORTER_OTLP_ENDPOINT`",
        );

    PROTOCOL: Protocol = word("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL")
        .or(&["OTEL_EXPORTER_OTLP_PROTOCOL"])
        .by_default("`http/protobuf`")
        .meaning("the protocol and encoding of requests");

    HEADERS: Headers =
        Setting::new("OTEL_EXPORTER_OTLP_METRICS_HEADERS", ValueType::Pairs, Headers::parse)
            .or(&["OTEL_EXPORTER_OTLP_HEADERS"])
            .key("headers_list")
            .secret()
            .meaning("headers of each request, as in `Authorization=Basic%20…`");

    COMPRESSION: Compression = transport::compression("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION")
        .or(&["OTEL_EXPORTER_OTLP_COMPRESSION"])
        .lenient()
        .by_default("`none`");

    TIMEOUT: Duration = transport::timeout("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT")
        .or(&["OTEL_EXPORTER_OTLP_TIMEOUT"])
        .lenient()
        .by_default("`10000`");

    INSECURE: bool = boolean("OTEL_EXPORTER_OTLP_METRICS_INSECURE")
        .or(&["OTEL_EXPORTER_OTLP_INSECURE"])
        .key("tls.insecure")
        .by_default("`false`")
        .meaning("for gRPC, whether an endpoint without a scheme is used without TLS");

    CERTIFICATE: String = transport::certificate("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE")
        .or(&["OTEL_EXPORTER_OTLP_CERTIFICATE"]);

    CLIENT_KEY: String = transport::client_key("OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY")
        .or(&["OTEL_EXPORTER_OTLP_CLIENT_KEY"]);

    CLIENT_CERTIFICATE: String =
        transport::client_certificate("OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE")
            .or(&["OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"]);

    PROXY: Proxy = proxy("METERKIT_OTLP_PROXY")
        .key("proxy")
        .by_default("`HTTPS_PROXY` or `HTTP_PROXY`")
        .meaning("the URL of the proxy on the way to the receiver");

    TEMPORALITY: TemporalityPreference =
        word("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE")
            .key("temporality_preference")
            .lenient()
            .by_default("`cumulative`")
            .meaning(
                "whether counters and histograms are cumulative or deltas; with `lowmemory`, they are deltas except \
                 for observable counters",
            );
}

const INTERVAL: Setting<Duration> = export_interval("METERKIT_OTLP_INTERVAL", "otlp");

/// The declaration of the target, which `OTEL_METRICS_EXPORTER` selects by name.
pub const TARGET: TargetDeclaration<Box<dyn IntoTarget>> = TargetDeclaration {
    name: "otlp",
    settings: SETTINGS,
    interval: &INTERVAL,
    sections: &["otlp_http", "otlp_grpc"],
    read: |reader| Some(Box::new(OtlpConfig::read(reader))),
    read_section: |name, reader| {
        let config = OtlpConfig::read_section(name, reader)?;
        Some(Box::new(config))
    },
};

impl IntoTarget for OtlpConfig {
    fn target_name(&self) -> &str {
        &self.name
    }

    fn into_target(self: Box<Self>) -> Result<Box<dyn Target>, Box<dyn Error + Send + Sync>> {
        Ok(Box::new(OtlpTarget::new(*self)?))
    }
}

/// The transport settings, which are the specification's variables, except for the proxy, which the specification
/// lacks.
pub(crate) const TRANSPORT: TransportSettings = TransportSettings {
    package: "meterkit-otlp",
    proxy: Some(PROXY),
    compression: COMPRESSION,
    timeout: TIMEOUT,
    certificate: CERTIFICATE,
    client_key: CLIENT_KEY,
    client_certificate: CLIENT_CERTIFICATE,
    credentials: &["OTEL_EXPORTER_OTLP_METRICS_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"],
    endpoint: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    protocol: "OTEL_EXPORTER_OTLP_PROTOCOL",
    paths: &["/v1/metrics"],
};

/// The setting in a configuration file that selects one of the protocols over HTTP.
const ENCODING: Setting<Encoding> = word("encoding").key("encoding");

#[derive(Clone, Copy, Default)]
struct Encoding(Protocol);

impl Words for Encoding {
    const WORDS: &'static [&'static str] = &["protobuf", "json"];
    const VALUES: &'static [Self] = &[Self(Protocol::HttpProtobuf), Self(Protocol::HttpJson)];
    const ALSO: &'static [(&'static str, Self)] = &[];
}

impl OtlpConfig {
    /// Reads the variables `OTEL_EXPORTER_OTLP_*` and `OTEL_EXPORTER_OTLP_METRICS_*`. Each of the latter takes
    /// precedence over the corresponding variable for all signals. Files are read now, and again when they change.
    ///
    /// ```
    /// use meterkit_otlp::{OtlpConfig, Protocol};
    /// use meterkit_settings::Environment;
    ///
    /// let environment = Environment::of([
    ///     ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ///     ("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "api-key=3f2a"),
    /// ]);
    /// let config = environment.read(OtlpConfig::read)?;
    /// assert_eq!(config.protocol(), Protocol::Grpc);
    /// assert_eq!(config.endpoint().to_string(), "http://localhost:4317/");
    /// # Ok::<(), meterkit_settings::SettingsError>(())
    /// ```
    pub fn read(reader: &Reader<'_>) -> Self {
        let protocol = match reader.is_set(&PROTOCOL) {
            true => reader.get(&PROTOCOL),
            false => Some(Protocol::default()),
        };
        Self::read_for(protocol, reader)
    }

    /// Reads the section `otlp_http` or `otlp_grpc` of a configuration file in OpenTelemetry's declarative format.
    /// Returns `None` if `name` is another section.
    pub fn read_section(name: &str, reader: &Reader<'_>) -> Option<Self> {
        let reader = reader.with_schema();
        let is_grpc = match name {
            "otlp_grpc" => true,
            "otlp_http" => false,
            _ => return None,
        };
        let own = if is_grpc { INSECURE.key } else { ENCODING.key };
        let others =
            SETTINGS.iter().filter_map(|it| it.key).filter(|key| Some(*key) != INSECURE.key);
        let known: Vec<_> =
            others.chain(own).chain(["headers", "default_histogram_aggregation"]).collect();
        reader.refuse_unknown(&known, &["max_request_size", "max_response_size"]);
        let protocol = match is_grpc {
            true => Protocol::Grpc,
            false => reader.get(&ENCODING).unwrap_or_default().0,
        };
        let mut config = Self::read_for(Some(protocol), &reader);
        for (name, value, at) in reader.pairs("headers") {
            let added = config.headers.insert(&name, value.as_bytes());
            added.unwrap_or_else(|error| reader.refuse_at(at, error));
        }
        Some(config)
    }

    fn read_for(protocol: Option<Protocol>, reader: &Reader<'_>) -> Self {
        let is_insecure = reader.get(&INSECURE).unwrap_or_default();
        let endpoint = endpoint(protocol, is_insecure, reader);
        let protocol = protocol.unwrap_or_default();
        let default = match endpoint {
            Some(endpoint) => Self::to(protocol, endpoint),
            None => Self::local(protocol),
        };
        let config = Self {
            headers: Headers::read(reader, &HEADERS).unwrap_or_default(),
            temporality: reader.get(&TEMPORALITY).unwrap_or_default(),
            ..default
        };
        // Advice names the variables that are set.
        let mut hints = TRANSPORT.hints();
        if let Some(alias) = reader.alias(&ENDPOINT) {
            hints.endpoint = alias;
        }
        if reader.is_set(&PROTOCOL) {
            hints.protocol = reader.alias(&PROTOCOL).unwrap_or(PROTOCOL.name);
        }
        config.with_transport(TRANSPORT.read(reader).with_hints(hints))
    }
}

/// Reads the endpoint. The default is on this machine. If the protocol is invalid, an endpoint is accepted if it is
/// valid for any protocol.
fn endpoint(
    protocol: Option<Protocol>,
    is_insecure: bool,
    reader: &Reader<'_>,
) -> Option<Endpoint> {
    if !reader.is_set(&ENDPOINT) {
        return Some(Endpoint::of_this_machine(protocol.unwrap_or_default()));
    }
    // The specification requires that the path of metrics is appended to an endpoint for all signals.
    let is_for_all_signals = reader.alias(&ENDPOINT).is_some();
    let credentials =
        format!("put them into {} as `Authorization=Basic%20...`", reader.name(&HEADERS));
    reader.get_with(&ENDPOINT, |url| {
        let of = |protocol| match protocol {
            Protocol::Grpc => Endpoint::grpc(url, is_insecure, &credentials),
            _ => Endpoint::http(url, is_for_all_signals, &credentials),
        };
        match protocol {
            Some(protocol) => of(protocol),
            None => of(Protocol::Grpc).or_else(|_| of(Protocol::HttpProtobuf)),
        }
    })
}

#[cfg(test)]
mod tests;
