//! OTLP over gRPC.
//!
//! By OpenTelemetry's protocol specification, section OTLP/gRPC.

use std::error::Error as _;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use http::Uri;
use http::uri::PathAndQuery;
use meterkit_http::reply::{quoted, with_causes};
use meterkit_http::{
    Compression, Connection, Connector, Headers, SendError, SendErrorKind, Transport, in_time,
};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::{Code, Extensions, Request, Status};
use tonic_prost::ProstDecoder;

use crate::body::Body;
use crate::http_sender::from_response;
use crate::reply::{Accepted, RpcStatus};
use crate::target::PRODUCT;

/// Sends requests over gRPC.
#[derive(Debug)]
pub(crate) struct GrpcSender {
    client: Grpc<Connection<tonic::body::Body>>,
    connector: Connector,
    uri: Uri,
    compression: Compression,
    /// Set while a request has no answer, and kept if that never comes.
    is_asking: bool,
    headers: Headers,
    timeout: Option<Duration>,
    /// The setting that changes the timeout.
    setting: &'static str,
}

impl GrpcSender {
    pub(crate) fn new(
        connector: Connector,
        uri: Uri,
        headers: Headers,
        compression: Compression,
        transport: &Transport,
    ) -> Self {
        let client = client(connector.clone(), uri.clone(), compression);
        let (timeout, setting) = (transport.timeout(), transport.hints().timeout);
        Self { client, connector, uri, compression, is_asking: false, headers, timeout, setting }
    }

    pub(crate) async fn send(&mut self, body: Body) -> Result<Accepted, SendError> {
        if self.is_asking {
            // Over HTTP/2 a request that was given up leaves its connection open, which may be dead.
            self.client = client(self.connector.clone(), self.uri.clone(), self.compression);
        }
        self.is_asking = true;
        let answer = in_time(self.timeout, self.setting, self.ask(body)).await?;
        self.is_asking = false;
        answer
    }

    async fn ask(&mut self, body: Body) -> Result<Accepted, SendError> {
        let metadata = MetadataMap::from_headers(self.headers.with_user_agent(PRODUCT));
        let mut request = Request::from_parts(metadata, Extensions::default(), body.bytes);
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        let ready = self.client.ready().await;
        ready.map_err(|error| SendError::no_answer(with_causes(&error), false))?;
        match self.client.unary(request, PathAndQuery::from_static(EXPORT), Written).await {
            Ok(response) => Ok(from_response(response.into_inner())),
            Err(status) => Err(send_error(&status, &self.headers)),
        }
    }
}

/// A client of its own connection.
fn client(
    connector: Connector,
    uri: Uri,
    compression: Compression,
) -> Grpc<Connection<tonic::body::Body>> {
    let client = Grpc::with_origin(connector.connection(), uri);
    let client = match compression {
        Compression::None => client,
        Compression::Gzip => client.send_compressed(CompressionEncoding::Gzip),
        #[cfg(feature = "zstd")]
        Compression::Zstd => client.send_compressed(CompressionEncoding::Zstd),
        // Refused before it comes to this.
        _ => client,
    };
    client.accept_compressed(CompressionEncoding::Gzip)
}

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Messages that are bytes already: they were written on another thread.
#[derive(Clone, Copy, Debug)]
struct Written;

impl Codec for Written {
    type Encode = Bytes;
    type Decode = ExportMetricsServiceResponse;
    type Encoder = Self;
    type Decoder = ProstDecoder<ExportMetricsServiceResponse>;

    fn encoder(&mut self) -> Self::Encoder {
        Self
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::default()
    }
}

impl Encoder for Written {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(item);
        Ok(())
    }
}

fn send_error(status: &Status, secrets: &Headers) -> SendError {
    if let Some(error) = status.source() {
        // Made here: there was no answer.
        return SendError::no_answer(with_causes(error), true);
    }
    let delay = RpcStatus::decode(status.details()).ok().and_then(|details| details.retry_delay());
    let kind = match status.code() {
        Code::ResourceExhausted | Code::OutOfRange if is_too_large(status.message()) => {
            SendErrorKind::TooLarge
        }
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => SendErrorKind::Unavailable,
        Code::ResourceExhausted if delay.is_some() => SendErrorKind::Unavailable,
        Code::InvalidArgument => SendErrorKind::Invalid,
        _ => SendErrorKind::Denied,
    };
    let code = format_args!("gRPC status {:?}", status.code());
    let reason = quoted(code, status.message(), secrets);
    let is_for_later = kind == SendErrorKind::Unavailable;
    let retry_after = delay.filter(|_| is_for_later);
    SendError { kind, reason, status: None, retry_after, may_have_arrived: is_for_later }
}

/// gRPC has no code of its own for it: this is what the implementations in Go, Java, C and Rust say.
fn is_too_large(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["larger than max", "exceeds maximum", "too large"].iter().any(|said| message.contains(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: Code, message: &str) -> SendError {
        let secrets = Headers::parse("x-key=hunter2").expect("a pair");
        send_error(&Status::new(code, message), &secrets)
    }

    #[test]
    fn each_code_is_taken_as_the_specification_has_it() {
        use Code::*;
        for code in [Cancelled, DeadlineExceeded, Aborted, OutOfRange, Unavailable, DataLoss] {
            let error = error(code, "busy");
            assert_eq!((error.kind, error.retry_after), (SendErrorKind::Unavailable, None));
            assert_eq!(error.reason, format!("gRPC status {code:?}: busy"));
        }
        for code in [
            Unknown,
            NotFound,
            AlreadyExists,
            PermissionDenied,
            ResourceExhausted,
            FailedPrecondition,
            Unimplemented,
            Internal,
            Unauthenticated,
        ] {
            let error = error(code, "");
            assert_eq!(error.kind, SendErrorKind::Denied);
            assert_eq!(error.reason, format!("gRPC status {code:?}"));
        }
        assert_eq!(error(InvalidArgument, "").kind, SendErrorKind::Invalid);
        let reason = "gRPC status Unauthenticated: ... has expired";
        assert_eq!(error(Unauthenticated, "hunter2 has expired").reason, reason);
    }

    #[test]
    fn a_message_that_is_too_large_is_known_by_what_servers_say() {
        for (code, message) in [
            (Code::ResourceExhausted, "grpc: received message larger than max (5000 vs. 4194304)"),
            (Code::ResourceExhausted, "gRPC message exceeds maximum size 4194304: 5000000"),
            (Code::OutOfRange, "Error, decoded message length too large: found 9 bytes"),
        ] {
            assert_eq!(error(code, message).kind, SendErrorKind::TooLarge, "{message}");
        }
    }
}
