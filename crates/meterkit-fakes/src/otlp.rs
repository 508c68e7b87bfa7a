//! A fake receiver of OTLP over HTTP and gRPC.

use std::io;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
use prost::Message;
use tokio_rustls::TlsAcceptor;

use crate::receiver::{self, Headers, Protocol, Script, path};
use crate::server::{ANY, Body, pack, read, response, unpack};

/// The receiver's response to a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Accepts the request.
    Accept,
    /// Accepts the request except for some points, and states the reason.
    Partial(i64, &'static str),
    /// Rejects the request with a status, headers, and a body.
    Http(u16, Headers, &'static str),
    /// Rejects the request with a code, a message, and details.
    Grpc(i32, &'static str, Vec<u8>),
    /// Accepts the request, and answers with a body that is not a message.
    Garbage,
    /// Accepts the request, and answers with these headers and this body; over gRPC, followed by the status `OK`.
    AcceptWith(Headers, &'static [u8]),
    /// Never answers.
    Silence,
    /// Reads the request and closes the connection.
    Cut,
}

/// The OTLP protocol.
#[derive(Debug)]
pub struct Otlp;

/// A running receiver of OTLP.
pub type Receiver = receiver::Receiver<Otlp>;

/// A request that arrived.
pub type Arrival = receiver::Arrival<ExportMetricsServiceRequest>;

impl Receiver {
    /// Starts a receiver that gives these answers, and accepts all further requests.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::any(Otlp, answers).await
    }

    /// Starts a receiver at the address of an earlier one.
    pub async fn start_at(address: SocketAddr) -> Self {
        Self::listen(address, None, Otlp, []).await
    }

    /// Starts a receiver with TLS.
    pub async fn start_with_tls(tls: TlsAcceptor) -> Self {
        Self::listen(ANY, Some(tls), Otlp, []).await
    }

    /// Returns the accepted messages.
    pub fn accepted(&self) -> Vec<ExportMetricsServiceRequest> {
        self.taken().into_iter().map(|arrival| arrival.content).collect()
    }

    /// Returns the sum of all accepted points of a sum. For deltas, this is the counted total.
    pub fn counted(&self, name: &str) -> f64 {
        let resources = self.accepted().into_iter().flat_map(|request| request.resource_metrics);
        let scopes = resources.flat_map(|resource| resource.scope_metrics);
        let metrics = scopes.flat_map(|scope| scope.metrics).filter(|metric| metric.name == name);
        let points = metrics.flat_map(|metric| match metric.data {
            Some(metric::Data::Sum(sum)) => sum.data_points,
            _ => Vec::new(),
        });
        let values = points.map(|point| match point.value {
            Some(number_data_point::Value::AsInt(value)) => value as f64,
            Some(number_data_point::Value::AsDouble(value)) => value,
            None => 0.0,
        });
        values.sum()
    }
}

impl Protocol for Otlp {
    type Answer = Answer;
    type Content = ExportMetricsServiceRequest;

    async fn answer(
        &self,
        script: &Script<Self>,
        request: Request<Incoming>,
        connection: usize,
    ) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = read(body).await?;
        let content_type = head.headers["content-type"].to_str().expect("text").to_owned();
        let is_grpc = content_type == "application/grpc";
        let plain = match is_grpc {
            true => unframed(&body, &head.headers),
            false => unpack(&body, &head.headers, "content-encoding"),
        };
        let content = match content_type.as_str() {
            "application/json" => serde_json::from_slice(&plain).expect("JSON of OTLP"),
            "application/grpc" | "application/x-protobuf" => {
                ExportMetricsServiceRequest::decode(plain.clone()).expect("protobuf of OTLP")
            }
            other => panic!("content type `{other}`"),
        };
        let answer = match script.is_too_long(plain.len()) {
            true if is_grpc => {
                Answer::Grpc(8, "grpc: received message larger than max (9 vs. 8)", Vec::new())
            }
            true => Answer::Http(413, Vec::new(), ""),
            false => script.next().or_else(|| script.answer_to(&content)).unwrap_or(Answer::Accept),
        };
        let was_taken = matches!(
            answer,
            Answer::Accept | Answer::Partial(..) | Answer::Garbage | Answer::AcceptWith(..)
        );
        let (path, headers) = (path(&head), head.headers);
        let encoding = headers.get("grpc-encoding").and_then(|it| it.to_str().ok());
        let encoding = encoding.map(str::to_owned);
        script.arrived(Arrival { path, headers, body, plain, content, was_taken, connection });
        match answer {
            Answer::Accept => Ok(success(&content_type, None, encoding.as_deref())),
            Answer::Partial(rejected_data_points, message) => {
                let error_message = message.to_owned();
                let partial = ExportMetricsPartialSuccess { rejected_data_points, error_message };
                Ok(success(&content_type, Some(partial), encoding.as_deref()))
            }
            Answer::Http(status, headers, body) => Ok(response(status, &headers, body)),
            Answer::Grpc(code, message, details) => Ok(grpc_error(code, message, &details)),
            Answer::Garbage => {
                let headers = [("content-type", "text/html")];
                Ok(response(200, &headers, &b"\xff\x00 no message"[..]))
            }
            Answer::AcceptWith(mut headers, body) => {
                headers.push(("content-type", if is_grpc { "application/grpc" } else { "" }));
                Ok(ok(&headers, body.into(), is_grpc))
            }
            Answer::Silence => std::future::pending().await,
            Answer::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

/// Returns a success. Over gRPC, the response is compressed like the request, as Go's servers do.
fn success(
    content_type: &str,
    partial: Option<ExportMetricsPartialSuccess>,
    encoding: Option<&str>,
) -> Response<Body> {
    let message = ExportMetricsServiceResponse { partial_success: partial };
    let mut headers = vec![("content-type", content_type)];
    let body = match content_type {
        "application/grpc" => {
            headers.extend(encoding.map(|encoding| ("grpc-encoding", encoding)));
            let message = pack(message.encode_to_vec(), encoding);
            let mut frame = BytesMut::new();
            frame.put_u8(encoding.is_some().into());
            frame.put_u32(message.len() as u32);
            frame.put_slice(&message);
            frame.freeze()
        }
        "application/json" => serde_json::to_vec(&message).expect("JSON").into(),
        _ => message.encode_to_vec().into(),
    };
    ok(&headers, body, content_type == "application/grpc")
}

/// Returns a response with the status 200, and over gRPC with the status `OK`.
fn ok(headers: &[(&str, &str)], body: Bytes, is_grpc: bool) -> Response<Body> {
    if !is_grpc {
        return response(200, headers, body);
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let body = Full::new(body).with_trailers(async { Some(Ok(trailers)) });
    response(200, headers, "").map(|_| body.boxed())
}

fn grpc_error(code: i32, message: &str, details: &[u8]) -> Response<Body> {
    let (code, details) = (code.to_string(), STANDARD_NO_PAD.encode(details));
    let mut headers = vec![
        ("content-type", "application/grpc"),
        ("grpc-status", &code),
        ("grpc-message", message),
    ];
    if !details.is_empty() {
        headers.push(("grpc-status-details-bin", &details));
    }
    response(200, &headers, "")
}

/// Returns the message in a gRPC frame. A frame consists of a byte that says whether the message is compressed, the
/// length, and the message.
fn unframed(frame: &[u8], headers: &HeaderMap) -> Bytes {
    let length = u32::from_be_bytes(frame[1..5].try_into().expect("four bytes")) as usize;
    assert_eq!(frame.len(), 5 + length, "one message");
    match frame[0] {
        1 => unpack(&frame[5..], headers, "grpc-encoding"),
        _ => Bytes::copy_from_slice(&frame[5..]),
    }
}
