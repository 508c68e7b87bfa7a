//! `otlp_http` and `otlp_grpc`: a receiver of OpenTelemetry's protocol.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::pairs;
use crate::report::Report;
use crate::schema::{At, Fields};

/// A receiver of OpenTelemetry's protocol. `Debug` shows neither headers nor what an endpoint may hold of secrets.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct OtlpExporter {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Its URL, over HTTP with its path; `None` for `http://localhost:4318/v1/metrics`, over gRPC
    /// `http://localhost:4317`.
    pub endpoint: Option<String>,
    /// Certificates and keys.
    pub tls: Tls,
    /// What is sent along with each request.
    pub headers: Headers,
    /// How requests are compressed; `None` for not at all.
    pub compression: Option<Compression>,
    /// How long one request may take; `None` for 10 seconds, `Duration::MAX` for ever.
    pub timeout: Option<Duration>,
    /// Since when values count; `None` for cumulative.
    pub temporality: Option<TemporalityPreference>,
    /// What histograms become for which nobody said anything else; `None` for explicit buckets.
    pub default_histogram_aggregation: Option<HistogramAggregation>,
}

/// How OTLP is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// Over gRPC.
    Grpc,
    /// Binary over HTTP.
    HttpProtobuf,
    /// JSON over HTTP.
    HttpJson,
}

/// Certificates and keys, by their files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// Whom to trust, PEM; `None` for whom the system trusts.
    pub ca_file: Option<PathBuf>,
    /// The client's key, PEM. Comes together with `cert_file`.
    pub key_file: Option<PathBuf>,
    /// The client's certificate, PEM.
    pub cert_file: Option<PathBuf>,
    /// Whether an endpoint without `http://` or `https://` is spoken to in the clear; gRPC only.
    pub insecure: Option<bool>,
}

/// Headers of requests. `Debug` shows their names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Name and value of each, names as written.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a header. Of a name that comes twice, the last value counts; capitals make no difference.
    fn put(&mut self, name: String, value: String) {
        self.0.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        self.0.push((name, value));
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

/// How requests are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// With gzip.
    Gzip,
    /// With Zstandard.
    Zstd,
}

/// Since when values count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemporalityPreference {
    /// Since the series began.
    Cumulative,
    /// Since the last export, but for up-down counters.
    Delta,
    /// Since the last export for counters and histograms that are recorded, else since the series began.
    LowMemory,
}

/// What histograms become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HistogramAggregation {
    /// Fixed buckets.
    Explicit,
    /// Buckets that grow by powers of two.
    Exponential,
}

pub(super) const AGGREGATIONS: [(&str, HistogramAggregation); 2] = [
    ("explicit_bucket_histogram", HistogramAggregation::Explicit),
    ("base2_exponential_bucket_histogram", HistogramAggregation::Exponential),
];

impl fmt::Debug for OtlpExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtlpExporter")
            .field("protocol", &self.protocol)
            .field("endpoint", &self.endpoint.as_deref().map(without_secrets))
            .field("tls", &self.tls)
            .field("headers", &self.headers)
            .field("compression", &self.compression)
            .field("timeout", &self.timeout)
            .field("temporality", &self.temporality)
            .field("default_histogram_aggregation", &self.default_histogram_aggregation)
            .finish()
    }
}

/// A URL without what stands before `@`, and without its query.
fn without_secrets(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    // The path may hold an `@` too: what comes before the last one is not shown in any case.
    let shown = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if scheme.is_empty() { shown.to_owned() } else { format!("{scheme}://{shown}") }
}

pub(super) fn http(at: At<'_>, report: &mut Report) -> Option<Box<OtlpExporter>> {
    let mut fields = at.fields_or_nothing(report)?;
    let encodings = [("protobuf", Protocol::HttpProtobuf), ("json", Protocol::HttpJson)];
    let protocol = fields.take("encoding").and_then(|at| at.choice(&encodings, report));
    read(fields, protocol.unwrap_or(Protocol::HttpProtobuf), report)
}

pub(super) fn grpc(at: At<'_>, report: &mut Report) -> Option<Box<OtlpExporter>> {
    let fields = at.fields_or_nothing(report)?;
    read(fields, Protocol::Grpc, report)
}

fn read(
    mut fields: Fields<'_>,
    protocol: Protocol,
    report: &mut Report,
) -> Option<Box<OtlpExporter>> {
    let compressions =
        [("gzip", Compression::Gzip), ("none", Compression::None), ("zstd", Compression::Zstd)];
    let endpoint =
        fields.take("endpoint").and_then(|at| at.secret().filled_text(report).map(str::to_owned));
    let tls = fields.take("tls").and_then(|at| tls(at, protocol, report)).unwrap_or_default();
    let headers = headers(&mut fields, report);
    let compression = fields.take("compression");
    let compression = compression.and_then(|at| at.choice(&compressions, report));
    let timeout = fields.take("timeout").and_then(|at| at.timeout(report));
    let temporality = temporality(&mut fields, report);
    let default_histogram_aggregation = fields
        .take("default_histogram_aggregation")
        .and_then(|at| at.choice(&AGGREGATIONS, report));
    fields.ignore(&["max_request_size", "max_response_size"], report);
    fields.end(report);
    Some(Box::new(OtlpExporter {
        protocol,
        endpoint,
        tls,
        headers,
        compression,
        timeout,
        temporality,
        default_histogram_aggregation,
    }))
}

pub(super) fn temporality(
    fields: &mut Fields<'_>,
    report: &mut Report,
) -> Option<TemporalityPreference> {
    let preferences = [
        ("cumulative", TemporalityPreference::Cumulative),
        ("delta", TemporalityPreference::Delta),
        ("low_memory", TemporalityPreference::LowMemory),
    ];
    fields.take("temporality_preference")?.choice(&preferences, report)
}

fn tls(at: At<'_>, protocol: Protocol, report: &mut Report) -> Option<Tls> {
    let mut fields = at.fields_or_nothing(report)?;
    // Whether it is said at all, and what can be used of it: what is refused is not kept, as it may be a secret.
    let mut file = |key, report: &mut Report| {
        let at = fields.take(key).filter(|at| !at.is_null());
        let path = at.as_ref().and_then(|at| absolute(at, report));
        (at.is_some(), path)
    };
    let (_, ca_file) = file("ca_file", report);
    let (has_key, key_file) = file("key_file", report);
    let (has_cert, cert_file) = file("cert_file", report);
    let insecure = match protocol {
        Protocol::Grpc => fields.take("insecure").and_then(|at| at.boolean(report)),
        _ => None,
    };
    match (has_key, has_cert) {
        (true, false) => fields.at.problem(report, "has `key_file` alone; add `cert_file`"),
        (false, true) => fields.at.problem(report, "has `cert_file` alone; add `key_file`"),
        _ => {}
    }
    fields.end(report);
    Some(Tls { ca_file, key_file, cert_file, insecure })
}

/// The path of a file, if it is a whole one.
fn absolute(at: &At<'_>, report: &mut Report) -> Option<PathBuf> {
    let text = at.filled_text(report)?;
    if !Path::new(text).is_absolute() {
        let reason = format!("{} is no absolute path; write the whole path", at.shown());
        at.problem(report, reason);
        return None;
    }
    Some(PathBuf::from(text))
}

/// Those of `headers_list`, and over them those of `headers`.
fn headers(fields: &mut Fields<'_>, report: &mut Report) -> Headers {
    let mut headers = Headers::default();
    if let Some(at) = fields.take("headers_list") {
        let at = at.secret();
        for (name, value) in pairs::read(&at, report) {
            put(&mut headers, &at, name, value, report);
        }
    }
    let Some(at) = fields.take("headers") else {
        return headers;
    };
    for item in at.secret().items(1, report) {
        let Some(mut fields) = item.fields(report) else {
            continue;
        };
        let name = fields.need("name", report);
        let name = name.and_then(|at| at.some_text(report).map(|name| (name.to_owned(), at)));
        // A header without a value is none.
        let value = fields.need("value", report);
        let value = value.and_then(|at| at.text(report).map(str::to_owned));
        fields.end(report);
        if let (Some((name, at)), Some(value)) = (name, value) {
            put(&mut headers, &at, name, value, report);
        }
    }
    headers
}

fn put(headers: &mut Headers, at: &At<'_>, name: String, value: String, report: &mut Report) {
    // By RFC 9110, section 5.6.2.
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        at.problem(report, "is no name of a header; write letters, digits and dashes");
        return;
    }
    if value.chars().any(|c| c != '\t' && c.is_control()) {
        let reason = format!("header `{name}` has a line break or another control character");
        at.problem(report, reason);
        return;
    }
    headers.put(name, value);
}

#[cfg(test)]
mod tests {
    use super::without_secrets;

    #[test]
    fn of_a_url_neither_user_nor_query_are_shown() {
        let table = [
            ("http://localhost:4318/v1/metrics", "http://localhost:4318/v1/metrics"),
            ("https://user:hunter2@host/v1", "https://host/v1"),
            ("https://user:hun@ter2@host/v1", "https://host/v1"),
            ("https://host/v1?key=hunter2", "https://host/v1"),
            ("user:hunter2@host:4317", "host:4317"),
        ];
        for (url, shown) in table {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
