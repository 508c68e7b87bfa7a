//! Scrapes: the text for whoever asks, from an application's own server or from ours.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use meterkit_pipeline::{Closed, Endpoint, Snapshot, Source};
use tower_service::Service;

use crate::render::render;

/// The content type of the text that scrapes give.
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What self-metrics have as `otel.component.type`.
const COMPONENT_TYPE: &str = "prometheus_http_text_metric_exporter";

/// The scrape endpoint at `address`, as self-metrics and health tell of it.
pub fn endpoint(source: &Source, address: SocketAddr) -> Endpoint {
    source.endpoint("prometheus", COMPONENT_TYPE, format!("http://{address}/metrics"))
}

/// Gives the text of a scrape, and serves it: as a function, or as a [`tower::Service`](tower_service::Service) for
/// applications that have a server of their own.
///
/// Concurrent scrapes share one collection and one text. Cheap to clone.
///
/// As a service it answers `GET` and `HEAD` on whatever path it is mounted at; with axum:
/// `Router::new().route_service("/metrics", scrape)`.
#[derive(Clone, Debug)]
pub struct Scrape {
    source: Source,
    endpoint: Endpoint,
    last: Arc<Mutex<Option<Page>>>,
}

/// A text and what it was made from.
#[derive(Debug)]
struct Page {
    snapshot: Arc<Snapshot>,
    text: Bytes,
}

impl Scrape {
    /// Scrapes of the pipeline behind `source`. Self-metrics and health have them as `scrape`.
    pub fn new(source: Source) -> Self {
        let endpoint = source.endpoint("scrape", COMPONENT_TYPE, "served by the application");
        Self { source, endpoint, last: Arc::default() }
    }

    /// Scrapes that are served at `address`, as `prometheus`.
    pub(crate) fn at(source: Source, address: SocketAddr) -> Self {
        let endpoint = endpoint(&source, address);
        Self { source, endpoint, last: Arc::default() }
    }

    /// The metrics as text, at most `METERKIT_SNAPSHOT_MAX_AGE` old. Its content type is that of the text format,
    /// `text/plain; version=0.0.4; charset=utf-8`.
    ///
    /// # Errors
    ///
    /// [`Closed`] after `shutdown()`.
    pub async fn text(&self) -> Result<Bytes, Closed> {
        let asked = Instant::now();
        Ok(self.page(self.source.snapshot().await?, asked))
    }

    /// Like [`text`](Self::text), for programs without a runtime. Callbacks may run on this thread.
    pub fn text_blocking(&self) -> Bytes {
        let asked = Instant::now();
        self.page(self.source.snapshot_blocking(), asked)
    }

    /// Answers a scrape request with `method`, whatever its path.
    pub(crate) async fn answer(&self, method: &Method) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET or HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let Ok(text) = self.text().await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "the metrics pipeline has shut down\n");
        };
        let length = text.len();
        let body = if method == Method::HEAD { Bytes::new() } else { text };
        let mut response = Response::new(Full::new(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(TEXT_FORMAT));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        response
    }

    fn page(&self, snapshot: Arc<Snapshot>, asked: Instant) -> Bytes {
        let points = snapshot.len();
        let text = self.rendered(snapshot);
        self.endpoint.answered(points, asked.elapsed());
        text
    }

    fn rendered(&self, snapshot: Arc<Snapshot>) -> Bytes {
        // Held while rendering: whoever asks meanwhile wants the same text.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some(page) if Arc::ptr_eq(&page.snapshot, &snapshot) => page.text.clone(),
            _ => {
                let text = Bytes::from(render(&snapshot));
                *last = Some(Page { snapshot, text: text.clone() });
                text
            }
        }
    }
}

impl<B> Service<Request<B>> for Scrape {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let scrape = self.clone();
        let method = request.method().clone();
        Box::pin(async move { Ok(scrape.answer(&method).await) })
    }
}

/// A short answer in words.
pub(crate) fn plain(status: StatusCode, words: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(words.as_bytes())));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
