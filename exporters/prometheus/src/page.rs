//! The live page: shows the metrics of a program in a browser, and returns them as JSON.

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

/// The page as one self-contained document: its content security policy lets it load nothing.
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

/// The content security policy of the page. Allows only the document's own style and script, identified by their
/// hashes, which a test compares. The document may send requests only to its own origin.
static POLICY: HeaderValue = HeaderValue::from_static(concat!(
    "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; ",
    "style-src '",
    include_str!("page/page.css.sha256"),
    "'; ",
    "script-src '",
    include_str!("page/page.js.sha256"),
    "'",
));

/// Shows all metrics and the health of all targets in a browser, and returns the same data as JSON.
///
/// A [`PrometheusServer`](crate::PrometheusServer) serves this page at `/`. For applications that run their own server,
/// the page is a [`tower::Service`](tower_service::Service) to mount at any path; with axum:
/// `Router::new().route_service("/status", page)`. The page shows the program's metrics, the addresses of its targets
/// and their last errors, so mount it behind the application's own authentication. Cheap to clone.
///
/// A request gets JSON if its path ends with `.json`, or if it sends `Accept: application/json` without `text/html`.
/// All other requests get the page, which requests JSON from its own address while it is open and visible. Requests
/// count neither as scrapes nor as successes of a target.
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
/// - `version` is incremented when a member changes its meaning or is removed. Readers should ignore unknown members.
/// - `health` is [`Health::to_json`](meterkit_pipeline::Health::to_json).
/// - Metrics have OpenTelemetry names; scopes and series are sorted. `kind` is the kind of the instrument; `type` is
///   the type of the data: `gauge`, `sum`, `histogram`, `exponential_histogram` or `summary`. All values are
///   cumulative.
/// - Values of labels and attributes are strings. Times are seconds since 1970.
/// - A series of a gauge or a sum has `value`. A series of a histogram has `count`, `sum`, `min`, `max` and `buckets`,
///   a list of `[lower, upper, count]` for each non-empty bucket in ascending order, with `null` for an infinite
///   boundary. A series of a summary has `count`, `sum` and `quantiles`, a list of `[quantile, value]`.
/// - Numbers that JSON cannot represent are the strings `"NaN"`, `"+Inf"` and `"-Inf"`.
#[derive(Clone, Debug)]
pub struct LivePage {
    source: Source,
    options: ExpositionOptions,
}

impl LivePage {
    /// Creates a page that shows the pipeline behind `source`.
    pub fn new(source: Source) -> Self {
        Self { source, options: ExpositionOptions::new() }
    }

    /// Sets the exposition options, of which only [`self_metrics`](ExpositionOptions::self_metrics) has an effect: it
    /// decides whether the page shows the metrics of the library itself. Names appear as they were recorded.
    #[must_use]
    pub fn options(mut self, options: ExpositionOptions) -> Self {
        self.options = options;
        self
    }

    /// Returns the page or the JSON for a request.
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
                "the response could not be compressed\n",
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

/// Returns whether a client explicitly accepts JSON, and does not accept HTML.
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
        // Drop the body, which may not be `Send`.
        let request = Request::from_parts(request.into_parts().0, ());
        Box::pin(async move { Ok(page.answer(&request).await) })
    }
}
