//! The URL that metrics are sent to.
//!
//! Follows OpenTelemetry's specification "OpenTelemetry Protocol Exporter", sections Configuration Options and Endpoint
//! URLs for OTLP/HTTP. The specification permits an exporter to ignore the query of a URL. This exporter keeps the
//! query, because some receivers expect a token there.

use std::fmt;

use http::Uri;
use meterkit_http::url::{self, UrlHints};

use crate::Protocol;

/// The advice in errors about a URL in code that contains credentials.
const IN_CODE: &str = "send them in an `Authorization` header";

/// The path that is appended to an endpoint for all signals.
const METRICS_PATH: &str = "/v1/metrics";

/// The URL that metrics are sent to.
///
/// `Display` and `Debug` leave out the query, which may contain a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    uri: Uri,
}

impl Endpoint {
    /// Creates an endpoint from `url`, which is used unchanged: over HTTP, it has to include the path, as in
    /// `http://localhost:4318/v1/metrics`.
    ///
    /// # Errors
    ///
    /// Returns an error if metrics cannot be sent to `url`: it has no scheme or one other than `http` and `https`, no
    /// host, an invalid port, a user name or password, or a path or query although the protocol is gRPC.
    pub fn new(protocol: Protocol, url: &str) -> Result<Self, EndpointError> {
        let endpoint = match protocol {
            Protocol::Grpc if url.contains("://") => Self::grpc(url, false, IN_CODE),
            _ => Self::http(url, false, IN_CODE),
        };
        endpoint.map_err(|reason| EndpointError { url: url::shown(url), reason })
    }

    /// Creates the endpoint for a URL over HTTP. If the URL is for all signals, the path of metrics is appended.
    pub(crate) fn http(
        url: &str,
        is_for_all_signals: bool,
        credentials: &str,
    ) -> Result<Self, String> {
        let uri = url::parse(url, &hints(credentials))?;
        if !is_for_all_signals {
            return Ok(Self { uri });
        }
        let long = |error| format!("cannot be extended by `{METRICS_PATH}` ({error})");
        let uri = url::append(&uri, METRICS_PATH).parse().map_err(long)?;
        Ok(Self { uri })
    }

    /// Creates the endpoint for a URL over gRPC, which must not have a path. A `host:port` without a scheme is
    /// accepted; `is_insecure` determines whether it means `http` instead of `https`.
    pub(crate) fn grpc(text: &str, is_insecure: bool, credentials: &str) -> Result<Self, String> {
        let hints = hints(credentials);
        let uri = if text.contains("://") {
            url::parse(text, &hints)?
        } else {
            let scheme = if is_insecure { "http" } else { "https" };
            url::parse(&format!("{scheme}://{text}"), &hints)?
        };
        // A path suggests that the URL is that of an HTTP receiver, which does not speak gRPC.
        if uri.path() != "/" || uri.query().is_some() {
            let remedy = "remove it, or use the protocol `http/protobuf`";
            return Err(format!("has a path or query, which gRPC does not support; {remedy}"));
        }
        Ok(Self { uri })
    }

    /// Returns the default endpoint, on this machine.
    pub(crate) fn of_this_machine(protocol: Protocol) -> Self {
        Self {
            uri: Uri::from_static(match protocol {
                Protocol::Grpc => "http://localhost:4317",
                Protocol::HttpProtobuf | Protocol::HttpJson => "http://localhost:4318/v1/metrics",
            }),
        }
    }

    /// Returns the URL with its query.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns whether the connection is encrypted.
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

/// The error for a URL that metrics cannot be sent to. Parts of the URL that may be secret are left out.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("OTLP endpoint `{url}` {reason}")]
pub struct EndpointError {
    url: String,
    reason: String,
}

meterkit_rules::debug_as_text!(EndpointError);

impl EndpointError {
    /// Returns what is wrong with the URL, and what to write instead.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

fn hints(credentials: &str) -> UrlHints<'_> {
    UrlHints { example: "http://localhost:4318", credentials, path: None }
}

#[cfg(test)]
mod tests;
