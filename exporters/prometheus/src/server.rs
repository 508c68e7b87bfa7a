//! The scrape endpoint: a small HTTP server on the pipeline's runtime.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use meterkit_pipeline::{Source, Stop};
use meterkit_rules::prometheus_name::Translation;
use meterkit_settings::warn_at_start;
use socket2::SockRef;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use crate::bind_error::BindError;
use crate::connection::Patience;
use crate::credentials::{Credentials, Guard};
use crate::hosts::{self, Hosts};
use crate::networks::Networks;
use crate::options::ExpositionOptions;
use crate::page::LivePage;
use crate::path;
use crate::places::Places;
use crate::protection::Protection;
use crate::scrape::{Scrape, endpoint};
use crate::serving::{Acceptor, Site, serve_connection};
use crate::tls::{Encryption, ServerTls};

/// Length of the operating system's queue of connections that wait to be accepted. The system may cap it.
const BACKLOG: i32 = 4096;

/// How long responses in progress may continue after the stop.
const GRACE: Duration = Duration::from_secs(1);

/// The Prometheus scrape endpoint: serves `/metrics` over HTTP, and a [page](LivePage) for browsers at `/`.
///
/// The endpoint listens on `localhost:9464` by default. It answers `GET` and `HEAD` on its paths, and responds with 404
/// to other paths and 405 to other methods. Connections of slow senders and slow receivers and idle connections are
/// closed after a timeout, and the number of concurrent connections is limited. When the limit is reached, a new
/// connection replaces one that waits for its client.
///
/// On `localhost` the endpoint answers only requests for that host, so that no web page in a browser can read metrics
/// through a host name that resolves to loopback (DNS rebinding).
#[derive(Clone, Debug)]
pub struct PrometheusServer {
    host: String,
    port: u16,
    path: Result<String, String>,
    options: ExpositionOptions,
    has_page: bool,
    connections: usize,
    patience: Patience,
    credentials: Option<Credentials>,
    tls: Option<ServerTls>,
    allowed_hosts: Option<Result<Vec<String>, String>>,
    allowed_networks: Option<Result<Networks, String>>,
}

impl PrometheusServer {
    /// Creates an endpoint on `localhost:9464`.
    pub fn new() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 9464,
            path: Ok("/metrics".to_owned()),
            options: ExpositionOptions::new(),
            has_page: true,
            connections: 64,
            patience: Patience {
                header: Duration::from_secs(5),
                idle: Duration::from_secs(75),
                write: Duration::from_secs(10),
            },
            credentials: None,
            tls: None,
            allowed_hosts: None,
            allowed_networks: None,
        }
    }

    /// Sets the host name or address to listen on. `localhost` by default; set `0.0.0.0` so that other machines can
    /// scrape. `OTEL_EXPORTER_PROMETHEUS_HOST` overrides this setting.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// Sets the port. 9464 by default. With 0 the operating system chooses a free port, which is logged at startup.
    /// `OTEL_EXPORTER_PROMETHEUS_PORT` overrides this setting.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the path of the metrics. `/metrics` by default; `METERKIT_PROMETHEUS_PATH` sets it.
    /// [`bind`](Self::bind) fails if `path` is not a URL path.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.path = path::parse(&path).map_err(|problem| format!("`{path}` {problem}"));
        self
    }

    /// Sets how OpenTelemetry names are translated to Prometheus names; see [`ExpositionOptions::translation`].
    /// `METERKIT_PROMETHEUS_TRANSLATION` overrides this setting.
    #[must_use]
    pub fn translation(mut self, translation: Translation) -> Self {
        self.options = self.options.translation(translation);
        self
    }

    /// Sets which metrics, names and labels a scrape has. Replaces all options that were set before.
    #[must_use]
    pub fn options(mut self, options: ExpositionOptions) -> Self {
        self.options = options;
        self
    }

    /// Returns the options that determine which metrics, names and labels a scrape has.
    pub fn exposition_options(&self) -> &ExpositionOptions {
        &self.options
    }

    /// Sets whether `/` serves a [page](LivePage) that shows the metrics in a browser. Enabled by default;
    /// `METERKIT_PROMETHEUS_PAGE` sets it.
    ///
    /// The page also serves its data as JSON, at `/metrics.json` beside `/metrics`. The same credentials, hosts,
    /// networks and TLS settings as for scrapes protect both. In addition to the metrics, both show the
    /// [health](meterkit_pipeline::Health) of all targets, including their addresses and last errors.
    ///
    /// ```
    /// let server = meterkit_prometheus::PrometheusServer::new().page(false);
    /// ```
    #[must_use]
    pub fn page(mut self, is_served: bool) -> Self {
        self.has_page = is_served;
        self
    }

    /// Sets the maximum number of served connections, including those that are idle between requests. 64 by default,
    /// and at least 1.
    ///
    /// When the limit is reached, a new connection replaces one that waits for its client: the one that has been idle
    /// the longest, or one whose client reads its response slowly. In addition, as many connections again, but at least
    /// 128, may wait for their first request or TLS handshake. The two limits together bound the number of file
    /// descriptors that the endpoint uses.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Sets how long a client may take to send the head of a request. 5 s by default.
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.patience.header = timeout;
        self
    }

    /// Sets how long a connection may be idle between requests. 75 s by default, more than most scrape intervals.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.patience.idle = timeout;
        self
    }

    /// Sets how long a client may stop reading a response before the connection is closed. 10 s by default.
    #[must_use]
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.patience.write = timeout;
        self
    }

    /// Requires this user name and password from scrapers (HTTP Basic authentication). Replaces other credentials. No
    /// credentials are required by default. `METERKIT_PROMETHEUS_USERNAME` and `METERKIT_PROMETHEUS_PASSWORD` set them.
    ///
    /// A request without these credentials gets 401. Without TLS, anyone who can observe the traffic can read them; if
    /// other machines can reach the address, a warning is logged at startup.
    ///
    /// ```
    /// use meterkit_prometheus::PrometheusServer;
    ///
    /// let server = PrometheusServer::new().basic_auth("prometheus", "hunter2");
    /// assert!(!format!("{server:?}").contains("hunter2"));
    /// ```
    #[must_use]
    pub fn basic_auth(mut self, username: impl Into<String>, password: impl Into<String>) -> Self {
        let (username, password) = (username.into(), password.into());
        self.credentials = Some(Credentials::Basic { username, password, file: None });
        self
    }

    /// Requires this token from scrapers (`Authorization: Bearer <token>`). Replaces other credentials. No credentials
    /// are required by default. `METERKIT_PROMETHEUS_BEARER_TOKEN` sets the token. The notes on
    /// [user name and password](Self::basic_auth) apply to the token too.
    #[must_use]
    pub fn bearer_token(mut self, token: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::Bearer { token: token.into(), file: None });
        self
    }

    /// Serves HTTPS with this certificate instead of HTTP. HTTP by default; `METERKIT_PROMETHEUS_TLS_CERTIFICATE`,
    /// `METERKIT_PROMETHEUS_TLS_KEY` and `METERKIT_PROMETHEUS_TLS_CLIENT_CA` set it. Requires the feature `tls`:
    /// without it, [`bind`](Self::bind) fails.
    ///
    /// The handshake counts as part of the first request: the [header timeout](Self::header_timeout) limits both
    /// together.
    #[must_use]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sets further host names and addresses that requests may be addressed to. `METERKIT_PROMETHEUS_ALLOWED_HOSTS`
    /// sets them.
    ///
    /// An endpoint on loopback serves `localhost`, loopback addresses and the [host](Self::host) that it listens on,
    /// with any port, and refuses requests with another `Host`. An endpoint that other machines can reach serves every
    /// host by default. If allowed hosts are set, it serves only these, loopback, and the host and address that it
    /// listens on.
    #[must_use]
    pub fn allowed_hosts(mut self, hosts: impl IntoIterator<Item: Into<String>>) -> Self {
        self.allowed_hosts = Some(hosts::parse(&list(hosts)));
        self
    }

    /// Accepts connections only from these networks, such as `10.0.0.0/8`, and single addresses. All networks by
    /// default. `METERKIT_PROMETHEUS_ALLOWED_NETWORKS` sets them.
    ///
    /// Other connections are closed at once. Include `127.0.0.0/8` and `::1` to allow loopback.
    #[must_use]
    pub fn allowed_networks(mut self, networks: impl IntoIterator<Item: Into<String>>) -> Self {
        self.allowed_networks = Some(Networks::parse(&list(networks)));
        self
    }

    /// Takes credentials, TLS, allowed hosts and allowed networks from `protection`, except those that are already set.
    #[must_use]
    pub fn protection(mut self, protection: Protection) -> Self {
        self.credentials = self.credentials.or(protection.credentials);
        self.tls = self.tls.or(protection.tls);
        self.allowed_hosts = self.allowed_hosts.or_else(|| protection.allowed_hosts.map(Ok));
        self.allowed_networks =
            self.allowed_networks.or_else(|| protection.allowed_networks.map(Ok));
        self
    }

    /// Opens the port, so that a port in use is an error at startup rather than a log line later.
    ///
    /// # Errors
    ///
    /// Returns an error if the host does not resolve, the port is in use or not permitted, no request could carry the
    /// credentials, the certificate or the key cannot be read or used, TLS is not compiled in, or the path, an allowed
    /// host or an allowed network is malformed.
    pub fn bind(self) -> Result<BoundServer, BindError> {
        let guard = self.credentials.as_ref().map(Credentials::guard).transpose()?;
        let encryption = self.tls.map(Encryption::new).transpose()?;
        let wrong = |what| move |reason| BindError::wrong(what, reason);
        let path = self.path.map_err(wrong("path"))?;
        let hosts = self.allowed_hosts.transpose().map_err(wrong("allowed hosts"))?;
        let networks = self.allowed_networks.transpose().map_err(wrong("allowed networks"))?;
        let bound = TcpListener::bind((&*self.host, self.port)).and_then(|listener| {
            listener.set_nonblocking(true)?;
            // Longer than the standard library's 128.
            SockRef::from(&listener).listen(BACKLOG)?;
            Ok((listener.local_addr()?, listener))
        });
        match bound {
            Ok((address, listener)) => {
                let Self { options, has_page, connections, patience, .. } = self;
                let bound = BoundServer {
                    hosts: Hosts::new(&self.host, address.ip(), &hosts.unwrap_or_default()),
                    networks: networks.unwrap_or_default(),
                    listener,
                    address,
                    path,
                    options,
                    has_page,
                    connections,
                    patience,
                    guard,
                    encryption,
                };
                if bound.is_overheard() {
                    warn_at_start!(
                        "scrapers send their credentials in clear text: the endpoint at {address} has no TLS; set \
                         METERKIT_PROMETHEUS_TLS_CERTIFICATE and METERKIT_PROMETHEUS_TLS_KEY"
                    );
                }
                Ok(bound)
            }
            Err(source) => Err(BindError::listen(self.host, self.port, source)),
        }
    }
}

impl Default for PrometheusServer {
    fn default() -> Self {
        Self::new()
    }
}

fn list(items: impl IntoIterator<Item: Into<String>>) -> String {
    items.into_iter().map(Into::into).collect::<Vec<_>>().join(",")
}

/// An endpoint whose port is open, but which does not answer requests until [`serve`](Self::serve) is called.
#[derive(Debug)]
pub struct BoundServer {
    listener: TcpListener,
    address: SocketAddr,
    path: String,
    options: ExpositionOptions,
    has_page: bool,
    connections: usize,
    patience: Patience,
    guard: Option<Guard>,
    encryption: Option<Encryption>,
    hosts: Hosts,
    networks: Networks,
}

impl BoundServer {
    /// Returns the address that the endpoint listens on. For port 0, it contains the port that the system chose.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the options that determine which metrics, names and labels a scrape has.
    pub fn exposition_options(&self) -> &ExpositionOptions {
        &self.options
    }

    /// Returns the URL of the metrics, such as `http://127.0.0.1:9464/metrics`.
    pub fn url(&self) -> String {
        let scheme = if self.is_encrypted() { "https" } else { "http" };
        format!("{scheme}://{}{}", self.address, self.path)
    }

    pub(crate) fn is_encrypted(&self) -> bool {
        self.encryption.is_some()
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Returns whether credentials may cross the network unencrypted.
    fn is_overheard(&self) -> bool {
        let is_reached = !self.address.ip().to_canonical().is_loopback();
        is_reached && self.guard.is_some() && self.encryption.is_none()
    }

    /// Serves scrapes from `source` until `stop`. Must run on a tokio runtime with I/O and time enabled.
    pub async fn serve(self, source: Source, mut stop: Stop) {
        let url = self.url();
        // Created first, so that failures from here on appear in the endpoint's health.
        let endpoint = endpoint(&source, &url);
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                return endpoint.failed(format!("the endpoint could not be served: {error}"));
            }
        };
        let page = LivePage::new(source.clone()).options(self.options.clone());
        let page = self.has_page.then_some(page);
        let scrape = Scrape::at(source, &url).options(self.options);
        let path = self.path.into();
        let site = Site { scrape, page, path, guard: self.guard, hosts: self.hosts };
        let places = Places::new(self.connections);
        let acceptor = Acceptor { listener, networks: self.networks, places };
        let graceful = GracefulShutdown::new();
        let deadline = loop {
            tokio::select! {
                deadline = stop.requested() => break deadline,
                (stream, accepted) = acceptor.next(&endpoint) => {
                    let patience = self.patience;
                    match &self.encryption {
                        None => serve_connection(stream, accepted, &site, patience, &graceful),
                        Some(encryption) => {
                            let stream = encryption.encrypt(stream);
                            serve_connection(stream, accepted, &site, patience, &graceful);
                        }
                    }
                    // Let the new task read a request that is already there, before the next connection may replace it.
                    yield_now().await;
                }
            }
        };
        drop(acceptor);
        let end = Instant::from_std(deadline).min(Instant::now() + GRACE);
        // Connections that have not finished by then are closed.
        let _ = timeout_at(end, graceful.shutdown()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(server: PrometheusServer, ip: &str) -> BoundServer {
        let bound = server.host("127.0.0.1").port(0).bind().unwrap();
        // Only the recorded address is changed: the test does not listen on an address that other machines can reach.
        BoundServer { address: SocketAddr::new(ip.parse().unwrap(), 9464), ..bound }
    }

    #[test]
    fn credentials_without_tls_can_be_overheard_unless_they_stay_on_the_machine() {
        for (ip, is_reached) in [
            ("127.0.0.1", false),
            ("127.9.9.9", false),
            ("::1", false),
            ("::ffff:127.0.0.1", false),
            ("0.0.0.0", true),
            ("::", true),
            ("10.0.0.1", true),
            ("fe80::1", true),
        ] {
            let server = PrometheusServer::new();
            assert!(
                !bound(server.clone(), ip).is_overheard(),
                "no credentials are required at {ip}"
            );
            assert_eq!(bound(server.bearer_token("s3cret"), ip).is_overheard(), is_reached, "{ip}");
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn credentials_with_tls_cannot_be_overheard() {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let tls = ServerTls::new(issued.cert.pem(), issued.signing_key.serialize_pem());
        let server = PrometheusServer::new().bearer_token("s3cret").tls(tls);
        assert!(!bound(server, "10.0.0.1").is_overheard());
    }
}
