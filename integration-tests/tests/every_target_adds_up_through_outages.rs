//! Several targets of one process, whose receivers fail in all ways for a while. In the end, each receiver has exactly
//! what was recorded.

use std::collections::BTreeMap;
use std::time::Duration;

use meterkit_core::{Counter, Histogram, Registry};
use meterkit_datadog::{DatadogConfig, DatadogTarget};
use meterkit_fakes::{Dice, datadog, otlp, remote_write, rounds};
use meterkit_grafana::{RemoteWrite, RemoteWriteConfig, RemoteWriteTarget, Transport};
use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol, TemporalityPreference};
use meterkit_pipeline::{Pipeline, Schedule};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value;

const SCHEDULE: Schedule =
    Schedule { interval: Duration::from_millis(40), timeout: Duration::from_secs(5) };
const PATIENCE: Duration = Duration::from_secs(120);
const THREADS: u64 = 8;
const COUNTERS: [&str; 4] = ["a", "b", "c", "d"];

/// The final value of a counter, or the sum of the histogram.
type Totals = BTreeMap<String, f64>;

struct Instruments {
    counters: [Counter<u64>; 4],
    bytes: Counter<f64>,
    sizes: Histogram<f64>,
}

impl Instruments {
    fn new(registry: &Registry) -> Self {
        let meter = registry.scoped("plugin", "catalog");
        Self {
            counters: COUNTERS.map(|name| meter.counter(name).build().expect("a valid name")),
            bytes: meter.counter("bytes").build().expect("a valid name"),
            sizes: meter.histogram("sizes").buckets([8.0, 64.0]).build().expect("a valid name"),
        }
    }

    /// Records from eight threads, with pauses in which exports happen. Returns the recorded totals. All values are
    /// multiples of a quarter, so that sums are exact in any order.
    fn record(&self, seed: u64, rounds: u64) -> Totals {
        let record = |thread: u64| {
            let mut dice = Dice(seed + thread);
            let mut totals = Totals::new();
            let mut add = |name: &str, value| *totals.entry(name.to_owned()).or_default() += value;
            for _ in 0..rounds {
                for _ in 0..dice.below(200) {
                    let (which, value) = (dice.below(4) as usize, dice.below(1000));
                    self.counters[which].add(value);
                    add(COUNTERS[which], value as f64);
                    let quarters = dice.below(400) as f64 / 4.0;
                    self.bytes.add(quarters);
                    add("bytes", quarters);
                    self.sizes.record(quarters);
                    add("sizes", quarters);
                }
                std::thread::sleep(Duration::from_millis(dice.below(8)));
            }
            totals
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|it| scope.spawn(move || record(it))).collect();
            let mut all = Totals::new();
            for thread in threads {
                for (name, value) in thread.join().expect("the recording does not panic") {
                    *all.entry(name).or_default() += value;
                }
            }
            all
        })
    }
}

/// Returns the name of the instrument without its scope; `None` for metrics that the test did not create.
fn own_name(name: &str) -> Option<String> {
    let name = name.strip_prefix("backstage.plugin.catalog.")?;
    Some(name.to_owned())
}

/// Returns the final values at an OTLP receiver: the last cumulative total, or the sum of all deltas.
fn of_otlp(receiver: &otlp::Receiver) -> Totals {
    let mut totals = Totals::new();
    for arrival in receiver.taken() {
        let scopes = arrival.content.resource_metrics.into_iter().flat_map(|it| it.scope_metrics);
        for metric in scopes.flat_map(|scope| scope.metrics) {
            let Some(name) = own_name(&metric.name) else { continue };
            let (temporality, value) = match metric.data {
                Some(Data::Sum(sum)) => {
                    let value = sum.data_points[0].value.expect("a value");
                    let value = match value {
                        Value::AsInt(value) => value as f64,
                        Value::AsDouble(value) => value,
                    };
                    (sum.aggregation_temporality, value)
                }
                Some(Data::Histogram(histogram)) => {
                    let sum = histogram.data_points[0].sum.expect("a sum");
                    (histogram.aggregation_temporality, sum)
                }
                other => panic!("{other:?}"),
            };
            let total = totals.entry(name).or_default();
            *total = if temporality == 1 { *total + value } else { value };
        }
    }
    totals
}

/// Returns the final values at a remote-write receiver.
fn of_remote_write(receiver: &remote_write::Receiver) -> Totals {
    let names = COUNTERS.map(|name| (format!("{name}_total"), name));
    let names = names
        .into_iter()
        .chain([("bytes_total".to_owned(), "bytes"), ("sizes_sum".to_owned(), "sizes")]);
    let names: BTreeMap<_, _> = names.collect();
    let mut totals = BTreeMap::new();
    for row in receiver.taken().into_iter().flat_map(|arrival| arrival.content) {
        let name = row.name().strip_prefix("backstage_plugin_catalog_");
        if let Some(name) = name.and_then(|name| names.get(name)).filter(|_| !row.is_stale()) {
            // Requests may overtake each other, so values are ordered by their timestamps.
            let last = totals.entry((*name).to_owned()).or_insert((0, 0.0));
            *last = if row.time >= last.0 { (row.time, row.value) } else { *last };
        }
    }
    totals.into_iter().map(|(name, (_, value))| (name, value)).collect()
}

fn of_datadog(intake: &datadog::Intake) -> Totals {
    let totals = intake.totals().into_iter();
    totals.filter_map(|(key, (value, _))| Some((own_name(&key.metric)?, value))).collect()
}

/// Returns the responses of a bad day. All are temporary failures, so nothing may be lost.
fn bad_day<A>(seed: u64, mut answer: impl FnMut(u64) -> A) -> Vec<A> {
    let mut dice = Dice(seed);
    let mut answers = vec![answer(4)];
    while answers.len() < 400 {
        // Outages last for several requests.
        let (kind, length) = (dice.below(8), 1 + dice.below(6));
        answers.extend((0..length).map(|_| answer(kind)));
    }
    answers
}

fn otlp_answer(protocol: Protocol) -> impl Fn(u64) -> otlp::Answer {
    use otlp::Answer;
    move |kind| match (kind, protocol) {
        (0..=3, _) => Answer::Accept,
        (4, _) => Answer::Cut,
        (5, _) => Answer::Silence,
        (6, Protocol::Grpc) => Answer::Grpc(14, "unavailable", Vec::new()),
        (6, _) => Answer::Http(503, Vec::new(), ""),
        (_, Protocol::Grpc) => Answer::Grpc(16, "who are you", Vec::new()),
        (..) => Answer::Http(401, Vec::new(), ""),
    }
}

fn remote_write_answer(kind: u64) -> remote_write::Answer {
    use remote_write::Answer;
    match kind {
        0..=3 => Answer::Accept,
        4 => Answer::Cut,
        5 => Answer::Silence,
        6 => Answer::status(503),
        _ => Answer::status(401),
    }
}

fn datadog_answer(kind: u64) -> datadog::Answer {
    use datadog::Answer;
    match kind {
        0..=2 => Answer::Accept,
        3 => Answer::TakeAndCut,
        4 => Answer::Cut,
        5 => Answer::Silence,
        6 => Answer::Refuse(503, Vec::new(), ""),
        _ => Answer::Refuse(403, Vec::new(), r#"{"errors":["Forbidden"]}"#),
    }
}

fn impatient() -> Transport {
    Transport::default().with_timeout(Duration::from_millis(150))
}

async fn through_outages(seed: u64) {
    use TemporalityPreference::{Cumulative, Delta, LowMemory};

    let registry = Registry::new();
    let instruments = Instruments::new(&registry);
    let mut builder = Pipeline::builder(registry).expect("no other pipeline uses the registry");

    let mut otlp = Vec::new();
    for (protocol, path, preference) in [
        (Protocol::Grpc, "", Delta),
        (Protocol::HttpProtobuf, "/v1/metrics", Cumulative),
        (Protocol::HttpJson, "/v1/metrics", LowMemory),
    ] {
        let answers = bad_day(seed + otlp.len() as u64, otlp_answer(protocol));
        let receiver = otlp::Receiver::start(answers).await;
        let config = OtlpConfig::new(protocol, &(receiver.url() + path)).expect("a URL");
        let config = config
            .with_name(format!("{protocol} {preference}"))
            .with_transport(impatient())
            .with_temporality(preference);
        builder = builder.target(OtlpTarget::new(config).expect("a target"), SCHEDULE);
        otlp.push(receiver);
    }

    let spool = tempfile::tempdir().expect("a temporary directory");
    let mut remote_writes = Vec::new();
    for directory in [None, Some(spool.path())] {
        let answers = bad_day(seed + 10 + remote_writes.len() as u64, remote_write_answer);
        let receiver = remote_write::Receiver::start(answers).await;
        let config = RemoteWriteConfig::new(RemoteWrite::new(&receiver.url()).expect("a URL"));
        let config = config
            .with_name(format!("remote write {}", remote_writes.len()))
            .with_transport(impatient());
        let config = directory.into_iter().fold(config, RemoteWriteConfig::with_spool);
        builder = builder.target(RemoteWriteTarget::new(config).expect("a target"), SCHEDULE);
        remote_writes.push(receiver);
    }

    let intake = datadog::Intake::start(bad_day(seed + 20, datadog_answer)).await;
    let config = DatadogConfig::api("0123456789abcdef0123456789abcdef").expect("a key");
    let config = config.with_endpoint(&intake.url()).expect("a URL").with_transport(impatient());
    builder = builder.target(DatadogTarget::new(config).expect("a target"), SCHEDULE);

    let pipeline = builder.start().expect("the pipeline starts");
    let recorded = tokio::task::spawn_blocking(move || instruments.record(seed, rounds(300, 2000)));
    let recorded = recorded.await.expect("the recording does not panic");

    // All receivers work again.
    otlp.iter().for_each(otlp::Receiver::forget_answers);
    remote_writes.iter().for_each(remote_write::Receiver::forget_answers);
    intake.forget_answers();
    pipeline.shutdown(PATIENCE).await.expect("all receivers accept the metrics");

    for receiver in &otlp {
        assert!(receiver.count() > receiver.taken().len(), "there were outages");
        assert_eq!(of_otlp(receiver), recorded, "OTLP, seed {seed}");
    }
    for receiver in &remote_writes {
        assert!(receiver.count() > receiver.taken().len(), "there were outages");
        assert_eq!(of_remote_write(receiver), recorded, "remote write, seed {seed}");
    }
    assert_eq!(of_datadog(&intake), recorded, "Datadog, seed {seed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn six_targets_have_exactly_what_was_recorded_whatever_their_receivers_do() {
    for seed in 0..rounds(2, 12) {
        through_outages(seed * 1000).await;
    }
}
