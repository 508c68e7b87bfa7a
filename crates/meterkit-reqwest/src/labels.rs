//! The labels of the four metrics.

use http::{Method, StatusCode, Version};
use meterkit_core::{LabelRef, LabelValue};
use meterkit_macros::Labels;

/// The labels of requests in progress.
#[derive(Clone, Copy, Labels)]
#[label(crate = "meterkit_core")]
pub(crate) struct Active<'a> {
    #[label(name = "http.request.method")]
    pub(crate) method: &'static str,
    #[label(name = "server.address")]
    pub(crate) address: &'a str,
    #[label(name = "server.port")]
    pub(crate) port: Option<u16>,
    #[label(name = "url.template")]
    pub(crate) template: Option<&'static str>,
}

/// The labels of a request that has ended.
#[derive(Labels)]
#[label(crate = "meterkit_core")]
pub(crate) struct Ended<'a> {
    #[label(flatten)]
    pub(crate) request: Active<'a>,
    #[label(name = "network.protocol.version")]
    pub(crate) version: Option<&'static str>,
    #[label(name = "http.response.status_code")]
    pub(crate) status: Option<u16>,
    #[label(name = "error.type")]
    pub(crate) error: Option<ErrorType>,
}

/// Returns the name of a method that the conventions list, or `_OTHER`.
pub(crate) fn method_name(method: &Method) -> &'static str {
    const KNOWN: [&str; 10] =
        ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "CONNECT", "TRACE", "QUERY"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("_OTHER")
}

pub(crate) fn version_name(version: Version) -> Option<&'static str> {
    Some(match version {
        Version::HTTP_09 => "0.9",
        Version::HTTP_10 => "1.0",
        Version::HTTP_11 => "1.1",
        Version::HTTP_2 => "2",
        Version::HTTP_3 => "3",
        _ => return None,
    })
}

/// Why a request failed.
#[derive(Clone, Copy)]
pub(crate) enum ErrorType {
    Status(StatusCode),
    Cause(&'static str),
}

impl ErrorType {
    pub(crate) const CANCELED: Self = Self::Cause("canceled");

    pub(crate) fn of_middleware(error: &reqwest_middleware::Error) -> Self {
        match error {
            reqwest_middleware::Error::Reqwest(error) => Self::of(error),
            reqwest_middleware::Error::Middleware(_) => Self::Cause("middleware"),
        }
    }

    pub(crate) fn of(error: &reqwest::Error) -> Self {
        // The order matters: a timeout while connecting is also a connection error.
        Self::Cause(match error {
            _ if error.is_timeout() => "timeout",
            _ if error.is_dns() => "dns",
            _ if error.is_connect() => "connect",
            _ if error.is_redirect() => "redirect",
            _ if error.is_body() || error.is_decode() => "body",
            _ => "request",
        })
    }
}

impl LabelValue for ErrorType {
    #[inline]
    fn label(&self) -> LabelRef<'_> {
        match self {
            Self::Status(status) => LabelRef::Str(status.as_str()),
            Self::Cause(cause) => LabelRef::Static(cause),
        }
    }
}
