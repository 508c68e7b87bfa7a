//! A fake receiver of Prometheus remote write.

pub mod message;

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Request, Response};
use hyper::body::Incoming;
use prost::Message;

use self::message::Row;
use crate::receiver::{self, Headers, Protocol, Script, path};
use crate::server::{Body, read, response, unpack};

/// The receiver's response to a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Accepts the request. For version 2.0, the response states how many samples were written.
    Accept,
    /// Accepts the request. The response does not state how many samples were written.
    Swallow,
    /// Answers with this status, and states that this many samples and histograms were written.
    Wrote(u16, u64, u64),
    /// Answers with a status, headers, and a body.
    Http(u16, Headers, &'static str),
    /// Never answers.
    Silence,
    /// Reads the request and closes the connection.
    Cut,
}

impl Answer {
    /// Returns an answer with only this status.
    pub fn status(status: u16) -> Self {
        Self::Http(status, Vec::new(), "")
    }
}

/// The versions of the protocol that a receiver supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaks {
    /// Versions 2.0 and 1.0.
    #[default]
    Two,
    /// Version 1.0. The receiver rejects 2.0 as an unsupported media type.
    One,
    /// Version 1.0. The receiver rejects a request in 2.0 as bad.
    OneBadly,
    /// Version 1.0. The receiver accepts a request in 2.0 as an empty one.
    OneSilently,
}

/// The remote-write protocol.
#[derive(Debug, Default)]
pub struct RemoteWrite {
    speaks: Speaks,
    /// The destinations that a proxy was asked to connect to.
    tunnels: Mutex<Vec<String>>,
    now: AtomicUsize,
    most_at_once: AtomicUsize,
    /// The number of concurrent requests for which each request waits.
    company: AtomicUsize,
}

/// A running receiver of remote write.
pub type Receiver = receiver::Receiver<RemoteWrite>;

/// A request that arrived.
pub type Arrival = receiver::Arrival<Vec<Row>>;

impl Arrival {
    /// Returns the version that the request states.
    pub fn version(&self) -> &str {
        self.header("x-prometheus-remote-write-version").expect("a version")
    }

    /// Returns the timestamp of the values, which must all have the same one.
    pub fn time(&self) -> i64 {
        let time = self.content[0].time;
        assert!(self.content.iter().all(|row| row.time == time), "{:?}", self.content);
        time
    }

    /// Returns a request in version 2.0 as received.
    pub fn message(&self) -> message::Request {
        message::Request::decode(&*self.plain).expect("io.prometheus.write.v2.Request")
    }

    /// Returns the values of the samples.
    pub fn values(&self) -> Vec<f64> {
        self.content.iter().map(|row| row.value).collect()
    }
}

impl Receiver {
    /// Starts a receiver that gives these answers, and accepts all further requests.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::speaking(Speaks::Two, answers).await
    }

    /// Like [`start`](Self::start), for a receiver that supports these versions.
    pub async fn speaking(speaks: Speaks, answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::any(RemoteWrite { speaks, ..RemoteWrite::default() }, answers).await
    }

    /// Starts a receiver at the address of an earlier one.
    pub async fn start_at(address: SocketAddr) -> Self {
        Self::listen(address, None, RemoteWrite::default(), []).await
    }

    /// Returns the destinations that this receiver, as a proxy, was asked to connect to.
    pub fn tunnels(&self) -> Vec<String> {
        self.protocol().tunnels.lock().unwrap().clone()
    }

    /// Makes requests wait until `requests` of them have arrived at the same time.
    pub fn wait_for_company(&self, requests: usize) {
        self.protocol().company.store(requests, Ordering::Relaxed);
    }

    /// Returns the maximum number of concurrent requests.
    pub fn most_at_once(&self) -> usize {
        self.protocol().most_at_once.load(Ordering::Relaxed)
    }
}

impl RemoteWrite {
    /// Counts the concurrent requests, and waits for as many as the test requires.
    async fn meet(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most_at_once.fetch_max(now, Ordering::Relaxed);
        while self.most_at_once.load(Ordering::Relaxed) < self.company.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Waits a little longer, in case one request too many arrives.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        self.now.fetch_sub(1, Ordering::Relaxed);
    }

    fn usual_answer(&self, is_two: bool) -> Answer {
        match self.speaks {
            _ if !is_two => Answer::Accept,
            Speaks::Two => Answer::Accept,
            Speaks::One => Answer::status(415),
            Speaks::OneBadly => Answer::Http(400, Vec::new(), "no timeseries"),
            Speaks::OneSilently => Answer::Swallow,
        }
    }
}

impl Protocol for RemoteWrite {
    type Answer = Answer;
    type Content = Vec<Row>;
    const PATH: &'static str = "/api/v1/write";

    async fn answer(
        &self,
        script: &Script<Self>,
        request: Request<Incoming>,
        connection: usize,
    ) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        if head.method == Method::CONNECT {
            self.tunnels.lock().unwrap().push(head.uri.to_string());
            return Ok(response(502, &[], ""));
        }
        assert_eq!(head.method, Method::POST);
        let body = read(body).await?;
        assert_eq!(head.headers["content-encoding"], "snappy");
        let plain = unpack(&body, &head.headers, "content-encoding");
        let is_two = match head.headers["content-type"].to_str().expect("text") {
            "application/x-protobuf;proto=io.prometheus.write.v2.Request" => true,
            "application/x-protobuf" => false,
            other => panic!("content type `{other}`"),
        };
        let content = if is_two { message::rows_of_2(&plain) } else { message::rows_of_1(&plain) };
        self.meet().await;

        let next = script.next().or_else(|| script.answer_to(&content));
        let answer = match script.is_too_long(plain.len()) {
            true => Answer::status(413),
            false => next.unwrap_or_else(|| self.usual_answer(is_two)),
        };
        let was_taken = matches!(answer, Answer::Accept | Answer::Wrote(200..300, ..));
        let histograms = content.iter().filter(|row| row.native.is_some()).count() as u64;
        let samples = content.len() as u64 - histograms;
        let exemplars = content.iter().map(|row| row.exemplars.len() as u64).sum();
        let (path, headers) = (path(&head), head.headers);
        script.arrived(Arrival { path, headers, body, plain, content, was_taken, connection });
        match answer {
            Answer::Accept if is_two => Ok(wrote(204, samples, histograms, exemplars)),
            Answer::Accept | Answer::Swallow => Ok(response(204, &[], "")),
            Answer::Wrote(status, samples, histograms) => Ok(wrote(status, samples, histograms, 0)),
            Answer::Http(status, headers, body) => Ok(response(status, &headers, body)),
            Answer::Silence => std::future::pending().await,
            Answer::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

fn wrote(status: u16, samples: u64, histograms: u64, exemplars: u64) -> Response<Body> {
    let mut response = response(status, &[], "");
    let counts = [("samples", samples), ("histograms", histograms), ("exemplars", exemplars)];
    for (name, count) in counts {
        let name = format!("x-prometheus-remote-write-{name}-written");
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        response.headers_mut().insert(name, HeaderValue::from(count));
    }
    response
}
