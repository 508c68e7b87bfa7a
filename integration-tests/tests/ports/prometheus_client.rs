//! A peer that uses the crate `prometheus-client`, with metrics like those of rust-libp2p.

use meterkit::data::Attributes;
use meterkit::instrument::Buckets;
use meterkit::prometheus::{ExpositionOptions, Format};
use meterkit::view::Views;
use meterkit::{
    Counter, CounterGroup, GaugeGroup, HistogramGroup, LabelValue, Labels, Meter, Registry,
};
use meterkit_cli::Cause;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::{counter, gauge, info};
use prometheus_client::registry::Unit;

use super::{assert_same, bare, compared, scraped, start};

const DURATIONS: [f64; 3] = [0.004, 1.75, 90_000.0];

/// Label types that both libraries can encode.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet, Labels)]
struct Connection {
    role: Role,
    protocols: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue, LabelValue)]
#[label(rename_all = "PascalCase")]
enum Role {
    Dialer,
    Listener,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet, Labels)]
struct Failure {
    reason: String,
}

fn connection(role: Role) -> Connection {
    Connection { role, protocols: "/ip4/tcp,/ip4/quic-v1".to_owned() }
}

fn theirs(build: Option<&str>) -> String {
    let mut registry = prometheus_client::registry::Registry::default();
    if let Some(version) = build {
        let build = info::Info::new(vec![("version", version.to_owned())]);
        registry.register("build", "Build", build);
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("text");
        return text;
    }
    let root = registry.sub_registry_with_prefix("libp2p");

    let swarm = root.sub_registry_with_prefix("swarm");
    let established = Family::<Connection, counter::Counter>::default();
    swarm.register("connections_established", "Connections established", established.clone());
    let incoming_error = Family::<Failure, counter::Counter>::default();
    swarm.register("connections_incoming_error", "Errors", incoming_error);
    let dials: counter::Counter = counter::Counter::default();
    swarm.register("dial_attempt", "Dial attempts", dials.clone());
    let listens: counter::Counter = counter::Counter::default();
    swarm.register("new_listen_addr", "Listen addresses", listens);
    let establishment = Family::<Connection, Histogram>::new_with_constructor(|| {
        Histogram::new(exponential_buckets(0.01, 1.5, 20))
    });
    let name = "connections_establishment_duration";
    swarm.register(name, "Time to establish", establishment.clone());
    let duration = Family::<Connection, Histogram>::new_with_constructor(|| {
        Histogram::new(exponential_buckets(0.01, 3.0, 20))
    });
    swarm.register_with_unit("connections_duration", "Duration", Unit::Seconds, duration.clone());

    let ping = root.sub_registry_with_prefix("ping");
    let rtt = Histogram::new(exponential_buckets(0.001, 2.0, 12));
    ping.register_with_unit("rtt", "Round-trip time", Unit::Seconds, rtt.clone());
    let failures = Family::<Failure, counter::Counter>::default();
    ping.register("failure", "Failures", failures.clone());

    let kad = root.sub_registry_with_prefix("kad");
    let peers = Family::<Failure, gauge::Gauge>::default();
    kad.register("kbucket_peers", "Peers", peers.clone());
    let requests = Histogram::new(exponential_buckets(1.0, 2.0, 10));
    kad.register("query_result_num_requests", "Requests", requests.clone());
    let bandwidth: counter::Counter = counter::Counter::default();
    root.register_with_unit("bandwidth", "Bandwidth", Unit::Bytes, bandwidth.clone());

    established.get_or_create(&connection(Role::Dialer)).inc_by(3);
    established.get_or_create(&connection(Role::Listener)).inc();
    dials.inc_by(7);
    for seconds in DURATIONS {
        establishment.get_or_create(&connection(Role::Dialer)).observe(seconds);
        duration.get_or_create(&connection(Role::Listener)).observe(seconds);
        rtt.observe(seconds);
    }
    failures.get_or_create(&Failure { reason: "timeout".to_owned() }).inc();
    peers.get_or_create(&Failure { reason: "none".to_owned() }).set(-3);
    requests.observe(17.0);
    bandwidth.inc_by(1 << 40);
    let mut text = String::new();
    text::encode(&mut text, &registry).expect("text");
    text
}

/// How meterkit records and exports the program's metrics.
struct Choices {
    meter: fn(&Registry) -> Meter,
    buckets: fn(f64, f64, usize) -> Buckets,
    scrape: fn(&Registry) -> String,
}

/// The choices that keep the exposition.
const KEPT: Choices = Choices {
    meter: |registry| registry.plain(),
    buckets: |start, factor, count| Buckets::exponential_by_powers(start, factor, count),
    scrape: |registry| bare(registry, Format::OpenMetrics),
};

fn ours(choices: &Choices) -> Result<String, meterkit::InstrumentError> {
    let registry = Registry::new();
    let (meter, buckets) = ((choices.meter)(&registry), choices.buckets);
    let counter = |name: &'static str| -> Result<Counter, _> { meter.counter(name).build() };
    let established: CounterGroup<Connection> =
        meter.counter_group("libp2p_swarm_connections_established_total").build()?;
    let _: CounterGroup<Failure> =
        meter.counter_group("libp2p_swarm_connections_incoming_error_total").build()?;
    let dials = counter("libp2p_swarm_dial_attempt_total")?;
    let _ = counter("libp2p_swarm_new_listen_addr_total")?;
    let establishment = meter.histogram_group("libp2p_swarm_connections_establishment_duration");
    let establishment: HistogramGroup<Connection> =
        establishment.buckets(buckets(0.01, 1.5, 20)).build()?;
    let duration = meter.histogram_group("libp2p_swarm_connections_duration_seconds").unit("s");
    let duration: HistogramGroup<Connection> = duration.buckets(buckets(0.01, 3.0, 20)).build()?;
    let rtt = meter.histogram::<f64>("libp2p_ping_rtt_seconds").unit("s");
    let rtt = rtt.buckets(buckets(0.001, 2.0, 12)).build()?;
    let failures: CounterGroup<Failure> =
        meter.counter_group("libp2p_ping_failure_total").build()?;
    let peers: GaugeGroup<Failure, i64> = meter.gauge_group("libp2p_kad_kbucket_peers").build()?;
    let requests = meter.histogram::<f64>("libp2p_kad_query_result_num_requests");
    let requests = requests.buckets(buckets(1.0, 2.0, 10)).build()?;
    let bandwidth = meter.counter::<u64>("libp2p_bandwidth_bytes_total").unit("By").build()?;

    established.with(connection(Role::Dialer)).add(3);
    established.with(connection(Role::Listener)).increment();
    dials.add(7);
    for seconds in DURATIONS {
        establishment.with(connection(Role::Dialer)).record(seconds);
        duration.with(connection(Role::Listener)).record(seconds);
        rtt.record(seconds);
    }
    failures.with(Failure { reason: "timeout".to_owned() }).increment();
    peers.with(Failure { reason: "none".to_owned() }).set(-3);
    requests.record(17.0);
    bandwidth.add(1 << 40);
    Ok((choices.scrape)(&registry))
}

#[test]
fn a_peer_with_the_crate_prometheus_client_keeps_its_exposition() {
    assert_same(&theirs(None), &ours(&KEPT).expect("valid names"));
}

#[test]
fn each_choice_that_breaks_the_exposition_is_named_by_the_comparison() {
    let all_added = |registry: &Registry| {
        let resource = Attributes::from_pairs([("service.name".into(), "peer".into())]);
        let pipeline = start(registry, resource, Views::default());
        scraped(&pipeline, Format::OpenMetrics, ExpositionOptions::new())
    };
    let scoped = |registry: &Registry| registry.scoped("plugin", "p2p");
    let by_steps = |start, factor, count| Buckets::exponential(start, factor, count);
    for (choices, expected) in [
        (
            Choices { scrape: all_added, ..KEPT },
            &[
                (Cause::TargetInfoAdded, "`METERKIT_PROMETHEUS_TARGET_INFO=false`"),
                (Cause::OwnMetricsAdded, "`METERKIT_PROMETHEUS_SELF_METRICS=false`"),
                (Cause::StartTimesAdded, "`METERKIT_PROMETHEUS_START_TIMES=false`"),
            ][..],
        ),
        (Choices { meter: scoped, ..KEPT }, &[(Cause::PrefixAdded, "`Meter::plain()`")]),
        (
            Choices { buckets: by_steps, ..KEPT },
            &[(Cause::BoundsInLastDigits, "`Buckets::exponential_by_powers`")],
        ),
        (
            Choices { meter: scoped, buckets: by_steps, scrape: all_added },
            &[
                (Cause::PrefixAdded, "`METERKIT_NAMING=plain`"),
                (Cause::ScopeLabelsAdded, "`METERKIT_PROMETHEUS_SCOPE_INFO=false`"),
                (Cause::TargetInfoAdded, "`METERKIT_PROMETHEUS_TARGET_INFO=false`"),
                (Cause::OwnMetricsAdded, "`METERKIT_PROMETHEUS_SELF_METRICS=false`"),
                (Cause::StartTimesAdded, "`METERKIT_PROMETHEUS_START_TIMES=false`"),
                (Cause::BoundsInLastDigits, "`Buckets::exponential_by_powers`"),
            ],
        ),
    ] {
        let comparison = compared(&theirs(None), &ours(&choices).expect("valid names"));
        let causes: Vec<_> = comparison.groups().iter().map(|group| group.cause).collect();
        let expected_causes: Vec<_> = expected.iter().map(|(cause, _)| *cause).collect();
        assert_eq!(causes, expected_causes, "{comparison}");
        for (cause, remedy) in expected {
            assert!(cause.remedy().contains(remedy), "{cause:?}");
        }
        let bounds = comparison.groups().iter().find(|it| it.cause == Cause::BoundsInLastDigits);
        for difference in bounds.into_iter().flat_map(|it| &it.differences) {
            let code = difference.code.as_ref().expect("code for the bounds");
            assert!(code.starts_with(".buckets(Buckets::exponential_by_powers("), "{code}");
        }
    }
}

/// The series and all queries stay the same; Prometheus shows the type only in its metadata.
#[test]
fn an_info_becomes_a_gauge_that_stays_at_one() {
    #[derive(Labels)]
    struct Build<'a> {
        version: &'a str,
    }

    let registry = Registry::new();
    let build: GaugeGroup<Build<'_>, u64> =
        registry.plain().gauge_group("build_info").build().expect("a valid name");
    build.with(Build { version: "1.2" }).set(1);
    let theirs = theirs(Some("1.2"));
    assert!(theirs.contains("# TYPE build info\n"), "{theirs}");
    let theirs = theirs.replace("# TYPE build info", "# TYPE build_info gauge");
    assert_same(&theirs, &bare(&registry, Format::OpenMetrics));
}
