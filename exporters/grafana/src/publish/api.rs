//! Requests to Grafana's HTTP API, and its responses.

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

/// A client for the HTTP API of one Grafana.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    base: Uri,
    backoff: Duration,
}

/// A JSON response that neither rejects the credentials nor asks to retry later.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
    /// The status and the message of the response, for errors.
    said: String,
}

impl Answer {
    /// Returns the string at `key`; an empty one if there is none.
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
            let reason = "Grafana does not accept compressed requests, so leave it unset";
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

    /// Sends a GET request. `attempt` describes its purpose in errors.
    pub(crate) async fn get(
        &self,
        attempt: &'static str,
        path: &str,
    ) -> Result<Answer, PublishError> {
        self.ask(attempt, path, None).await
    }

    /// Sends a POST request. It must be idempotent, because it is sent again if there is no response.
    pub(crate) async fn post(
        &self,
        attempt: &'static str,
        path: &str,
        body: &Value,
    ) -> Result<Answer, PublishError> {
        self.ask(attempt, path, Some(body.to_string().into())).await
    }

    /// Returns the URL of `path`.
    pub(crate) fn address(&self, path: &str) -> String {
        url::append(&self.base, path)
    }

    /// Returns the error for an unexpected response.
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

    /// Parses a response. Returns an error if the response is not from Grafana, or if a repeated request could not
    /// succeed.
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
                "redirects are not followed; set GRAFANA_URL to the target of the redirect"
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

/// The number of attempts for one request. Unlike an exporter, a publisher then gives up.
const ATTEMPTS: u32 = 3;

const LONGEST_PAUSE: Duration = Duration::from_secs(10);

const JSON: HeaderValue = HeaderValue::from_static("application/json");
