//! The settings of a push gateway target.

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

/// The settings of a push gateway target. `Debug` does not show credentials.
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

/// The default timeout of a request.
const TIMEOUT: Duration = Duration::from_secs(10);

impl PushgatewayConfig {
    /// Creates settings that push metrics to the gateway at `url`, such as `http://pushgateway:9091`, without
    /// `/metrics` and without credentials.
    ///
    /// Nothing is read from the environment.
    ///
    /// # Errors
    ///
    /// Returns an error if metrics cannot be pushed to `url`. The error says what is wrong and what to write instead,
    /// and does not quote passwords.
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
            true => Err("contains the path `/metrics`, which is appended; leave it out".to_owned()),
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

    /// Sets the name of the target in logs and self-metrics, to distinguish it from other targets. `pushgateway` by
    /// default.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets the credentials. Replaces credentials that were set before.
    #[must_use]
    pub fn with_authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Sets the label `job` of the group. The resource attribute `service.name` by default. `METERKIT_PUSHGATEWAY_JOB`
    /// overrides this setting.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is empty.
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

    /// Adds a label that identifies the group in addition to its job. The gateway adds the label to each metric.
    /// `METERKIT_PUSHGATEWAY_GROUPING` overrides this setting.
    ///
    /// Groups have no further labels by default, so processes with the same job push to the same group and replace each
    /// other's metrics. Add `instance` if several processes run at the same time, and delete their groups: a gateway
    /// keeps groups until they are deleted.
    ///
    /// # Errors
    ///
    /// Returns an error if the name is not a valid label name in Prometheus, is reserved for labels of metrics, or was
    /// already added.
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

    /// Sets whether a push replaces all metrics of the group or only those with the same names. [`PushMethod::Put`] by
    /// default. `METERKIT_PUSHGATEWAY_METHOD` overrides this setting.
    #[must_use]
    pub fn with_method(mut self, method: PushMethod) -> Self {
        self.method = method;
        self
    }

    /// Sets the format of pushes. [`PushFormat::Text`] by default. `METERKIT_PUSHGATEWAY_FORMAT` overrides this
    /// setting.
    #[must_use]
    pub fn with_format(mut self, format: PushFormat) -> Self {
        self.format = format;
        self
    }

    /// Sets whether the group is deleted after the last push, when the pipeline shuts down. Disabled by default,
    /// because Prometheus scrapes the last values later. `METERKIT_PUSHGATEWAY_DELETE_ON_SHUTDOWN` overrides this
    /// setting.
    #[must_use]
    pub fn with_delete_on_shutdown(mut self, is_deleted: bool) -> Self {
        self.delete_on_shutdown = is_deleted;
        self
    }

    /// Sets proxies, certificates, compression and timeout. Settings that `transport` leaves unset do not change.
    ///
    /// The defaults are no proxies, the system's certificate authorities, no client certificate, no compression, and a
    /// timeout of 10 s for a request. The only compression that gateways support is gzip.
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

/// Leaves out the query of the URL, which may contain a token.
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
    fn the_error_for_an_unusable_url_says_what_to_write() {
        for (url, problem) in [
            ("pushgateway:9091", "push gateway URL `pushgateway:9091` has no scheme; "),
            (
                "http://g:9091/metrics",
                "push gateway URL `http://g:9091/metrics` contains the path `/metrics`",
            ),
            (
                "http://g/metrics/job/x",
                "push gateway URL `http://g/metrics/job/x` contains the path",
            ),
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
    fn jobs_and_labels_that_no_group_can_have_are_errors() {
        let config = || PushgatewayConfig::new("http://g").expect("a URL");
        let error = config().with_job("").expect_err("empty").to_string();
        assert_eq!(error, "push gateway job is empty; name the job, such as `nightly-import`");
        let error = config().with_grouping_label("job", "x").expect_err("taken").to_string();
        assert!(error.starts_with("push gateway label `job` is set "), "{error}");
    }
}
