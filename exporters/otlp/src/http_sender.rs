//! OTLP over HTTP, in protobuf or JSON.
//!
//! By OpenTelemetry's protocol specification, section OTLP/HTTP.

use http::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use meterkit_http::reply::{retry_after, shown};
use meterkit_http::{Client, Compression, Post, Reply};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;

use crate::body::{Body, Format};
use crate::reply::{Accepted, Refusal, RpcStatus};

/// Sends requests over HTTP.
#[derive(Debug)]
pub(crate) struct HttpSender {
    pub(crate) client: Client,
    pub(crate) uri: Uri,
    /// Credentials and the user agent.
    pub(crate) headers: HeaderMap,
    pub(crate) format: Format,
    pub(crate) compression: Compression,
}

impl HttpSender {
    pub(crate) async fn send(&self, body: Body) -> Result<Accepted, Refusal> {
        let mut headers = self.headers.clone();
        headers.insert(ACCEPT, self.format.content_type());
        let post = Post {
            uri: self.uri.clone(),
            headers,
            content_type: self.format.content_type(),
            content_encoding: self.compression.content_encoding(),
            body: body.bytes,
        };
        outcome(&self.client.send(post).await.map_err(|error| Refusal::later(error.reason))?)
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

fn outcome(response: &Reply) -> Result<Accepted, Refusal> {
    let status = response.status();
    if status.is_success() {
        return Ok(accepted(response));
    }
    let said = message(response);
    let said = if said.is_empty() { said } else { format!(": {said}") };
    let reason = format!("HTTP status {status}{said}");
    Err(match status {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => {
            Refusal::Later { reason, retry_after: retry_after(response.headers()) }
        }
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge { reason },
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Refusal::Malformed { reason },
        _ if status.is_redirection() && response.headers().contains_key(LOCATION) => {
            let remedy = "redirects are not followed; set the endpoint to where it leads";
            Refusal::Final { reason: format!("{reason} ({remedy})") }
        }
        _ => Refusal::Final { reason },
    })
}

/// A body that cannot be read changes nothing: the request was accepted, and must not be sent again.
fn accepted(response: &Reply) -> Accepted {
    let read = if is_json(response) {
        accepted_in_json(response.body())
    } else {
        ExportMetricsServiceResponse::decode(response.body().clone()).ok().map(from_response)
    };
    read.unwrap_or_else(|| {
        tracing::debug!("an OTLP response with a success status is not what OTLP knows");
        Accepted::default()
    })
}

pub(crate) fn from_response(response: ExportMetricsServiceResponse) -> Accepted {
    let partial = response.partial_success.unwrap_or_default();
    let rejected = u64::try_from(partial.rejected_data_points).unwrap_or_default();
    Accepted { rejected, message: partial.error_message }
}

/// Receivers write the number as text or as a number: both are right.
fn accepted_in_json(body: &[u8]) -> Option<Accepted> {
    if body.is_empty() {
        return Some(Accepted::default());
    }
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let partial = &body.as_object()?.get("partialSuccess").unwrap_or(&serde_json::Value::Null);
    let rejected = &partial["rejectedDataPoints"];
    let rejected = rejected.as_u64().or_else(|| rejected.as_str()?.parse().ok());
    let message = partial["errorMessage"].as_str().unwrap_or_default().to_owned();
    Some(Accepted { rejected: rejected.unwrap_or_default(), message })
}

/// What the receiver says of an error: `google.rpc.Status`, or some text.
fn message(response: &Reply) -> String {
    let body = response.body();
    let text = || std::str::from_utf8(body).map(shown).unwrap_or_default();
    if is_json(response) {
        let status: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let message = status.as_ref().and_then(|status| status["message"].as_str());
        return message.map_or_else(text, shown);
    }
    match has_type(response, "protobuf").then(|| RpcStatus::decode(body.clone())) {
        Some(Ok(status)) => shown(&status.message),
        Some(Err(_)) => String::new(),
        // Pages are for browsers.
        None if has_type(response, "html") => String::new(),
        None => text(),
    }
}

fn is_json(response: &Reply) -> bool {
    has_type(response, "json")
}

fn has_type(response: &Reply, part: &str) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    content_type.is_some_and(|content_type| content_type.to_ascii_lowercase().contains(part))
}

#[cfg(test)]
mod tests;
