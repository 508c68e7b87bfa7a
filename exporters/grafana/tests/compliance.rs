//! The cases of Prometheus' compliance suite for senders of remote write, each with its requirement.
//!
//! The suite (`remotewrite/sender` of the repository `prometheus/compliance`, in September 2026) drives a program
//! that scrapes a target. Here, the same values are exported to a fake receiver. Names and levels of cases are those
//! of the suite, and the checks are at least as strict.

mod answers;
mod batches;
mod histograms;
mod labels;
mod values;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use meterkit_core::{
    Attributes, Data, Descriptor, Exemplar, Exemplars, HistogramPoint, Metric, NumberPoint,
    ScopeMetrics, SeriesId, SpanIds, Temporality, Value,
};
use meterkit_fakes::remote_write::message::{ReferringSeries, Request, Row};
use meterkit_fakes::remote_write::{Answer, Arrival, Receiver, Speaks};
use meterkit_grafana::{RemoteWriteCounts, RemoteWriteTarget, RemoteWriteVersion};
use meterkit_pipeline::{ExportError, Snapshot, Target};
use opentelemetry::InstrumentationScope;

use crate::snapshots::config;

/// A case of the suite.
struct Case {
    name: &'static str,
    level: Level,
    /// The requirement.
    rule: &'static str,
    check: Check,
}

/// The requirement level of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Must,
    Should,
    Recommended,
    May,
}
use Level::{May, Must, Recommended, Should};

/// The check of a case.
enum Check {
    /// Checks the request in 2.0 for these metrics.
    Two(fn() -> Vec<Metric>, fn(&Sent)),
    /// Checks the request in 1.0 for these metrics.
    One(fn() -> Vec<Metric>, fn(&Sent)),
    /// Checks three exports, one second apart, to a receiver with this dialect that sends these responses.
    Answers(Speaks, fn() -> Vec<Answer>, fn(&Outcome)),
    /// These other tests check the case.
    HeldBy(&'static [&'static str]),
}
use Check::{Answers, HeldBy, One, Two};

/// A request that the receiver got.
struct Sent {
    arrival: Arrival,
    /// The decoded request; empty for 1.0.
    request: Request,
}

/// The results of three exports.
struct Outcome {
    exports: Vec<Result<(), ExportError>>,
    arrivals: Vec<Arrival>,
    taken: Vec<i64>,
    counts: RemoteWriteCounts,
}

impl Sent {
    /// Returns the only value with this name.
    fn row(&self, name: &str) -> &Row {
        let rows: Vec<_> = self.rows(name).collect();
        assert_eq!(rows.len(), 1, "{name}: {:?}", self.arrival.content);
        rows[0]
    }

    fn rows(&self, name: &str) -> impl Iterator<Item = &Row> {
        self.arrival.content.iter().filter(move |row| row.name() == name)
    }

    fn header(&self, name: &str) -> &str {
        self.arrival.header(name).unwrap_or_else(|| panic!("no {name}"))
    }

    fn symbol(&self, at: u32) -> &str {
        &self.request.symbols[at as usize]
    }

    /// Calls `check` with each series of a request in 2.0, and with the names and values of its labels.
    fn each_series(&self, check: impl Fn(&ReferringSeries, Vec<(&str, &str)>)) {
        assert!(!self.request.timeseries.is_empty());
        for series in &self.request.timeseries {
            let labels = series.labels.chunks_exact(2);
            check(series, labels.map(|it| (self.symbol(it[0]), self.symbol(it[1]))).collect());
        }
    }
}

impl Outcome {
    /// Returns the version of each request.
    fn versions(&self) -> Vec<&str> {
        self.arrivals.iter().map(Arrival::version).collect()
    }

    /// Returns how often each export was sent.
    fn attempts(&self) -> [usize; 3] {
        let time = |arrival: &Arrival| (arrival.time() - NOW.as_millis() as i64) / 1000;
        let at = |second| self.arrivals.iter().filter(|it| time(it) == second).count();
        [at(0), at(1), at(2)]
    }
}

/// The time of the first snapshot: in terms of the suite, that of a recent scrape.
const NOW: Duration = Duration::from_millis(1_796_000_000_123);

/// The start time of the process.
const START: Duration = Duration::from_millis(1_795_999_000_456);

/// A long text, for label values and for messages of a receiver.
const LONG: &str = match std::str::from_utf8(&[b'x'; 30_000]) {
    Ok(text) => text,
    Err(_) => "",
};

type Labels = &'static [(&'static str, &'static str)];

fn points(values: &[(Labels, f64)]) -> Vec<NumberPoint> {
    let point = |(labels, value): &(Labels, f64)| NumberPoint {
        series: SeriesId::new(),
        attributes: attributes(labels),
        start: SystemTime::UNIX_EPOCH + START,
        value: Value::F64(*value),
    };
    values.iter().map(point).collect()
}

fn attributes(labels: Labels) -> Attributes {
    Attributes::from_pairs(labels.iter().map(|(name, value)| ((*name).into(), (*value).into())))
}

fn metric(name: &str, help: &str, unit: &str, data: Data) -> Metric {
    let kind = data.kind();
    let [name, unit, description] = [name, unit, help].map(str::to_owned);
    Metric { descriptor: Arc::new(Descriptor { name, unit, description, kind }), data }
}

fn gauge(name: &str, values: &[(Labels, f64)]) -> Metric {
    metric(name, "", "", Data::Gauge(points(values).into()))
}

fn counter(name: &str, help: &str, values: &[(Labels, f64)]) -> Metric {
    let (temporality, points) = (Temporality::Cumulative, points(values));
    metric(name, help, "", Data::Sum { monotonic: true, temporality, points: points.into() })
}

fn histogram(name: &str, bounds: &[f64], buckets: &[u64], sum: f64) -> Metric {
    let point = HistogramPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start: SystemTime::UNIX_EPOCH + START,
        count: buckets.iter().sum(),
        sum,
        min: None,
        max: None,
        buckets: buckets.into(),
    };
    let (temporality, bounds, points) = (Temporality::Cumulative, bounds.into(), vec![point]);
    metric(name, "How long.", "", Data::Histogram { temporality, bounds, points })
}

/// Returns one series, for cases in which the metrics do not matter.
fn any() -> Vec<Metric> {
    vec![gauge("test_metric", &[(&[("label", "value")], 42.0)])]
}

fn snapshot(metrics: Vec<Metric>, seconds: u64) -> Snapshot {
    let scope = Arc::new(InstrumentationScope::builder("suite").build());
    let resource = attributes(&[("service.name", "shop"), ("service.instance.id", "7")]);
    let time = SystemTime::UNIX_EPOCH + NOW + Duration::from_secs(seconds);
    Snapshot::new(resource, time, vec![ScopeMetrics { scope, metrics }])
}

/// Returns two exemplars for each series, with these values and with a label of their own.
fn exemplars(snapshot: &Snapshot) -> Exemplars {
    let exemplar = |number: u8, value| Exemplar {
        time: SystemTime::UNIX_EPOCH + NOW - Duration::from_secs(10 - u64::from(number)),
        value: Value::F64(value),
        span: Some(SpanIds { trace_id: [number; 16], span_id: [number; 8] }),
        filtered: Some(attributes(&[("user.id", "7")])),
    };
    let mut all = Exemplars::default();
    let metrics = snapshot.scopes.iter().flat_map(|scope| &scope.metrics);
    for series in metrics.flat_map(|metric| metric.data.series()) {
        all.insert(series, [exemplar(1, 0.25), exemplar(2, 0.75)].into());
    }
    all
}

async fn sent(metrics: Vec<Metric>, version: RemoteWriteVersion) -> Sent {
    let receiver = Receiver::start([]).await;
    let config = config(&receiver).with_version(version);
    let mut target = RemoteWriteTarget::new(config).expect("a target");
    let mut snapshot = snapshot(metrics, 0);
    snapshot.exemplars = Arc::new(exemplars(&snapshot));
    assert_eq!(target.export(&snapshot).await, Ok(()));
    let arrival = receiver.taken().remove(0);
    let request = match version {
        RemoteWriteVersion::V2 => arrival.message(),
        _ => Request::default(),
    };
    Sent { arrival, request }
}

async fn outcome(speaks: Speaks, answers: Vec<Answer>) -> Outcome {
    let receiver = Receiver::speaking(speaks, answers).await;
    let mut target = RemoteWriteTarget::new(config(&receiver)).expect("a target");
    let mut exports = Vec::new();
    for second in 0..3 {
        exports.push(target.export(&snapshot(any(), second)).await);
    }
    let taken = receiver.taken().iter().map(|it| it.time() - NOW.as_millis() as i64).collect();
    Outcome { exports, arrivals: receiver.arrivals(), taken, counts: target.counts() }
}

async fn run(cases: &[Case]) {
    for case in cases {
        println!("{} ({:?}): {}", case.name, case.level, case.rule);
        match &case.check {
            Two(metrics, check) => check(&sent(metrics(), RemoteWriteVersion::V2).await),
            One(metrics, check) => check(&sent(metrics(), RemoteWriteVersion::V1).await),
            Answers(speaks, answers, check) => check(&outcome(*speaks, answers()).await),
            HeldBy(_) => {}
        }
    }
}

const TABLES: [&[Case]; 5] =
    [labels::CASES, values::CASES, histograms::CASES, answers::CASES, batches::CASES];

#[tokio::test]
async fn requests_and_labels_are_as_the_suite_asks() {
    run(labels::CASES).await;
}

#[tokio::test]
async fn samples_times_and_metadata_are_as_the_suite_asks() {
    run(values::CASES).await;
}

#[tokio::test]
async fn histograms_and_mixed_payloads_are_as_the_suite_asks() {
    run(histograms::CASES).await;
}

#[tokio::test]
async fn answers_of_receivers_are_treated_as_the_suite_asks() {
    run(answers::CASES).await;
}

#[tokio::test]
async fn batches_and_requests_in_1_are_as_the_suite_asks() {
    run(batches::CASES).await;
}

#[test]
fn each_case_of_the_suite_is_there_once_and_is_checked() {
    let cases: Vec<&Case> = TABLES.into_iter().flatten().collect();
    let mut names: Vec<_> = cases.iter().map(|case| case.name).collect();
    names.sort_unstable();
    let all = names.len();
    names.dedup();
    assert_eq!((all, names.len()), (CASES, CASES), "{names:?}");
    for case in cases {
        assert!(case.rule.ends_with('.'), "{}", case.name);
        let HeldBy(tests) = &case.check else { continue };
        for test in *tests {
            let (file, name) = test.split_once("::").expect("a file and a test");
            let path = format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"));
            let text = std::fs::read_to_string(&path).expect(&path);
            assert!(text.contains(&format!("fn {name}(")), "{test}");
        }
    }
}

/// The cases of the suite.
const CASES: usize = 157;
