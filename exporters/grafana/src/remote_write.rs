//! The receiver of Prometheus remote write, and the credentials for it.

use std::fmt;

use http::Uri;
use meterkit_http::url::{self, UrlHints};
use meterkit_http::{Authentication, HeaderError, Headers};

/// A receiver of remote write: Grafana Cloud, Mimir, Prometheus, or another server that speaks the protocol.
#[derive(Clone)]
pub struct RemoteWrite {
    pub(crate) url: Uri,
    pub(crate) authentication: Authentication,
    pub(crate) tenant: Option<String>,
}

impl RemoteWrite {
    /// Creates a receiver at `url`, which is used unchanged, for example `http://prometheus:9090/api/v1/write`. No
    /// credentials are sent by default.
    ///
    /// Environment variables are not read.
    ///
    /// # Errors
    ///
    /// Returns an error if `url` cannot be used: not a URL, without scheme or path, or with credentials. The error
    /// says what to write instead, and quotes no password.
    ///
    /// ```
    /// use meterkit_grafana::{Authentication, RemoteWrite, Secret};
    ///
    /// let token = Secret::new("3f2a");
    /// let receiver = RemoteWrite::new("https://mimir.example.com/api/v1/push")?
    ///     .with_authentication(Authentication::Bearer { token })
    ///     .with_tenant("team-a");
    /// assert_eq!(receiver.tenant(), Some("team-a"));
    /// # Ok::<(), meterkit_grafana::UrlError>(())
    /// ```
    pub fn new(url: &str) -> Result<Self, UrlError> {
        let hints = hints("use `with_authentication`");
        let uri = url::parse(url, &hints);
        let url = uri.map_err(|reason| UrlError { url: url::shown(url), reason })?;
        Ok(Self { url, authentication: Authentication::None, tenant: None })
    }

    /// Sets the credentials, replacing any that were set before.
    #[must_use]
    pub fn with_authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Sets the Mimir tenant, which is sent in the header `X-Scope-OrgID`.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// Returns the headers of every request.
    pub(crate) fn headers(&self) -> Result<Headers, HeaderError> {
        let mut headers = Headers::default();
        if let Some(authorization) = self.authentication.authorization() {
            headers.insert_secret("Authorization", &authorization)?;
        }
        if let Some(tenant) = &self.tenant {
            headers.insert("X-Scope-OrgID", tenant.as_bytes())?;
        }
        Ok(headers)
    }

    /// Returns the URL, including its query.
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// Returns the credentials.
    pub fn authentication(&self) -> &Authentication {
        &self.authentication
    }

    /// Returns the value of the header `X-Scope-OrgID`, by which Mimir distinguishes tenants.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

/// Omits the query of the URL, which may hold a token.
impl fmt::Debug for RemoteWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteWrite")
            .field("url", &format_args!("{}", url::shown(&self.url.to_string())))
            .field("authentication", &self.authentication)
            .field("tenant", &self.tenant)
            .finish()
    }
}

/// A URL that cannot be used. Parts that may be secret are left out.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("URL `{url}` {reason}")]
pub struct UrlError {
    pub(crate) url: String,
    pub(crate) reason: String,
}

meterkit_rules::debug_as_text!(UrlError);

/// Hint for a URL without a path. No receiver accepts remote write at the root, so that the path was forgotten.
const PATHS: &str = "Prometheus takes `/api/v1/write`, Mimir `/api/v1/push`, Grafana Cloud \
                     `/api/prom/push`";

pub(crate) fn hints(credentials: &str) -> UrlHints<'_> {
    let example = "https://mimir.example.com/api/v1/push";
    UrlHints { example, credentials, path: Some(PATHS) }
}

#[cfg(test)]
mod tests;
