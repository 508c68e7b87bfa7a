//! What a pipeline sends adds up exactly, whatever happens to the receiver in between.

use std::time::Duration;

use meterkit_core::{Counter, Registry};
use meterkit_fakes::otlp::{Answer, Arrival, Receiver};
use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol, TemporalityPreference};
use meterkit_pipeline::{Pipeline, Schedule};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use tokio::time::sleep;

use crate::snapshots::{ALL, config, totals};

/// The interval never comes: only a flush or a shutdown exports.
const WHEN_ASKED: Schedule =
    Schedule { interval: Duration::from_secs(24 * 3600), timeout: Duration::from_secs(30) };
const PATIENCE: Duration = Duration::from_secs(60);

/// Counters of a service, and what they were told.
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

    /// Each counter rises by another number.
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

/// What a receiver has of each of our counters, which come in the order of their names.
fn received(requests: &[ExportMetricsServiceRequest]) -> Vec<u64> {
    let ours = totals(requests).into_iter().filter(|(name, _)| name.contains(".plugin.catalog."));
    ours.map(|(_, value)| u64::try_from(value).expect("counters rise")).collect()
}

fn taken(arrivals: Vec<Arrival>) -> Vec<ExportMetricsServiceRequest> {
    let accepted = arrivals.into_iter().filter(|arrival| arrival.was_taken);
    accepted.map(|arrival| arrival.content).collect()
}

/// It is not tried again before the next export.
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

/// A service that counts while its receiver refuses, is away, and comes back; all that receivers took of it.
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

    // With several requests the second one is refused, when the first was accepted.
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
