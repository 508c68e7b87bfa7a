//! A fake push gateway, which stores what it receives.

use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;

use http::{Method, Request, Response};
use hyper::body::Incoming;

use crate::receiver::{self, Headers, Protocol, Script, path};
use crate::server::{Body, read, response, unpack};

/// The gateway's response to a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Performs the request.
    Accept,
    /// Answers with a status, headers, and a body.
    Http(u16, Headers, &'static str),
    /// Reads the request and closes the connection.
    Cut,
}

impl Answer {
    /// Returns an answer with only this status.
    pub fn status(status: u16) -> Self {
        Self::Http(status, Vec::new(), "")
    }
}

/// The content of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Push {
    /// `PUT`, `POST` or `DELETE`.
    pub method: Method,
    /// The metrics, if they are text.
    pub text: String,
}

/// A push gateway. Unlike the real one, `POST` also replaces all metrics of a group.
#[derive(Debug, Default)]
pub struct Pushgateway {
    groups: Mutex<BTreeMap<String, String>>,
}

/// A running push gateway.
pub type Receiver = receiver::Receiver<Pushgateway>;

impl Receiver {
    /// Starts a gateway that sends these answers, and accepts all further requests.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        Self::any(Pushgateway::default(), answers).await
    }

    /// Returns the metrics of each group, by its path.
    pub fn groups(&self) -> BTreeMap<String, String> {
        self.protocol().groups.lock().unwrap().clone()
    }
}

impl Protocol for Pushgateway {
    type Answer = Answer;
    type Content = Push;

    async fn answer(
        &self,
        script: &Script<Self>,
        request: Request<Incoming>,
        connection: usize,
    ) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let body = read(body).await?;
        let plain = unpack(&body, &head.headers, "content-encoding");
        let text = String::from_utf8_lossy(&plain).into_owned();
        let content = Push { method: head.method.clone(), text: text.clone() };
        let next = script.next().or_else(|| script.answer_to(&content));
        let answer = next.unwrap_or(Answer::Accept);
        let was_taken = matches!(answer, Answer::Accept);
        let (path, headers) = (path(&head), head.headers);
        if was_taken {
            let mut groups = self.groups.lock().unwrap();
            match head.method {
                Method::DELETE => drop(groups.remove(&path)),
                Method::PUT | Method::POST => drop(groups.insert(path.clone(), text)),
                other => panic!("{other}"),
            }
        }
        script.arrived(receiver::Arrival {
            path,
            headers,
            body,
            plain,
            content,
            was_taken,
            connection,
        });
        match answer {
            Answer::Accept => {
                Ok(response(if head.method == Method::DELETE { 202 } else { 200 }, &[], ""))
            }
            Answer::Http(status, headers, body) => Ok(response(status, &headers, body)),
            Answer::Cut => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}
