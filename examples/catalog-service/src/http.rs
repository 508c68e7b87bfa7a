//! HTTP code that the plugins share: the log line of each request, and the format of errors. The layer of
//! `meterkit::tower` measures requests.

use std::{fmt, time::Instant};

use axum::{
    Json,
    extract::{
        MatchedPath, Request,
        rejection::{JsonRejection, QueryRejection},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::StatusCode;
use serde_json::json;

use crate::database;

/// The route label of a request that matches no route.
pub const UNMATCHED: &str = "unmatched";

/// Logs each request by its route, as a layer around every route. A client cannot make up values: it can send any
/// number of different paths, but there are only as many routes as the service defines.
pub async fn log(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = Method::of(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or(UNMATCHED, MatchedPath::as_str);
    let status = response.status().as_u16();
    tracing::debug!(%method, status, route, elapsed = ?started.elapsed(), "request");
    response
}

/// The methods that HTTP defines, as metrics name them. Every other method is [`Method::Other`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the methods of HTTP")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Connect,
    Trace,
    Other,
}

impl Method {
    /// Returns the method as it is written in a request, or `_OTHER`.
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
            Self::Other => "_OTHER",
        }
    }

    /// Returns the known method, or [`Method::Other`].
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

/// An error response: a status, and the reason as `{"error": "..."}`.
#[derive(Debug)]
pub struct ErrorAnswer {
    status: StatusCode,
    reason: String,
}

impl ErrorAnswer {
    /// Creates a response with this status and reason.
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
                // The client cannot fix this and does not need the details, which are in the log.
                tracing::error!(%error, "statement failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the database failed")
            }
        }
    }
}
