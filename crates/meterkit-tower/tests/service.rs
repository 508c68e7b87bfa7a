//! The service that the tests measure, and its clients.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Request, State};
use axum::response::Response;
use axum::routing::{any, get, post};
use futures_util::{StreamExt, stream};
use http::StatusCode;
use meterkit::testing::{ManualClock, TestKit};
use meterkit::tower::HttpMetrics;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

/// A time longer than any test needs. A wait that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the routes without a layer. Handlers advance the clock, so that durations are known.
pub(crate) fn routes(clock: &ManualClock) -> Router {
    let api = Router::new().route("/users/{id}", get(|| async { "Ada" }));
    Router::new()
        .route("/things/{id}", any(thing))
        .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/ignored", post(|| async { StatusCode::ACCEPTED }))
        .route("/stuck", get(pending::<()>))
        .route("/panic", get(panicking))
        .route("/stream", get(streamed))
        .route("/endless", get(endless))
        .route("/torn", get(torn))
        .route("/upgrade", get(upgraded))
        .route("/healthz", get(|| async {}))
        .nest("/api", api)
        .with_state(clock.clone())
}

/// Returns the routes with the layer, which records in the kit's registry.
pub(crate) fn measured(kit: &TestKit) -> Router {
    routes(kit.clock()).layer(HttpMetrics::new_in(kit.registry()).expect("instruments"))
}

/// Takes a quarter of a second.
async fn thing(State(clock): State<ManualClock>, Path(_): Path<String>) -> &'static str {
    clock.advance(Duration::from_millis(250));
    "thing"
}

async fn panicking() {
    panic!("as the test wants it");
}

/// Sends three parts of 1000 bytes, each after one second. The size is not known in advance.
async fn streamed(State(clock): State<ManualClock>) -> Body {
    Body::from_stream(stream::iter(0..3).map(move |_| {
        clock.advance(Duration::from_secs(1));
        Ok::<_, Infallible>(Bytes::from_static(&[b'.'; 1000]))
    }))
}

/// Sends for as long as the client reads.
async fn endless() -> Body {
    Body::from_stream(stream::repeat(Ok::<_, Infallible>(Bytes::from_static(&[b'.'; 1000]))))
}

/// Sends one part, and then fails.
async fn torn() -> Body {
    let parts = [Ok(Bytes::from_static(b"half")), Err("the other half is missing")];
    Body::from_stream(stream::iter(parts))
}

/// Upgrades to a protocol that echoes all input.
async fn upgraded(mut request: Request) -> Response {
    let upgrade = hyper::upgrade::on(&mut request);
    tokio::spawn(async move {
        let mut stream = hyper_util::rt::TokioIo::new(upgrade.await.expect("an upgrade"));
        let mut message = [0; 5];
        while stream.read_exact(&mut message).await.is_ok() {
            stream.write_all(&message).await.expect("a client that listens");
        }
    });
    let response = Response::builder().status(StatusCode::SWITCHING_PROTOCOLS);
    let response = response.header("connection", "upgrade").header("upgrade", "echo");
    response.body(Body::empty()).expect("a response")
}

/// Makes a request without a socket, and reads the response to its end.
pub(crate) async fn call(service: &Router, method: &str, path: &str, body: impl Into<Body>) {
    let request = Request::builder().method(method).uri(path).body(body.into()).expect("a request");
    let Ok(response) = service.clone().oneshot(request).await;
    // A failing body is read up to its error.
    let _ = axum::body::to_bytes(response.into_body(), usize::MAX).await;
}

/// A server on a socket, which stops when this value is dropped.
pub(crate) struct Server {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(service: Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let task =
            tokio::spawn(async move { axum::serve(listener, service).await.expect("it serves") });
        Self { address, task }
    }

    /// Sends a request verbatim, and leaves the response to the caller.
    pub(crate) async fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.expect("a connection");
        stream.write_all(request.as_bytes()).await.expect("a server that listens");
        stream
    }

    /// Sends a request, and returns the whole response.
    pub(crate) async fn exchange(&self, request: &str) -> String {
        let mut response = String::new();
        let mut stream = self.send(request).await;
        stream.read_to_string(&mut response).await.expect("a response");
        response
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits until `lines` contains this line.
pub(crate) async fn until(kit: &TestKit, line: &str) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !lines(kit).iter().any(|it| it == line) {
        let lines = lines(kit);
        assert!(tokio::time::Instant::now() < deadline, "{line} is not among {lines:#?}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Returns one line per recorded series, with short names, and without minimum, maximum and buckets.
pub(crate) fn lines(kit: &TestKit) -> Vec<String> {
    let text = kit.collect().without_self_metrics().to_string();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.map(|line| line.split(" min=").next().unwrap_or(line));
    lines
        .map(|line| SHORT.iter().fold(line.to_owned(), |it, (long, short)| it.replace(long, short)))
        .collect()
}

const SHORT: [(&str, &str); 9] = [
    ("\"", ""),
    ("http.request.method=", ""),
    ("http.response.status_code=", ""),
    ("http.route=", ""),
    ("network.protocol.version=1.1", "1.1"),
    ("url.scheme=", ""),
    ("http.server.request.body.size", "request"),
    ("http.server.response.body.size", "response"),
    ("http.server.", ""),
];
