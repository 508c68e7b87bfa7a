//! Common code of the fake receivers, which answer as a test specifies, and keep what they receive.

use std::collections::VecDeque;
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use hyper::body::Incoming;
use tokio_rustls::TlsAcceptor;

use crate::server::{ANY, Body, Server};

/// The headers of an answer.
pub type Headers = Vec<(&'static str, &'static str)>;

/// The way a receiver parses and answers requests.
pub trait Protocol: Debug + Send + Sync + Sized + 'static {
    /// A response to a request.
    type Answer: Debug + Send;
    /// The content of a request.
    type Content: Clone + Debug + Send;
    /// The path of the receiver's URL.
    const PATH: &'static str = "";

    /// Answers a request. An error closes the connection.
    fn answer(
        &self,
        script: &Script<Self>,
        request: Request<Incoming>,
        connection: usize,
    ) -> impl Future<Output = io::Result<Response<Body>>> + Send;
}

/// A running receiver, which stops when this is dropped.
#[derive(Debug)]
pub struct Receiver<P: Protocol> {
    server: Server,
    state: Arc<(P, Script<P>)>,
}

/// Returns the answer to requests with certain content.
type AnswerIf<P> = Box<dyn Fn(&<P as Protocol>::Content) -> Option<<P as Protocol>::Answer> + Send>;

/// The next answers of a receiver, and the requests that have arrived.
pub struct Script<P: Protocol> {
    answers: Mutex<VecDeque<P::Answer>>,
    limit: Mutex<Option<usize>>,
    answer_if: Mutex<Option<AnswerIf<P>>>,
    arrivals: Mutex<Vec<Arrival<P::Content>>>,
}

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Arrival<C> {
    /// The path and the query.
    pub path: String,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as received.
    pub body: Bytes,
    /// The body without compression and framing.
    pub plain: Bytes,
    /// The parsed body.
    pub content: C,
    /// Whether the receiver accepted the request.
    pub was_taken: bool,
    /// The number of the connection that carried the request.
    pub connection: usize,
}

impl<P: Protocol> Receiver<P> {
    /// Starts a receiver on any free port that gives these answers first.
    pub(crate) async fn any(protocol: P, answers: impl IntoIterator<Item = P::Answer>) -> Self {
        Self::listen(ANY, None, protocol, answers).await
    }

    pub(crate) async fn listen(
        address: SocketAddr,
        tls: Option<TlsAcceptor>,
        protocol: P,
        answers: impl IntoIterator<Item = P::Answer>,
    ) -> Self {
        let script = Script {
            answers: Mutex::new(answers.into_iter().collect()),
            limit: Mutex::default(),
            answer_if: Mutex::default(),
            arrivals: Mutex::default(),
        };
        let state = Arc::new((protocol, script));
        let shared = state.clone();
        let answer = move |request, connection| {
            let shared = shared.clone();
            async move { shared.0.answer(&shared.1, request, connection).await }
        };
        Self { server: Server::http(address, tls, answer).await, state }
    }

    pub(crate) fn protocol(&self) -> &P {
        &self.state.0
    }

    /// Returns the address that the receiver listens on.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns the URL of the receiver.
    pub fn url(&self) -> String {
        self.server.url() + P::PATH
    }

    /// Rejects longer requests from now on, as servers do. `usize::MAX` removes the limit.
    pub fn limit(&self, bytes: usize) {
        *self.state.1.limit.lock().unwrap() = Some(bytes);
    }

    /// Queues these answers after the queued ones.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = P::Answer>) {
        self.state.1.answers.lock().unwrap().extend(answers);
    }

    /// From now on, answers each request whose content satisfies `is_such` with `answer`, unless the request exceeds the
    /// limit.
    pub fn answer_if(
        &self,
        is_such: impl Fn(&P::Content) -> bool + Send + 'static,
        answer: impl Fn() -> P::Answer + Send + 'static,
    ) {
        *self.state.1.answer_if.lock().unwrap() =
            Some(Box::new(move |content| is_such(content).then(&answer)));
    }

    /// Discards the queued answers.
    pub fn forget_answers(&self) {
        self.state.1.answers.lock().unwrap().clear();
    }

    /// Returns all requests that have arrived, accepted or not.
    pub fn arrivals(&self) -> Vec<Arrival<P::Content>> {
        self.state.1.arrivals.lock().unwrap().clone()
    }

    /// Returns the number of requests that have arrived.
    pub fn count(&self) -> usize {
        self.state.1.arrivals.lock().unwrap().len()
    }

    /// Returns the accepted requests.
    pub fn taken(&self) -> Vec<Arrival<P::Content>> {
        self.arrivals().into_iter().filter(|arrival| arrival.was_taken).collect()
    }

    /// Closes the port and all connections, and returns the requests that have arrived.
    pub async fn stop(self) -> Vec<Arrival<P::Content>> {
        self.server.stop().await;
        self.state.1.arrivals.lock().unwrap().clone()
    }
}

impl<P: Protocol> Script<P> {
    /// Returns the next answer, if the test has queued one.
    pub(crate) fn next(&self) -> Option<P::Answer> {
        self.answers.lock().unwrap().pop_front()
    }

    /// Returns the answer to a request with this content, if the test has set one.
    pub(crate) fn answer_to(&self, content: &P::Content) -> Option<P::Answer> {
        self.answer_if.lock().unwrap().as_ref()?(content)
    }

    /// Returns whether a request of this length must be rejected.
    pub(crate) fn is_too_long(&self, bytes: usize) -> bool {
        self.limit.lock().unwrap().is_some_and(|limit| bytes > limit)
    }

    pub(crate) fn arrived(&self, arrival: Arrival<P::Content>) {
        self.arrivals.lock().unwrap().push(arrival);
    }
}

impl<P: Protocol> Debug for Script<P> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("answers", &self.answers)
            .field("arrivals", &self.arrivals)
            .finish_non_exhaustive()
    }
}

impl<C> Arrival<C> {
    /// Returns the value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }
}

/// Returns the path and the query of a request.
pub(crate) fn path(head: &http::request::Parts) -> String {
    head.uri.path_and_query().map(ToString::to_string).unwrap_or_default()
}
