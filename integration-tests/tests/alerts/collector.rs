//! Alerts about a Collector, with series recorded from a real one in each kind of trouble.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use integration_tests::process::Process;
use integration_tests::{client, peer};
use meterkit_core::Catalog;
use meterkit_dashboard::Rules;
use tokio::time::{Instant, sleep};

use crate::alerts::promtool::{assert_firing, assert_firing_of};
use crate::alerts::recording::Recording;

/// How long to wait for an immediate action of a Collector.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gauge with a single point.
const REQUEST: &str = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"x","gauge":{
    "dataPoints":[{"asDouble":1,"timeUnixNano":"1700000000000000000"}]}}]}]}]}"#;

/// A Collector with a queue for ten requests, which it sends one by one.
struct Collector {
    otlp: u16,
    metrics: String,
    _process: Process,
}

impl Collector {
    /// Starts a Collector that sends to this port. Returns `None` if the Collector is not installed.
    async fn sending_to(port: u16) -> Option<Self> {
        let executable = peer::find("meterkit-otelcol")?;
        let (otlp, own) = (client::free_port(), client::free_port());
        let config = format!(
            "receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{otlp}'}}}}}}}}\n\
             exporters: {{otlp_http: {{endpoint: 'http://127.0.0.1:{port}', timeout: 300s, \
               retry_on_failure: {{enabled: false}}, \
               sending_queue: {{queue_size: 10, num_consumers: 1}}}}}}\n\
             service:\n  telemetry: {{logs: {{level: fatal}}, metrics: {{readers: [{{pull: {{\
               exporter: {{prometheus: {{host: 127.0.0.1, port: {own}}}}}}}}}]}}}}\n  \
               pipelines: {{metrics: {{receivers: [otlp], exporters: [otlp_http]}}}}\n",
        );
        let argument = format!("--config=yaml:{config}");
        let process = Process::start(&executable, &[&argument], &[]);
        let collector =
            Self { otlp, metrics: format!("http://127.0.0.1:{own}/metrics"), _process: process };
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", otlp)).is_err()
            || collector.scrape().await.is_empty()
        {
            assert!(Instant::now() < deadline, "the Collector is not ready in time");
            sleep(Duration::from_millis(50)).await;
        }
        Some(collector)
    }

    async fn scrape(&self) -> String {
        client::get(&self.metrics).await.map(|(_, text)| text).unwrap_or_default()
    }

    /// Sends one request, and waits until a counter or gauge of the Collector changes.
    async fn export(&self, changes: &str) -> String {
        let before = value(&self.scrape().await, changes);
        let mut stream = TcpStream::connect(("127.0.0.1", self.otlp)).expect("it listens");
        let length = REQUEST.len();
        write!(
            stream,
            "POST /v1/metrics HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{REQUEST}"
        )
        .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let text = self.scrape().await;
            if value(&text, changes) != before {
                return text;
            }
            assert!(Instant::now() < deadline, "{changes} stays {before:?} in\n{text}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// Returns the sum of a metric's series.
fn value(text: &str, name: &str) -> f64 {
    let lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// Returns the rules about the Collector in `examples/deploy`.
fn rules() -> [(String, String); 1] {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../examples/deploy/prometheus/platform-rules/gateway.rules.yml"
    );
    [("gateway.rules.yml".to_owned(), std::fs::read_to_string(file).expect("the file exists"))]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_fills_and_then_refuses_is_reported() {
    // This listener never accepts connections, so requests hang.
    let hanging = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = hanging.local_addr().expect("the listener is bound").port();
    let Some(collector) = Collector::sending_to(port).await else { return };
    let mut recording = Recording::default();
    for _ in 0..10 {
        recording.scrape_of(
            "collector",
            &collector.export("otelcol_receiver_accepted_metric_points").await,
        );
    }
    for _ in 0..10 {
        recording.scrape_of(
            "collector",
            &collector.export("otelcol_receiver_refused_metric_points").await,
        );
    }
    let firing = [("MeterkitGatewayQueueFilling", 10..=19), ("MeterkitGatewayRefusing", 15..=19)];
    assert_firing_of(&rules(), &recording.input_series(), recording.minutes(), &firing);
    assert_firing(
        &Rules::of(&Catalog::default()),
        &recording.input_series(),
        recording.minutes(),
        &[],
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_gives_up_points_is_reported() {
    let Some(collector) = Collector::sending_to(client::free_port()).await else { return };
    let failed = "otelcol_exporter_send_failed_metric_points";
    let mut recording = Recording::default();
    recording.scrape_of("collector", &collector.scrape().await);
    recording.scrape_of("collector", &collector.export(failed).await);
    let quiet = collector.scrape().await;
    (0..18).for_each(|_| recording.scrape_of("collector", &quiet));
    // The counter appears with the first failure, which must not go unnoticed. The second failure is an increase.
    recording.scrape_of("collector", &collector.export(failed).await);
    let losing = "MeterkitGatewayLosing";
    let firing = [(losing, 1..=5), (losing, 20..=20)];
    assert_firing_of(&rules(), &recording.input_series(), recording.minutes(), &firing);
}
