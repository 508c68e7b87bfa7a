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

/// How many connections the system keeps for us until they are accepted, if it allows as many.
const BACKLOG: i32 = 4096;

/// How long scrapes that are being answered may go on after the stop.
const GRACE: Duration = Duration::from_secs(1);

/// The scrape endpoint of Prometheus: serves `/metrics` over HTTP, and at `/` a [page](LivePage) for browsers.
///
/// Listens on `localhost:9464` by default. Answers `GET` and `HEAD` on its paths, 404 elsewhere and 405 to other methods.
/// Slow senders, slow receivers and idle connections are cut off, and no more than a set number of connections is served
/// at a time. When all places are taken, a new connection gets that of one that waits for its client.
///
/// On `localhost` it answers only requests for that host, so that no page in a browser can read metrics through a name
/// that resolves to it (DNS rebinding).
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
    /// An endpoint on `localhost:9464`.
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

    /// Sets the host name or address to listen on. `localhost` by default; set `0.0.0.0` to be scraped from other machines.
    /// `OTEL_EXPORTER_PROMETHEUS_HOST` overrides.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// The port. 9464 by default; 0 lets the system choose, and the line that is logged at start tells which.
    /// `OTEL_EXPORTER_PROMETHEUS_PORT` overrides.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the path of the metrics. `/metrics` by default; `METERKIT_PROMETHEUS_PATH` sets it.
    /// [`bind`](Self::bind) fails if it is not the path of a URL.
    #[must_use]
    pub fn path(mut self, path: impl Into<String>) -> Self {
        let path = path.into();
        self.path = path::parse(&path).map_err(|problem| format!("`{path}` {problem}"));
        self
    }

    /// Sets how names become those of Prometheus; see [`ExpositionOptions::translation`].
    /// `METERKIT_PROMETHEUS_TRANSLATION` overrides.
    #[must_use]
    pub fn translation(mut self, translation: Translation) -> Self {
        self.options = self.options.translation(translation);
        self
    }

    /// Sets names and labels, in place of those that were set before.
    #[must_use]
    pub fn options(mut self, options: ExpositionOptions) -> Self {
        self.options = options;
        self
    }

    /// Returns which names and labels metrics have.
    pub fn exposition_options(&self) -> &ExpositionOptions {
        &self.options
    }

    /// Sets whether `/` is a [page](LivePage) that shows the metrics in a browser. It is by default;
    /// `METERKIT_PROMETHEUS_PAGE` sets it.
    ///
    /// The same data as JSON is beside the metrics, at `/metrics.json`. Whoever may scrape sees both: they have the same
    /// credentials, hosts, networks and TLS. Beside the metrics, both show the [health](meterkit_pipeline::Health) of
    /// all targets: where these are, and what their last errors say.
    ///
    /// ```
    /// let server = meterkit_prometheus::PrometheusServer::new().page(false);
    /// ```
    #[must_use]
    pub fn page(mut self, is_served: bool) -> Self {
        self.has_page = is_served;
        self
    }

    /// Sets how many connections are served at a time, those that are idle between requests included. 64 by default, and
    /// at least 1.
    ///
    /// Beyond that, a connection that waits for its client gives way: the one that has been idle the longest, or a client
    /// that takes its answer slowly. As many connections again, and at least 128, may wait for their first request or a
    /// TLS handshake. Both together bound the file descriptors that the endpoint takes.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// Sets how long a client may take for the head of a request. 5 s by default.
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

    /// Sets how long a client may take nothing of an answer. 10 s by default, after which it is cut off.
    #[must_use]
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.patience.write = timeout;
        self
    }

    /// Requires this name and password from scrapers, in place of other credentials: HTTP Basic authentication. No
    /// credentials are required by default. `METERKIT_PROMETHEUS_USERNAME` and `METERKIT_PROMETHEUS_PASSWORD` set it.
    ///
    /// A request without them gets 401. Without TLS, anyone who sees the traffic can read both; on an address that other
    /// machines reach, a warning is logged at the start.
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

    /// Requires this token from scrapers, in place of other credentials: `Authorization: Bearer <token>`. No credentials
    /// are required by default. `METERKIT_PROMETHEUS_BEARER_TOKEN` sets it. The warnings about
    /// [name and password](Self::basic_auth) apply to it too.
    #[must_use]
    pub fn bearer_token(mut self, token: impl Into<String>) -> Self {
        self.credentials = Some(Credentials::Bearer { token: token.into(), file: None });
        self
    }

    /// Serves HTTPS with this certificate, and HTTP no more. HTTP by default; `METERKIT_PROMETHEUS_TLS_CERTIFICATE`,
    /// `METERKIT_PROMETHEUS_TLS_KEY` and `METERKIT_PROMETHEUS_TLS_CLIENT_CA` set it. Needs the feature `tls`:
    /// without it, [`bind`](Self::bind) fails.
    ///
    /// A handshake counts as a part of the first request: both together have the
    /// [header timeout](Self::header_timeout).
    #[must_use]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Serves requests for these host names and addresses too. `METERKIT_PROMETHEUS_ALLOWED_HOSTS` sets them.
    ///
    /// An endpoint on loopback serves `localhost`, loopback addresses and the [host](Self::host) that it listens on,
    /// whatever the port; it refuses requests with another `Host`. One that other machines reach serves every host by
    /// default, and with this only the ones named here and those of loopback.
    #[must_use]
    pub fn allowed_hosts(mut self, hosts: impl IntoIterator<Item: Into<String>>) -> Self {
        self.allowed_hosts = Some(hosts::parse(&list(hosts)));
        self
    }

    /// Accepts connections only from these networks, such as `10.0.0.0/8`, and addresses. From everywhere by default.
    /// `METERKIT_PROMETHEUS_ALLOWED_NETWORKS` sets them.
    ///
    /// Other connections are closed at once. Loopback is allowed only if it is named, as in `127.0.0.0/8` and `::1`.
    #[must_use]
    pub fn allowed_networks(mut self, networks: impl IntoIterator<Item: Into<String>>) -> Self {
        self.allowed_networks = Some(Networks::parse(&list(networks)));
        self
    }

    /// Takes credentials, TLS, allowed hosts and networks from `protection`, each unless it was set before.
    #[must_use]
    pub fn protection(mut self, protection: Protection) -> Self {
        self.credentials = self.credentials.or(protection.credentials);
        self.tls = self.tls.or(protection.tls);
        self.allowed_hosts = self.allowed_hosts.or_else(|| protection.allowed_hosts.map(Ok));
        self.allowed_networks =
            self.allowed_networks.or_else(|| protection.allowed_networks.map(Ok));
        self
    }

    /// Takes the port, so that a port in use is an error now and not a log line later.
    ///
    /// # Errors
    ///
    /// Returns an error if the host does not resolve, the port is in use or not allowed, no request could carry the
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
            // The standard library asks for 128.
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
                        "credentials of scrapers go over the wire in clear text: the endpoint at {address} has no TLS"
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

/// An endpoint that has its port and waits to be served.
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
    /// Returns the address it listens on, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns which names and labels metrics have.
    pub fn exposition_options(&self) -> &ExpositionOptions {
        &self.options
    }

    /// Returns where the metrics are: `http://127.0.0.1:9464/metrics`.
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

    /// Returns whether credentials may pass other machines as they are.
    fn is_overheard(&self) -> bool {
        let is_reached = !self.address.ip().to_canonical().is_loopback();
        is_reached && self.guard.is_some() && self.encryption.is_none()
    }

    /// Serves scrapes from `source` until `stop`. Runs on a tokio runtime with I/O and time.
    pub async fn serve(self, source: Source, mut stop: Stop) {
        let url = self.url();
        // First of all: what goes wrong from here on is the endpoint's.
        let endpoint = endpoint(&source, &url);
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                return endpoint.failed(format!("it could not be served: {error}"));
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
                    // A request that came with the connection is read before the next one may take its place.
                    yield_now().await;
                }
            }
        };
        drop(acceptor);
        let end = Instant::from_std(deadline).min(Instant::now() + GRACE);
        // Connections that are not done by then are cut off.
        let _ = timeout_at(end, graceful.shutdown()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(server: PrometheusServer, ip: &str) -> BoundServer {
        let bound = server.host("127.0.0.1").port(0).bind().unwrap();
        // Nothing listens where others could come by.
        BoundServer { address: SocketAddr::new(ip.parse().unwrap(), 9464), ..bound }
    }

    #[test]
    fn credentials_without_tls_are_overheard_unless_they_stay_on_the_machine() {
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
            assert!(!bound(server.clone(), ip).is_overheard(), "nobody is asked at {ip}");
            assert_eq!(bound(server.bearer_token("s3cret"), ip).is_overheard(), is_reached, "{ip}");
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn credentials_with_tls_are_not_overheard() {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let tls = ServerTls::new(issued.cert.pem(), issued.signing_key.serialize_pem());
        let server = PrometheusServer::new().bearer_token("s3cret").tls(tls);
        assert!(!bound(server, "10.0.0.1").is_overheard());
    }
}
