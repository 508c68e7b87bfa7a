//! Where metrics go to.
//!
//! By OpenTelemetry's specification "OpenTelemetry Protocol Exporter", sections Configuration Options and Endpoint
//! URLs for OTLP/HTTP. It lets an exporter ignore the query of a URL: here it is kept, since some receivers want a
//! token there.

use std::fmt;

use http::Uri;
use meterkit_http::url::{self, UrlHints};

use crate::Protocol;

/// What a URL made in code is told about credentials in it.
const IN_CODE: &str = "send them as a header `Authorization`";

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
        let endpoint = match protocol {
            Protocol::Grpc if url.contains("://") => Self::grpc(url, false, IN_CODE),
            _ => Self::http(url, false, IN_CODE),
        };
        endpoint.map_err(|reason| EndpointError { url: url::shown(url), reason })
    }

    /// Returns the endpoint of a URL over HTTP. If it is for all signals, it gets the path of metrics.
    pub(crate) fn http(
        url: &str,
        is_for_all_signals: bool,
        credentials: &str,
    ) -> Result<Self, String> {
        let uri = url::parse(url, &hints(credentials))?;
        if !is_for_all_signals {
            return Ok(Self { uri });
        }
        let long = |error| format!("cannot take `{METRICS_PATH}` behind it ({error})");
        let uri = url::append(&uri, METRICS_PATH).parse().map_err(long)?;
        Ok(Self { uri })
    }

    /// Returns the endpoint of a URL over gRPC, which has no paths. A `host:port` without scheme will do, and
    /// `is_insecure` says whether that means `http` instead of `https`.
    pub(crate) fn grpc(text: &str, is_insecure: bool, credentials: &str) -> Result<Self, String> {
        let hints = hints(credentials);
        let uri = if text.contains("://") {
            url::parse(text, &hints)?
        } else {
            let scheme = if is_insecure { "http" } else { "https" };
            url::parse(&format!("{scheme}://{text}"), &hints)?
        };
        // A path is a sign that the URL is meant for HTTP: the receiver of that does not speak gRPC.
        if uri.path() != "/" || uri.query().is_some() {
            let remedy = "remove it, or send by `http/protobuf`";
            return Err(format!("has a path or query, which gRPC does not; {remedy}"));
        }
        Ok(Self { uri })
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

/// A URL that cannot be sent to. What may be secret in it is left out.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("OTLP endpoint `{url}` {reason}")]
pub struct EndpointError {
    url: String,
    reason: String,
}

meterkit_rules::debug_as_text!(EndpointError);

impl EndpointError {
    /// Returns what is wrong with the URL, and what to write.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

fn hints(credentials: &str) -> UrlHints<'_> {
    UrlHints { example: "http://localhost:4318", credentials, path: None }
}

#[cfg(test)]
mod tests;
