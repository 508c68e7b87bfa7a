//! A receiver of remote write on this machine that answers as a test says and tells what it got.
#![allow(dead_code, reason = "each test file needs a part of it")]

pub(crate) mod message;

use std::collections::VecDeque;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::message::Row;

/// What a receiver does with a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Takes it; says how much it wrote if it was 2.0.
    Accept,
    /// Takes it, and says nothing.
    Swallow,
    /// Says that it wrote so many samples and histograms.
    Wrote(u16, u64, u64),
    /// A status, headers, and a body.
    Http(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// Never answers.
    Silence,
    /// Reads the request, and closes the connection.
    Cut,
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self::Http(status, Vec::new(), "")
    }
}

/// What a receiver does when nothing else was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Speaks {
    #[default]
    Two,
    /// And says that a request in 2.0 is of a type that it does not know.
    One,
    /// And says that a request in 2.0 is bad.
    OneBadly,
    /// And takes a request in 2.0 for an empty one.
    OneSilently,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) rows: Vec<Row>,
    pub(crate) body: Bytes,
    pub(crate) was_written: bool,
}

impl Arrival {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    /// The version that it says it has.
    pub(crate) fn version(&self) -> &str {
        self.header("x-prometheus-remote-write-version").expect("a version")
    }

    /// The moment of its values, which all have the same.
    pub(crate) fn time(&self) -> i64 {
        let time = self.rows[0].time;
        assert!(self.rows.iter().all(|row| row.time == time), "{:?}", self.rows);
        time
    }

    /// The values of its samples.
    pub(crate) fn values(&self) -> Vec<f64> {
        self.rows.iter().map(|row| row.value).collect()
    }
}

/// A running receiver. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    state: Arc<State>,
    tasks: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    speaks: Speaks,
    answers: Mutex<VecDeque<Answer>>,
    arrivals: Mutex<Vec<Arrival>>,
    /// Where a proxy was asked to connect to.
    tunnels: Mutex<Vec<String>>,
    /// Requests that are longer, without compression, are refused.
    limit: Mutex<Option<usize>>,
    now: AtomicUsize,
    most_at_once: AtomicUsize,
    /// Requests wait until so many have come at the same time.
    company: AtomicUsize,
}

impl Receiver {
    /// Answers in this order, and takes what comes after that.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::speaking(Speaks::Two, answers).await
    }

    pub(crate) async fn speaking(
        speaks: Speaks,
        answers: impl IntoIterator<Item = Answer>,
    ) -> Self {
        Self::listen((Ipv4Addr::LOCALHOST, 0).into(), speaks, answers).await
    }

    /// Listens where an earlier one did.
    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        Self::listen(address, Speaks::Two, []).await
    }

    async fn listen(
        address: SocketAddr,
        speaks: Speaks,
        answers: impl IntoIterator<Item = Answer>,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("the port is free");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            speaks,
            answers: Mutex::new(answers.into_iter().collect()),
            ..State::default()
        });
        let mut tasks = JoinSet::new();
        let shared = state.clone();
        tasks.spawn(async move {
            // Dropped with this task, and the connections with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = shared.clone();
                connections.spawn(async move {
                    let service = service_fn(|request| answer(request, shared.clone()));
                    let connection =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    // Connections that are cut end with an error.
                    let _ = connection.await;
                });
            }
        });
        Self { address, state, tasks }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://localhost:{}/api/v1/write", self.address.port())
    }

    pub(crate) fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.answers.lock().unwrap().extend(answers);
    }

    /// Forgets answers that nobody has asked for.
    pub(crate) fn forget_answers(&self) {
        self.state.answers.lock().unwrap().clear();
    }

    /// Refuses requests that are longer, without compression.
    pub(crate) fn limit(&self, bytes: usize) {
        *self.state.limit.lock().unwrap() = Some(bytes);
    }

    /// What has arrived, written or not.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.state.arrivals.lock().unwrap().clone()
    }

    /// How much has arrived.
    pub(crate) fn count(&self) -> usize {
        self.state.arrivals.lock().unwrap().len()
    }

    /// What it has.
    pub(crate) fn written(&self) -> Vec<Arrival> {
        self.arrivals().into_iter().filter(|arrival| arrival.was_written).collect()
    }

    /// Where it was asked to connect to, as a proxy.
    pub(crate) fn tunnels(&self) -> Vec<String> {
        self.state.tunnels.lock().unwrap().clone()
    }

    /// Has requests wait until so many have come at the same time.
    pub(crate) fn wait_for_company(&self, requests: usize) {
        self.state.company.store(requests, Ordering::Relaxed);
    }

    /// How many requests it had at the same time.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.most_at_once.load(Ordering::Relaxed)
    }

    /// Closes the port and all connections.
    pub(crate) async fn stop(mut self) -> Vec<Arrival> {
        self.tasks.shutdown().await;
        self.arrivals()
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    if head.method == Method::CONNECT {
        state.tunnels.lock().unwrap().push(head.uri.to_string());
        return Ok(response(502, &[], ""));
    }
    assert_eq!(head.method, Method::POST);
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    assert_eq!(head.headers["content-encoding"], "snappy");
    let plain = snap::raw::Decoder::new().decompress_vec(&body).expect("snappy blocks");
    let is_two = match head.headers["content-type"].to_str().expect("text") {
        "application/x-protobuf;proto=io.prometheus.write.v2.Request" => true,
        "application/x-protobuf" => false,
        other => panic!("content type `{other}`"),
    };
    let rows = if is_two { message::rows_of_2(&plain) } else { message::rows_of_1(&plain) };

    let now = state.now.fetch_add(1, Ordering::Relaxed) + 1;
    state.most_at_once.fetch_max(now, Ordering::Relaxed);
    while state.most_at_once.load(Ordering::Relaxed) < state.company.load(Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // So that one too many has the time to come.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    state.now.fetch_sub(1, Ordering::Relaxed);

    let limit = state.limit.lock().unwrap().filter(|limit| plain.len() > *limit);
    let answer = match (limit, state.answers.lock().unwrap().pop_front()) {
        (Some(_), _) => Answer::status(413),
        (None, Some(answer)) => answer,
        (None, None) if !is_two => Answer::Accept,
        (None, None) => match state.speaks {
            Speaks::Two => Answer::Accept,
            Speaks::One => Answer::status(415),
            Speaks::OneBadly => Answer::Http(400, Vec::new(), "no timeseries"),
            Speaks::OneSilently => Answer::Swallow,
        },
    };
    let was_written = matches!(answer, Answer::Accept | Answer::Wrote(200..300, ..));
    let histograms = rows.iter().filter(|row| row.native.is_some()).count() as u64;
    let samples = rows.len() as u64 - histograms;
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    let arrival = Arrival { path, headers: head.headers, rows, body, was_written };
    state.arrivals.lock().unwrap().push(arrival);
    match answer {
        Answer::Accept if is_two => Ok(wrote(204, samples, histograms)),
        Answer::Accept | Answer::Swallow => Ok(response(204, &[], "")),
        Answer::Wrote(status, samples, histograms) => Ok(wrote(status, samples, histograms)),
        Answer::Http(status, headers, body) => Ok(response(status, &headers, body)),
        Answer::Silence => std::future::pending().await,
        Answer::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

fn wrote(status: u16, samples: u64, histograms: u64) -> Response<Full<Bytes>> {
    let mut response = response(status, &[], "");
    for (name, count) in [("samples", samples), ("histograms", histograms), ("exemplars", 0)] {
        let name = format!("x-prometheus-remote-write-{name}-written");
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        response.headers_mut().insert(name, HeaderValue::from(count));
    }
    response
}

fn response(
    status: u16,
    headers: &[(&'static str, &'static str)],
    body: &'static str,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
