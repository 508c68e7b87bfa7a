//! The live page: the metrics of a program in a browser, and as JSON.

mod json;

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use meterkit_pipeline::Source;
use tower_service::Service;

use self::json::SnapshotJson;
use crate::accept::{items, values};
use crate::body::ScrapeBody;
use crate::options::ExpositionOptions;
use crate::scrape::{closed, coded, coding, plain};

/// One document that needs no other: its policy lets it load nothing.
const DOCUMENT: &str = concat!(
    include_str!("page/head.html"),
    "<style>",
    include_str!("page/page.css"),
    "</style>",
    include_str!("page/body.html"),
    "<script>",
    include_str!("page/page.js"),
    "</script>",
);

/// Allows the style and the script of the document alone, by their hashes, which a test compares. The document may send
/// requests only to its own origin.
static POLICY: HeaderValue = HeaderValue::from_static(concat!(
    "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; ",
    "style-src '",
    include_str!("page/page.css.sha256"),
    "'; ",
    "script-src '",
    include_str!("page/page.js.sha256"),
    "'",
));

/// Shows all metrics and the health of all targets in a browser, and returns the same as JSON.
///
/// A [`PrometheusServer`](crate::PrometheusServer) serves it at `/`. For applications that have a server of their own, it
/// is a [`tower::Service`](tower_service::Service) to mount at any path; with axum:
/// `Router::new().route_service("/status", page)`. It shows what the program measures, where it sends this, and the last
/// errors, so mount it behind the application's own authentication. Cheap to clone.
///
/// A request gets JSON if its path ends with `.json`, or if it has `Accept: application/json`; all others get the page,
/// which asks for JSON at its own address while it is open and visible. Requests count neither as scrapes nor as
/// successes of a target.
///
/// # JSON
///
/// ```json
/// {
///   "version": 1,
///   "time": 1767225600.25,
///   "resource": {"service.name": "shop"},
///   "health": {"is_delivering": true, "targets": [], "store": {}},
///   "scopes": [{
///     "name": "backstage.plugin.shop", "version": "", "schema_url": "", "attributes": {},
///     "metrics": [{
///       "name": "backstage.plugin.shop.orders", "kind": "counter", "unit": "{order}", "description": "Orders.",
///       "type": "sum", "is_monotonic": true,
///       "series": [{"labels": {"status": "paid"}, "start": 1767225000, "value": 3}]
///     }]
///   }]
/// }
/// ```
///
/// - `version` rises when a member changes its meaning or goes. Readers should ignore members that they do not know.
/// - `health` is [`Health::to_json`](meterkit_pipeline::Health::to_json).
/// - Metrics have OpenTelemetry's names, and their scopes and series are ordered. `kind` is that of the instrument; `type`
///   is that of the data: `gauge`, `sum`, `histogram`, `exponential_histogram` or `summary`. All values are cumulative.
/// - Labels and attributes are texts. Times are seconds since 1970.
/// - Series of gauges and sums have `value`; those of histograms `count`, `sum`, `min`, `max` and `buckets`, which lists
///   `[lower, upper, count]` of each bucket with values, in rising order, and `null` for a bound that is infinite; those of
///   summaries `count`, `sum` and `quantiles`, a list of `[quantile, value]`.
/// - Numbers that JSON lacks are the texts `"NaN"`, `"+Inf"` and `"-Inf"`.
#[derive(Clone, Debug)]
pub struct LivePage {
    source: Source,
    options: ExpositionOptions,
}

impl LivePage {
    /// Creates the page of the pipeline behind `source`.
    pub fn new(source: Source) -> Self {
        Self { source, options: ExpositionOptions::new() }
    }

    /// Sets whether the metrics of the library itself are shown, as for a scrape. The page shows names as they were
    /// recorded, so other options have no effect.
    #[must_use]
    pub fn options(mut self, options: ExpositionOptions) -> Self {
        self.options = options;
        self
    }

    /// Answers a request with the page or with JSON.
    pub(crate) async fn answer<B>(&self, request: &Request<B>) -> Response<ScrapeBody> {
        let (method, headers) = (request.method(), request.headers());
        let is_json = request.uri().path().ends_with(".json") || accepts_json(headers);
        self.respond(method, headers, is_json).await
    }

    async fn respond(
        &self,
        method: &Method,
        headers: &HeaderMap,
        is_json: bool,
    ) -> Response<ScrapeBody> {
        let coding = match coding(method, headers) {
            Ok(coding) => coding,
            Err(refusal) => return *refusal,
        };
        let body = if is_json {
            let Ok(snapshot) = self.source.snapshot().await else { return closed() };
            let (source, hidden) = (self.source.clone(), self.options.hidden_scope());
            let write = move || {
                let json = SnapshotJson::new(snapshot, &source.health(), hidden);
                ScrapeBody::start(json, coding, None)
            };
            match self.source.run(write).await {
                Ok(body) => body,
                Err(_) => return closed(),
            }
        } else {
            let document = Bytes::from_static(DOCUMENT.as_bytes());
            ScrapeBody::start(std::iter::once(document), coding, None)
        };
        let Ok(body) = body else {
            return plain(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the answer could not be compressed\n",
            );
        };
        let mut response = coded(method, coding, body);
        let content_type = match is_json {
            true => "application/json",
            false => "text/html; charset=utf-8",
        };
        let headers = response.headers_mut();
        headers.insert(CONTENT_SECURITY_POLICY, POLICY.clone());
        for (name, value) in [
            (CONTENT_TYPE, content_type),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "no-referrer"),
            (CACHE_CONTROL, "no-store"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Returns whether a client asks for JSON by name, and not for a page.
fn accepts_json(headers: &HeaderMap) -> bool {
    let has = |name: &str| {
        let mut list = items(values(headers, &ACCEPT));
        list.any(|it| it.name.eq_ignore_ascii_case(name) && it.quality > 0)
    };
    has("application/json") && !has("text/html")
}

impl<B> Service<Request<B>> for LivePage {
    type Response = Response<ScrapeBody>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let page = self.clone();
        // Not the body, which may not be `Send`.
        let request = Request::from_parts(request.into_parts().0, ());
        Box::pin(async move { Ok(page.answer(&request).await) })
    }
}
