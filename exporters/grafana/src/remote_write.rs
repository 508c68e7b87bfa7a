//! Where Prometheus remote write goes to, and as whom.

use std::fmt;

use http::Uri;
use meterkit_http::url::{self, UrlHints};
use meterkit_http::{Authentication, HeaderError, Headers};

/// A receiver of remote write: Grafana Cloud, Mimir, Prometheus, or one that speaks the same.
#[derive(Clone)]
pub struct RemoteWrite {
    pub(crate) url: Uri,
    pub(crate) authentication: Authentication,
    pub(crate) tenant: Option<String>,
}

impl RemoteWrite {
    /// The receiver at `url`, which is used as it is: `http://prometheus:9090/api/v1/write`. It asks for no
    /// credentials.
    ///
    /// Nothing is taken from the environment.
    ///
    /// # Errors
    ///
    /// When nothing can be sent to `url`: what is wrong with it, and what to write. No password is quoted.
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

    /// Sets the credentials, in place of those that were set before.
    #[must_use]
    pub fn with_authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Writes for this tenant of Mimir: the header `X-Scope-OrgID`.
    #[must_use]
    pub fn with_tenant(mut self, tenant: impl Into<String>) -> Self {
        self.tenant = Some(tenant.into());
        self
    }

    /// What goes with every request.
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

    /// The URL, with its query.
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// How the receiver knows who writes.
    pub fn authentication(&self) -> &Authentication {
        &self.authentication
    }

    /// The value of the header `X-Scope-OrgID`, by which Mimir tells tenants apart.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }
}

/// Without the query of the URL, which may hold a token.
impl fmt::Debug for RemoteWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteWrite")
            .field("url", &format_args!("{}", url::shown(&self.url.to_string())))
            .field("authentication", &self.authentication)
            .field("tenant", &self.tenant)
            .finish()
    }
}

/// A URL that nothing can be sent to. What may be secret in it is left out.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("URL `{url}` {reason}")]
pub struct UrlError {
    pub(crate) url: String,
    pub(crate) reason: String,
}

meterkit_rules::debug_as_text!(UrlError);

/// No receiver listens at the root: a bare host is a path forgotten.
const PATHS: &str = "Prometheus takes `/api/v1/write`, Mimir `/api/v1/push`, Grafana Cloud \
                     `/api/prom/push`";

pub(crate) fn hints(credentials: &str) -> UrlHints<'_> {
    let example = "https://mimir.example.com/api/v1/push";
    UrlHints { example, credentials, path: Some(PATHS) }
}

#[cfg(test)]
mod tests;
