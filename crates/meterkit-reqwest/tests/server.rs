//! The server that the tests call, and measured clients.

use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Redirect;
use axum::routing::{any, get, post};
use futures_util::{StreamExt, stream};
use http::StatusCode;
use meterkit::reqwest::HttpClientMetrics;
use meterkit::testing::{ManualClock, TestKit};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// A time longer than any test needs. A wait that reaches it has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A server, which stops when this value is dropped. Its handlers advance the clock, so that durations are known.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// Notified of each request that is never answered.
    pub(crate) stuck: Arc<Notify>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(kit: &TestKit) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let stuck = Arc::new(Notify::new());
        let service = routes(kit.clock().clone(), stuck.clone());
        let task =
            tokio::spawn(async move { axum::serve(listener, service).await.expect("it serves") });
        Self { address, stuck, task }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn routes(clock: ManualClock, is_stuck: Arc<Notify>) -> Router {
    Router::new()
        .route("/things/{id}", any(thing))
        .route("/broken", get(|| async { StatusCode::INTERNAL_SERVER_ERROR }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/empty", any(|| async { StatusCode::NO_CONTENT }))
        .route("/moved", get(|| async { Redirect::temporary("/things/1") }))
        .route("/circle", get(|| async { Redirect::temporary("/circle") }))
        .route("/stuck", get(move |clock| stuck(clock, is_stuck)))
        .route("/stream", get(streamed))
        .route("/stalled", get(stalled))
        .with_state(clock)
}

/// Takes a quarter of a second.
async fn thing(State(clock): State<ManualClock>) -> &'static str {
    clock.advance(Duration::from_millis(250));
    "thing"
}

/// Advances the clock by a second, and then never returns.
async fn stuck(State(clock): State<ManualClock>, is_stuck: Arc<Notify>) {
    clock.advance(Duration::from_secs(1));
    is_stuck.notify_one();
    pending().await
}

/// Sends three parts of 1000 bytes, each after one second. The size is not known in advance.
async fn streamed(State(clock): State<ManualClock>) -> Body {
    Body::from_stream(stream::iter(0..3).map(move |_| {
        clock.advance(Duration::from_secs(1));
        Ok::<_, Infallible>(Bytes::from_static(&[b'.'; 1000]))
    }))
}

/// Sends one part, and then stalls.
async fn stalled() -> Body {
    let part = stream::iter([Ok::<_, Infallible>(Bytes::from_static(b"half"))]);
    Body::from_stream(part.chain(stream::pending()))
}

/// Returns the URL of a server that reads one request, sends `response`, and closes the connection.
pub(crate) async fn sends(response: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a client");
        let _ = stream.read(&mut [0; 1000]).await.expect("a request");
        stream.write_all(response.as_bytes()).await.expect("a client that listens");
    });
    format!("http://{address}")
}

/// Returns a client with the middleware, which records in the kit's registry.
pub(crate) fn client(kit: &TestKit) -> ClientWithMiddleware {
    client_of(reqwest::Client::builder(), kit)
}

pub(crate) fn client_of(builder: reqwest::ClientBuilder, kit: &TestKit) -> ClientWithMiddleware {
    let metrics = HttpClientMetrics::new_in(kit.registry()).expect("instruments");
    let client = builder.no_proxy().build().expect("a client");
    ClientBuilder::new(client).with(metrics).build()
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

/// Returns one line per recorded series, with short names, and without minimum, maximum, buckets and addresses.
pub(crate) fn lines(kit: &TestKit) -> Vec<String> {
    let text = kit.collect().without_self_metrics().to_string();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let lines = lines.map(|line| line.split(" min=").next().unwrap_or(line));
    lines.map(short).collect()
}

fn short(line: &str) -> String {
    let line = line.replace('"', "");
    let Some((name, rest)) = line.split_once('{') else { return line };
    let (labels, values) = rest.split_once('}').unwrap_or((rest, ""));
    let labels = labels.split(',').filter(|label| !label.starts_with("server."));
    let labels: Vec<_> = labels
        .map(|label| match label.split_once('=') {
            Some(("error.type", _)) | None => label,
            Some((_, value)) => value,
        })
        .collect();
    let name = name.trim_start_matches("http.client.").replace(".body.size", "");
    format!("{name}{{{}}}{values}", labels.join(","))
}
