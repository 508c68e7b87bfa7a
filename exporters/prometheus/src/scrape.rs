//! Scrapes: the text for whoever asks, from an application's own server or from ours.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use meterkit_core::Unpoisoned;

use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use meterkit_pipeline::{Closed, Endpoint, Snapshot, Source};
use meterkit_rules::prometheus_name::{Names, Translation};
use tower_service::Service;

use crate::negotiation;
use crate::render::render_with;

/// The content type of the text that scrapes give.
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The content type of a text in which names may have any characters, for scrapers that ask for it.
pub const UTF8_TEXT_FORMAT: &str = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8";

/// What self-metrics have as `otel.component.type`.
const COMPONENT_TYPE: &str = "prometheus_http_text_metric_exporter";

/// Returns the scrape endpoint at `url`, as self-metrics and health tell of it.
/// [`BoundServer::url`](crate::BoundServer::url) gives the URL.
pub fn endpoint(source: &Source, url: &str) -> Endpoint {
    source.endpoint("prometheus", COMPONENT_TYPE, url)
}

/// Returns the text of a scrape, and serves it: as a function, or as a [`tower::Service`](tower_service::Service) for
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
    translation: Translation,
    last: Arc<Mutex<Option<Page>>>,
}

/// The texts of a snapshot.
#[derive(Debug)]
struct Page {
    snapshot: Arc<Snapshot>,
    /// By the names in them, of which there are two kinds at most: for those who read all characters, and for others.
    texts: Vec<(Names, Bytes)>,
}

impl Scrape {
    /// Scrapes of the pipeline behind `source`. Self-metrics and health have them as `scrape`.
    pub fn new(source: Source) -> Self {
        let endpoint = source.endpoint("scrape", COMPONENT_TYPE, "served by the application");
        Self { source, endpoint, translation: Translation::default(), last: Arc::default() }
    }

    /// Sets how names become those of Prometheus. [`Translation::UnderscoreEscapingWithSuffixes`] by default. More
    /// of it at [`PrometheusServer::translation`](crate::PrometheusServer::translation).
    #[must_use]
    pub fn translation(mut self, translation: Translation) -> Self {
        self.translation = translation;
        // Clones from before go on with theirs.
        self.last = Arc::default();
        self
    }

    /// Scrapes that are served at `url`, as `prometheus`.
    pub(crate) fn at(source: Source, url: &str) -> Self {
        let endpoint = endpoint(&source, url);
        Self { source, endpoint, translation: Translation::default(), last: Arc::default() }
    }

    /// Returns the metrics as text, at most `METERKIT_SNAPSHOT_MAX_AGE` old. Its content type is that of the text
    /// format, `text/plain; version=0.0.4; charset=utf-8`, which every scraper reads.
    ///
    /// # Errors
    ///
    /// [`Closed`] after `shutdown()`.
    pub async fn text(&self) -> Result<Bytes, Closed> {
        self.named(self.translation.escaped()).await
    }

    /// Like [`text`](Self::text), for a request whose `Accept` is this: the content type of the answer, and its text.
    ///
    /// Names with any characters, by a [`translation`](Self::translation) that leaves them, go to those who ask for
    /// `text/plain;version=1.0.0;escaping=allow-utf-8`, as Prometheus does since its version 3.
    ///
    /// # Errors
    ///
    /// [`Closed`] after `shutdown()`.
    pub async fn text_for(&self, accept: &str) -> Result<(&'static str, Bytes), Closed> {
        let names = self.names(negotiation::allows_utf8_in([accept].into_iter()));
        Ok((content_type(names), self.named(names).await?))
    }

    /// Like [`text`](Self::text), for programs without a runtime. Callbacks may run on this thread.
    pub fn text_blocking(&self) -> Bytes {
        let asked = Instant::now();
        self.page(self.source.snapshot_blocking(), self.translation.escaped(), asked)
    }

    /// Answers a scrape request, whatever its path.
    pub(crate) async fn answer(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Response<Full<Bytes>> {
        if method != Method::GET && method != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET or HEAD\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let names = self.names(negotiation::allows_utf8(headers));
        let Ok(text) = self.named(names).await else {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "the metrics pipeline has shut down\n");
        };
        let length = text.len();
        let body = if method == Method::HEAD { Bytes::new() } else { text };
        let mut response = Response::new(Full::new(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(names)));
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
        if self.translation.is_utf8() {
            headers.insert(VARY, HeaderValue::from(ACCEPT));
        }
        response
    }

    fn names(&self, allows_utf8: bool) -> Names {
        if allows_utf8 { self.translation.utf8() } else { self.translation.escaped() }
    }

    async fn named(&self, names: Names) -> Result<Bytes, Closed> {
        let asked = Instant::now();
        Ok(self.page(self.source.snapshot().await?, names, asked))
    }

    fn page(&self, snapshot: Arc<Snapshot>, names: Names, asked: Instant) -> Bytes {
        let points = snapshot.len();
        let text = self.rendered(snapshot, names);
        self.endpoint.answered(points, asked.elapsed());
        text
    }

    fn rendered(&self, snapshot: Arc<Snapshot>, names: Names) -> Bytes {
        // Held while rendering: whoever asks meanwhile wants the same text.
        let mut last = self.last.lock().unpoisoned();
        let page = match &mut *last {
            Some(page) if Arc::ptr_eq(&page.snapshot, &snapshot) => page,
            last => last.insert(Page { snapshot, texts: Vec::new() }),
        };
        match page.texts.iter().find(|(known, _)| *known == names) {
            Some((_, text)) => text.clone(),
            None => {
                let mut text = render_with(&page.snapshot, names);
                // It is kept until the next snapshot.
                text.shrink_to_fit();
                let text = Bytes::from(text);
                page.texts.push((names, text.clone()));
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
        // Not the body, which may not be `Send`.
        let (method, headers) = (request.method().clone(), request.headers().clone());
        Box::pin(async move { Ok(scrape.answer(&method, &headers).await) })
    }
}

fn content_type(names: Names) -> &'static str {
    if names.may_be_quoted() { UTF8_TEXT_FORMAT } else { TEXT_FORMAT }
}

/// Returns a short answer in words.
pub(crate) fn plain(status: StatusCode, words: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(words.as_bytes())));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
