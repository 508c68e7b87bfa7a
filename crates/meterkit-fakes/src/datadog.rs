//! An intake of Datadog's that stores what it takes, as Datadog does.

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

/// What an intake does with a payload.
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
    /// Refuses it with a status, headers, and a body.
    Refuse(u16, Headers, &'static str),
    /// Reads it, and closes the connection.
    Cut,
    /// Closes the connection without having read it.
    CutUnread,
    /// Never answers.
    Silence,
}

impl Answer {
    fn takes(&self) -> bool {
        !matches!(self, Self::Refuse(..) | Self::Cut | Self::CutUnread | Self::Silence)
    }
}

/// What is in a payload.
#[derive(Clone, Debug)]
pub struct Payload {
    /// Its points.
    pub points: Vec<Point>,
    /// What came in place of points.
    pub otlp: Option<ExportMetricsServiceRequest>,
}

/// A payload that arrived.
pub type Arrival = receiver::Arrival<Payload>;

impl Arrival {
    /// Returns the times of its points, each once.
    pub fn timestamps(&self) -> Vec<i64> {
        let mut timestamps: Vec<_> = self.content.points.iter().map(|it| it.timestamp).collect();
        timestamps.dedup();
        timestamps
    }
}

/// What tells a series from others.
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

/// Chooses what happens to the next payload.
type Decide = Box<dyn FnMut() -> Answer + Send>;

/// Returns which points are malformed.
type IsBad = Box<dyn Fn(&Point) -> bool + Send>;

/// Datadog's API.
pub struct Datadog {
    /// Asked when the script has no answer.
    decide: Mutex<Decide>,
    /// The answer to the question whether a key is valid.
    on_key: Mutex<Answer>,
    /// Payloads with such a point are refused.
    is_bad: Mutex<IsBad>,
    /// What was asked beside payloads: method and path, and the headers.
    questions: Mutex<Vec<(String, HeaderMap)>>,
    /// One point for a series and a second: the last one.
    stored: Mutex<BTreeMap<(Key, i64), Value>>,
    /// How many payloads have arrived.
    count: watch::Sender<usize>,
}

impl Debug for Datadog {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Datadog").field("stored", &self.stored).finish_non_exhaustive()
    }
}

impl Intake {
    /// Starts an intake that gives these answers, and accepts what comes after that.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let intake = Self::start_with(|| Answer::Accept).await;
        intake.answer_next(answers);
        intake
    }

    /// Starts an intake that does with each payload what `decide` says.
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

    /// Refuses payloads that have such a point from now on, as Datadog does.
    pub fn refuse(&self, is_bad: impl Fn(&Point) -> bool + Send + 'static) {
        *self.protocol().is_bad.lock().unwrap() = Box::new(is_bad);
    }

    /// Sets what it says of a key.
    pub fn answer_on_key(&self, answer: Answer) {
        *self.protocol().on_key.lock().unwrap() = answer;
    }

    /// Waits until so many payloads have arrived.
    pub async fn arrived(&self, count: usize) {
        let mut counts = self.protocol().count.subscribe();
        counts.wait_for(|arrived| *arrived >= count).await.expect("it counts");
    }

    /// Returns what it was asked beside payloads: method and path, and the headers.
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
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later");
        let mut stored = self.stored.lock().unwrap();
        for point in points {
            // Datadog drops what is an hour old, or ten minutes ahead.
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
