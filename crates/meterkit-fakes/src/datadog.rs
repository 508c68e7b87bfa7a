//! A fake of Datadog's intake, which stores payloads as Datadog does.

pub mod messages;
mod points;

use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::io;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use tokio::sync::watch;

pub use self::points::{Point, Value};
use crate::receiver::{self, Headers, Protocol, Script, path};
use crate::server::{Body, read, response, unpack};

/// The intake's response to a payload.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// Accepts the payload.
    Accept,
    /// Accepts the payload, and answers with a body that cannot be parsed.
    Garbage,
    /// Accepts the payload, but a proxy answers with another status.
    TakeAndSay(u16),
    /// Accepts the payload, and closes the connection without an answer.
    TakeAndCut,
    /// Accepts the payload, and never answers.
    TakeAndHang,
    /// Rejects the payload with a status, headers, and a body.
    Refuse(u16, Headers, &'static str),
    /// Reads the payload, and closes the connection.
    Cut,
    /// Closes the connection without reading the payload.
    CutUnread,
    /// Never answers.
    Silence,
}

impl Answer {
    fn takes(&self) -> bool {
        !matches!(self, Self::Refuse(..) | Self::Cut | Self::CutUnread | Self::Silence)
    }
}

/// The content of a payload.
#[derive(Clone, Debug)]
pub struct Payload {
    /// The points of the payload.
    pub points: Vec<Point>,
    /// The OTLP request, if one arrived in place of points.
    pub otlp: Option<ExportMetricsServiceRequest>,
}

/// A payload that arrived.
pub type Arrival = receiver::Arrival<Payload>;

impl Arrival {
    /// Returns the distinct times of the points.
    pub fn timestamps(&self) -> Vec<i64> {
        let mut timestamps: Vec<_> = self.content.points.iter().map(|it| it.timestamp).collect();
        timestamps.dedup();
        timestamps
    }
}

/// The identity of a series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The name of the metric.
    pub metric: String,
    /// The tags.
    pub tags: Vec<String>,
    /// The host.
    pub host: Option<String>,
}

/// A running intake.
pub type Intake = receiver::Receiver<Datadog>;

/// Decides the response to the next payload.
type Decide = Box<dyn FnMut() -> Answer + Send>;

/// Returns whether a point is malformed.
type IsBad = Box<dyn Fn(&Point) -> bool + Send>;

/// Datadog's API.
pub struct Datadog {
    /// Decides once the script has no answer left.
    decide: Mutex<Decide>,
    /// The response to a request that validates a key.
    on_key: Mutex<Answer>,
    /// Selects malformed points, whose payloads are rejected.
    is_bad: Mutex<IsBad>,
    /// The requests other than payloads: method and path, and the headers.
    questions: Mutex<Vec<(String, HeaderMap)>>,
    /// The points by series and second. A later point replaces an earlier one.
    stored: Mutex<BTreeMap<(Key, i64), Value>>,
    /// The number of payloads that have arrived.
    count: watch::Sender<usize>,
}

impl Debug for Datadog {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datadog").field("stored", &self.stored).finish_non_exhaustive()
    }
}

impl Intake {
    /// Starts an intake that gives these answers, and accepts all further payloads.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let intake = Self::start_with(|| Answer::Accept).await;
        intake.answer_next(answers);
        intake
    }

    /// Starts an intake whose response to each payload is chosen by `decide`.
    pub async fn start_with(decide: impl FnMut() -> Answer + Send + 'static) -> Self {
        let datadog = Datadog {
            decide: Mutex::new(Box::new(decide)),
            on_key: Mutex::new(Answer::Accept),
            is_bad: Mutex::new(Box::new(|_| false)),
            questions: Mutex::default(),
            stored: Mutex::default(),
            count: watch::Sender::new(0),
        };
        Self::any(datadog, []).await
    }

    /// Rejects payloads that contain such a point from now on, as Datadog does.
    pub fn refuse(&self, is_bad: impl Fn(&Point) -> bool + Send + 'static) {
        *self.protocol().is_bad.lock().unwrap() = Box::new(is_bad);
    }

    /// Sets the response to requests that validate a key.
    pub fn answer_on_key(&self, answer: Answer) {
        *self.protocol().on_key.lock().unwrap() = answer;
    }

    /// Waits until `count` payloads have arrived.
    pub async fn arrived(&self, count: usize) {
        let mut counts = self.protocol().count.subscribe();
        counts.wait_for(|arrived| *arrived >= count).await.expect("it counts");
    }

    /// Returns the requests other than payloads: method and path, and the headers.
    pub fn questions(&self) -> Vec<(String, HeaderMap)> {
        self.protocol().questions.lock().unwrap().clone()
    }

    /// Returns the points of each series by time.
    pub fn stored(&self) -> BTreeMap<(Key, i64), Value> {
        self.protocol().stored.lock().unwrap().clone()
    }

    /// Returns the sum of all counts of each series, and the sum and count of all its distributions.
    pub fn totals(&self) -> BTreeMap<Key, (f64, u64)> {
        let mut totals: BTreeMap<Key, (f64, u64)> = BTreeMap::new();
        for ((key, _), value) in self.stored() {
            let total = totals.entry(key).or_default();
            match value {
                Value::Count { value, .. } => total.0 += value,
                Value::Gauge(value) => total.0 = value,
                Value::Sketch { count, sum, .. } => *total = (total.0 + sum, total.1 + count),
            }
        }
        totals
    }

    /// Returns the sum of all series of a counter.
    pub fn counted(&self, metric: &str) -> f64 {
        let totals = self.totals().into_iter().filter(|(key, _)| key.metric == metric);
        totals.map(|(_, (value, _))| value).sum()
    }
}

impl Datadog {
    fn store(&self, points: &[Point]) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
        let mut stored = self.stored.lock().unwrap();
        for point in points {
            // Datadog drops points that are an hour old, or ten minutes ahead.
            let ahead = point.timestamp - now.as_secs() as i64;
            if (-3600..=600).contains(&ahead) {
                let Point { metric, tags, host, timestamp, value, .. } = point.clone();
                stored.insert((Key { metric, tags, host }, timestamp), value);
            }
        }
    }
}

impl Protocol for Datadog {
    type Answer = Answer;
    type Content = Payload;

    async fn answer(
        &self,
        script: &Script<Self>,
        request: Request<Incoming>,
        connection: usize,
    ) -> io::Result<Response<Body>> {
        let (head, body) = request.into_parts();
        let path = path(&head);
        if head.method == Method::GET {
            self.questions.lock().unwrap().push((format!("GET {path}"), head.headers));
            let answer = self.on_key.lock().unwrap().clone();
            return reply(answer, 200, r#"{"valid":true}"#).await;
        }
        let answer = script.next().unwrap_or_else(|| (self.decide.lock().unwrap())());
        if answer == Answer::CutUnread {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let body = read(body).await?;
        let plain = unpack(&body, &head.headers, "content-encoding");
        let content_type = head.headers["content-type"].to_str().expect("text");
        let mut otlp = None;
        let points = match (head.uri.path().rsplit_once("/api/"), content_type) {
            (None, "application/x-protobuf") => {
                otlp = Some(ExportMetricsServiceRequest::decode(plain.clone()).expect("OTLP"));
                Vec::new()
            }
            (Some((_, "v2/series")), "application/x-protobuf") => points::of_protobuf(&plain),
            (Some((_, "v2/series")), "application/json") => points::of_json(&plain),
            (Some((_, "beta/sketches")), "application/x-protobuf") => points::of_sketches(&plain),
            other => panic!("{other:?}"),
        };
        let has_bad = points.iter().any(&*self.is_bad.lock().unwrap());
        let content = Payload { points, otlp };
        let answer = match answer {
            _ if script.is_too_long(body.len()) => {
                Answer::Refuse(413, Vec::new(), r#"{"errors":["Payload too large"]}"#)
            }
            Answer::Accept if has_bad => {
                Answer::Refuse(400, Vec::new(), r#"{"errors":["bad tag"]}"#)
            }
            Answer::Accept => script.answer_to(&content).unwrap_or(Answer::Accept),
            answer => answer,
        };
        let was_taken = answer.takes();
        if was_taken {
            self.store(&content.points);
        }
        let headers = head.headers;
        script.arrived(Arrival { path, headers, body, plain, content, was_taken, connection });
        self.count.send_modify(|count| *count += 1);
        reply(answer, 202, r#"{"errors":[]}"#).await
    }
}

async fn reply(answer: Answer, good: u16, body: &'static str) -> io::Result<Response<Body>> {
    match answer {
        Answer::Accept => Ok(response(good, &[], body)),
        Answer::Garbage => Ok(response(good, &[], &b"\xff\x00 no message"[..])),
        Answer::TakeAndSay(status) => Ok(response(status, &[], "<html>")),
        Answer::Refuse(status, headers, body) => Ok(response(status, &headers, body)),
        Answer::TakeAndCut | Answer::Cut | Answer::CutUnread => {
            Err(io::ErrorKind::ConnectionAborted.into())
        }
        Answer::TakeAndHang | Answer::Silence => std::future::pending().await,
    }
}
