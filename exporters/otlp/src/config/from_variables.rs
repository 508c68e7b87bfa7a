//! The settings that OpenTelemetry's variables make.
//!
//! By OpenTelemetry's specifications "OpenTelemetry Protocol Exporter", section Configuration Options, and "Metrics
//! Exporter - OTLP".

use std::str::FromStr;
use std::time::Duration;

use meterkit_http::{Headers, TlsError, Transport, tls};

use super::OtlpConfig;
use crate::variable::{Pair, Variable};
use crate::{Compression, Endpoint, Protocol, VariableError, is_insecure, temporality};

const TIMEOUT: Pair =
    Pair { metrics: "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", generic: "OTEL_EXPORTER_OTLP_TIMEOUT" };

const HEADERS: Pair =
    Pair { metrics: "OTEL_EXPORTER_OTLP_METRICS_HEADERS", generic: "OTEL_EXPORTER_OTLP_HEADERS" };

const COMPRESSION: Pair = Pair {
    metrics: "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION",
    generic: "OTEL_EXPORTER_OTLP_COMPRESSION",
};

const CERTIFICATE: Pair = Pair {
    metrics: "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE",
    generic: "OTEL_EXPORTER_OTLP_CERTIFICATE",
};

const CLIENT_KEY: Pair = Pair {
    metrics: "OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY",
    generic: "OTEL_EXPORTER_OTLP_CLIENT_KEY",
};

const CLIENT_CERTIFICATE: Pair = Pair {
    metrics: "OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE",
    generic: "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
};

/// These two exist for metrics alone.
const TEMPORALITY: &str = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE";
const HISTOGRAMS: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";

impl OtlpConfig {
    /// What the variables `OTEL_EXPORTER_OTLP_*` and `OTEL_EXPORTER_OTLP_METRICS_*` say; the latter win, one by one.
    ///
    /// `ENDPOINT`, `PROTOCOL`, `HEADERS`, `TIMEOUT` (in milliseconds; 0 for no limit), `COMPRESSION`, `INSECURE`,
    /// `CERTIFICATE`, `CLIENT_KEY` and `CLIENT_CERTIFICATE` (paths of PEM files, which are read now), and for metrics
    /// alone `TEMPORALITY_PREFERENCE` and `DEFAULT_HISTOGRAM_AGGREGATION`. Empty is unset.
    ///
    /// # Errors
    ///
    /// All that is wrong, by variable. What may be a secret is left out.
    ///
    /// ```
    /// use meterkit_otlp::{OtlpConfig, Protocol};
    ///
    /// let config = OtlpConfig::from_variables(|name| match name {
    ///     "OTEL_EXPORTER_OTLP_PROTOCOL" => Some("grpc".to_owned()),
    ///     "OTEL_EXPORTER_OTLP_METRICS_HEADERS" => Some("api-key=3f2a".to_owned()),
    ///     _ => None,
    /// });
    /// let config = config.expect("both are fine");
    /// assert_eq!(config.protocol(), Protocol::Grpc);
    /// assert_eq!(config.endpoint().to_string(), "http://localhost:4317/");
    /// ```
    pub fn from_variables(
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<VariableError>> {
        let lookup = &lookup;
        let mut problems = Problems(Vec::new());
        let protocol = problems.keep(Protocol::from_variables(lookup));
        let is_insecure = problems.keep(is_insecure(lookup)).unwrap_or_default();
        let endpoint = endpoint(protocol, is_insecure, lookup);
        let endpoint = problems.keep(endpoint);
        let timeout = problems.read(TIMEOUT.read(lookup), timeout);
        let headers = HEADERS.read(lookup).and_then(|variable| {
            let headers = Headers::parse(&variable.value);
            problems.keep(headers.map_err(|reason| VariableError::secret(variable.name, reason)))
        });
        let compression = problems.read(COMPRESSION.read(lookup), compression);
        let mut transport = problems.certificates(lookup);
        let alone = |name| Pair { metrics: name, generic: name }.read(lookup);
        let preferred =
            problems.read(alone(TEMPORALITY), |text| known(text, temporality::TEMPORALITIES));
        let histograms =
            problems.read(alone(HISTOGRAMS), |text| known(text, temporality::AGGREGATIONS));
        let (Some(protocol), Some(endpoint), true) = (protocol, endpoint, problems.0.is_empty())
        else {
            return Err(problems.0);
        };
        if let Some(compression) = compression {
            transport = transport.with_compression(compression);
        }
        if let Some(timeout) = timeout {
            transport = transport.with_timeout(timeout);
        }
        let config = Self {
            headers: headers.unwrap_or_default(),
            temporality: preferred.unwrap_or_default(),
            histogram_aggregation: histograms.unwrap_or_default(),
            ..Self::to(protocol, endpoint)
        };
        Ok(config.with_transport(transport))
    }
}

/// What is wrong so far.
struct Problems(Vec<VariableError>);

impl Problems {
    fn keep<T>(&mut self, outcome: Result<T, VariableError>) -> Option<T> {
        outcome.map_err(|problem| self.0.push(problem)).ok()
    }

    fn read<T>(
        &mut self,
        variable: Option<Variable>,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let variable = variable?;
        let value = parse(&variable.value);
        self.keep(value.map_err(|reason| variable.error(reason)))
    }

    fn certificates(&mut self, lookup: &impl Fn(&str) -> Option<String>) -> Transport {
        let mut transport = Transport::default();
        let authorities =
            self.read(CERTIFICATE.read(lookup), |path| file(path, tls::check_authorities));
        if let Some(pem) = authorities {
            transport = transport.with_certificate_authorities(pem);
        }
        let (certificate, key) = (CLIENT_CERTIFICATE.read(lookup), CLIENT_KEY.read(lookup));
        match (&certificate, &key) {
            (Some(one), None) => self.0.push(one.alone(CLIENT_KEY.matching(one))),
            (None, Some(one)) => self.0.push(one.alone(CLIENT_CERTIFICATE.matching(one))),
            _ => {}
        }
        let certificate = self.read(certificate, |path| file(path, tls::check_certificate));
        let key = self.read(key, |path| file(path, tls::check_key));
        match certificate.zip(key) {
            Some((certificate, key)) => transport.with_client_certificate(certificate, key),
            None => transport,
        }
    }
}

/// With a protocol that is unknown, an endpoint is wrong if it is so for each.
fn endpoint(
    protocol: Option<Protocol>,
    is_insecure: bool,
    lookup: &impl Fn(&str) -> Option<String>,
) -> Result<Endpoint, VariableError> {
    let of = |protocol| Endpoint::from_variables(protocol, is_insecure, lookup);
    match protocol {
        Some(protocol) => of(protocol),
        None => of(Protocol::Grpc).or_else(|_| of(Protocol::HttpProtobuf)),
    }
}

fn timeout(text: &str) -> Result<Duration, String> {
    let milliseconds: u64 = text.parse().map_err(|_| {
        "is no number of milliseconds; write for example `10000`, or `0` for no limit".to_owned()
    })?;
    Ok(if milliseconds > 0 { Duration::from_millis(milliseconds) } else { Duration::MAX })
}

fn compression(text: &str) -> Result<Compression, String> {
    let compression: Compression = known(text, Compression::ACCEPTED)?;
    if compression.is_built_in() {
        return Ok(compression);
    }
    Err("is not built in; enable the feature `zstd` of meterkit-otlp, or write `gzip`".to_owned())
}

fn known<T: FromStr>(text: &str, accepted: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("is unknown; write {accepted}"))
}

/// The text of a PEM file, if it holds what it should.
fn file(path: &str, check: impl FnOnce(&[u8]) -> Result<(), TlsError>) -> Result<Vec<u8>, String> {
    let remedy = "name a PEM file that this process may read";
    let pem = std::fs::read(path).map_err(|error| format!("cannot be read ({error}); {remedy}"))?;
    check(&pem).map_err(|error| error.to_string())?;
    Ok(pem)
}

impl Pair {
    /// The variable of this pair that is for the same signals as `other`.
    fn matching(&self, other: &Variable) -> &'static str {
        let is_of_metrics = other.name.starts_with("OTEL_EXPORTER_OTLP_METRICS_");
        if is_of_metrics { self.metrics } else { self.generic }
    }
}

impl Variable {
    fn alone(&self, missing: &str) -> VariableError {
        let reason = format!("is of no use alone; set `{missing}` too");
        Self { name: self.name, value: self.value.clone() }.error(reason)
    }
}

#[cfg(test)]
mod tests;
