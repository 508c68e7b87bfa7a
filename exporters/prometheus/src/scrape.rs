//! Scrapes: responses with all metrics, served by the application's own server or by [`PrometheusServer`].
//!
//! [`PrometheusServer`]: crate::PrometheusServer

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

/// The content type of the text that [`Scrape::text`] returns.
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The content type of a text in which names may contain any characters, for scrapers that ask for it.
pub const UTF8_TEXT_FORMAT: &str = "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8";

/// The value of `otel.component.type` in self-metrics.
const COMPONENT_TYPE: &str = "prometheus_http_text_metric_exporter";

/// Returns the endpoint under which self-metrics and health report scrapes at `url`, which is usually
/// [`BoundServer::url`](crate::BoundServer::url).
pub fn endpoint(source: &Source, url: &str) -> Endpoint {
    source.endpoint("prometheus", COMPONENT_TYPE, url)
}

/// Answers scrapes for applications that run their own server: as functions, or as a
/// [`tower::Service`](tower_service::Service).
///
/// Concurrent scrapes share one collection. Cheap to clone.
///
/// The service answers `GET` and `HEAD` on whatever path it is mounted at; with axum:
/// `Router::new().route_service("/metrics", scrape)`. `Accept` determines the [format](crate::Format),
/// `Accept-Encoding` the compression, and `X-Prometheus-Scrape-Timeout-Seconds` how long to wait for the collection. A
/// long response is written as the client reads it, and therefore has no `Content-Length`, not even for a `HEAD`
/// request.
#[derive(Clone, Debug)]
pub struct Scrape {
    source: Source,
    endpoint: Endpoint,
    options: ExpositionOptions,
    are_units_checked: Arc<AtomicBool>,
}

impl Scrape {
    /// Creates a scrape service for the pipeline behind `source`. Self-metrics and health show it as `scrape`.
    pub fn new(source: Source) -> Self {
        let endpoint = source.endpoint("scrape", COMPONENT_TYPE, "served by the application");
        Self::of(source, endpoint)
    }

    /// Sets how OpenTelemetry names are translated to Prometheus names.
    /// [`Translation::UnderscoreEscapingWithSuffixes`] by default. See [`ExpositionOptions::translation`].
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

    /// Creates a scrape service that self-metrics and health show as `prometheus` at `url`.
    pub(crate) fn at(source: Source, url: &str) -> Self {
        let endpoint = endpoint(&source, url);
        Self::of(source, endpoint)
    }

    fn of(source: Source, endpoint: Endpoint) -> Self {
        source.take_exemplars();
        let (options, are_units_checked) = Default::default();
        Self { source, endpoint, options, are_units_checked }
    }

    /// Returns the metrics in the text format 0.0.4, which every scraper reads and whose content type is
    /// [`TEXT_FORMAT`]. The values are at most `METERKIT_SNAPSHOT_MAX_AGE` old.
    ///
    /// # Errors
    ///
    /// Returns [`Closed`] after `shutdown()`.
    pub async fn text(&self) -> Result<Bytes, Closed> {
        self.whole(Format::Text, Escaping::Underscores).await
    }

    /// Returns the content type and the body of the response to a request with this `Accept` header.
    ///
    /// The format is the one that the client prefers among the supported ones; the content type is that of
    /// [`Format::content_type`]. Prometheus 3 gets OpenMetrics or protobuf. A client that accepts anything gets the
    /// same body as from [`text`](Self::text).
    ///
    /// # Errors
    ///
    /// Returns [`Closed`] after `shutdown()`.
    pub async fn text_for(&self, accept: &str) -> Result<(String, Bytes), Closed> {
        let (format, escaping) = negotiation::negotiated_in([accept].into_iter());
        Ok((format.content_type(escaping), self.whole(format, escaping).await?))
    }

    /// Returns the same as [`text`](Self::text), for programs without a runtime. Callbacks may run on this thread.
    pub fn text_blocking(&self) -> Bytes {
        let asked = Instant::now();
        let snapshot = self.source.snapshot_blocking();
        let receipt = self.receipt(&snapshot, asked);
        let text = collected(self.exposition(snapshot, Format::Text, Escaping::Underscores));
        receipt.sign();
        text
    }

    /// Returns the response to a scrape request with any path.
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
                     raise the scrape timeout, or make slow callbacks faster\n",
                );
            }
            Err(closed) => Err(closed),
        };
        let body = match body {
            Ok(Ok(body)) => body,
            Ok(Err(error)) => {
                self.endpoint.failed(format!("a response could not be compressed: {error}"));
                return plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the response could not be compressed\n",
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

/// Returns the time within which a response must start: a little less than the timeout that the scraper sent. Returns
/// `None` if the header is missing or malformed.
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
        // Leave out the body, which may not be `Send`.
        let (method, headers) = (request.method().clone(), request.headers().clone());
        Box::pin(async move { Ok(scrape.answer(&method, &headers).await) })
    }
}

/// Returns the content coding of the response to a request, or a response that refuses the request.
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
            "Accept-Encoding allows no supported coding; accept gzip or identity\n",
        );
        (refusal, VARY, HeaderValue::from(ACCEPT_ENCODING))
    };
    refusal.headers_mut().insert(name, value);
    Err(Box::new(refusal))
}

/// Returns a successful response with this body, or without a body if the request is a `HEAD`.
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

/// Returns the response to a request after the shutdown.
pub(crate) fn closed() -> Response<ScrapeBody> {
    plain(StatusCode::SERVICE_UNAVAILABLE, "the metrics pipeline has shut down\n")
}

/// Returns a response with a short plain text.
pub(crate) fn plain(status: StatusCode, words: impl Into<Bytes>) -> Response<ScrapeBody> {
    let mut response = Response::new(ScrapeBody::from(words.into()));
    *response.status_mut() = status;
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, text);
    response
}
