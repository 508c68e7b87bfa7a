//! The responses of receivers over gRPC.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, response};
use meterkit_http::reply::{message, quoted};
use meterkit_http::{Compression, Headers, Reply, SendError, SendErrorKind};
use meterkit_rules::Cause;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use percent_encoding::percent_decode;
use prost::Message;

use crate::reply::{Accepted, RpcStatus};

/// The response to a unary call: the head, the data of the body, and the trailers.
#[derive(Debug)]
pub(crate) struct GrpcReply {
    pub(crate) head: response::Parts,
    pub(crate) message: Bytes,
    pub(crate) trailers: HeaderMap,
}

/// Maximum size of a response message in bytes. Longer messages are not read, as OpenTelemetry's protocol specification
/// recommends.
pub(crate) const LARGEST: usize = 4 * 1024 * 1024;

/// The header that names the compression of messages.
pub(crate) const ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");

const STATUS: &str = "grpc-status";
const MESSAGE: &str = "grpc-message";
const DETAILS: &str = "grpc-status-details-bin";

impl GrpcReply {
    /// Returns whether the receiver accepted the request. Only the status decides: with `OK`, the request counts as
    /// accepted even if the message cannot be read, because it must not be sent again.
    pub(crate) fn outcome(self, secrets: &Headers) -> Result<Accepted, SendError> {
        // If the response has no message, the status is in the headers.
        let all =
            if self.trailers.contains_key(STATUS) { &self.trailers } else { &self.head.headers };
        let Some(status) = all.get(STATUS) else {
            return Err(self.without_status(secrets));
        };
        let code = status.to_str().ok().and_then(|code| code.trim().parse().ok());
        if code == Some(0) {
            return Ok(self.accepted().unwrap_or_else(Accepted::unreadable));
        }
        let said = all.get(MESSAGE).map(HeaderValue::as_bytes).unwrap_or_default();
        let said = percent_decode(said).decode_utf8_lossy();
        let details = all.get(DETAILS).and_then(|it| BASE64.decode(it.as_bytes()).ok());
        Err(refusal(code.unwrap_or(UNKNOWN), &said, &details.unwrap_or_default(), secrets))
    }

    /// Returns the content of the message, or why it cannot be read.
    fn accepted(&self) -> Result<Accepted, String> {
        if self.message.is_empty() {
            return Ok(Accepted::default());
        }
        if self.message.len() > LARGEST {
            return Err(format!("it is longer than {LARGEST} bytes"));
        }
        let (Some(flag), Some(framed)) = (self.message.first(), self.message.get(5..)) else {
            return Err("it ends within the header of its frame".to_owned());
        };
        let encoding = self.head.headers.get(ENCODING).and_then(|it| it.to_str().ok());
        let plain = match (flag, encoding) {
            (0, _) => self.message.slice(5..),
            (1, Some(name)) => {
                let compression = name.parse::<Compression>().map_err(|error| error.to_string())?;
                let plain = compression.decompress(framed, LARGEST);
                plain.map_err(|error| format!("{name}: {error}"))?.into()
            }
            _ => return Err(format!("its frame has the unknown flag {flag}")),
        };
        let response = ExportMetricsServiceResponse::decode(plain);
        response.map(Accepted::from).map_err(|error| error.to_string())
    }

    /// Returns the error for a response that is not from a gRPC server, but from a proxy or another HTTP server.
    fn without_status(self, secrets: &Headers) -> SendError {
        let reply = Reply::from_parts(self.head, self.message);
        let mut error = SendError::of(&reply, &message(&reply), secrets);
        if reply.status() == StatusCode::OK {
            error.reason += " without a gRPC status";
        }
        error
    }
}

/// The decoder for binary headers, which may be padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Returns the error for a status other than `OK`.
fn refusal(code: usize, message: &str, details: &[u8], secrets: &Headers) -> SendError {
    let delay = RpcStatus::decode(details).ok().and_then(|details| details.retry_delay());
    let kind = match code {
        RESOURCE_EXHAUSTED | OUT_OF_RANGE if is_too_large(message) => SendErrorKind::TooLarge,
        CANCELLED | DEADLINE_EXCEEDED | ABORTED | OUT_OF_RANGE | UNAVAILABLE | DATA_LOSS => {
            SendErrorKind::Unavailable
        }
        RESOURCE_EXHAUSTED if delay.is_some() => SendErrorKind::Unavailable,
        INVALID_ARGUMENT => SendErrorKind::Invalid,
        _ => SendErrorKind::Denied,
    };
    let cause = Cause::Grpc(u8::try_from(code).unwrap_or(u8::MAX));
    let reason = quoted(format_args!("gRPC status {cause}"), message, secrets);
    let is_for_later = kind == SendErrorKind::Unavailable;
    let retry_after = delay.filter(|_| is_for_later);
    SendError {
        kind,
        reason,
        cause,
        status: equivalent(code),
        retry_after,
        may_have_arrived: is_for_later,
    }
}

/// Returns the HTTP status that corresponds to a failure of the receiver, or to rejected credentials.
fn equivalent(code: usize) -> Option<StatusCode> {
    match code {
        UNKNOWN | INTERNAL | DATA_LOSS => Some(StatusCode::INTERNAL_SERVER_ERROR),
        UNAVAILABLE => Some(StatusCode::SERVICE_UNAVAILABLE),
        DEADLINE_EXCEEDED => Some(StatusCode::GATEWAY_TIMEOUT),
        UNAUTHENTICATED => Some(StatusCode::UNAUTHORIZED),
        PERMISSION_DENIED => Some(StatusCode::FORBIDDEN),
        _ => None,
    }
}

/// Returns whether a message says that the request is too large. gRPC has no code for this, so the message is compared
/// with those of the implementations in Go, Java, C and Rust.
fn is_too_large(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["larger than max", "exceeds maximum", "too large"].iter().any(|said| message.contains(said))
}

const CANCELLED: usize = 1;
const UNKNOWN: usize = 2;
const INVALID_ARGUMENT: usize = 3;
const DEADLINE_EXCEEDED: usize = 4;
const PERMISSION_DENIED: usize = 7;
const RESOURCE_EXHAUSTED: usize = 8;
const ABORTED: usize = 10;
const OUT_OF_RANGE: usize = 11;
const INTERNAL: usize = 13;
const UNAVAILABLE: usize = 14;
const DATA_LOSS: usize = 15;
const UNAUTHENTICATED: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: usize, message: &str) -> SendError {
        let secrets = Headers::parse("x-key=hunter2").expect("a pair");
        refusal(code, message, &[], &secrets)
    }

    #[test]
    fn each_code_is_treated_as_specified() {
        for code in 1..17 {
            let error = error(code, "busy");
            let name = error.cause.error_type();
            assert_eq!(error.reason, format!("gRPC status {name}: busy"));
            let expected = match code {
                1 | 4 | 10 | 11 | 14 | 15 => SendErrorKind::Unavailable,
                3 => SendErrorKind::Invalid,
                _ => SendErrorKind::Denied,
            };
            assert_eq!((error.kind, error.retry_after), (expected, None), "{name}");
        }
        assert_eq!(error(14, "").reason, "gRPC status UNAVAILABLE");
        assert_eq!(error(99, "").reason, "gRPC status 99");
        let reason = "gRPC status UNAUTHENTICATED: ... has expired";
        assert_eq!(error(16, "hunter2 has expired").reason, reason);
    }

    #[test]
    fn a_message_that_is_too_large_is_recognized_by_the_servers_words() {
        for (code, message) in [
            (RESOURCE_EXHAUSTED, "grpc: received message larger than max (5000 vs. 4194304)"),
            (RESOURCE_EXHAUSTED, "gRPC message exceeds maximum size 4194304: 5000000"),
            (OUT_OF_RANGE, "Error, decoded message length too large: found 9 bytes"),
        ] {
            assert_eq!(error(code, message).kind, SendErrorKind::TooLarge, "{message}");
        }
    }

    /// Returns a response with these headers, body and trailers.
    fn reply(headers: &[(&str, &str)], body: &[u8], trailers: &[(&str, &str)]) -> GrpcReply {
        let map = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (name.parse::<HeaderName>().expect("a name"), value.parse().expect("a value"))
            });
            pairs.collect::<HeaderMap>()
        };
        let (mut head, ()) = http::Response::new(()).into_parts();
        head.headers = map(headers);
        GrpcReply { head, message: Bytes::copy_from_slice(body), trailers: map(trailers) }
    }

    #[test]
    fn a_request_that_is_accepted_stays_so_whatever_the_message_is() {
        let ok = [("grpc-status", "0")];
        for (headers, body) in [
            (&[][..], &b""[..]),
            (&[], b"\0"),
            (&[], b"\0\0\0\0\x02\xff\xff"),
            (&[], b"\x01\0\0\0\0"),
            (&[], b"\x07\0\0\0\0"),
            (&[("grpc-encoding", "snappy")], b"\x01\0\0\0\x02\xff\xff"),
            (&[("grpc-encoding", "gzip")], b"\x01\0\0\0\x02\xff\xff"),
            (&[("grpc-encoding", "zstd")], b"\x01\0\0\0\x02\xff\xff"),
        ] {
            let accepted = reply(headers, body, &ok).outcome(&Headers::default());
            let accepted = accepted.unwrap_or_else(|error| panic!("{error} for {body:?}"));
            assert_eq!(accepted.rejected, 0);
            assert_eq!(accepted.problem.is_some(), !body.is_empty(), "{body:?}");
        }
        let long = reply(&[], &vec![0; LARGEST + 1], &ok).outcome(&Headers::default());
        assert!(long.expect("it is accepted").problem.is_some());
    }

    #[test]
    fn a_response_without_a_grpc_status_is_treated_by_its_http_status() {
        for (status, expected) in [
            (200, SendErrorKind::Denied),
            (401, SendErrorKind::Denied),
            (413, SendErrorKind::TooLarge),
            (503, SendErrorKind::Unavailable),
        ] {
            let mut reply = reply(&[("retry-after", "7")], b"", &[]);
            reply.head.status = StatusCode::from_u16(status).expect("a status");
            let error = reply.outcome(&Headers::default()).expect_err("no success");
            assert_eq!((error.kind, error.retry_after.is_some()), (expected, status == 503));
        }
    }

    #[test]
    fn messages_and_details_are_decoded() {
        // A `google.rpc.Status` with a `RetryInfo` of 7 seconds.
        let details = "CAgaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIBw";
        for padding in ["", "=="] {
            let details = format!("{details}{padding}");
            let trailers = [
                ("grpc-status", "8"),
                ("grpc-message", "so%20busy%F0%9F%98%85"),
                ("grpc-status-details-bin", &details),
            ];
            let error = reply(&[], b"", &trailers).outcome(&Headers::default());
            let error = error.expect_err("it is refused");
            assert_eq!(error.reason, "gRPC status RESOURCE_EXHAUSTED: so busy\u{1f605}");
            assert_eq!(error.retry_after, Some(std::time::Duration::from_secs(7)));
        }
    }
}
