//! Where metrics go to.
//!
//! By OpenTelemetry's specification "OpenTelemetry Protocol Exporter", sections Configuration Options and Endpoint
//! URLs for OTLP/HTTP. It lets an exporter ignore the query of a URL: here it is kept, since some receivers want a
//! token there.

use std::fmt;

use http::Uri;
use meterkit_http::url::{self, UrlHints};

use crate::variable::{Pair, Variable};
use crate::{Protocol, VariableError};

const ENDPOINT: Pair =
    Pair { metrics: "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", generic: "OTEL_EXPORTER_OTLP_ENDPOINT" };

const INSECURE: Pair =
    Pair { metrics: "OTEL_EXPORTER_OTLP_METRICS_INSECURE", generic: "OTEL_EXPORTER_OTLP_INSECURE" };

const URL: UrlHints<'static> = UrlHints {
    example: "http://localhost:4318",
    credentials: "put them into `OTEL_EXPORTER_OTLP_METRICS_HEADERS` as `Authorization=Basic%20...`",
    path: None,
};

/// What is added to an endpoint for all signals.
const METRICS_PATH: &str = "/v1/metrics";

/// The URL that metrics are sent to.
///
/// `Display` and `Debug` leave the query out, which may hold a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    uri: Uri,
}

impl Endpoint {
    /// The endpoint `url`, as it is: over HTTP it names the path too, `http://localhost:4318/v1/metrics`.
    ///
    /// # Errors
    ///
    /// When `url` is none that can be sent to: no scheme or one that is neither `http` nor `https`, no host, a bad
    /// port, user and password, or a path or query for gRPC.
    pub fn new(protocol: Protocol, url: &str) -> Result<Self, EndpointError> {
        let uri = match protocol {
            Protocol::Grpc if url.contains("://") => grpc(url, false),
            _ => url::parse(url, &URL),
        };
        uri.map(|uri| Self { uri }).map_err(|reason| EndpointError { url: url::shown(url), reason })
    }

    /// What `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` says, else `OTEL_EXPORTER_OTLP_ENDPOINT`, else this machine.
    ///
    /// Over HTTP, the endpoint for metrics is used as it is, and that for all signals gets `/v1/metrics` appended. gRPC
    /// has no paths: both are used as they are. There a `host:port` without scheme will do, and `is_insecure` (see
    /// [`is_insecure`]) says whether that means `http` instead of `https`.
    ///
    /// # Errors
    ///
    /// When the variable that counts holds no URL that can be sent to: no scheme (over HTTP) or one that is neither
    /// `http` nor `https`, no host, a bad port, user and password, or a path or query for gRPC.
    pub fn from_variables(
        protocol: Protocol,
        is_insecure: bool,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, VariableError> {
        let Some(variable) = ENDPOINT.read(lookup) else {
            return Ok(Self::of_this_machine(protocol));
        };
        let uri = match protocol {
            Protocol::Grpc => grpc(&variable.value, is_insecure),
            Protocol::HttpProtobuf | Protocol::HttpJson => http(&variable),
        };
        uri.map(|uri| Self { uri }).map_err(|reason| {
            let value = url::shown(&variable.value);
            Variable { name: variable.name, value }.error(reason)
        })
    }

    /// The endpoint when nothing is set.
    pub(crate) fn of_this_machine(protocol: Protocol) -> Self {
        Self {
            uri: Uri::from_static(match protocol {
                Protocol::Grpc => "http://localhost:4317",
                Protocol::HttpProtobuf | Protocol::HttpJson => "http://localhost:4318/v1/metrics",
            }),
        }
    }

    /// The URL, with its query.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The host, an IPv6 address without its brackets, and the port, which may be that of the scheme.
    pub(crate) fn server(&self) -> Option<(String, u16)> {
        let host = self.uri.host()?;
        let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let port = if self.is_secure() { 443 } else { 80 };
        Some((address.unwrap_or(host).to_owned(), self.uri.port_u16().unwrap_or(port)))
    }

    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.uri.scheme_str() == Some("https")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}{}", self.uri.scheme_str().unwrap_or("http"), self.uri.path())?;
        f.write_str(if self.uri.query().is_some() { "?..." } else { "" })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoint").field(&format_args!("{self}")).finish()
    }
}

/// What `OTEL_EXPORTER_OTLP_METRICS_INSECURE` says, else `OTEL_EXPORTER_OTLP_INSECURE`, else `false`.
///
/// It matters to gRPC endpoints without scheme only; everywhere else the scheme decides.
///
/// # Errors
///
/// When the variable that counts is neither `true` nor `false`, in any case.
pub fn is_insecure(lookup: impl Fn(&str) -> Option<String>) -> Result<bool, VariableError> {
    match INSECURE.read(lookup) {
        None => Ok(false),
        Some(variable) if variable.value.eq_ignore_ascii_case("true") => Ok(true),
        Some(variable) if variable.value.eq_ignore_ascii_case("false") => Ok(false),
        Some(variable) => Err(variable.error("write `true` or `false`".to_owned())),
    }
}

/// A URL that cannot be sent to. What may be secret in it is left out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("OTLP endpoint `{url}` {reason}")]
pub struct EndpointError {
    url: String,
    reason: String,
}

fn http(variable: &Variable) -> Result<Uri, String> {
    let uri = url::parse(&variable.value, &URL)?;
    if variable.name == ENDPOINT.metrics {
        return Ok(uri);
    }
    let long = |error| format!("cannot take `{METRICS_PATH}` behind it ({error})");
    url::append(&uri, METRICS_PATH).parse().map_err(long)
}

fn grpc(text: &str, is_insecure: bool) -> Result<Uri, String> {
    let uri = if text.contains("://") {
        url::parse(text, &URL)?
    } else {
        let scheme = if is_insecure { "http" } else { "https" };
        url::parse(&format!("{scheme}://{text}"), &URL)?
    };
    // A path is a sign that the URL is meant for HTTP: the receiver of that does not speak gRPC.
    if uri.path() != "/" || uri.query().is_some() {
        let remedy = "remove it, or set `OTEL_EXPORTER_OTLP_METRICS_PROTOCOL` to `http/protobuf`";
        return Err(format!("has a path or query, which gRPC does not; {remedy}"));
    }
    Ok(uri)
}

#[cfg(test)]
mod tests;
