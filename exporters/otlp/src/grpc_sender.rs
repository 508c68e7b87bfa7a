//! OTLP over gRPC.
//!
//! By OpenTelemetry's protocol specification, section OTLP/gRPC.

use std::error::Error as _;
use std::time::Duration;

use bytes::{BufMut, Bytes};
use http::uri::PathAndQuery;
use http::{HeaderMap, Uri};
use meterkit_http::reply::{shown, with_causes};
use meterkit_http::{Compression, Connection, Connector, in_time};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, CompressionEncoding, EncodeBuf, Encoder};
use tonic::metadata::MetadataMap;
use tonic::{Code, Extensions, Request, Status};
use tonic_prost::ProstDecoder;

use crate::body::Body;
use crate::http_sender::from_response;
use crate::reply::{Accepted, Refusal, RpcStatus};
use crate::target::HINTS;

/// Sends requests over gRPC.
#[derive(Debug)]
pub(crate) struct GrpcSender {
    client: Grpc<Connection<tonic::body::Body>>,
    connector: Connector,
    uri: Uri,
    compression: Compression,
    /// Set while a request has no answer, and kept if that never comes.
    is_asking: bool,
    /// Credentials and the user agent.
    headers: HeaderMap,
    timeout: Option<Duration>,
}

impl GrpcSender {
    pub(crate) fn new(
        connector: Connector,
        uri: Uri,
        headers: HeaderMap,
        compression: Compression,
        timeout: Option<Duration>,
    ) -> Self {
        let client = client(connector.clone(), uri.clone(), compression);
        Self { client, connector, uri, compression, is_asking: false, headers, timeout }
    }

    pub(crate) async fn send(&mut self, body: Body) -> Result<Accepted, Refusal> {
        if self.is_asking {
            // Over HTTP/2 a request that was given up leaves its connection open, which may be dead.
            self.client = client(self.connector.clone(), self.uri.clone(), self.compression);
        }
        self.is_asking = true;
        let answer = in_time(self.timeout, HINTS.timeout, self.ask(body)).await;
        let answer = answer.map_err(|late| Refusal::later(late.reason))?;
        self.is_asking = false;
        answer
    }

    async fn ask(&mut self, body: Body) -> Result<Accepted, Refusal> {
        let metadata = MetadataMap::from_headers(self.headers.clone());
        let mut request = Request::from_parts(metadata, Extensions::default(), body.bytes);
        if let Some(timeout) = self.timeout {
            request.set_timeout(timeout);
        }
        self.client.ready().await.map_err(|error| Refusal::later(with_causes(&error)))?;
        match self.client.unary(request, PathAndQuery::from_static(EXPORT), Written).await {
            Ok(response) => Ok(from_response(response.into_inner())),
            Err(status) => Err(refusal(&status)),
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

fn refusal(status: &Status) -> Refusal {
    if let Some(error) = status.source() {
        // Made here: there was no answer.
        return Refusal::later(with_causes(error));
    }
    let delay = RpcStatus::decode(status.details()).ok().and_then(|details| details.retry_delay());
    let said = shown(status.message());
    let said = if said.is_empty() { said } else { format!(": {said}") };
    let reason = format!("gRPC status {:?}{said}", status.code());
    match status.code() {
        Code::ResourceExhausted | Code::OutOfRange if is_too_large(status.message()) => {
            Refusal::TooLarge { reason }
        }
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => Refusal::Later { reason, retry_after: delay },
        Code::ResourceExhausted if delay.is_some() => Refusal::Later { reason, retry_after: delay },
        Code::InvalidArgument => Refusal::Malformed { reason },
        _ => Refusal::Final { reason },
    }
}

/// gRPC has no code of its own for it: this is what the implementations in Go, Java, C and Rust say.
fn is_too_large(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["larger than max", "exceeds maximum", "too large"].iter().any(|said| message.contains(said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_taken_as_the_specification_has_it() {
        use Code::*;
        for code in [Cancelled, DeadlineExceeded, Aborted, OutOfRange, Unavailable, DataLoss] {
            let refusal = refusal(&Status::new(code, "busy"));
            let reason = format!("gRPC status {code:?}: busy");
            assert_eq!(refusal, Refusal::Later { reason, retry_after: None });
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
            let refusal = refusal(&Status::new(code, ""));
            assert_eq!(refusal, Refusal::Final { reason: format!("gRPC status {code:?}") });
        }
        let malformed = refusal(&Status::new(InvalidArgument, ""));
        assert!(matches!(malformed, Refusal::Malformed { .. }), "{malformed:?}");
    }

    #[test]
    fn a_message_that_is_too_large_is_known_by_what_servers_say() {
        for (code, message) in [
            (Code::ResourceExhausted, "grpc: received message larger than max (5000 vs. 4194304)"),
            (Code::ResourceExhausted, "gRPC message exceeds maximum size 4194304: 5000000"),
            (Code::OutOfRange, "Error, decoded message length too large: found 9 bytes"),
        ] {
            let refusal = refusal(&Status::new(code, message));
            assert!(matches!(refusal, Refusal::TooLarge { .. }), "{refusal:?}");
        }
    }
}
