//! Where dashboards are published, and as whom.

use std::fmt;
use std::time::Duration;

use http::Uri;
use meterkit_http::url::{self, UrlHints};
use meterkit_http::{Transport, TransportHints};

use crate::config::TIMEOUT;
use crate::{Secret, UrlError};

/// The settings of a publisher of dashboards. `Debug` shows no credentials.
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
    /// Publishes to the Grafana at `url`, with the path that it is served under, if there is one:
    /// `https://example.com/grafana`. The token is that of a service account with the role Editor, or with the right to
    /// create and write dashboards and folders.
    ///
    /// Nothing is taken from the environment.
    ///
    /// # Errors
    ///
    /// When nothing can be sent to `url`: what is wrong with it, and what to write. No password is quoted.
    pub fn new(url: &str, token: Secret) -> Result<Self, UrlError> {
        let uri = Self::read_url(url, "give the token of a service account instead");
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

    /// Checks the address of a Grafana. `credentials` says what to do about those in it.
    pub(crate) fn read_url(text: &str, credentials: &str) -> Result<Uri, String> {
        let example = "https://grafana.example.com";
        let url = url::parse(text, &UrlHints { example, credentials, path: None })?;
        // People copy the address of a page.
        match url.query() {
            None => Ok(url),
            Some(_) => {
                Err(format!("has a query; write the address of Grafana alone, as `{example}`"))
            }
        }
    }

    /// Creates dashboards in the folder with this title, which is created too if there is none. In no folder by
    /// default, which Grafana calls General or Dashboards; `GRAFANA_FOLDER` overrides.
    ///
    /// A dashboard that exists stays in the folder where it is: people move them.
    #[must_use]
    pub fn with_folder(mut self, title: impl Into<String>) -> Self {
        let title = title.into();
        // The name that Grafana itself has for no folder, and lets no folder have.
        let is_none = title.is_empty() || title.eq_ignore_ascii_case("General");
        self.folder = (!is_none).then_some(title);
        self
    }

    /// Sets proxies, certificates and timeout. What `transport` leaves unset stays as it is.
    ///
    /// The defaults are no proxies, the system's certificate authorities, no client certificate, and 10 s for a
    /// request. Grafana takes no compressed requests; a `transport` that sets a compression is an error.
    #[must_use]
    pub fn with_transport(mut self, transport: Transport) -> Self {
        self.transport = transport.or(self.transport);
        self
    }

    /// How long to wait after a first request that failed for a while; after a second, it is twice as long, and there
    /// is no fourth. 1 s by default. A `Retry-After` of up to 10 s counts if it is longer.
    #[must_use]
    pub fn with_backoff(mut self, backoff: Duration) -> Self {
        self.backoff = backoff;
        self
    }

    /// The address of Grafana.
    pub fn url(&self) -> &Uri {
        &self.url
    }

    /// The title of the folder that dashboards are created in.
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
                &["GRAFANA_URL=`http://...`: holds cred", "GRAFANA_SERVICE_ACCOUNT_TOKEN: holds w"],
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
            "URL `http://...` holds credentials; give the token of a service account instead"
        );
    }

    #[test]
    fn dashboards_go_through_the_proxies_of_everyone() {
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
        let error = with(Compression::Gzip).expect_err("Grafana takes none").to_string();
        assert!(error.contains("Grafana takes no compressed requests"), "{error}");
        assert!(with(Compression::None).is_ok());
    }

    #[test]
    fn the_token_is_not_in_debug() {
        let config = PublishConfig::new("http://g", Secret::new("hunter2")).expect("a URL");
        let text = format!("{config:?}");
        assert!(text.contains("http://g") && !text.contains("hunter2"), "{text}");
    }
}
