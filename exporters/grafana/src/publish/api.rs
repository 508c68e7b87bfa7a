//! Requests to Grafana's HTTP API, and what it answers.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use meterkit_http::reply::{retry_after, shown};
use meterkit_http::{Client, Compression, CompressionError, Headers, NoAnswer, Post, Reply, url};
use serde_json::Value;
use tokio::time::sleep;

use super::config::PublishConfig;
use super::error::PublishError;
use crate::error::BuildError;
use crate::target::{HINTS, PRODUCT};

/// Asks one Grafana.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    base: Uri,
    /// To keep the token out of what is told.
    headers: Headers,
    sent: HeaderMap,
    backoff: Duration,
}

/// An answer that is JSON, and neither about credentials nor for later.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Answer {
    /// What Grafana says of an error.
    fn message(&self) -> &str {
        self.text("message")
    }

    /// The text at `key`; empty if there is none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.body.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Api {
    pub(crate) fn new(config: &PublishConfig) -> Result<Self, BuildError> {
        let mut headers = Headers::default();
        let authorization = format!("Bearer {}", config.token.expose());
        headers
            .insert("Authorization", authorization.as_bytes())
            .map_err(BuildError::PublishHeader)?;
        if let Some(other) = config.transport.compression().filter(|it| *it != Compression::None) {
            let reason = "Grafana takes no compressed requests, so leave it unset";
            let problem = CompressionError::Unsupported(other, reason);
            return Err(BuildError::PublishCompression(problem));
        }
        let client = Client::new(&config.url, &config.transport, HINTS).map_err(|problem| {
            let url = url::shown(&config.url.to_string());
            BuildError::PublishTls { url, problem }
        })?;
        let mut sent = headers.as_map().clone();
        sent.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        sent.insert(ACCEPT, JSON);
        let base = config.url.clone();
        Ok(Self { client, base, headers, sent, backoff: config.backoff })
    }

    /// `attempt` says what it is for, where it fails.
    pub(crate) async fn get(
        &self,
        attempt: &'static str,
        path: &str,
    ) -> Result<Answer, PublishError> {
        self.ask(attempt, path, None).await
    }

    /// It may be sent again when there is no answer: it has to be a request that does no more when it comes twice.
    pub(crate) async fn post(
        &self,
        attempt: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<Answer, PublishError> {
        self.ask(attempt, path, Some(body.to_string().into())).await
    }

    /// Where something is, for people.
    pub(crate) fn address(&self, path: &str) -> String {
        url::append(&self.base, path)
    }

    /// The error for an answer that is none of those expected.
    pub(crate) fn refused(&self, attempt: &'static str, answer: &Answer) -> PublishError {
        let said = said(answer.status, answer.message());
        if answer.status.is_success() {
            return self.refusal(attempt, &format!("{said}, but with {NOT_GRAFANA}"));
        }
        self.refusal(attempt, &said)
    }

    pub(crate) fn refusal(&self, attempt: &'static str, reason: &str) -> PublishError {
        PublishError::Refused {
            url: self.address(""),
            attempt,
            reason: self.headers.redact(reason),
        }
    }

    async fn ask(
        &self,
        attempt: &'static str,
        path: &str,
        body: Option<Bytes>,
    ) -> Result<Answer, PublishError> {
        let uri: Uri = self
            .address(path)
            .parse()
            .map_err(|error| self.refusal(attempt, &format!("its URL cannot be used ({error})")))?;
        let mut backoff = self.backoff;
        let mut attempts = 1;
        loop {
            let (reason, pause) = match self.send(&uri, body.clone()).await {
                Ok(reply) if !is_for_later(reply.status()) => {
                    return read(&reply).map_err(|reason| self.refusal(attempt, &reason));
                }
                Ok(reply) => {
                    let message = json(&reply).map(|body| Answer { status: reply.status(), body });
                    let message = message.as_ref().map_or("", Answer::message);
                    (said(reply.status(), message), retry_after(reply.headers()))
                }
                Err(error) => (error.reason, None),
            };
            if attempts == ATTEMPTS {
                let (url, reason) = (self.address(""), self.headers.redact(&reason));
                return Err(PublishError::NoAnswer { url, attempt, attempts, reason });
            }
            sleep(backoff.max(pause.unwrap_or_default().min(LONGEST_PAUSE))).await;
            backoff = backoff.saturating_mul(2);
            attempts += 1;
        }
    }

    async fn send(&self, uri: &Uri, body: Option<Bytes>) -> Result<Reply, NoAnswer> {
        let (uri, headers) = (uri.clone(), self.sent.clone());
        match body {
            None => self.client.get(uri, headers).await,
            Some(body) => {
                let post = Post { uri, headers, content_type: JSON, content_encoding: None, body };
                self.client.send(post).await
            }
        }
    }
}

const NOT_GRAFANA: &str =
    "an answer that is not Grafana's; set GRAFANA_URL to the address of Grafana itself";

/// A publisher is no exporter: after that many, the process goes on without.
const ATTEMPTS: u32 = 3;

const LONGEST_PAUSE: Duration = Duration::from_secs(10);

const JSON: HeaderValue = HeaderValue::from_static("application/json");

fn is_for_later(status: StatusCode) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error()
}

/// The answer, or why it is none of Grafana's, or one that no other request will change.
fn read(reply: &Reply) -> Result<Answer, String> {
    let status = reply.status();
    let body = json(reply);
    let message = body.as_ref().and_then(|body| body.get("message")).and_then(Value::as_str);
    let said = said(status, message.unwrap_or_default());
    let remedy = match status {
        StatusCode::UNAUTHORIZED => {
            "set GRAFANA_SERVICE_ACCOUNT_TOKEN to the token of a service account of this Grafana"
        }
        StatusCode::FORBIDDEN => {
            "give the service account of GRAFANA_SERVICE_ACCOUNT_TOKEN the role Editor"
        }
        _ if status.is_redirection() => {
            "redirects are not followed; set GRAFANA_URL to where it leads"
        }
        _ => match body {
            Some(body) if body.is_object() || body.is_array() => {
                return Ok(Answer { status, body });
            }
            _ => NOT_GRAFANA,
        },
    };
    Err(format!("{said} ({remedy})"))
}

/// The body, unless it is for browsers.
fn json(reply: &Reply) -> Option<Value> {
    let content_type = reply.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let is_page = content_type.is_some_and(|it| it.to_ascii_lowercase().contains("html"));
    serde_json::from_slice(reply.body()).ok().filter(|_| !is_page)
}

fn said(status: StatusCode, message: &str) -> String {
    match shown(message) {
        message if message.is_empty() => format!("HTTP status {status}"),
        message => format!("HTTP status {status}: {message}"),
    }
}
