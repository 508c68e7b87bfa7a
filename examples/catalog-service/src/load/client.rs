//! An HTTP client that keeps its connection open.

use std::error;

use bytes::Bytes;
use http::{Method, StatusCode, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The error for a request without a usable response. Its effect is unknown, so an exact tally is no longer possible.
#[derive(Debug, thiserror::Error)]
#[error("{request}: {problem}")]
pub struct Error {
    request: String,
    #[source]
    problem: Box<dyn error::Error + Send + Sync>,
}

/// The response to a request.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    request: String,
    body: Bytes,
}

impl Answer {
    /// Parses the JSON in the response.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|problem| self.unexpected(problem))
    }

    /// Returns the error for a response that a correct service never sends.
    pub(super) fn unexpected(
        &self,
        problem: impl Into<Box<dyn error::Error + Send + Sync>>,
    ) -> Error {
        Error { request: self.request.clone(), problem: problem.into() }
    }
}

/// A client of one service, which sends one request at a time over a single connection.
#[derive(Debug)]
pub(super) struct Client {
    base: String,
    http: legacy::Client<HttpConnector, Full<Bytes>>,
}

impl Client {
    pub(super) fn new(base: &str) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            base: base.trim_end_matches('/').to_owned(),
            http: legacy::Client::builder(TokioExecutor::new()).build(connector),
        }
    }

    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, Error> {
        let url = format!("{}{path}", self.base);
        let request = format!("{method} {url}");
        match self.exchange(method, url, body).await {
            Ok((status, body)) => Ok(Answer { status, request, body }),
            Err(problem) => Err(Error { request, problem }),
        }
    }

    async fn exchange(
        &self,
        method: Method,
        url: String,
        body: Option<&Value>,
    ) -> Result<(StatusCode, Bytes), Box<dyn error::Error + Send + Sync>> {
        let mut request = http::Request::builder().method(method).uri(url);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let response = self.http.request(request.body(Full::from(body))?).await?;
        let status = response.status();
        // The connection can be reused only after the whole body has been read.
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}
