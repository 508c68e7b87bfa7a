//! Requests to Grafana's HTTP API, and what it answers.

use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use meterkit_http::reply::{has_type, message, quoted};
use meterkit_http::{
    Client, Compression, CompressionError, Headers, Post, Reply, SendError, SendErrorKind, url,
};
use serde_json::Value;
use tokio::time::sleep;

use super::config::PublishConfig;
use super::error::PublishError;
use crate::error::BuildError;
use crate::target::PRODUCT;

/// Asks one Grafana.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    base: Uri,
    backoff: Duration,
}

/// An answer that is JSON, and neither about credentials nor for later.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// Status and message, for errors.
    said: String,
}

impl Answer {
    /// The text at `key`; empty if there is none.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.body.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Api {
    pub(crate) fn new(config: &PublishConfig) -> Result<Self, BuildError> {
        let mut headers = Headers::default();
        let authorization = config.token.map(|token| format!("Bearer {token}"));
        headers
            .insert_secret("Authorization", &authorization)
            .map_err(BuildError::PublishHeader)?;
        if let Some(other) = config.transport.compression().filter(|it| *it != Compression::None) {
            let reason = "Grafana takes no compressed requests, so leave it unset";
            let problem = CompressionError::Unsupported(other, reason);
            return Err(BuildError::PublishCompression(problem));
        }
        let client = Client::new(&config.url, &config.transport).map_err(|problem| {
            let url = url::shown(&config.url.to_string());
            BuildError::PublishTls { url, problem }
        })?;
        let client = client.with_headers(headers, PRODUCT);
        Ok(Self { client, base: config.url.clone(), backoff: config.backoff })
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
        let said = &answer.said;
        if answer.status.is_success() {
            return self.refusal(attempt, format!("{said}, but with {NOT_GRAFANA}"));
        }
        self.refusal(attempt, said)
    }

    pub(crate) fn refusal(&self, attempt: &'static str, reason: impl Into<String>) -> PublishError {
        PublishError::Refused { url: self.address(""), attempt, reason: reason.into() }
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
            .map_err(|error| self.refusal(attempt, format!("its URL cannot be used ({error})")))?;
        let mut backoff = self.backoff;
        let mut attempts = 1;
        loop {
            let SendError { reason, retry_after, .. } = match self.send(&uri, body.clone()).await {
                Ok(reply) => {
                    let error = SendError::of(&reply, &message(&reply), &self.client.secrets());
                    if error.kind != SendErrorKind::Unavailable {
                        return self.read(attempt, &reply);
                    }
                    error
                }
                Err(error) => error,
            };
            if attempts == ATTEMPTS {
                let url = self.address("");
                return Err(PublishError::NoAnswer { url, attempt, attempts, reason });
            }
            sleep(backoff.max(retry_after.unwrap_or_default().min(LONGEST_PAUSE))).await;
            backoff = backoff.saturating_mul(2);
            attempts += 1;
        }
    }

    async fn send(&self, uri: &Uri, body: Option<Bytes>) -> Result<Reply, SendError> {
        let (uri, headers) = (uri.clone(), HeaderMap::from_iter([(ACCEPT, JSON)]));
        match body {
            None => self.client.get(uri, headers).await,
            Some(body) => {
                let post = Post { uri, headers, content_type: JSON, content_encoding: None, body };
                self.client.send(post).await
            }
        }
    }

    /// Returns the answer, unless it is not Grafana's, or no other request will change it.
    fn read(&self, attempt: &'static str, reply: &Reply) -> Result<Answer, PublishError> {
        let status = reply.status();
        let body: Option<Value> = serde_json::from_slice(reply.body()).ok();
        let body = body.filter(|body| body.is_object() || body.is_array());
        let (message, secrets) = (message(reply), self.client.secrets());
        let said = quoted(format_args!("HTTP status {status}"), &message, &secrets);
        let remedy = match (status, body) {
            (StatusCode::UNAUTHORIZED, _) => {
                "set GRAFANA_SERVICE_ACCOUNT_TOKEN to the token of a service account of this Grafana"
            }
            (StatusCode::FORBIDDEN, _) => {
                "give the service account of GRAFANA_SERVICE_ACCOUNT_TOKEN the role Editor"
            }
            _ if status.is_redirection() => {
                "redirects are not followed; set GRAFANA_URL to where it leads"
            }
            (_, Some(body)) if !has_type(reply, "html") => {
                return Ok(Answer { status, body, said });
            }
            _ => NOT_GRAFANA,
        };
        Err(self.refusal(attempt, format!("{said} ({remedy})")))
    }
}

const NOT_GRAFANA: &str =
    "an answer that is not Grafana's; set GRAFANA_URL to the address of Grafana itself";

/// A publisher is no exporter: after that many, the process goes on without.
const ATTEMPTS: u32 = 3;

const LONGEST_PAUSE: Duration = Duration::from_secs(10);

const JSON: HeaderValue = HeaderValue::from_static("application/json");
