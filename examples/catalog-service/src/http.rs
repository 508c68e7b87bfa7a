//! What the plugins share in HTTP: the layer that sees every request, and the form of an error.

mod metrics;

use std::{
    fmt,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{
        MatchedPath, Request, State,
        rejection::{JsonRejection, QueryRejection},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use meterkit::LabelValue;
use serde_json::json;

use self::metrics::Answered;
pub use self::metrics::HttpMetrics;
use crate::database;

/// The route of a request that no route matched.
pub const UNMATCHED: &str = "unmatched";

/// Layer around every route: hears of each request, and tells `finished` about it.
pub async fn observe(State(metrics): State<HttpMetrics>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let _active = metrics.active_requests.guard();
    let method = Method::of(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let status = response.status().as_u16();
    // From the first header to the answer; the sending of the answer is not part of it.
    finished(&metrics, &Answered { method, status, route }, started.elapsed());
    response
}

/// The one place that hears of every request, before the client has the answer: who holds an answer finds it counted.
///
/// What it is told is in terms that a client cannot make up: there are as many paths as clients care to send, but only
/// as many routes as the service has.
fn finished(metrics: &HttpMetrics, answered: &Answered<'_>, elapsed: Duration) {
    metrics.request_duration.with(answered).record(elapsed.as_secs_f64());
    let Answered { method, status, route } = answered;
    tracing::debug!(%method, status, route, ?elapsed, "request");
}

/// The methods that HTTP itself defines; whatever else a client sends is [`Method::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, LabelValue)]
#[expect(missing_docs, reason = "the methods of HTTP")]
pub enum Method {
    #[label(name = "GET")]
    Get,
    #[label(name = "HEAD")]
    Head,
    #[label(name = "POST")]
    Post,
    #[label(name = "PUT")]
    Put,
    #[label(name = "PATCH")]
    Patch,
    #[label(name = "DELETE")]
    Delete,
    #[label(name = "OPTIONS")]
    Options,
    #[label(name = "CONNECT")]
    Connect,
    #[label(name = "TRACE")]
    Trace,
    Other,
}

impl Method {
    /// The method as it is written in a request, or `other`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Connect => "CONNECT",
            Self::Trace => "TRACE",
            Self::Other => "other",
        }
    }

    /// The known method, or [`Method::Other`].
    pub fn of(method: &http::Method) -> Self {
        match *method {
            http::Method::GET => Self::Get,
            http::Method::HEAD => Self::Head,
            http::Method::POST => Self::Post,
            http::Method::PUT => Self::Put,
            http::Method::PATCH => Self::Patch,
            http::Method::DELETE => Self::Delete,
            http::Method::OPTIONS => Self::Options,
            http::Method::CONNECT => Self::Connect,
            http::Method::TRACE => Self::Trace,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// An answer that says no: a status, and the reason as `{"error": "..."}`.
#[derive(Debug)]
pub struct ErrorAnswer {
    status: StatusCode,
    reason: String,
}

impl ErrorAnswer {
    /// An answer with this status and reason.
    pub fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into() }
    }
}

impl IntoResponse for ErrorAnswer {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "error": self.reason }))).into_response()
    }
}

impl From<JsonRejection> for ErrorAnswer {
    fn from(rejection: JsonRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for ErrorAnswer {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), rejection.body_text())
    }
}

impl From<database::Error> for ErrorAnswer {
    fn from(error: database::Error) -> Self {
        match error {
            database::Error::NotFound => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            database::Error::Duplicate => Self::new(StatusCode::CONFLICT, error.to_string()),
            database::Error::Sqlite(_) | database::Error::Aborted(_) => {
                // The client cannot help it and need not know the details; the log has them.
                tracing::error!(%error, "statement failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the database failed")
            }
        }
    }
}
