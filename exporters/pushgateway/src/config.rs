//! The settings of a target of the push gateway.

use std::fmt;
use std::time::Duration;

use http::Uri;
use meterkit_http::url::{self, UrlHints};
use meterkit_http::{Authentication, Compression, HeaderError, Headers, Transport};

use crate::error::{GroupError, UrlError};
use crate::format::PushFormat;
use crate::group::labels_problem;
use crate::method::PushMethod;
use crate::settings::TRANSPORT;

/// The settings of a target of the push gateway. `Debug` shows no credentials.
///
/// ```
/// use meterkit_pushgateway::{PushgatewayConfig, PushgatewayTarget};
///
/// let config = PushgatewayConfig::new("http://pushgateway:9091")?
///     .with_job("nightly-import")?
///     .with_grouping_label("region", "eu/west")?;
/// let target = PushgatewayTarget::new(config)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PushgatewayConfig {
    pub(crate) name: String,
    pub(crate) url: Uri,
    pub(crate) authentication: Authentication,
    pub(crate) job: Option<String>,
    pub(crate) grouping: Vec<(String, String)>,
    pub(crate) method: PushMethod,
    pub(crate) format: PushFormat,
    pub(crate) delete_on_shutdown: bool,
    pub(crate) transport: Transport,
}

/// How long the gateway may take for one request.
const TIMEOUT: Duration = Duration::from_secs(10);

impl PushgatewayConfig {
    /// Metrics go to the gateway at `url`, such as `http://pushgateway:9091`, without `/metrics`. It asks for no
    /// credentials.
    ///
    /// Nothing is taken from the environment.
    ///
    /// # Errors
    ///
    /// When nothing can be pushed to `url`: what is wrong with it, and what to write. No password is quoted.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        let parsed = Self::read_url(url, "use `with_authentication`");
        let parsed = parsed.map_err(|reason| UrlError { url: url::shown(url), reason })?;
        Ok(Self::to(parsed))
    }

    pub(crate) fn read_url(text: &str, credentials: &str) -> Result<Uri, String> {
        let hints = UrlHints { example: "http://pushgateway:9091", credentials, path: None };
        let url = url::parse(text, &hints)?;
        let path = url.path().trim_end_matches('/');
        match path.ends_with("/metrics") || path.contains("/metrics/") {
            true => Err("names the path `/metrics`, which is added; leave it out".to_owned()),
            false => Ok(url),
        }
    }

    pub(crate) fn to(url: Uri) -> Self {
        Self {
            name: "pushgateway".to_owned(),
            url,
            authentication: Authentication::None,
            job: None,
            grouping: Vec::new(),
            method: PushMethod::default(),
            format: PushFormat::default(),
            delete_on_shutdown: false,
            transport: Transport::default()
                .with_compression(Compression::None)
                .with_timeout(TIMEOUT)
                .with_hints(TRANSPORT.hints()),
        }
    }

    /// Sets the target's name in logs and self-metrics, to tell it from another one. `pushgateway` by default.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the credentials, in place of those that were set before.
    #[must_use]
    pub fn with_authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Sets the label `job` of the group. By default it is the resource's `service.name`. `METERKIT_PUSHGATEWAY_JOB`
    /// overrides.
    ///
    /// # Errors
    ///
    /// When the name is empty.
    pub fn with_job(mut self, job: impl Into<String>) -> Result<Self, GroupError> {
        let job = job.into();
        if job.is_empty() {
            return Err(GroupError(
                "job is empty; name the job, such as `nightly-import`".to_owned(),
            ));
        }
        self.job = Some(job);
        Ok(self)
    }

    /// Adds a label to those that identify the group beside its job. The gateway adds it to each metric.
    /// `METERKIT_PUSHGATEWAY_GROUPING` overrides.
    ///
    /// Groups have no further labels by default, so processes with the same job push to the same group, one after the
    /// other. Add `instance` if several run at the same time, and delete their groups: a gateway never forgets a group.
    ///
    /// # Errors
    ///
    /// When Prometheus has no such label, metrics have one of this name, or it was added already.
    pub fn with_grouping_label(
        mut self,
        name: impl Into<String>,
        value: impl Into<String>,
    ) -> Result<Self, GroupError> {
        self.grouping.push((name.into(), value.into()));
        match labels_problem(&self.grouping) {
            Some(problem) => Err(GroupError(problem)),
            None => Ok(self),
        }
    }

    /// Sets what becomes of metrics that the group already has; [`PushMethod::Put`] by default.
    /// `METERKIT_PUSHGATEWAY_METHOD` overrides.
    #[must_use]
    pub fn with_method(mut self, method: PushMethod) -> Self {
        self.method = method;
        self
    }

    /// Sets the format of pushes; [`PushFormat::Text`] by default. `METERKIT_PUSHGATEWAY_FORMAT` overrides.
    #[must_use]
    pub fn with_format(mut self, format: PushFormat) -> Self {
        self.format = format;
        self
    }

    /// Deletes the group after the last push, when the pipeline shuts down. Not by default: Prometheus scrapes the last
    /// values later. `METERKIT_PUSHGATEWAY_DELETE_ON_SHUTDOWN` overrides.
    #[must_use]
    pub fn with_delete_on_shutdown(mut self, is_deleted: bool) -> Self {
        self.delete_on_shutdown = is_deleted;
        self
    }

    /// Sets proxies, certificates, compression and timeout. What `transport` leaves unset stays as it is.
    ///
    /// The defaults are no proxies, the system's certificate authorities, no client certificate, no compression, and
    /// 10 s for a request. Gateways accept no compression but gzip.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport.or(self.transport);
        self
    }

    /// Returns the address of the gateway.
    pub fn url(&self) -> &Uri {
        &self.url
    }

    pub(crate) fn headers(&self) -> Result<Headers, HeaderError> {
        let mut headers = Headers::default();
        if let Some(authorization) = self.authentication.authorization() {
            headers.insert_secret("Authorization", &authorization)?;
        }
        Ok(headers)
    }
}

/// Without the query of the URL, which may hold a token.
impl fmt::Debug for PushgatewayConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushgatewayConfig")
            .field("name", &self.name)
            .field("url", &format_args!("{}", url::shown(&self.url.to_string())))
            .field("authentication", &self.authentication)
            .field("job", &self.job)
            .field("grouping", &self.grouping)
            .field("method", &self.method)
            .field("format", &self.format)
            .field("delete_on_shutdown", &self.delete_on_shutdown)
            .field("transport", &self.transport)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_none_says_what_to_write() {
        for (url, problem) in [
            ("pushgateway:9091", "push gateway URL `pushgateway:9091` has no scheme; "),
            (
                "http://g:9091/metrics",
                "push gateway URL `http://g:9091/metrics` names the path `/metrics`",
            ),
            ("http://g/metrics/job/x", "push gateway URL `http://g/metrics/job/x` names the path"),
            (
                "http://me:hunter2@g",
                "push gateway URL `http://...` holds credentials; use `with_auth",
            ),
        ] {
            let error = PushgatewayConfig::new(url).expect_err(url).to_string();
            assert!(error.starts_with(problem), "{error}");
        }
        for url in ["http://g", "https://g:9091/prefix/", "http://[::1]:9091"] {
            assert!(PushgatewayConfig::new(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn jobs_and_labels_that_no_group_has_are_errors() {
        let config = || PushgatewayConfig::new("http://g").expect("a URL");
        let error = config().with_job("").expect_err("empty").to_string();
        assert_eq!(error, "push gateway job is empty; name the job, such as `nightly-import`");
        let error = config().with_grouping_label("job", "x").expect_err("taken").to_string();
        assert!(error.starts_with("push gateway label `job` is the job, "), "{error}");
    }
}
