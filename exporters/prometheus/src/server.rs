//! The scrape endpoint: a small HTTP server on the pipeline's runtime.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use meterkit_core::prometheus_name::Translation;
use meterkit_pipeline::{Source, Stop};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout_at};

use crate::connection::{Patience, Progress, TrackedStream};
use crate::scrape::{Scrape, plain};

/// Where metrics are served.
const PATH: &str = "/metrics";

/// The most that a request's head may take.
const HEAD_BYTES: usize = 16 * 1024;

/// How long scrapes that are being answered may go on after the stop.
const GRACE: Duration = Duration::from_secs(1);

/// The scrape endpoint of Prometheus: serves `/metrics` over HTTP.
///
/// Listens on `localhost:9464` by default. Answers `GET` and `HEAD` on `/metrics`, 404 elsewhere and 405 to other
/// methods. Slow senders, slow receivers and idle connections are cut off, and no more than a set number of
/// connections is served at a time.
#[derive(Clone, Debug)]
pub struct PrometheusServer {
    host: String,
    port: u16,
    translation: Translation,
    connections: usize,
    patience: Patience,
}

impl PrometheusServer {
    /// An endpoint on `localhost:9464`.
    pub fn new() -> Self {
        Self {
            host: "localhost".to_owned(),
            port: 9464,
            translation: Translation::default(),
            connections: 64,
            patience: Patience {
                header: Duration::from_secs(5),
                idle: Duration::from_secs(75),
                write: Duration::from_secs(10),
            },
        }
    }

    /// The host name or address to listen on. `localhost` by default: whoever wants to be scraped from another machine
    /// says so. `OTEL_EXPORTER_PROMETHEUS_HOST` overrides.
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

    /// How names become those of Prometheus. [`Translation::UnderscoreEscapingWithSuffixes`] by default;
    /// `METERKIT_PROMETHEUS_TRANSLATION` overrides.
    ///
    /// [`Translation::NoUtf8EscapingWithSuffixes`] and [`Translation::NoTranslation`] leave characters that Prometheus
    /// knows since its version 3. Scrapers that do not ask for them get the same names with `_` in their places.
    #[must_use]
    pub fn translation(mut self, translation: Translation) -> Self {
        self.translation = translation;
        self
    }

    /// How many connections are served at a time; further ones wait. 64 by default.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.connections = connections.max(1);
        self
    }

    /// How long a client may take for the head of a request. 5 s by default.
    #[must_use]
    pub fn header_timeout(mut self, timeout: Duration) -> Self {
        self.patience.header = timeout;
        self
    }

    /// How long a connection may be idle between requests. 75 s by default, more than most scrape intervals.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.patience.idle = timeout;
        self
    }

    /// How long a client may take nothing of an answer. 10 s by default, after which it is cut off.
    #[must_use]
    pub fn write_timeout(mut self, timeout: Duration) -> Self {
        self.patience.write = timeout;
        self
    }

    /// Takes the port, so that a port in use is an error now and not a log line later.
    ///
    /// # Errors
    ///
    /// The host does not resolve, or the port is in use or not allowed.
    pub fn bind(self) -> Result<BoundServer, BindError> {
        let bound = TcpListener::bind((&*self.host, self.port)).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        });
        match bound {
            Ok((address, listener)) => Ok(BoundServer { listener, address, config: self }),
            Err(source) => Err(BindError { host: self.host, port: self.port, source }),
        }
    }
}

impl Default for PrometheusServer {
    fn default() -> Self {
        Self::new()
    }
}

/// Why the endpoint could not be opened.
#[derive(Debug)]
pub struct BindError {
    host: String,
    port: u16,
    source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, source } = self;
        write!(f, "prometheus cannot listen on {host}:{port}: {source}; ")?;
        match source.kind() {
            io::ErrorKind::AddrInUse => {
                f.write_str("set OTEL_EXPORTER_PROMETHEUS_PORT to a free port, or to 0 for any")
            }
            io::ErrorKind::PermissionDenied => {
                f.write_str("set OTEL_EXPORTER_PROMETHEUS_PORT to a port above 1023")
            }
            _ => f.write_str("set OTEL_EXPORTER_PROMETHEUS_HOST to an address of this machine"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// An endpoint that has its port and waits to be served.
#[derive(Debug)]
pub struct BoundServer {
    listener: TcpListener,
    address: SocketAddr,
    config: PrometheusServer,
}

impl BoundServer {
    /// The address it listens on, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How names become those of Prometheus.
    pub fn translation(&self) -> Translation {
        self.config.translation
    }

    /// Serves scrapes from `source` until `stop`. Runs on a tokio runtime with I/O and time.
    pub async fn serve(self, source: Source, mut stop: Stop) {
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "prometheus endpoint could not be served");
                return;
            }
        };
        let scrape = Scrape::at(source, self.address).translation(self.config.translation);
        let room = Arc::new(Semaphore::new(self.config.connections));
        let graceful = GracefulShutdown::new();
        let deadline = loop {
            tokio::select! {
                deadline = stop.requested() => break deadline,
                (stream, permit) = accept(&listener, &room) => {
                    serve_connection(stream, permit, &scrape, self.config.patience, &graceful);
                }
            }
        };
        drop(listener);
        let end = Instant::from_std(deadline).min(Instant::now() + GRACE);
        // Who is not done by then is cut off.
        let _ = timeout_at(end, graceful.shutdown()).await;
    }
}

/// The next connection, once there is room for it.
async fn accept(
    listener: &tokio::net::TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, Option<OwnedSemaphorePermit>) {
    // Never closed, so there always is a permit in the end.
    let permit = room.clone().acquire_owned().await.ok();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) => {
                // Out of file descriptors, most likely: others will be closed.
                tracing::debug!(%error, "prometheus endpoint could not accept a connection");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

fn serve_connection(
    stream: TcpStream,
    permit: Option<OwnedSemaphorePermit>,
    scrape: &Scrape,
    patience: Patience,
    graceful: &GracefulShutdown,
) {
    let progress = Progress::new();
    let io = TokioIo::new(TrackedStream::new(stream, progress.clone()));
    let scrape = scrape.clone();
    let track = progress.clone();
    let service = service_fn(move |request| {
        let (scrape, track) = (scrape.clone(), track.clone());
        async move {
            track.request_came();
            let response = answer(&scrape, &request).await;
            track.answer_made();
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .header_read_timeout(None)
        .serve_connection(io, service);
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        tokio::select! {
            // The connection first: then the other branch sees what it did.
            biased;
            ended = connection => if let Err(error) = ended {
                tracing::trace!(%error, "scrape connection ended");
            },
            () = progress.ends(patience) => {
                tracing::trace!("scrape connection cut off: the client takes too long");
            }
        }
        drop(permit);
    });
}

async fn answer(scrape: &Scrape, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    if request.uri().path() == PATH {
        scrape.answer(request.method(), request.headers()).await
    } else {
        plain(StatusCode::NOT_FOUND, "metrics are served at /metrics\n")
    }
}
