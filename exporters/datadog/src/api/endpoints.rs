//! Where requests go to.

use http::Uri;
use meterkit_http::url;

use crate::config::{DatadogConfig, EndpointError};
use crate::payload::Kind;

/// The intake of a site, or what was named in its place.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    series: Uri,
    sketches: Uri,
    /// Where a key is checked.
    pub(super) validate: Uri,
}

impl Endpoints {
    pub(super) fn new(config: &DatadogConfig) -> Result<Self, EndpointError> {
        let site = format!("https://api.{}", config.site.domain());
        let base = config.endpoint.clone().map_or_else(|| parse(&site), Ok)?;
        Ok(Self {
            series: parse(&url::append(&base, "/api/v2/series"))?,
            sketches: parse(&url::append(&base, "/api/beta/sketches"))?,
            validate: parse(&url::append(&base, "/api/v1/validate"))?,
        })
    }

    pub(super) fn of(&self, kind: Kind) -> &Uri {
        match kind {
            Kind::Series => &self.series,
            Kind::Sketches => &self.sketches,
        }
    }

    /// Host and port.
    pub(super) fn server(&self) -> Option<(String, u16)> {
        let host = self.series.host()?.trim_start_matches('[').trim_end_matches(']');
        let is_secure = self.series.scheme_str() == Some("https");
        let port = self.series.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        Some((host.to_owned(), port))
    }

    /// For people: without what may be secret.
    pub(super) fn shown(&self) -> String {
        url::shown(&self.series.to_string())
    }
}

fn parse(text: &str) -> Result<Uri, EndpointError> {
    text.parse().map_err(|error: http::uri::InvalidUri| EndpointError {
        url: url::shown(text),
        reason: format!("is no URL ({error})"),
    })
}
