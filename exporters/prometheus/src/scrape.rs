//! Scrapes: responses with all metrics, from an application's own server or from ours.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use meterkit_pipeline::{Closed, Endpoint, Snapshot, Source};
use meterkit_rules::prometheus_name::{Escaping, Translation};
use tower_service::Service;

use crate::body::{Receipt, ScrapeBody};
use crate::coding::Coding;
use crate::exposition::Exposition;
use crate::format::Format;
use crate::negotiation;
use crate::options::ExpositionOptions;
use crate::unknown_units;

/// The content type of the text that scrapes give.
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The content type of a text in which names may have any characters, for scrapers that ask for it.
pub const UTF8_TEXT_FORMAT: &str = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8";

/// What self-metrics have as `otel.component.type`.
const COMPONENT_TYPE: &str = "prometheus_http_text_metric_exporter";

/// Returns the scrape endpoint at `url`, as self-metrics and health show it.
/// [`BoundServer::url`](crate::BoundServer::url) returns the URL.
pub fn endpoint(source: &Source, url: &str) -> Endpoint {
    source.endpoint("prometheus", COMPONENT_TYPE, url)
}

/// Returns what a scrape gets, and serves it: as a function, or as a [`tower::Service`](tower_service::Service) for
/// applications that have a server of their own.
///
/// Concurrent scrapes share one collection. Cheap to clone.
///
/// As a service it answers `GET` and `HEAD` on whatever path it is mounted at; with axum:
/// `Router::new().route_service("/metrics", scrape)`. `Accept` determines the [format](crate::Format), `Accept-Encoding`
/// the compression, and `X-Prometheus-Scrape-Timeout-Seconds` how long it waits for the collection. A long answer is
/// written as the client takes it; it has no `Content-Length`, nor has the answer to a `HEAD` for it.
#[derive(Clone, Debug)]
pub struct Scrape {
    source: Source,
    endpoint: Endpoint,
    options: ExpositionOptions,
    are_units_checked: Arc<AtomicBool>,
}

impl Scrape {
    /// Scrapes of the pipeline behind `source`. Self-metrics and health have them as `scrape`.
    pub fn new(source: Source) -> Self {
        let endpoint = source.endpoint("scrape", COMPONENT_TYPE, "served by the application");
        Self::of(source, endpoint)
    }

    /// Sets how names become those of Prometheus. [`Translation::UnderscoreEscapingWithSuffixes`] by default. More
    /// of it at [`ExpositionOptions::translation`].
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

    /// Scrapes that are served at `url`, as `prometheus`.
    pub(crate) fn at(source: Source, url: &str) -> Self {
        let endpoint = endpoint(&source, url);
        Self::of(source, endpoint)
    }

    fn of(source: Source, endpoint: Endpoint) -> Self {
        source.take_exemplars();
        let (options, are_units_checked) = Default::default();
        Self { source, endpoint, options, are_units_checked }
    }

    /// Returns the metrics as text, at most `METERKIT_SNAPSHOT_MAX_AGE` old. Its content type is that of the text
    /// format, `text/plain; version=0.0.4; charset=utf-8`, which every scraper reads.
    ///
    /// # Errors
    ///
    /// [`Closed`] after `shutdown()`.
    pub async fn text(&self) -> Result<Bytes, Closed> {
        self.whole(Format::Text, Escaping::Underscores).await
    }

    /// Returns the content type and the body of the answer to a request with this `Accept`.
    ///
    /// Both are those of the format that the client prefers among those that it accepts: `Content-Type` as
    /// [`Format::content_type`] returns it. Prometheus 3 gets OpenMetrics or protobuf, and a client that accepts anything
    /// gets what [`text`](Self::text) returns.
    ///
    /// # Errors
    ///
    /// [`Closed`] after `shutdown()`.
    pub async fn text_for(&self, accept: &str) -> Result<(String, Bytes), Closed> {
        let (format, escaping) = negotiation::negotiated_in([accept].into_iter());
        Ok((format.content_type(escaping), self.whole(format, escaping).await?))
    }

    /// Like [`text`](Self::text), for programs without a runtime. Callbacks may run on this thread.
    pub fn text_blocking(&self) -> Bytes {
        let asked = Instant::now();
        let snapshot = self.source.snapshot_blocking();
        let receipt = self.receipt(&snapshot, asked);
        let text = collected(self.exposition(snapshot, Format::Text, Escaping::Underscores));
        receipt.sign();
        text
    }

    /// Answers a scrape request, whatever its path.
    pub(crate) async fn answer(
        &self,
        method: &Method,
        headers: &HeaderMap,
    ) -> Response<ScrapeBody> {
        let coding = match coding(method, headers) {
            Ok(coding) => coding,
            Err(refusal) => return *refusal,
        };
        let (format, escaping) = negotiation::negotiated(headers);
        let asked = Instant::now();
        let snapshot = match scrape_timeout(headers) {
            None => self.source.snapshot().await.map(Some),
            Some(limit) => self.source.snapshot_within(limit).await,
        };
        let body = match snapshot {
            Ok(Some(snapshot)) => {
                let receipt = self.receipt(&snapshot, asked);
                let exposition = self.exposition(snapshot, format, escaping);
                self.source.run(move || ScrapeBody::start(exposition, coding, Some(receipt))).await
            }
            Ok(None) => {
                return plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the metrics were not collected within X-Prometheus-Scrape-Timeout-Seconds; \
                     callbacks may be slow, or that time too short\n",
                );
            }
            Err(closed) => Err(closed),
        };
        let body = match body {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => {
                self.endpoint.failed(format!("an answer could not be compressed: {error}"));
                return plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the answer could not be compressed\n",
                );
            }
            Err(_) => return closed(),
        };
        let mut response = coded(method, coding, body);
        if let Ok(content_type) = format.content_type(escaping).try_into() {
            response.headers_mut().insert(CONTENT_TYPE, content_type);
        }
        response
    }

    fn exposition(
        &self,
        snapshot: Arc<Snapshot>,
        format: Format,
        escaping: Escaping,
    ) -> Exposition {
        if !self.are_units_checked.swap(true, Ordering::Relaxed) {
            unknown_units::warn(&snapshot, self.options.names);
        }
        Exposition::new(snapshot, format, self.options.clone().escaped_by(escaping))
    }

    fn receipt(&self, snapshot: &Snapshot, asked: Instant) -> Receipt {
        Receipt { endpoint: self.endpoint.clone(), points: self.options.points(snapshot), asked }
    }

    async fn whole(&self, format: Format, escaping: Escaping) -> Result<Bytes, Closed> {
        let asked = Instant::now();
        let snapshot = self.source.snapshot().await?;
        let receipt = self.receipt(&snapshot, asked);
        let exposition = self.exposition(snapshot, format, escaping);
        let body = self.source.run(move || collected(exposition)).await?;
        receipt.sign();
        Ok(body)
    }
}

fn collected(mut exposition: Exposition) -> Bytes {
    let first = exposition.next().unwrap_or_default();
    let Some(second) = exposition.next() else { return first };
    let mut body = BytesMut::from(first);
    body.extend_from_slice(&second);
    body.extend(exposition);
    body.freeze()
}

/// Returns how long an answer may take to reach the scraper in time: a little less than the scraper waits. Returns `None`
/// if the header is missing or malformed.
pub(crate) fn scrape_timeout(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get("x-prometheus-scrape-timeout-seconds")?.to_str().ok()?;
    let seconds = seconds.trim().parse().ok().filter(|seconds| *seconds > 0.0)?;
    let time = Duration::try_from_secs_f64(seconds).ok()?;
    Some(time - (time / 10).min(Duration::from_millis(500)))
}

impl<B> Service<Request<B>> for Scrape {
    type Response = Response<ScrapeBody>;
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

/// Returns the coding of the answer to a request, or why it gets none.
pub(crate) fn coding(
    method: &Method,
    headers: &HeaderMap,
) -> Result<Coding, Box<Response<ScrapeBody>>> {
    let (mut refusal, name, value) = if method != Method::GET && method != Method::HEAD {
        let refusal = plain(StatusCode::METHOD_NOT_ALLOWED, "use GET or HEAD\n");
        (refusal, ALLOW, HeaderValue::from_static("GET, HEAD"))
    } else if let Some(coding) = Coding::negotiated(headers) {
        return Ok(coding);
    } else {
        let refusal = plain(
            StatusCode::NOT_ACCEPTABLE,
            "Accept-Encoding refuses identity and names nothing that is supported; accept gzip\n",
        );
        (refusal, VARY, HeaderValue::from(ACCEPT_ENCODING))
    };
    refusal.headers_mut().insert(name, value);
    Err(Box::new(refusal))
}

/// Returns a successful answer with this body, without it if the request is a `HEAD`.
pub(crate) fn coded(method: &Method, coding: Coding, body: ScrapeBody) -> Response<ScrapeBody> {
    let length = body.length();
    let is_head = method == Method::HEAD;
    let mut response = Response::new(if is_head { ScrapeBody::default() } else { body });
    let headers = response.headers_mut();
    if let Some(coding) = coding.header() {
        headers.insert(CONTENT_ENCODING, coding);
    }
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
    }
    headers.insert(VARY, HeaderValue::from_static("accept, accept-encoding"));
    response
}

/// Returns the answer to a request after the shutdown.
pub(crate) fn closed() -> Response<ScrapeBody> {
    plain(StatusCode::SERVICE_UNAVAILABLE, "the metrics pipeline has shut down\n")
}

/// Returns a short answer in words.
pub(crate) fn plain(status: StatusCode, words: impl Into<Bytes>) -> Response<ScrapeBody> {
    let mut response = Response::new(ScrapeBody::from(words.into()));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
