//! Values that are sent to an agent add up exactly, whatever happens to the agent in between.
#![cfg(unix)]

use std::collections::BTreeMap;
use std::net::ToSocketAddrs;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use meterkit_core::{
    Attributes, Counter, Data, Descriptor, HistogramPoint, Metric, NumberPoint, Registry,
    ScopeMetrics, SeriesId, Temporality, Value,
};
use meterkit_datadog::{AgentConfig, AgentTarget, DatadogConfig, DatadogTarget};
use meterkit_pipeline::{Checked, ExportError, Pipeline, Schedule, Snapshot, Target};
use meterkit_settings::Environment;
use opentelemetry::InstrumentationScope;
use tokio::time::{sleep, timeout};

use crate::agent_receiver::{ALL, ListenAddress, Transport, lines, totals};

/// An interval that never elapses: only a flush or a shutdown exports.
const WHEN_ASKED: Schedule =
    Schedule { interval: Duration::from_secs(24 * 3600), timeout: Duration::from_secs(30) };
const PATIENCE: Duration = Duration::from_secs(60);
/// A timeout that is long enough for a reader, and short enough for tests without one.
const SHORT: Duration = Duration::from_millis(100);

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

fn snapshot_of(time: SystemTime, metrics: Vec<(&str, Data)>) -> Snapshot {
    let metric = |(name, data): (&str, Data)| Metric {
        descriptor: Arc::new(Descriptor {
            name: name.to_owned(),
            unit: String::new(),
            description: String::new(),
            kind: data.kind(),
        }),
        data,
    };
    let scope = ScopeMetrics {
        scope: Arc::new(InstrumentationScope::builder("catalog").build()),
        metrics: metrics.into_iter().map(metric).collect(),
    };
    Snapshot::new(Attributes::empty(), time, vec![scope])
}

fn points(values: impl IntoIterator<Item = u64>) -> Vec<NumberPoint> {
    let point = |(shard, value): (usize, u64)| NumberPoint {
        series: SeriesId::new(),
        attributes: Attributes::from_pairs([("shard".into(), (shard as i64).into())]),
        start: UNIX_EPOCH,
        value: Value::U64(value),
    };
    values.into_iter().enumerate().map(point).collect()
}

/// Returns a snapshot of a counter with a series for each value.
fn counts(time: SystemTime, values: impl IntoIterator<Item = u64>) -> Snapshot {
    let temporality = Temporality::Delta;
    let data = Data::Sum { monotonic: true, temporality, points: points(values).into() };
    snapshot_of(time, vec![("catalog.requests", data)])
}

fn expected(values: impl IntoIterator<Item = u64>) -> BTreeMap<String, u64> {
    let series = |(shard, value)| (format!("catalog.requests#shard:{shard}"), value);
    values.into_iter().enumerate().map(series).collect()
}

/// Asserts that two maps are equal. Reports only the first difference, because the maps are long.
fn assert_same(actual: &BTreeMap<String, u64>, expected: &BTreeMap<String, u64>) {
    let differs = |(series, total): &(&String, &u64)| actual.get(*series) != Some(*total);
    let first = expected.iter().find(differs);
    let has = first.and_then(|(series, _)| actual.get(series));
    assert!(first.is_none(), "{first:?}, but there is {has:?}");
    assert_eq!(actual.len(), expected.len());
}

fn is_retryable(outcome: Result<(), ExportError>) -> bool {
    matches!(outcome, Err(ExportError::Retryable { .. }))
}

/// A service with counters, whose pipeline sends to the agent.
struct Service {
    counters: Vec<Counter<u64>>,
    pipeline: Pipeline,
    step: u64,
}

impl Service {
    fn start(config: AgentConfig, counters: usize) -> Self {
        let registry = Registry::new();
        let meter = registry.scoped("plugin", "catalog");
        let counter = |at| meter.counter::<u64>(format!("c{at}")).build().expect("a good name");
        let counters = (0..counters).map(counter).collect();
        let builder = Pipeline::builder(registry).expect("a registry of its own");
        let target = AgentTarget::new(config);
        let pipeline = builder.target(target, WHEN_ASKED).start().expect("the pipeline starts");
        Self { counters, pipeline, step: 0 }
    }

    /// Increases each counter by a different number.
    fn count(&mut self) {
        for counter in &self.counters {
            self.step += 1;
            counter.add(self.step);
        }
    }

    async fn flush(&self, patience: Duration) -> bool {
        self.pipeline.flush(patience).await.is_ok()
    }

    /// Compares the totals of the agents with the expected ones.
    fn compare(&self, packets: &[Vec<u8>]) {
        let mut totals = totals(packets);
        totals.retain(|series, _| series.contains(".plugin.catalog."));
        let ours = self.counters.iter().enumerate();
        let counted: BTreeMap<String, u64> = ours
            .map(|(at, counter)| (format!("backstage.plugin.catalog.c{at}"), counter.value()))
            .collect();
        assert_same(&totals, &counted);
    }
}

#[tokio::test]
async fn each_transport_gets_these_bytes() {
    let now = SystemTime::now();
    let temporality = Temporality::Delta;
    let histogram = HistogramPoint {
        series: SeriesId::new(),
        attributes: Attributes::empty(),
        start: UNIX_EPOCH,
        count: 9,
        sum: 22.0,
        min: None,
        max: None,
        buckets: [4, 1, 4].into(),
    };
    let points_of = vec![histogram];
    let snapshot = snapshot_of(
        now,
        vec![
            (
                "catalog.requests",
                Data::Sum { monotonic: true, temporality, points: points([5]).into() },
            ),
            ("catalog.queue", Data::Gauge(points([7, 0]).into())),
            (
                "catalog.seconds",
                Data::Histogram { temporality, bounds: [1.0, 3.0].into(), points: points_of },
            ),
        ],
    );
    let time = seconds(now);
    let text = format!(
        "catalog.seconds:2|d|#env:dev|c:ci-0f3e\n\
         catalog.seconds:0.5:4.5|d|@0.25|#env:dev|c:ci-0f3e\n\
         catalog.queue:7|g|#shard:0,env:dev|c:ci-0f3e|T{time}\n\
         catalog.queue:0|g|#shard:1,env:dev|c:ci-0f3e|T{time}\n\
         catalog.requests:5|c|#shard:0,env:dev|c:ci-0f3e|T{time}"
    );
    for transport in ALL {
        let address = ListenAddress::new(transport);
        let receiver = address.start();
        let config = address.config().with_tags(["env:dev"]).with_container_id(Some("0f3e"));
        let mut target = AgentTarget::new(config);
        assert_eq!(target.export(&snapshot).await, Ok(()), "{transport:?}");
        let packets = receiver.stop();
        assert_eq!(packets, [text.as_bytes()], "{transport:?}");
    }
}

#[tokio::test]
async fn the_host_is_the_agents_unless_another_one_is_named() {
    let mut snapshot = counts(SystemTime::now(), [3]);
    let resource = [("host.name", "pod-7"), ("service.instance.id", "7"), ("container.id", "0f3e")];
    let resource = resource.map(|(key, value)| (key.into(), value.into()));
    snapshot.resource = Attributes::from_pairs(resource);
    let agents = "#shard:0,service.instance.id:7";
    let named = format!("{agents},host:web-1");
    for (host, tags) in [(None, agents), (Some("Web-1"), &named)] {
        let address = ListenAddress::new(Transport::Datagram);
        let receiver = address.start();
        let url = format!("unix://{}", address.path().display());
        let variables = [("DD_DOGSTATSD_URL", &*url), ("DD_HOSTNAME", host.unwrap_or_default())];
        let config = Environment::of(variables).read(DatadogConfig::read);
        let mut target = DatadogTarget::new(config.expect("good variables")).expect("a target");
        assert_eq!(target.export(&snapshot).await, Ok(()));
        let lines = lines(&receiver.stop());
        assert!(
            lines.iter().all(|line| line.contains(&format!("|c|{tags}|c:ci-0f3e|T"))),
            "{lines:?}"
        );
        assert_eq!(lines.len(), 1);
    }
}

#[tokio::test]
async fn the_entity_id_is_a_tag() {
    let address = ListenAddress::new(Transport::Datagram);
    let receiver = address.start();
    let url = format!("unix://{}", address.path().display());
    let entity = ("DD_ENTITY_ID", " 65b1b5c2-0b3c-4c1d-9d0a-2f0e8a1b7c55 ");
    let environment = Environment::of([("DD_DOGSTATSD_URL", &*url), entity]);
    let config = environment.read(DatadogConfig::read);
    let config = config.expect("good variables").with_instance_tag(false).with_tags(["team:a"]);
    let mut target = DatadogTarget::new(config).expect("a target");
    assert_eq!(target.export(&counts(SystemTime::now(), [3])).await, Ok(()));
    let tags = "#shard:0,team:a,dd.internal.entity_id:65b1b5c2-0b3c-4c1d-9d0a-2f0e8a1b7c55";
    let expected = BTreeMap::from([(format!("catalog.requests{tags}"), 3)]);
    assert_eq!(totals(&receiver.stop()), expected);
}

#[tokio::test]
async fn a_path_works_with_both_kinds_of_sockets() {
    for transport in [Transport::Datagram, Transport::Stream] {
        let address = ListenAddress::new(transport);
        let receiver = address.start();
        let url = format!("unix://{}", address.path().display());
        let mut target = AgentTarget::new(AgentConfig::new(url.parse().expect("an address")));
        let snapshot = counts(SystemTime::now(), [3, 4]);
        assert_eq!(target.export(&snapshot).await, Ok(()), "{transport:?}");
        assert_eq!(totals(&receiver.stop()), expected([3, 4]), "{transport:?}");
    }
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_an_error_that_may_pass() {
    for transport in ALL {
        let address = ListenAddress::new(transport);
        let mut target = AgentTarget::new(address.config());
        let snapshot = counts(SystemTime::now(), 1..500);
        for _ in 0..3 {
            assert!(is_retryable(target.export(&snapshot).await), "{transport:?}");
            assert!(!target.is_partway(), "{transport:?}");
        }
        let receiver = address.start();
        assert_eq!(target.export(&snapshot).await, Ok(()), "{transport:?}");
        assert_same(&totals(&receiver.stop()), &expected(1..500));
    }
}

#[tokio::test]
async fn an_agent_at_an_ipv6_address_is_found_by_address_and_by_name() {
    let Ok(socket) = std::net::UdpSocket::bind("[::1]:0") else {
        return; // This machine has no IPv6.
    };
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let port = socket.local_addr().expect("an address").port();
    let named = ("localhost", port).to_socket_addrs().expect("localhost is known");
    let is_named = named.into_iter().any(|address| address.is_ipv6());
    // The name is first tried at 127.0.0.1, where nobody listens.
    for host in ["[::1]", "localhost"].into_iter().take(1 + usize::from(is_named)) {
        let address = format!("udp://{host}:{port}").parse().expect("an address");
        let mut target = AgentTarget::new(AgentConfig::new(address));
        assert_eq!(target.export(&counts(SystemTime::now(), [3])).await, Ok(()), "{host}");
        let mut buffer = [0; 2000];
        let size = socket.recv(&mut buffer).expect("a packet");
        assert_eq!(totals(&[buffer[..size].to_vec()]), expected([3]), "{host}");
    }
}

#[tokio::test]
async fn a_socket_of_the_other_kind_is_an_error_with_a_reason() {
    let address = ListenAddress::new(Transport::Stream);
    let _listener = address.listen();
    let url = format!("unixgram://{}", address.path().display());
    let mut target = AgentTarget::new(AgentConfig::new(url.parse().expect("an address")));
    let error = target.export(&counts(SystemTime::now(), [1])).await.expect_err("the other kind");
    assert!(error.to_string().starts_with("cannot connect: "), "{error}");
    assert!(is_retryable(Err(error)));
}

#[tokio::test]
async fn a_missing_socket_is_an_error_with_advice() {
    let address = ListenAddress::new(Transport::Stream); // nothing listens
    let url = format!("unix://{}", address.path().display());
    let mut target = AgentTarget::new(AgentConfig::new(url.parse().expect("an address")));
    let error = target.export(&counts(SystemTime::now(), [1])).await.expect_err("no socket");
    assert!(error.to_string().ends_with("check `DD_DOGSTATSD_URL`"), "{error}");
    assert!(is_retryable(Err(error)));

    let config = DatadogConfig::agent(url.parse().expect("an address"));
    let mut target = DatadogTarget::new(config).expect("a target");
    let error = target.check().await.expect_err("no socket");
    assert!(error.to_string().ends_with("check `DD_DOGSTATSD_URL`"), "{error}");
    let _listener = address.listen();
    assert!(matches!(target.check().await, Ok(Checked::Unknown(_))));
}

#[tokio::test]
async fn thousands_of_series_arrive_in_packets_of_the_allowed_size() {
    for transport in ALL {
        // Over UDP, send no more than fits into the receiver's buffer, in case its thread does not run.
        let series = if transport == Transport::Udp { 2000 } else { 8000 };
        let values = || 1..=series;
        let address = ListenAddress::new(transport);
        let receiver = address.start();
        let mut target = AgentTarget::new(address.config());
        assert_eq!(target.export(&counts(SystemTime::now(), values())).await, Ok(()));
        let packets = receiver.stop();
        let limit = address.max_packet_bytes();
        assert!(packets.iter().all(|packet| packet.len() <= limit), "{transport:?}");
        let full = packets.iter().filter(|packet| packet.len() > limit - 100).count();
        assert_eq!(full, packets.len() - 1, "{transport:?}: all but the last are full");
        assert_eq!(lines(&packets).len() as u64, series, "{transport:?}");
        assert_same(&totals(&packets), &expected(values()));
    }
}

#[tokio::test]
async fn a_full_socket_loses_no_count() {
    for transport in [Transport::Datagram, Transport::Stream] {
        let address = ListenAddress::new(transport);
        let idle = address.listen();
        let mut target = AgentTarget::new(address.config().with_timeout(SHORT));
        let values = || 1..=30_000;
        let snapshot = counts(SystemTime::now(), values());
        for _ in 0..2 {
            let error = target.export(&snapshot).await.expect_err("nobody reads");
            assert!(error.to_string().contains("does not read"), "{error}");
            assert!(target.is_partway(), "{transport:?}");
        }
        let receiver = idle.start(&address.path());
        // The receiver reads as soon as its thread runs.
        while target.export(&snapshot).await.is_err() {}
        assert!(!target.is_partway());
        let packets = receiver.stop();
        assert_eq!(lines(&packets).len(), 30_000, "{transport:?}: each line once");
        assert_same(&totals(&packets), &expected(values()));
    }
}

#[tokio::test]
async fn an_export_that_is_cut_off_goes_on_where_it_was() {
    for transport in [Transport::Datagram, Transport::Stream] {
        let address = ListenAddress::new(transport);
        let idle = address.listen();
        let mut target = AgentTarget::new(address.config().with_timeout(PATIENCE));
        let values = || 1..=30_000;
        let snapshot = counts(SystemTime::now(), values());
        while !target.is_partway() {
            assert!(timeout(SHORT, target.export(&snapshot)).await.is_err(), "nobody reads");
        }
        let receiver = idle.start(&address.path());
        assert_eq!(target.export(&snapshot).await, Ok(()));
        let packets = receiver.stop();
        assert_eq!(lines(&packets).len(), 30_000, "{transport:?}: each line once");
        assert_same(&totals(&packets), &expected(values()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_whose_agent_stops_reading_for_a_while_adds_up() {
    for transport in [Transport::Datagram, Transport::Stream] {
        let address = ListenAddress::new(transport);
        let idle = address.listen();
        let mut service = Service::start(address.config().with_timeout(SHORT), 8000);
        for _ in 0..3 {
            service.count();
            service.flush(SHORT).await;
        }
        let receiver = idle.start(&address.path());
        service.count();
        assert!(service.flush(PATIENCE).await, "{transport:?}");
        service.count();
        assert!(service.pipeline.shutdown(PATIENCE).await.is_ok(), "{transport:?}");
        service.compare(&receiver.stop());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_whose_agent_is_restarted_adds_up() {
    for transport in ALL {
        let address = ListenAddress::new(transport);
        let mut packets = Vec::new();
        let mut service = Service::start(address.config(), 500);
        for _ in 0..3 {
            let receiver = address.start();
            service.count();
            assert!(service.flush(PATIENCE).await, "{transport:?}");
            packets.extend(receiver.stop());
            service.count();
            assert!(!service.flush(SHORT).await, "{transport:?}: nobody is there");
            service.count();
        }
        let returning = async {
            sleep(SHORT).await;
            address.start()
        };
        let (flushed, receiver) = tokio::join!(service.flush(PATIENCE), returning);
        assert!(flushed, "{transport:?}: it is tried until the agent is back");
        service.count();
        assert!(service.pipeline.shutdown(PATIENCE).await.is_ok(), "{transport:?}");
        packets.extend(receiver.stop());
        service.compare(&packets);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_replaced_between_two_exports_is_not_noticed() {
    for transport in ALL {
        let address = ListenAddress::new(transport);
        let mut target = AgentTarget::new(address.config());
        let mut packets = Vec::new();
        for round in 1..=5 {
            let receiver = address.start();
            let snapshot = counts(SystemTime::now(), [round, 10 * round]);
            assert_eq!(target.export(&snapshot).await, Ok(()), "{transport:?} {round}");
            packets.extend(receiver.stop());
        }
        assert_eq!(totals(&packets), expected([15, 150]), "{transport:?}");
    }
}

#[tokio::test]
async fn the_last_packet_of_a_stream_that_was_reset_is_sent_again() {
    let address = ListenAddress::new(Transport::Stream);
    let idle = address.listen();
    let mut target = AgentTarget::new(address.config());
    assert_eq!(target.export(&counts(SystemTime::now(), [3, 4])).await, Ok(()));
    // The agent ends without having read anything.
    drop(idle);
    std::fs::remove_file(address.path()).expect("the socket was there");
    assert!(is_retryable(target.export(&counts(SystemTime::now(), [5, 6])).await));
    assert!(!target.is_partway());
    let receiver = address.start();
    assert_eq!(target.export(&counts(SystemTime::now(), [5, 7])).await, Ok(()));
    assert_eq!(totals(&receiver.stop()), expected([8, 11]));
}

#[tokio::test]
async fn exports_within_one_second_have_different_times() {
    let address = ListenAddress::new(Transport::Udp);
    let receiver = address.start();
    let mut target = AgentTarget::new(address.config());
    let now = SystemTime::now();
    for _ in 0..20 {
        assert_eq!(target.export(&counts(now, [1])).await, Ok(()));
    }
    assert_eq!(totals(&receiver.stop()), expected([20]));
}

#[tokio::test]
async fn what_is_too_old_for_datadog_gets_the_time_of_now() {
    let address = ListenAddress::new(Transport::Udp);
    let receiver = address.start();
    let mut target = AgentTarget::new(address.config());
    let before = SystemTime::now();
    let hours_ago = before - Duration::from_secs(2 * 3600);
    assert_eq!(target.export(&counts(hours_ago, [1])).await, Ok(()));
    let minutes_ago = before - Duration::from_secs(5 * 60);
    let mut other = AgentTarget::new(address.config());
    assert_eq!(other.export(&counts(minutes_ago, [1])).await, Ok(()));
    let lines = lines(&receiver.stop());
    let times: Vec<u64> =
        lines.iter().filter_map(|line| line.rsplit_once("|T")?.1.parse().ok()).collect();
    assert_eq!(times.len(), 2);
    assert!((seconds(before)..=seconds(SystemTime::now())).contains(&times[0]), "{times:?}");
    assert_eq!(times[1], seconds(minutes_ago));
}

#[tokio::test]
async fn points_that_cannot_be_sent_are_rejected_and_the_others_sent() {
    let address = ListenAddress::new(Transport::Udp);
    let receiver = address.start();
    let mut target = AgentTarget::new(address.config());
    let temporality = Temporality::Delta;
    let mut mixed = points([1, 2, 3]);
    mixed[1].value = Value::F64(f64::NAN);
    let snapshot = snapshot_of(
        SystemTime::now(),
        vec![
            ("catalog.requests", Data::Sum { monotonic: true, temporality, points: mixed.into() }),
            ("123", Data::Gauge(points([1, 1]).into())),
        ],
    );
    assert_eq!(target.export(&snapshot).await, Ok(()));
    assert_eq!(target.rejected(), 3);
    assert_eq!(target.export(&counts(SystemTime::now(), [])).await, Ok(()));
    assert_eq!(target.rejected(), 0, "the count refers to the last export");
    assert_eq!(lines(&receiver.stop()).len(), 2);
}
