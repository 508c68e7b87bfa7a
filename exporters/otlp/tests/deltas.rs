//! The deltas that a pipeline sends add up exactly, whatever happens to the receiver in between.

use std::collections::BTreeMap;
use std::time::Duration;

use meterkit_core::{Counter, Registry};
use meterkit_fakes::otlp::{Answer, Arrival, Receiver};
use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol, TemporalityPreference};
use meterkit_pipeline::{Pipeline, Schedule};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::NumberDataPoint;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use tokio::time::sleep;

use crate::snapshots::{ALL, config, totals};

/// A schedule whose interval never ends: only a flush or a shutdown exports.
const WHEN_ASKED: Schedule =
    Schedule { interval: Duration::from_secs(24 * 3600), timeout: Duration::from_secs(30) };
const PATIENCE: Duration = Duration::from_secs(60);

/// The counters of a service, and their expected totals.
struct Service {
    counters: Vec<Counter<u64>>,
    pipeline: Pipeline,
    step: u64,
}

impl Service {
    fn start(config: OtlpConfig) -> Self {
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "catalog");
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let counter = |name| meter.counter::<u64>(name).build().expect("a good name");
        let counters = names.into_iter().map(counter).collect();
        let target = OtlpTarget::new(config).expect("a target");
        let builder = Pipeline::builder(registry).expect("a registry of its own");
        let pipeline = builder.target(target, WHEN_ASKED).start().expect("the pipeline starts");
        Self { counters, pipeline, step: 0 }
    }

    /// Adds a different number to each counter.
    fn count(&mut self) {
        for counter in &self.counters {
            self.step += 1;
            counter.add(self.step * self.step);
        }
    }

    async fn flush(&self) -> bool {
        self.pipeline.flush(PATIENCE).await.is_ok()
    }

    fn values(&self) -> Vec<u64> {
        self.counters.iter().map(Counter::value).collect()
    }
}

/// Returns the total of each counter that a receiver got, sorted by name.
fn received(requests: &[ExportMetricsServiceRequest]) -> Vec<u64> {
    let ours = totals(requests).into_iter().filter(|(name, _)| name.contains(".plugin.catalog."));
    ours.map(|(_, value)| u64::try_from(value).expect("counters rise")).collect()
}

fn taken(arrivals: Vec<Arrival>) -> Vec<ExportMetricsServiceRequest> {
    let accepted = arrivals.into_iter().filter(|arrival| arrival.was_taken);
    accepted.map(|arrival| arrival.content).collect()
}

/// Returns a refusal that is not retried before the next export.
fn refusal(protocol: Protocol) -> Answer {
    match protocol {
        Protocol::Grpc => Answer::Grpc(13, "broken", Vec::new()),
        _ => Answer::Http(500, Vec::new(), ""),
    }
}

fn temporalities(requests: &[ExportMetricsServiceRequest]) -> Vec<i32> {
    let scopes =
        requests.iter().flat_map(|it| &it.resource_metrics).flat_map(|it| &it.scope_metrics);
    let each = scopes.flat_map(|scope| &scope.metrics).filter_map(|metric| match &metric.data {
        Some(Data::Sum(sum)) if sum.is_monotonic => Some(sum.aggregation_temporality),
        Some(Data::Histogram(histogram)) => Some(histogram.aggregation_temporality),
        _ => None,
    });
    each.collect()
}

/// Runs a service that counts while its receiver refuses, is down, and returns. Returns all accepted requests.
async fn through_an_outage(
    protocol: Protocol,
    preference: TemporalityPreference,
    max_request_bytes: usize,
) -> (Vec<u64>, Vec<ExportMetricsServiceRequest>) {
    let receiver = Receiver::start([]).await;
    let config = config(protocol, &receiver)
        .with_temporality(preference)
        .with_max_request_bytes(max_request_bytes);
    let mut service = Service::start(config);
    service.count();
    assert!(service.flush().await);

    // If there are several requests, the second one is refused after the first was accepted.
    receiver.answer_next([Answer::Accept, refusal(protocol)]);
    for _ in 0..2 {
        service.count();
        service.flush().await;
    }

    let address = receiver.address();
    let mut accepted = taken(receiver.stop().await);
    service.count();
    let returning = async {
        sleep(Duration::from_millis(200)).await;
        Receiver::start_at(address).await
    };
    let (flushed, receiver) = tokio::join!(service.flush(), returning);
    assert!(flushed, "it is tried until the receiver is back");
    service.count();
    let outcome = service.pipeline.shutdown(PATIENCE).await;
    outcome.expect("the receiver is there");
    accepted.extend(taken(receiver.stop().await));
    (service.values(), accepted)
}

#[tokio::test(flavor = "multi_thread")]
async fn deltas_add_up_through_refusals_and_restarts() {
    for protocol in ALL {
        for preference in [TemporalityPreference::Delta, TemporalityPreference::LowMemory] {
            let (counted, accepted) = through_an_outage(protocol, preference, 1 << 20).await;
            assert_eq!(received(&accepted), counted, "{protocol}");
            assert!(temporalities(&accepted).iter().all(|it| *it == 1));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deltas_in_several_requests_add_up_too() {
    for protocol in ALL {
        let preference = TemporalityPreference::Delta;
        let limit = if protocol == Protocol::HttpJson { 900 } else { 300 };
        let (counted, accepted) = through_an_outage(protocol, preference, limit).await;
        assert!(accepted.len() >= 8, "{} requests are no split", accepted.len());
        assert_eq!(received(&accepted), counted, "{protocol}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_the_last_ones() {
    for protocol in ALL {
        let preference = TemporalityPreference::Cumulative;
        let (counted, accepted) = through_an_outage(protocol, preference, 1 << 20).await;
        assert_eq!(received(&accepted[accepted.len() - 1..]), counted, "{protocol}");
        assert!(temporalities(&accepted).iter().all(|it| *it == 2));
    }
}

/// Returns the temporality and the integer values of each metric of the test, by the last word of its name.
fn ours(request: &ExportMetricsServiceRequest) -> BTreeMap<String, (i32, Vec<i64>)> {
    let scopes = request.resource_metrics.iter().flat_map(|it| &it.scope_metrics);
    let metrics = scopes.flat_map(|scope| &scope.metrics).filter_map(|metric| {
        let name = metric.name.strip_prefix("backstage.plugin.catalog.")?.to_owned();
        let numbers = |points: &[NumberDataPoint]| -> Vec<i64> {
            let integer = |point: &NumberDataPoint| match point.value {
                Some(Number::AsInt(value)) => value,
                ref other => panic!("{other:?}"),
            };
            points.iter().map(integer).collect()
        };
        Some(match metric.data.as_ref()? {
            Data::Sum(sum) => (name, (sum.aggregation_temporality, numbers(&sum.data_points))),
            Data::Gauge(gauge) => (name, (0, numbers(&gauge.data_points))),
            Data::Histogram(histogram) => {
                let counts = histogram.data_points.iter().map(|point| point.count as i64);
                (name, (histogram.aggregation_temporality, counts.collect()))
            }
            other => panic!("{other:?}"),
        })
    });
    metrics.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_preference_has_the_temporalities_of_the_specification_and_deltas_skip_idle_series() {
    use TemporalityPreference::{Cumulative, Delta, LowMemory};
    const TOTAL: i32 = 2;
    const RISE: i32 = 1;
    for (preference, sync, observed) in
        [(Cumulative, TOTAL, TOTAL), (Delta, RISE, RISE), (LowMemory, RISE, TOTAL)]
    {
        let receiver = Receiver::start([]).await;
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "catalog");
        let requests = meter.counter::<u64>("requests").build().expect("a counter");
        let sizes = meter.histogram::<u64>("sizes").unit("By").build().expect("a histogram");
        let open = meter.up_down_counter::<i64>("open").build().expect("an up-down counter");
        let queue = meter.gauge::<u64>("queue").build().expect("a gauge");
        let _unused = meter.counter::<u64>("unused").build().expect("a counter");
        let reads = meter.observable_counter::<u64>("reads").build().expect("a counter");
        let _reads = reads.callback().observe(|| 40);
        let held = meter.observable_up_down_counter::<i64>("held").build().expect("a counter");
        let _held = held.callback().observe(|| 50);
        let config = config(Protocol::HttpProtobuf, &receiver).with_temporality(preference);
        let target = OtlpTarget::new(config).expect("a target");
        let builder = Pipeline::builder(registry).expect("a registry of its own");
        let pipeline = builder.target(target, WHEN_ASKED).start().expect("the pipeline starts");

        requests.add(3);
        sizes.record(7);
        open.add(2);
        queue.set(9);
        for _ in 0..2 {
            pipeline.flush(PATIENCE).await.expect("the receiver is there");
        }
        let arrivals = taken(receiver.stop().await);
        let [first, idle] = &arrivals[..] else { panic!("{} requests", arrivals.len()) };
        let always = [("held", (TOTAL, 50)), ("open", (TOTAL, 2)), ("queue", (0, 9))];
        let expected = |others: &[(&str, (i32, i64))]| -> BTreeMap<String, (i32, Vec<i64>)> {
            let all = always.iter().chain(others);
            all.map(|(name, (kind, value))| ((*name).to_owned(), (*kind, vec![*value]))).collect()
        };
        let mut before =
            vec![("reads", (observed, 40)), ("requests", (sync, 3)), ("sizes", (sync, 1))];
        // The callback has reported, which counts as a measurement.
        let mut after = vec![("reads", (observed, if observed == RISE { 0 } else { 40 }))];
        if sync == TOTAL {
            after.extend([("requests", (TOTAL, 3)), ("sizes", (TOTAL, 1)), ("unused", (TOTAL, 0))]);
            before.push(("unused", (TOTAL, 0)));
        }
        assert_eq!(ours(first), expected(&before), "{preference}");
        assert_eq!(ours(idle), expected(&after), "{preference}");
    }
}
