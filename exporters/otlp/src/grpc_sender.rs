//! OTLP over gRPC.
//!
//! Follows OpenTelemetry's protocol specification, section OTLP/gRPC, and "gRPC over HTTP2". A client for OTLP's single
//! unary call takes less code than setting up a general gRPC client, and can read the status even if the message is
//! unreadable.

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_TYPE, TE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use http_body_util::{BodyExt, Full};
use meterkit_http::{Access, Compression, Headers, Link, SendError, Transport, in_time};
use tokio::time::Instant;

use crate::body::Body;
use crate::credentials::Authenticator;
use crate::grpc_reply::{self, ENCODING, GrpcReply};
use crate::reply::Accepted;
use crate::target::PRODUCT;

/// Sends requests over gRPC.
#[derive(Debug)]
pub(crate) struct GrpcSender {
    link: Link,
    uri: Uri,
    compression: Compression,
    /// Whether a request is waiting for its response. Stays set if the response never arrives.
    is_asking: bool,
    authenticator: Authenticator,
    timeout: Option<Duration>,
    /// The name of the setting for the timeout.
    setting: &'static str,
}

impl GrpcSender {
    pub(crate) fn new(
        link: Link,
        authenticator: Authenticator,
        compression: Compression,
        transport: &Transport,
    ) -> Self {
        let uri = call(link.receiver());
        let (timeout, setting) = (transport.timeout(), transport.hints().timeout);
        Self { link, uri, compression, is_asking: false, authenticator, timeout, setting }
    }

    pub(crate) fn compression(&self) -> Compression {
        self.compression
    }

    pub(crate) fn clock_skew(&self) -> Option<i64> {
        self.link.clock_skew()
    }

    /// Returns the headers of the last request whose values must not be shown.
    pub(crate) fn secrets(&self) -> Headers {
        self.authenticator.secrets(&self.link.in_use().headers)
    }

    pub(crate) async fn send(&mut self, body: Body) -> Result<Accepted, SendError> {
        let (outcome, is_worth_another) = self.send_once(&body.bytes).await?;
        if is_worth_another { self.send_once(&body.bytes).await?.0 } else { outcome }
    }

    /// Sends the request once. Returns the outcome, and whether to send the request again because newer credentials or
    /// certificates are available.
    async fn send_once(
        &mut self,
        message: &Bytes,
    ) -> Result<(Result<Accepted, SendError>, bool), SendError> {
        if self.is_asking {
            self.link.reconnect();
        }
        let access = self.link.current().await;
        let mut request = self.request(message, &access.headers);
        self.authenticator.authenticate(&mut request, &access.headers).await?;
        self.is_asking = true;
        let reply = in_time(self.timeout, self.setting, self.ask(request, &access)).await?;
        self.is_asking = false;
        let (outcome, headers) = match reply {
            Ok(reply) => {
                let headers = reply.head.headers.clone();
                (reply.outcome(&self.secrets()), headers)
            }
            Err(error) => (Err(error), HeaderMap::new()),
        };
        let is_worth_another = match &outcome {
            Err(error) if error.is_of_identity() => {
                self.authenticator.is_refreshed(error, &headers)
                    || self.link.is_renewed_since(&access).await
            }
            _ => false,
        };
        Ok((outcome, is_worth_another))
    }

    fn request(&self, message: &Bytes, common: &Headers) -> Request<Bytes> {
        let mut request = Request::new(framed(message, self.compression));
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = self.headers(common);
        request
    }

    async fn ask(&self, request: Request<Bytes>, access: &Access) -> Result<GrpcReply, SendError> {
        let begun = Instant::now();
        let response = access.connection.request(request.map(Full::new)).await;
        let response = response
            .map_err(|error| SendError::unanswered(&error, !error.is_connect(), &self.secrets()))?;
        let (head, mut body) = response.into_parts();
        self.link.note_reply(&head.headers, begun);
        let (mut message, mut trailers) = (BytesMut::new(), HeaderMap::new());
        while let Some(frame) = body.frame().await {
            let frame =
                frame.map_err(|error| SendError::unanswered(&error, true, &self.secrets()))?;
            match frame.into_data() {
                // Skip the rest of a message that exceeds the limit, but read on for the trailers.
                Ok(data) if message.len() <= grpc_reply::LARGEST => message.put(data),
                Ok(_) => {}
                Err(frame) => trailers.extend(frame.into_trailers().unwrap_or_default()),
            }
        }
        Ok(GrpcReply { head, message: message.freeze(), trailers })
    }

    fn headers(&self, common: &Headers) -> HeaderMap {
        let mut headers = common.with_user_agent(PRODUCT);
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        if let Some(encoding) = self.compression.content_encoding() {
            headers.insert(ENCODING, encoding);
        }
        // Some receivers, such as the Collector, ignore this header and reply with the compression of the request.
        let accepted = if Compression::Zstd.is_built_in() { "zstd,gzip" } else { "gzip" };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accepted));
        if let Some(timeout) = self.timeout.and_then(grpc_timeout) {
            headers.insert(TIMEOUT, timeout);
        }
        headers
    }
}

const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Returns the URI of the call: the URL of the endpoint, including its path, followed by the path of the call.
fn call(endpoint: &Uri) -> Uri {
    let mut parts = endpoint.clone().into_parts();
    let path = format!("{}{EXPORT}", endpoint.path().trim_end_matches('/'));
    parts.path_and_query = path.parse().ok();
    Uri::from_parts(parts).unwrap_or_else(|_| endpoint.clone())
}

/// Returns a message in its gRPC frame: a byte for whether it is compressed, its length, and the message.
fn framed(message: &Bytes, compression: Compression) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8((compression != Compression::None).into());
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.put_slice(message);
    frame.freeze()
}

/// Returns the value of `grpc-timeout`, which has at most eight digits; `None` if the timeout needs more than eight
/// digits even in seconds.
fn grpc_timeout(timeout: Duration) -> Option<HeaderValue> {
    const MOST: u128 = 99_999_999;
    let millis = timeout.as_millis().max(1);
    let value = match (millis, u128::from(timeout.as_secs())) {
        (0..=MOST, _) => format!("{millis}m"),
        (_, seconds @ 0..=MOST) => format!("{seconds}S"),
        _ => return None,
    };
    HeaderValue::try_from(value).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_call_is_behind_the_path_of_the_endpoint() {
        for (endpoint, expected) in [
            ("http://collector:4317", "http://collector:4317"),
            ("http://collector:4317/", "http://collector:4317"),
            ("https://gateway/otlp", "https://gateway/otlp"),
            ("https://gateway/otlp/", "https://gateway/otlp"),
        ] {
            let uri = call(&endpoint.parse().expect("a URI"));
            assert_eq!(uri.to_string(), format!("{expected}{EXPORT}"));
        }
    }

    #[test]
    fn a_timeout_has_eight_digits_at_most() {
        for (timeout, expected) in [
            (Duration::ZERO, Some("1m")),
            (Duration::from_secs(10), Some("10000m")),
            (Duration::from_millis(99_999_999), Some("99999999m")),
            (Duration::from_secs(100_000), Some("100000S")),
            (Duration::from_secs(100_000_000), None),
        ] {
            let value = grpc_timeout(timeout);
            assert_eq!(value.as_ref().and_then(|it| it.to_str().ok()), expected);
        }
    }
}
