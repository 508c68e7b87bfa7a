//! The URLs of the intake.

use std::fmt;

use http::Uri;
use meterkit_http::url;

use crate::config::{DatadogConfig, EndpointError};
use crate::payload::Kind;

/// The URLs of a site's intake, or of the endpoint that replaces it. `Debug` leaves out parts that may be secret.
#[derive(Clone)]
pub(super) struct Endpoints {
    series: Uri,
    sketches: Uri,
    /// The URL that checks an API key.
    pub(super) validate: Uri,
}

impl Endpoints {
    pub(super) fn new(config: &DatadogConfig) -> Result<Self, EndpointError> {
        let site = format!("https://api.{}", config.site.domain());
        let base = config.endpoint.clone().map_or_else(|| parse(&site), |named| Ok(named.0))?;
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

    pub(super) fn server(&self) -> Option<(String, u16)> {
        url::server(&self.series)
    }

    /// Returns the URL for messages, without parts that may be secret.
    pub(super) fn shown(&self) -> String {
        url::shown(&self.series.to_string())
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Endpoints").field(&format_args!("{}", self.shown())).finish()
    }
}

fn parse(text: &str) -> Result<Uri, EndpointError> {
    text.parse().map_err(|error: http::uri::InvalidUri| EndpointError {
        url: url::shown(text),
        reason: format!("is not a valid URL ({error})"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Site;

    #[test]
    fn each_kind_has_its_path_at_the_site_or_at_the_endpoint() {
        let config = DatadogConfig::api("0123456789abcdef").expect("a key").with_site(Site::Eu1);
        let relay = "http://[::1]:8428/datadog";
        let relayed = config.clone().with_endpoint(relay).expect("a URL");
        for (config, base, host, port) in [
            (config, "https://api.datadoghq.eu", "api.datadoghq.eu", 443),
            (relayed, relay, "::1", 8428),
        ] {
            let endpoints = Endpoints::new(&config).expect("URLs");
            for (uri, path) in [
                (endpoints.of(Kind::Series), "/api/v2/series"),
                (endpoints.of(Kind::Sketches), "/api/beta/sketches"),
                (&endpoints.validate, "/api/v1/validate"),
            ] {
                assert_eq!(uri.to_string(), format!("{base}{path}"));
            }
            assert_eq!(endpoints.server(), Some((host.to_owned(), port)));
        }
    }
}
