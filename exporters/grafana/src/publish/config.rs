//! The settings of a dashboard publisher.

use std::fmt;
use std::time::Duration;

use http::Uri;
use meterkit_http::url::{self, UrlHints};
use meterkit_http::{Transport, TransportHints};

use crate::config::TIMEOUT;
use crate::{Secret, UrlError};

/// The settings of a dashboard publisher. `Debug` shows no credentials.
///
/// ```
/// use meterkit_grafana::{DashboardPublisher, PublishConfig, Secret};
///
/// let token = Secret::new("glsa_3f2a");
/// let config = PublishConfig::new("https://grafana.example.com", token)?.with_folder("Services");
/// let publisher = DashboardPublisher::new(config)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct PublishConfig {
    pub(crate) url: Uri,
    pub(crate) token: Secret,
    pub(crate) folder: Option<String>,
    pub(crate) transport: Transport,
    pub(crate) backoff: Duration,
}

impl PublishConfig {
    /// Creates settings for the Grafana at `url`. Include the path if Grafana is served under one, such as
    /// `https://example.com/grafana`. `token` belongs to a service account with the role Editor, or with permissions
    /// to create and write dashboards and folders.
    ///
    /// Environment variables are not read.
    ///
    /// # Errors
    ///
    /// Returns an error if `url` cannot be used: not a URL, without scheme, or with credentials or a query. The error
    /// says what to write instead, and quotes no password.
    pub fn new(url: &str, token: Secret) -> Result<Self, UrlError> {
        let uri = Self::read_url(url, "pass the token of a service account instead");
        let url = uri.map_err(|reason| UrlError { url: url::shown(url), reason })?;
        Ok(Self::of(url, token))
    }

    pub(crate) fn of(url: Uri, token: Secret) -> Self {
        Self {
            url,
            token,
            folder: None,
            transport: Transport::default()
                .with_timeout(TIMEOUT)
                .with_hints(TransportHints { package: "meterkit-grafana", ..Default::default() }),
            backoff: Duration::from_secs(1),
        }
    }

    /// Parses the address of a Grafana. `credentials` is the advice if the address contains credentials.
    pub(crate) fn read_url(text: &str, credentials: &str) -> Result<Uri, String> {
        let example = "https://grafana.example.com";
        let url = url::parse(text, &UrlHints { example, credentials, path: None })?;
        // A query is a sign that the address of a page was pasted.
        match url.query() {
            None => Ok(url),
            Some(_) => {
                Err(format!("has a query; write only the address of Grafana, such as `{example}`"))
            }
        }
    }

    /// Sets the title of the folder in which dashboards are created. The folder is created if it does not exist. By
    /// default, dashboards are in no folder, which Grafana calls General or Dashboards. `GRAFANA_FOLDER` overrides
    /// this value.
    ///
    /// An existing dashboard stays in its folder, because people may have moved it.
    #[must_use]
    pub fn with_folder(mut self, title: impl Into<String>) -> Self {
        let title = title.into();
        // Grafana reserves this title for dashboards in no folder.
        let is_none = title.is_empty() || title.eq_ignore_ascii_case("General");
        self.folder = (!is_none).then_some(title);
        self
    }

    /// Sets proxies, certificates and timeout. Settings that `transport` leaves unset keep their values.
    ///
    /// The defaults are no proxies, the system's certificate authorities, no client certificate, and 10 s for a
    /// request. Grafana does not accept compressed requests:
    /// [`DashboardPublisher::new`](crate::DashboardPublisher::new) returns an error if `transport` sets a
    /// compression.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport.or(self.transport);
        self
    }

    /// Sets the delay before the second attempt of a request that failed temporarily. The delay before the third and
    /// last attempt is twice as long. The default is 1 s. A longer `Retry-After` takes precedence, up to 10 s.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Duration) -> Self {
        self.backoff = backoff;
        self
    }

    /// Returns the address of Grafana.
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// Returns the title of the folder in which dashboards are created.
    pub fn folder(&self) -> Option<&str> {
        self.folder.as_deref()
    }
}

impl fmt::Debug for PublishConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublishConfig")
            .field("url", &format_args!("{}", url::shown(&self.url.to_string())))
            .field("token", &self.token)
            .field("folder", &self.folder)
            .field("transport", &self.transport)
            .field("backoff", &self.backoff)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use meterkit_settings::{Environment, SettingsError};

    use super::*;
    use crate::{Compression, DashboardPublisher};

    const URL: &str = "GRAFANA_URL";
    const TOKEN: &str = "GRAFANA_SERVICE_ACCOUNT_TOKEN";
    const FOLDER: &str = "GRAFANA_FOLDER";

    fn read(variables: &[(&str, &str)]) -> Result<Option<PublishConfig>, SettingsError> {
        Environment::of(variables.iter().copied()).read(PublishConfig::read)
    }

    #[test]
    fn nothing_is_published_unless_a_variable_asks_for_it() {
        for variables in [&[][..], &[(URL, ""), (TOKEN, " ")], &[(FOLDER, "Services")]] {
            assert!(matches!(read(variables), Ok(None)), "{variables:?}");
        }
    }

    #[test]
    fn variables_say_where_and_as_whom() {
        for (folder, title) in
            [("", None), (" Our services ", Some("Our services")), ("general", None)]
        {
            let url = (URL, " https://example.com/grafana/ ");
            let config = read(&[url, (TOKEN, "glsa_1\n"), (FOLDER, folder)]);
            let config = config.expect("good variables").expect("they are set");
            assert_eq!(config.url().to_string(), "https://example.com/grafana/");
            assert_eq!(config.token.expose(), "glsa_1");
            assert_eq!(config.folder(), title);
        }
    }

    #[test]
    fn each_problem_names_its_variable_and_quotes_no_secret() {
        for (url, token, texts) in [
            (
                "https://g",
                "",
                &["GRAFANA_SERVICE_ACCOUNT_TOKEN: is not set, but GRAFANA_URL is"][..],
            ),
            ("", "hunter2", &["GRAFANA_URL: is not set, but GRAFANA_SERVICE_ACCOUNT_TOKEN is"]),
            ("g:3000", "hunter2", &["GRAFANA_URL=`g:3000`: has no scheme"]),
            (
                "http://me:hunter2@g",
                "Bearer hunter2",
                &[
                    "GRAFANA_URL=`http://...`: holds cred",
                    "GRAFANA_SERVICE_ACCOUNT_TOKEN: contains w",
                ],
            ),
            ("http://g/?orgId=1", "hunter2", &["GRAFANA_URL=`http://g/?...`: has a query"]),
        ] {
            let problems = read(&[(URL, url), (TOKEN, token)]).expect_err("problems");
            assert_eq!(problems.problems().len(), texts.len(), "{problems:?}");
            for (problem, start) in problems.problems().iter().zip(texts) {
                let text = problem.to_string();
                assert!(text.starts_with(start), "{text}");
                assert!(!format!("{text}{problem:?}").contains("hunter2"), "{problem:?}");
            }
        }
        let error = PublishConfig::new("http://me:hunter2@g", Secret::new("hunter2"));
        let text = error.expect_err("credentials").to_string();
        assert_eq!(
            text,
            "URL `http://...` holds credentials; pass the token of a service account instead"
        );
    }

    #[test]
    fn dashboards_are_published_through_the_conventional_proxies() {
        let proxy = ("HTTPS_PROXY", "http://proxy:3128");
        let config = read(&[(URL, "https://grafana.test"), (TOKEN, "glsa_1"), proxy]);
        let config = config.expect("good variables").expect("they are set");
        let used = config.transport.proxies().and_then(|proxies| proxies.of(config.url()));
        assert_eq!(used.map(|proxy| proxy.to_string()).as_deref(), Some("http://proxy:3128"));
    }

    #[test]
    fn a_compression_is_an_error() {
        let config = PublishConfig::new("http://g", Secret::new("a")).expect("a URL");
        let with = |compression| {
            let transport = Transport::default().with_compression(compression);
            DashboardPublisher::new(config.clone().with_transport(transport))
        };
        let error = with(Compression::Gzip).expect_err("not supported").to_string();
        assert!(error.contains("Grafana does not accept compressed requests"), "{error}");
        assert!(with(Compression::None).is_ok());
    }

    #[test]
    fn the_token_is_not_in_debug() {
        let config = PublishConfig::new("http://g", Secret::new("hunter2")).expect("a URL");
        let text = format!("{config:?}");
        assert!(text.contains("http://g") && !text.contains("hunter2"), "{text}");
    }
}
