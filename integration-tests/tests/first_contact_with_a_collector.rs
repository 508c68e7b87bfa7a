//! A first export to the wrong port, path or protocol of a real OpenTelemetry Collector fails with a message that says
//! what to change.

use std::time::{Duration, Instant};

use integration_tests::collector::Collector;
use integration_tests::peer;
use integration_tests::prometheus_receiver::PrometheusReceiver;
use integration_tests::pushgateway::Pushgateway;
use integration_tests::victoria_metrics::VictoriaMetrics;
use meterkit_core::{Attributes, Registry};
use meterkit_grafana::{RemoteWrite, RemoteWriteConfig, RemoteWriteTarget};
use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol};
use meterkit_pipeline::{Checked, Pipeline, Schedule, Target};
use meterkit_pushgateway::{PushgatewayConfig, PushgatewayTarget};

const PATIENCE: Duration = Duration::from_secs(30);

/// Returns the messages of `health()` and of a check for a target with this `url`.
async fn first(protocol: Protocol, url: &str) -> [String; 2] {
    let target = || {
        let config = OtlpConfig::new(protocol, url).expect("a URL");
        OtlpTarget::new(config).expect("a target")
    };
    let registry = Registry::new();
    let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
    requests.expect("a valid name").add(1);
    let schedule = Schedule { interval: Duration::from_millis(50), timeout: PATIENCE };
    let builder = Pipeline::builder(registry).expect("no other pipeline uses the registry");
    let pipeline = builder.resource(Attributes::empty()).target(target(), schedule).start();
    let pipeline = pipeline.expect("the pipeline starts");
    let give_up = Instant::now() + PATIENCE;
    while pipeline.health().targets[0].last_error.is_none() {
        assert!(Instant::now() < give_up, "{}", pipeline.health());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let error = target().check().await.expect_err("it is the wrong server");
    [pipeline.health().to_string(), error.to_string()]
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_in_the_address_are_reported_in_one_sentence() {
    let Some(executable) = peer::find("meterkit-otelcol") else {
        return;
    };
    let collector = Collector::start(&executable).await;
    let (grpc, http) = (collector.grpc_url(), collector.http_url());
    let base = http.trim_end_matches("/v1/metrics");
    let secure = |url: &str| url.replace("http://", "https://");
    for (protocol, url, expected) in [
        (Protocol::Grpc, base, "set `OTEL_EXPORTER_OTLP_PROTOCOL` to `http/protobuf`"),
        (
            Protocol::HttpProtobuf,
            &*format!("{grpc}/v1/metrics"),
            "set `OTEL_EXPORTER_OTLP_PROTOCOL` to `grpc`",
        ),
        (
            Protocol::HttpProtobuf,
            &*format!("{base}/v1/metric"),
            "which usually ends with `/v1/metrics`",
        ),
        (
            Protocol::HttpJson,
            &*format!("{base}/v1/traces"),
            "which usually ends with `/v1/metrics`",
        ),
        (Protocol::Grpc, &*secure(&grpc), "does not speak TLS: use `http://`"),
        (Protocol::HttpProtobuf, &*secure(&http), "does not speak TLS: use `http://`"),
    ] {
        for said in first(protocol, url).await {
            assert!(said.contains(expected), "{protocol} to {url}: {said}");
        }
    }
}

#[track_caller]
fn assert_accepted(checked: Result<Checked, impl std::fmt::Display>, expected: &str) {
    match checked {
        Ok(checked) => assert_eq!(checked, Checked::Accepted(expected.to_owned())),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn real_receivers_answer_a_check_and_store_nothing() {
    if let Some(executable) = peer::find("meterkit-otelcol") {
        let collector = Collector::start(&executable).await;
        for (protocol, url) in [
            (Protocol::Grpc, collector.grpc_url()),
            (Protocol::HttpProtobuf, collector.http_url()),
            (Protocol::HttpJson, collector.http_url()),
        ] {
            let config = OtlpConfig::new(protocol, &url).expect("a URL");
            let mut target = OtlpTarget::new(config).expect("a target");
            assert_accepted(target.check().await, "accepted an empty export");
        }
        assert!(collector.received().is_empty(), "nothing is stored");
    }
    let mut remote_write = Vec::new();
    let prometheus = match peer::find("prometheus") {
        Some(executable) => Some(PrometheusReceiver::start(&executable).await),
        None => None,
    };
    let victoria_metrics = match peer::find("victoria-metrics") {
        Some(executable) => Some(VictoriaMetrics::start(&executable).await),
        None => None,
    };
    remote_write.extend(prometheus.as_ref().map(PrometheusReceiver::remote_write_url));
    remote_write.extend(victoria_metrics.as_ref().map(VictoriaMetrics::remote_write_url));
    for url in remote_write {
        let config = RemoteWriteConfig::new(RemoteWrite::new(&url).expect("a URL"));
        let mut target = RemoteWriteTarget::new(config).expect("a target");
        assert_accepted(target.check().await, "accepted an empty request");
    }
    if let Some(executable) = peer::find("prometheus-pushgateway") {
        let gateway = Pushgateway::start(&executable).await;
        let config = PushgatewayConfig::new(gateway.url()).expect("a URL");
        let mut target = PushgatewayTarget::new(config).expect("a target");
        assert_accepted(target.check().await, "the gateway is ready");
    }
}
