//! The lines that meterkit writes to an agent match those of Datadog's own Python client for the same data.
//!
//! The lines are equal byte for byte, with these exceptions: meterkit sorts a series' own tags, writes `2` for `2.0`,
//! and packs several lines into a packet, separated by newlines. The client ends each packet with a newline.
#![cfg(unix)]

use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use integration_tests::peer;
use meterkit_core::{
    AttributeValue, Attributes, Data, Descriptor, HistogramPoint, Metric, NumberPoint,
    ScopeMetrics, SeriesId, Temporality, Value,
};
use meterkit_datadog::{AgentAddress, AgentConfig, AgentTarget};
use meterkit_pipeline::{Snapshot, Target};
use opentelemetry::InstrumentationScope;

/// Local sockets deliver at once, so a short silence means that nothing more will arrive.
const SILENCE: Duration = Duration::from_millis(100);

/// The client's script. Its arguments: how to connect, and the time.
const SCRIPT: &str = r#"
import sys
from datadog.dogstatsd import base

# A value that is sampled is always sent.
base.random = lambda: 0

where, time = sys.argv[1], int(sys.argv[2])
place = {"socket_path": where} if where.startswith("/") else {"host": "127.0.0.1", "port": int(where)}
statsd = base.DogStatsd(
    constant_tags=["env:dev", "service:shop"],
    container_id="ci-0f3e",
    disable_telemetry=True,
    **place,
)
tags = ["kind:create", "note:a,b|c#d e", "route:/entities/:id"]
statsd.count_with_timestamp("catalog.operations", 5, time, tags=tags)
statsd.count_with_timestamp("catalog.bytes", 0.1, time)
statsd.count_with_timestamp("catalog.large", 18446744073709551615, time)
statsd.gauge_with_timestamp("catalog.queue", -3, time, tags=tags)
statsd.gauge_with_timestamp("catalog.load", 0.30000000000000004, time)
statsd.gauge_with_timestamp("catalog.whole", 2.0, time)
statsd.distribution("catalog.seconds", 1.5, tags=tags)
statsd.distribution("catalog.size", 4, sample_rate=0.25)
# Without a time, which is all that the older calls lack.
statsd.increment("catalog.operations", 5, tags=tags)
statsd.gauge("catalog.queue", -3, tags=tags)
"#;

fn snapshot(time: SystemTime) -> Snapshot {
    let tags = [("route", "/entities/:id"), ("kind", "create"), ("note", "a,b|c#d e")];
    let tags = tags.map(|(key, value)| (key.into(), AttributeValue::from(value)));
    let (tags, none) = (Attributes::from_pairs(tags), Attributes::empty());
    let start = UNIX_EPOCH;
    let temporality = Temporality::Delta;
    let number = |attributes: &Attributes, value| {
        vec![NumberPoint { series: SeriesId::new(), attributes: attributes.clone(), start, value }]
    };
    let count = |attributes: &Attributes, value| Data::Sum {
        monotonic: true,
        temporality,
        points: number(attributes, value).into(),
    };
    let values = |attributes: &Attributes, count, sum| Data::Histogram {
        temporality,
        bounds: [1.0, 10.0].into(),
        points: vec![HistogramPoint {
            series: SeriesId::new(),
            attributes: attributes.clone(),
            start,
            count,
            sum,
            min: None,
            max: None,
            buckets: [0, count, 0].into(),
        }],
    };
    let metrics = [
        ("catalog.operations", count(&tags, Value::U64(5))),
        ("catalog.bytes", count(&none, Value::F64(0.1))),
        ("catalog.large", count(&none, Value::U64(u64::MAX))),
        ("catalog.queue", Data::Gauge(number(&tags, Value::I64(-3)).into())),
        ("catalog.load", Data::Gauge(number(&none, Value::F64(0.1 + 0.2)).into())),
        ("catalog.whole", Data::Gauge(number(&none, Value::F64(2.0)).into())),
        ("catalog.seconds", values(&tags, 1, 1.5)),
        ("catalog.size", values(&none, 4, 16.0)),
    ];
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

/// The two kinds of socket that the client supports.
enum Receiver {
    Udp(UdpSocket),
    Unix(UnixDatagram),
}

impl Receiver {
    /// Reads until nothing arrives and `is_over` returns true. Returns the lines, sorted.
    fn lines(&self, mut is_over: impl FnMut() -> bool) -> Vec<String> {
        let mut buffer = vec![0; 1 << 16];
        let mut lines = Vec::new();
        loop {
            let was_over = is_over();
            let size = match self {
                Self::Udp(socket) => socket.recv(&mut buffer),
                Self::Unix(socket) => socket.recv(&mut buffer),
            };
            match size {
                Ok(size) => {
                    let packet = String::from_utf8_lossy(&buffer[..size]);
                    lines.extend(packet.lines().map(str::to_owned));
                }
                Err(_) if was_over => break,
                Err(_) => {}
            }
        }
        lines.sort();
        lines
    }
}

/// Returns the client's lines, read while it runs, because the client drops lines if the socket is full.
fn theirs(client: &Path, receiver: &Receiver, place: &str, time: u64) -> Vec<String> {
    let mut child = Command::new(client)
        .args(["-c", SCRIPT, place, &time.to_string()])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("DD_EXTERNAL_ENV", "it-false,cn-web,pu-1")
        .spawn()
        .expect("the client starts");
    let lines =
        receiver.lines(|| child.try_wait().expect("the client can be waited for").is_some());
    let status = child.wait().expect("the client can be waited for");
    assert!(status.success(), "the client ends with {status}");
    lines
}

async fn compare(client: &Path, receiver: &Receiver, place: &str, address: AgentAddress) {
    let now = SystemTime::now();
    let time = now.duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let mut theirs = theirs(client, receiver, place, time);

    let config = AgentConfig::new(address)
        .with_tags(["env:dev", "service:shop"])
        .with_container_id(Some("0f3e"))
        .with_external_data(Some("it-false,cn-web,pu-1"));
    assert_eq!(AgentTarget::new(config).export(&snapshot(now)).await, Ok(()));
    let mut ours = receiver.lines(|| true);

    let whole = |value| {
        let tags = "#env:dev,service:shop|c:ci-0f3e|e:it-false,cn-web,pu-1";
        format!("catalog.whole:{value}|g|{tags}|T{time}")
    };
    replace(&mut theirs, &whole("2.0"), whole("2"));
    // The older calls, which write the same lines without the time.
    let end = format!("|T{time}");
    for name in ["catalog.operations:5|c|", "catalog.queue:-3|g|"] {
        let timed = ours.iter().find(|line| line.starts_with(name)).expect(name);
        let untimed = timed.strip_suffix(&end).expect("a time at its end").to_owned();
        ours.push(untimed);
    }
    ours.sort();
    assert_eq!(ours, theirs);
}

fn replace(lines: &mut [String], from: &str, to: String) {
    let line = lines.iter_mut().find(|line| *line == from);
    *line.unwrap_or_else(|| panic!("no line `{from}`")) = to;
    lines.sort();
}

#[tokio::test]
async fn over_udp() {
    let Some(client) = peer::find("datadog-client") else {
        return;
    };
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(SILENCE)).expect("a timeout");
    let port = socket.local_addr().expect("an address").port();
    let address = format!("udp://127.0.0.1:{port}").parse().expect("an address");
    compare(&client, &Receiver::Udp(socket), &port.to_string(), address).await;
}

#[tokio::test]
async fn over_a_unix_socket() {
    let Some(client) = peer::find("datadog-client") else {
        return;
    };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("dsd.socket");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(SILENCE)).expect("a timeout");
    let place = path.display().to_string();
    let address = format!("unix://{place}").parse().expect("an address");
    compare(&client, &Receiver::Unix(socket), &place, address).await;
}
