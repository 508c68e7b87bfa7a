//! The HTTP server that all fake receivers use.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Any free port on this machine.
pub const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The body of a response.
pub type Body = BoxBody<Bytes, Infallible>;

/// A connection, with or without TLS.
pub(crate) trait Connection: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Connection for T {}

/// A running server, which stops with all its connections when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    is_tls: bool,
    tasks: JoinSet<()>,
}

impl Server {
    /// Serves HTTP/1.1 and HTTP/2. `answer` also receives the number of the connection; an error closes the connection.
    pub async fn http<A, F>(address: SocketAddr, tls: Option<TlsAcceptor>, answer: A) -> Self
    where
        A: Fn(Request<Incoming>, usize) -> F + Send + Sync + 'static,
        F: Future<Output = io::Result<Response<Body>>> + Send + 'static,
    {
        let answer = Arc::new(answer);
        Self::listen(address, tls, move |stream, connection| {
            let answer = answer.clone();
            async move {
                let service = service_fn(|request| answer(request, connection));
                let builder = auto::Builder::new(TokioExecutor::new());
                // A connection that is cut ends with an error.
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            }
        })
        .await
    }

    /// Calls `serve` with each connection and its number.
    pub(crate) async fn listen<S, F>(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        serve: S,
    ) -> Self
    where
        S: Fn(Box<dyn Connection>, usize) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind(address).await.expect("the port is free");
        let address = listener.local_addr().expect("an address");
        let is_tls = tls.is_some();
        let serve = Arc::new(serve);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Dropping this task drops the connections, too.
            let mut connections = JoinSet::new();
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else { return };
                let (tls, serve) = (tls.clone(), serve.clone());
                connections.spawn(async move {
                    match tls {
                        None => serve(Box::new(stream), number).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(Box::new(stream), number).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, is_tls, tasks }
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of the server, without a path.
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// Closes the port and all connections, and returns the address that the server listened on.
    pub async fn stop(mut self) -> SocketAddr {
        self.tasks.shutdown().await;
        self.address
    }
}

/// Returns a response with this status, these headers and this body.
pub fn response(status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Full::new(body.into()).boxed());
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        response.headers_mut().insert(name, HeaderValue::from_str(value).expect("text"));
    }
    response
}

/// Reads a whole body.
///
/// # Errors
///
/// Fails if the connection ends early.
pub async fn read(body: Incoming) -> io::Result<Bytes> {
    Ok(body.collect().await.map_err(io::Error::other)?.to_bytes())
}

/// Compresses `plain` with this content encoding.
pub(crate) fn pack(plain: Vec<u8>, encoding: Option<&str>) -> Vec<u8> {
    match encoding {
        None => plain,
        Some("gzip") => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), Default::default());
            encoder.write_all(&plain).and_then(|()| encoder.finish()).expect("gzip")
        }
        Some("zstd") => zstd::encode_all(plain.as_slice(), 0).expect("zstd"),
        Some(other) => panic!("encoding {other:?}"),
    }
}

/// Decompresses a body according to the header `name`.
pub(crate) fn unpack(body: &[u8], headers: &HeaderMap, name: &str) -> Bytes {
    match headers.get(name).map(HeaderValue::as_bytes) {
        None => Bytes::copy_from_slice(body),
        Some(b"gzip") => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(body).read_to_end(&mut plain).expect("gzip");
            plain.into()
        }
        Some(b"zstd") => zstd::decode_all(body).expect("zstd").into(),
        Some(b"snappy") => snap::raw::Decoder::new().decompress_vec(body).expect("snappy").into(),
        Some(other) => panic!("encoding {other:?}"),
    }
}
