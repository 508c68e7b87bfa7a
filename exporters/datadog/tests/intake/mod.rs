//! An intake of Datadog's on this machine, that answers as a test says, tells what it got, and stores what it took.
#![allow(dead_code, reason = "each test file needs a part of it")]

#[path = "../../src/payload/messages.rs"]
mod messages;
mod points;

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub(crate) use self::points::{Point, Value};

/// What an intake does with a payload.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Takes it, and says so.
    Accept,
    /// Takes it, and says so in no way that anybody understands.
    Garbage,
    /// Takes it, but something on the way says another status.
    TakeAndSay(u16),
    /// Takes it, and closes the connection.
    TakeAndCut,
    /// Takes it, and never answers.
    TakeAndHang,
    /// Refuses it: a status, headers, and a body.
    Refuse(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// Reads it, and closes the connection.
    Cut,
    /// Closes the connection without having read it.
    CutUnread,
    /// Never answers.
    Silence,
}

impl Answer {
    fn takes(&self) -> bool {
        let taken = [Self::Garbage, Self::TakeAndCut, Self::TakeAndHang];
        let is = |other| std::mem::discriminant(self) == std::mem::discriminant(other);
        matches!(self, Self::Accept | Self::TakeAndSay(_)) || taken.iter().any(is)
    }
}

/// A payload that arrived.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// As it came, compressed.
    pub(crate) length: usize,
    pub(crate) points: Vec<Point>,
    /// What came in place of points.
    pub(crate) otlp: Option<ExportMetricsServiceRequest>,
    pub(crate) was_taken: bool,
}

impl Arrival {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    pub(crate) fn timestamps(&self) -> Vec<i64> {
        let mut timestamps: Vec<_> = self.points.iter().map(|point| point.timestamp).collect();
        timestamps.dedup();
        timestamps
    }
}

/// A series as Datadog tells it from others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) metric: String,
    pub(crate) tags: Vec<String>,
    pub(crate) host: Option<String>,
}

/// A running intake. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Intake {
    address: SocketAddr,
    state: Arc<State>,
    tasks: JoinSet<()>,
}

/// Says what happens to the next payload.
type Decide = Box<dyn FnMut() -> Answer + Send>;

/// Says which points are malformed.
type IsBad = Box<dyn Fn(&Point) -> bool + Send>;

struct State {
    /// Asked when no answer waits.
    decide: Mutex<Decide>,
    answers: Mutex<VecDeque<Answer>>,
    /// To the question whether a key is good.
    on_key: Mutex<Answer>,
    /// Payloads that are longer, compressed, are refused.
    limit: Mutex<Option<usize>>,
    /// Payloads with such a point are refused.
    is_bad: Mutex<IsBad>,
    arrivals: Mutex<Vec<Arrival>>,
    /// What was asked beside payloads: method and path, and the key.
    questions: Mutex<Vec<(String, HeaderMap)>>,
    /// One point for a series and a second: the last one.
    stored: Mutex<BTreeMap<(Key, i64), Value>>,
    /// How many have arrived.
    count: watch::Sender<usize>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("arrivals", &self.arrivals).finish_non_exhaustive()
    }
}

impl Intake {
    /// Answers in this order, and accepts what comes after that.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let intake = Self::start_with(|| Answer::Accept).await;
        intake.answer_next(answers);
        intake
    }

    /// Does with each payload what `decide` says.
    pub(crate) async fn start_with(decide: impl FnMut() -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            decide: Mutex::new(Box::new(decide)),
            answers: Mutex::default(),
            on_key: Mutex::new(Answer::Accept),
            limit: Mutex::default(),
            is_bad: Mutex::new(Box::new(|_| false)),
            arrivals: Mutex::default(),
            questions: Mutex::default(),
            stored: Mutex::default(),
            count: watch::Sender::new(0),
        });
        let shared = state.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // Dropped with this task, and the connections with it.
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(connection(stream, shared.clone()));
            }
        });
        Self { address, state, tasks }
    }

    /// Sends these bytes to whoever connects.
    pub(crate) async fn start_babbling(bytes: &'static [u8]) -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 64];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(bytes).await;
            }
        });
        (address, tasks)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL without a path.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Refuses payloads that are longer, as Datadog does.
    pub(crate) fn limit(&self, bytes: usize) {
        *self.state.limit.lock().unwrap() = Some(bytes);
    }

    /// Refuses payloads that have such a point, as Datadog does.
    pub(crate) fn refuse(&self, is_bad: impl Fn(&Point) -> bool + Send + 'static) {
        *self.state.is_bad.lock().unwrap() = Box::new(is_bad);
    }

    pub(crate) fn answer_next(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state.answers.lock().unwrap().extend(answers);
    }

    /// What it says of a key.
    pub(crate) fn answer_on_key(&self, answer: Answer) {
        *self.state.on_key.lock().unwrap() = answer;
    }

    /// Waits until so many payloads have arrived.
    pub(crate) async fn arrived(&self, count: usize) {
        let mut counts = self.state.count.subscribe();
        counts.wait_for(|arrived| *arrived >= count).await.expect("it counts");
    }

    /// What has arrived, taken or not.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.state.arrivals.lock().unwrap().clone()
    }

    pub(crate) fn questions(&self) -> Vec<(String, HeaderMap)> {
        self.state.questions.lock().unwrap().clone()
    }

    /// What it has: of each series, its points by time.
    pub(crate) fn stored(&self) -> BTreeMap<(Key, i64), Value> {
        self.state.stored.lock().unwrap().clone()
    }

    /// What all counts of each series come to, and the count and sum of all its distributions.
    pub(crate) fn totals(&self) -> BTreeMap<Key, (f64, u64)> {
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

    /// What all series of a counter come to.
    pub(crate) fn counted(&self, metric: &str) -> f64 {
        let totals = self.totals().into_iter().filter(|(key, _)| key.metric == metric);
        totals.map(|(_, (value, _))| value).sum()
    }

    /// Closes the port and all connections.
    pub(crate) async fn stop(mut self) -> Vec<Arrival> {
        self.tasks.shutdown().await;
        self.arrivals()
    }
}

impl State {
    fn take(&self, points: &[Point]) {
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

async fn connection(stream: TcpStream, state: Arc<State>) {
    let service = service_fn(move |request| answer(request, state.clone()));
    // Connections that are cut end with an error.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> io::Result<Response<Full<Bytes>>> {
    let (head, body) = request.into_parts();
    let path = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
    if head.method == Method::GET {
        state.questions.lock().unwrap().push((format!("GET {path}"), head.headers));
        let answer = state.on_key.lock().unwrap().clone();
        return reply(answer, StatusCode::OK, r#"{"valid":true}"#).await;
    }
    let next = state.answers.lock().unwrap().pop_front();
    let answer = next.unwrap_or_else(|| (state.decide.lock().unwrap())());
    if matches!(answer, Answer::CutUnread) {
        return Err(io::ErrorKind::ConnectionAborted.into());
    }
    let packed = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let plain = unpacked(&packed, head.headers.get("content-encoding"));
    let content_type = head.headers["content-type"].to_str().expect("text");
    let mut otlp = None;
    let points = match (head.uri.path().rsplit_once("/api/"), content_type) {
        (None, "application/x-protobuf") => {
            otlp = Some(ExportMetricsServiceRequest::decode(plain).expect("OTLP"));
            Vec::new()
        }
        (Some((_, "v2/series")), "application/x-protobuf") => points::of_protobuf(&plain),
        (Some((_, "v2/series")), "application/json") => points::of_json(&plain),
        (Some((_, "beta/sketches")), "application/x-protobuf") => points::of_sketches(&plain),
        other => panic!("{other:?}"),
    };
    let limit = *state.limit.lock().unwrap();
    let answer = match limit {
        Some(limit) if packed.len() > limit => {
            Answer::Refuse(413, Vec::new(), r#"{"errors":["Payload too large"]}"#)
        }
        _ => answer,
    };
    let has_bad = points.iter().any(&*state.is_bad.lock().unwrap());
    let answer = match answer {
        Answer::Accept if has_bad => Answer::Refuse(400, Vec::new(), r#"{"errors":["bad tag"]}"#),
        answer => answer,
    };
    let was_taken = answer.takes();
    if was_taken {
        state.take(&points);
    }
    let (headers, length) = (head.headers, packed.len());
    let arrival = Arrival { path, headers, length, points, otlp, was_taken };
    state.arrivals.lock().unwrap().push(arrival);
    state.count.send_modify(|count| *count += 1);
    reply(answer, StatusCode::ACCEPTED, r#"{"errors":[]}"#).await
}

async fn reply(
    answer: Answer,
    good: StatusCode,
    body: &'static str,
) -> io::Result<Response<Full<Bytes>>> {
    let (status, headers, body) = match answer {
        Answer::Accept => (good, Vec::new(), body.as_bytes()),
        Answer::Garbage => (good, Vec::new(), &b"\xff\x00 no message"[..]),
        Answer::TakeAndSay(status) => {
            (StatusCode::from_u16(status).expect("a status"), Vec::new(), &b"<html>"[..])
        }
        Answer::Refuse(status, headers, body) => {
            (StatusCode::from_u16(status).expect("a status"), headers, body.as_bytes())
        }
        Answer::TakeAndCut | Answer::Cut | Answer::CutUnread => {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Answer::TakeAndHang | Answer::Silence => std::future::pending().await,
    };
    let mut response = Response::new(Full::new(Bytes::from_static(body)));
    *response.status_mut() = status;
    for (name, value) in headers {
        let name = HeaderName::from_static(name);
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    Ok(response)
}

fn unpacked(body: &[u8], encoding: Option<&HeaderValue>) -> Bytes {
    match encoding.map(HeaderValue::as_bytes) {
        None => Bytes::copy_from_slice(body),
        Some(b"gzip") => {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(body).read_to_end(&mut plain).expect("gzip");
            plain.into()
        }
        Some(b"zstd") => zstd::decode_all(body).expect("zstd").into(),
        Some(other) => panic!("encoding {other:?}"),
    }
}
