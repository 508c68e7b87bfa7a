//! An OTLP receiver on this machine, over HTTP and gRPC, that answers as a test says and tells what it got.
#![allow(dead_code, reason = "each test file needs a part of it")]

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Accept,
    /// Takes it, but for some points.
    Partial(i64, &'static str),
    /// Refuses it: a status, headers, and a body.
    Http(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// Refuses it: a code, a message, and details.
    Grpc(i32, &'static str, Vec<u8>),
    /// A success whose body is none.
    Garbage,
    /// Never answers.
    Silence,
    /// Reads the request, and closes the connection.
    Cut,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// Without compression and framing.
    pub(crate) body: Bytes,
    pub(crate) request: ExportMetricsServiceRequest,
    pub(crate) was_accepted: bool,
    /// Which of the connections it came over.
    pub(crate) connection: usize,
}

impl Arrival {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

/// A running receiver. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    tls: bool,
    state: Arc<State>,
    tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    answers: Mutex<VecDeque<Answer>>,
    /// Requests that are longer are refused.
    limit: Mutex<Option<usize>>,
    arrivals: Mutex<Vec<Arrival>>,
    connections: AtomicUsize,
}

impl Receiver {
    /// Answers in this order, and accepts what comes after that.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::listen((Ipv4Addr::LOCALHOST, 0).into(), answers, None).await
    }

    /// Listens where an earlier one did.
    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        Self::listen(address, [], None).await
    }

    pub(crate) async fn start_with_tls(tls: TlsAcceptor) -> Self {
        Self::listen((Ipv4Addr::LOCALHOST, 0).into(), [], Some(tls)).await
    }

    /// Sends these bytes to whoever connects.
    pub(crate) async fn start_babbling(bytes: &'static [u8]) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 64];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(bytes).await;
            }
        });
        Self { address, tls: false, state: Arc::default(), tasks }
    }

    async fn listen(
        address: SocketAddr,
        answers: impl IntoIterator<Item = Answer>,
        tls: Option<TlsAcceptor>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("the port is free");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            answers: Mutex::new(answers.into_iter().collect()),
            ..State::default()
        });
        let mut tasks = JoinSet::new();
        let (is_tls, shared) = (tls.is_some(), state.clone());
        tasks.spawn(async move {
            // Dropped with this task, and the connections with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connection(stream, tls.clone(), shared.clone()));
            }
        });
        Self { address, tls: is_tls, state, tasks }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL without a path.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// Refuses requests that are longer, as servers do.
    pub(crate) fn limit(&self, bytes: usize) {
        *self.state.limit.lock().unwrap() = Some(bytes);
    }

    pub(crate) fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.answers.lock().unwrap().extend(answers);
    }

    /// What has arrived, accepted or not.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.state.arrivals.lock().unwrap().clone()
    }

    /// What it took.
    pub(crate) fn accepted(&self) -> Vec<ExportMetricsServiceRequest> {
        let arrivals = self.arrivals().into_iter().filter(|arrival| arrival.was_accepted);
        arrivals.map(|arrival| arrival.request).collect()
    }

    /// Closes the port and all connections.
    pub(crate) async fn stop(mut self) -> Vec<Arrival> {
        self.tasks.shutdown().await;
        self.arrivals()
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, state: Arc<State>) {
    match tls {
        None => serve(stream, state).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, state).await;
            }
        }
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, state: Arc<State>) {
    let connection = state.connections.fetch_add(1, Ordering::Relaxed);
    let service = service_fn(move |request| answer(request, connection, state.clone()));
    let builder = auto::Builder::new(TokioExecutor::new());
    // Connections that are cut end with an error.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

type Body = BoxBody<Bytes, Infallible>;

async fn answer(
    request: Request<Incoming>,
    connection: usize,
    state: Arc<State>,
) -> io::Result<Response<Body>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let content_type = head.headers["content-type"].to_str().expect("text").to_owned();
    let is_grpc = content_type == "application/grpc";
    let body = if is_grpc { unframed(&body, &head.headers) } else { plain(&body, &head.headers) };
    let request = match content_type.as_str() {
        "application/json" => serde_json::from_slice(&body).expect("JSON of OTLP"),
        "application/grpc" | "application/x-protobuf" => {
            ExportMetricsServiceRequest::decode(body.clone()).expect("protobuf of OTLP")
        }
        other => panic!("content type `{other}`"),
    };
    let limit = *state.limit.lock().unwrap();
    let answer = match limit {
        Some(limit) if body.len() > limit && is_grpc => {
            Answer::Grpc(8, "grpc: received message larger than max (9 vs. 8)", Vec::new())
        }
        Some(limit) if body.len() > limit => Answer::Http(413, Vec::new(), ""),
        _ => state.answers.lock().unwrap().pop_front().unwrap_or(Answer::Accept),
    };
    let was_accepted = matches!(answer, Answer::Accept | Answer::Partial(..) | Answer::Garbage);
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let headers = head.headers;
    let arrival = Arrival { path, headers, body, request, was_accepted, connection };
    state.arrivals.lock().unwrap().push(arrival);
    let partial = |rejected_data_points, message: &str| ExportMetricsPartialSuccess {
        rejected_data_points,
        error_message: message.to_owned(),
    };
    match answer {
        Answer::Accept => Ok(success(&content_type, None)),
        Answer::Partial(rejected, message) => {
            Ok(success(&content_type, Some(partial(rejected, message))))
        }
        Answer::Http(status, headers, body) => {
            let mut response = Response::new(full(Bytes::from_static(body.as_bytes())));
            *response.status_mut() = http::StatusCode::from_u16(status).expect("a status");
            for (name, value) in headers {
                let name = HeaderName::from_static(name);
                response.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            Ok(response)
        }
        Answer::Grpc(code, message, details) => Ok(grpc_error(code, message, &details)),
        Answer::Garbage => {
            let mut response = Response::new(full(Bytes::from_static(b"\xff\x00 no message")));
            response.headers_mut().insert("content-type", HeaderValue::from_static("text/html"));
            Ok(response)
        }
        Answer::Silence => std::future::pending().await,
        Answer::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

fn success(content_type: &str, partial: Option<ExportMetricsPartialSuccess>) -> Response<Body> {
    let message = ExportMetricsServiceResponse { partial_success: partial };
    let body = match content_type {
        "application/grpc" => {
            let mut frame = BytesMut::new();
            frame.put_u8(0);
            frame.put_u32(message.encoded_len() as u32);
            message.encode(&mut frame).expect("there is room");
            let mut trailers = HeaderMap::new();
            trailers.insert("grpc-status", HeaderValue::from_static("0"));
            Full::new(frame.freeze()).with_trailers(async { Some(Ok(trailers)) }).boxed()
        }
        "application/json" => full(serde_json::to_vec(&message).expect("JSON").into()),
        _ => full(message.encode_to_vec().into()),
    };
    let mut response = Response::new(body);
    let content_type = HeaderValue::from_str(content_type).expect("text");
    response.headers_mut().insert("content-type", content_type);
    response
}

fn grpc_error(code: i32, message: &'static str, details: &[u8]) -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(code));
    headers.insert("grpc-message", HeaderValue::from_static(message));
    if !details.is_empty() {
        let details = tonic::metadata::BinaryMetadataValue::from_bytes(details);
        let encoded = HeaderValue::from_bytes(details.as_encoded_bytes()).expect("base64");
        headers.insert("grpc-status-details-bin", encoded);
    }
    response
}

fn full(bytes: Bytes) -> Body {
    Full::new(bytes).boxed()
}

fn plain(body: &[u8], headers: &HeaderMap) -> Bytes {
    unpacked(body, headers.get("content-encoding"))
}

/// The message in a frame: a byte that tells whether it is compressed, its length, itself.
fn unframed(frame: &[u8], headers: &HeaderMap) -> Bytes {
    let length = u32::from_be_bytes(frame[1..5].try_into().expect("four bytes")) as usize;
    assert_eq!(frame.len(), 5 + length, "one message");
    let encoding = headers.get("grpc-encoding").filter(|_| frame[0] == 1);
    unpacked(&frame[5..], encoding)
}

fn unpacked(body: &[u8], encoding: Option<&HeaderValue>) -> Bytes {
    match encoding.map(HeaderValue::as_bytes) {
        None => Bytes::copy_from_slice(body),
        Some(b"gzip") => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(body).read_to_end(&mut plain).expect("gzip");
            plain.into()
        }
        #[cfg(feature = "zstd")]
        Some(b"zstd") => zstd::decode_all(body).expect("zstd").into(),
        Some(other) => panic!("encoding {other:?}"),
    }
}
