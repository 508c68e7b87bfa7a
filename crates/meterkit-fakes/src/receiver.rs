//! What the fake receivers have in common: they answer as a test says, and keep what arrived.

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

/// Headers of an answer.
pub type Headers = Vec<(&'static str, &'static str)>;

/// How a receiver understands requests and answers them.
pub trait Protocol: Debug + Send + Sync + Sized + 'static {
    /// What a receiver does with a request.
    type Answer: Debug + Send;
    /// What is in a request.
    type Content: Clone + Debug + Send;
    /// The path of the receiver's URL.
    const PATH: &'static str = "";

    /// Answers a request, or fails to close the connection.
    fn answer(
        &self,
        script: &Script<Self>,
        request: Request<Incoming>,
        connection: usize,
    ) -> impl Future<Output = io::Result<Response<Body>>> + Send;
}

/// A running receiver. It ends when it is dropped.
#[derive(Debug)]
pub struct Receiver<P: Protocol> {
    server: Server,
    state: Arc<(P, Script<P>)>,
}

/// Answers requests with some content.
type AnswerIf<P> = Box<dyn Fn(&<P as Protocol>::Content) -> Option<<P as Protocol>::Answer> + Send>;

/// The answers that a receiver gives next, and what has arrived.
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
    /// The body as it came.
    pub body: Bytes,
    /// The body without compression and framing.
    pub plain: Bytes,
    /// What the body says.
    pub content: C,
    /// Whether the receiver took it.
    pub was_taken: bool,
    /// The number of the connection that it came over.
    pub connection: usize,
}

impl<P: Protocol> Receiver<P> {
    /// Starts a receiver on any port that gives these answers first.
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

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Returns its URL.
    pub fn url(&self) -> String {
        self.server.url() + P::PATH
    }

    /// Refuses requests that are longer from now on, as servers do; none after `usize::MAX`.
    pub fn limit(&self, bytes: usize) {
        *self.state.1.limit.lock().unwrap() = Some(bytes);
    }

    /// Queues these answers behind those that are already queued.
    pub fn answer_next(&self, answers: impl IntoIterator<Item = P::Answer>) {
        self.state.1.answers.lock().unwrap().extend(answers);
    }

    /// Answers each request with such content with `answer` from now on, unless the request exceeds the limit.
    pub fn answer_if(
        &self,
        is_such: impl Fn(&P::Content) -> bool + Send + 'static,
        answer: impl Fn() -> P::Answer + Send + 'static,
    ) {
        *self.state.1.answer_if.lock().unwrap() =
            Some(Box::new(move |content| is_such(content).then(&answer)));
    }

    /// Forgets the answers that it has not given yet.
    pub fn forget_answers(&self) {
        self.state.1.answers.lock().unwrap().clear();
    }

    /// Returns what has arrived, taken or not.
    pub fn arrivals(&self) -> Vec<Arrival<P::Content>> {
        self.state.1.arrivals.lock().unwrap().clone()
    }

    /// Returns how many requests have arrived.
    pub fn count(&self) -> usize {
        self.state.1.arrivals.lock().unwrap().len()
    }

    /// Returns what it took.
    pub fn taken(&self) -> Vec<Arrival<P::Content>> {
        self.arrivals().into_iter().filter(|arrival| arrival.was_taken).collect()
    }

    /// Closes the port and all connections, and returns what had arrived.
    pub async fn stop(self) -> Vec<Arrival<P::Content>> {
        self.server.stop().await;
        self.state.1.arrivals.lock().unwrap().clone()
    }
}

impl<P: Protocol> Script<P> {
    /// Returns the answer that comes next, if the test said one.
    pub(crate) fn next(&self) -> Option<P::Answer> {
        self.answers.lock().unwrap().pop_front()
    }

    /// Returns the answer to a request with such content, if the test said one.
    pub(crate) fn answer_to(&self, content: &P::Content) -> Option<P::Answer> {
        self.answer_if.lock().unwrap().as_ref()?(content)
    }

    /// Returns whether a request of this length is to be refused.
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

/// Returns the path and the query that a request asks for.
pub(crate) fn path(head: &http::request::Parts) -> String {
    head.uri.path_and_query().map(ToString::to_string).unwrap_or_default()
}
