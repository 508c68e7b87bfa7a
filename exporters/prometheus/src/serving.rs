//! The connections of the scrape endpoint: accepting them, and routing their requests.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Once};
use std::time::Duration;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use meterkit_pipeline::{Endpoint, spawn};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::body::ScrapeBody;
use crate::connection::{Patience, Progress, TrackedBody, TrackedStream};
use crate::credentials::Guard;
use crate::hosts::Hosts;
use crate::networks::Networks;
use crate::page::LivePage;
use crate::places::{Place, Places};
use crate::scrape::{Scrape, plain, scrape_timeout};

/// Maximum size of a request's head, in bytes.
const HEAD_BYTES: usize = 16 * 1024;

/// Accepts connections from allowed networks within the connection limit.
pub(crate) struct Acceptor {
    pub(crate) listener: TcpListener,
    pub(crate) networks: Networks,
    pub(crate) places: Places,
}

/// Logs that a client is outside the allowed networks: the first time as a warning, because the operator may have
/// forgotten a network, and each time at level debug.
fn refused(client: IpAddr) {
    static FIRST: Once = Once::new();
    FIRST.call_once(|| {
        tracing::warn!(
            "scrape connection from {client} refused: its address is outside METERKIT_PROMETHEUS_ALLOWED_NETWORKS; \
             further refusals are logged at level debug"
        );
    });
    tracing::debug!(%client, "scrape connection refused: its address is outside the allowed networks");
}

/// The bookkeeping of an accepted connection.
pub(crate) struct Accepted {
    place: Place,
    progress: Progress,
}

impl Acceptor {
    /// Waits for the next connection from an allowed network, and for a place for it.
    pub(crate) async fn next(&self, endpoint: &Endpoint) -> (TcpStream, Accepted) {
        loop {
            match self.listener.accept().await {
                Ok((_, peer)) if !self.networks.allow(peer.ip()) => {
                    refused(peer.ip());
                }
                Ok((stream, peer)) => {
                    let progress = Progress::new();
                    let place = self.places.enter(peer.ip(), &progress).await;
                    return (stream, Accepted { place, progress });
                }
                Err(error) => {
                    // Most likely, the process has run out of file descriptors.
                    endpoint.failed(format!("the endpoint could not accept a connection: {error}"));
                    if self.places.free_one() {
                        // Let the task of the closed connection run, so that it drops the socket.
                        yield_now().await;
                    } else {
                        sleep(Duration::from_millis(100)).await;
                    }
                }
            }
        }
    }
}

/// Serves a connection in a new task.
pub(crate) fn serve_connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    Accepted { place, progress }: Accepted,
    site: &Site,
    patience: Patience,
    graceful: &GracefulShutdown,
) {
    let io = TokioIo::new(TrackedStream::new(stream, progress.clone()));
    let site = site.clone();
    let (track, place) = (progress.clone(), Arc::new(place));
    let service = service_fn(move |request| {
        let (site, track, place) = (site.clone(), track.clone(), place.clone());
        async move {
            track.request_came();
            let limit = scrape_timeout(request.headers()).unwrap_or(Duration::MAX);
            let response = match timeout(limit, place.promote()).await {
                Ok(()) => site.answer(&request).await,
                Err(_) => plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "too many concurrent scrapes; try again later\n",
                ),
            };
            Ok::<_, Infallible>(response.map(|body| TrackedBody::new(body, track)))
        }
    });
    let connection = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .header_read_timeout(None)
        .serve_connection(io, service);
    let connection = graceful.watch(connection);
    let until = progress.clone();
    let task = spawn(async move {
        tokio::select! {
            // Poll the connection first, so that the other branch sees its latest progress.
            biased;
            ended = connection => if let Err(error) = ended {
                tracing::trace!(%error, "scrape connection ended");
            },
            () = until.ends(patience) => {
                tracing::trace!("scrape connection closed: the client took too long");
            }
        }
    });
    progress.served_by(task.abort_handle());
}

/// The content of the endpoint, and the access rules that requests have to meet.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) scrape: Scrape,
    /// `None` if the page is switched off.
    pub(crate) page: Option<LivePage>,
    pub(crate) path: Arc<str>,
    pub(crate) guard: Option<Guard>,
    pub(crate) hosts: Hosts,
}

impl Site {
    async fn answer(&self, request: &Request<Incoming>) -> Response<ScrapeBody> {
        if let Some(refusal) = self.hosts.refusal(request) {
            return refusal;
        }
        let path = request.uri().path();
        let is_scrape = path == &*self.path;
        let page = self.page.as_ref().filter(|_| path == "/" || self.is_json(path));
        if !is_scrape && page.is_none() {
            let words = format!("metrics are served at {}\n", self.path);
            return plain(StatusCode::NOT_FOUND, words);
        }
        match (&self.guard, page) {
            (Some(guard), _) if !guard.lets_pass(request.headers()).await => guard.refusal(),
            (_, Some(page)) if !is_scrape => page.answer(request).await,
            _ => self.scrape.answer(request.method(), request.headers()).await,
        }
    }

    /// Returns whether `path` is that of the JSON: the path of the metrics followed by `.json`, as in `/metrics.json`.
    fn is_json(&self, path: &str) -> bool {
        path.strip_suffix(".json") == Some(&*self.path)
    }
}
