//! OTLP over HTTP, in protobuf or JSON.
//!
//! Follows OpenTelemetry's protocol specification, section OTLP/HTTP.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode};
use meterkit_http::reply::{self, has_type};
use meterkit_http::{Client, Compression, Headers, Reply, SendError, SendErrorKind};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;

use crate::body::{Body, Format};
use crate::credentials::Authenticator;
use crate::reply::{Accepted, RpcStatus};

/// Sends requests over HTTP.
#[derive(Debug)]
pub(crate) struct HttpSender {
    pub(crate) client: Client,
    pub(crate) authenticator: Authenticator,
    pub(crate) format: Format,
    pub(crate) compression: Compression,
}

impl HttpSender {
    /// Returns the headers of the last request whose values must not be shown.
    pub(crate) fn secrets(&self) -> Headers {
        self.authenticator.secrets(&self.client.secrets())
    }

    pub(crate) async fn send(&mut self, body: Body) -> Result<Accepted, SendError> {
        let (outcome, is_worth_another) = self.send_once(body.bytes.clone()).await?;
        if is_worth_another { self.send_once(body.bytes).await?.0 } else { outcome }
    }

    /// Sends the request once. Returns the outcome, and whether to send the request again because newer credentials are
    /// available.
    async fn send_once(
        &mut self,
        body: Bytes,
    ) -> Result<(Result<Accepted, SendError>, bool), SendError> {
        let mut request = self.request(body);
        self.authenticator.authenticate(&mut request, &self.client.secrets()).await?;
        let reply = self.client.request(request).await;
        let secrets = self.secrets();
        let reply =
            reply.map_err(|error| SendError { reason: secrets.redact(&error.reason), ..error })?;
        let outcome = outcome(&reply, &secrets);
        let rejection = outcome.as_ref().err();
        let is_refreshed =
            rejection.is_some_and(|it| self.authenticator.is_refreshed(it, reply.headers()));
        Ok((outcome, is_refreshed))
    }

    fn request(&self, body: Bytes) -> Request<Bytes> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.client.receiver().clone();
        let headers = request.headers_mut();
        headers.insert(ACCEPT, self.format.content_type());
        headers.insert(CONTENT_TYPE, self.format.content_type());
        if let Some(encoding) = self.compression.content_encoding() {
            headers.insert(CONTENT_ENCODING, encoding);
        }
        request
    }
}

impl Format {
    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }
}

fn outcome(reply: &Reply, secrets: &Headers) -> Result<Accepted, SendError> {
    if reply.status().is_success() {
        return Ok(accepted(reply));
    }
    let mut error = SendError::of(reply, &message(reply), secrets);
    if error.kind == SendErrorKind::Unavailable && !RETRYABLE.contains(&reply.status()) {
        error.kind = SendErrorKind::Denied;
    }
    Err(error)
}

/// The statuses after which a request may be retried. The specification forbids retries after any other status.
const RETRYABLE: [StatusCode; 4] = [
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// Reads the response to an accepted request. If the body cannot be read, the request still counts as accepted and must
/// not be sent again.
fn accepted(reply: &Reply) -> Accepted {
    let read = if has_type(reply, "json") {
        accepted_in_json(reply.body())
    } else {
        ExportMetricsServiceResponse::decode(reply.body().clone()).ok().map(Accepted::from)
    };
    read.unwrap_or_else(|| Accepted::unreadable("its body is not an OTLP message"))
}

/// Reads a response in JSON. The number of rejected points may be a string or a number; both are valid.
fn accepted_in_json(body: &[u8]) -> Option<Accepted> {
    if body.is_empty() {
        return Some(Accepted::default());
    }
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let partial = &body.as_object()?.get("partialSuccess").unwrap_or(&serde_json::Value::Null);
    let rejected = &partial["rejectedDataPoints"];
    let rejected = rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok());
    let message = partial["errorMessage"].as_str().unwrap_or_default().to_owned();
    Some(Accepted { rejected: rejected.unwrap_or_default(), message, problem: None })
}

/// Returns the error message of the receiver, from a `google.rpc.Status` in protobuf, or from text or JSON.
fn message(reply: &Reply) -> String {
    if has_type(reply, "protobuf") {
        RpcStatus::decode(reply.body().clone()).unwrap_or_default().message
    } else {
        reply::message(reply)
    }
}

#[cfg(test)]
mod tests;
