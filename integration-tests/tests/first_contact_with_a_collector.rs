//! A first export to the wrong port, path or protocol of a real OpenTelemetry Collector says what to change.

use integration_tests::collector::Collector;
use integration_tests::peer;
use meterkit_core::{Attributes, Registry};
use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol};
use meterkit_pipeline::{Pipeline, Schedule};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// Returns what a flush to `url` fails with.
async fn first(protocol: Protocol, url: &str) -> String {
    let registry = Registry::new();
    let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
    requests.expect("a good name").add(1);
    let config = OtlpConfig::new(protocol, url).expect("a URL");
    let target = OtlpTarget::new(config).expect("a target");
    let schedule = Schedule { interval: Duration::from_secs(24 * 3600), timeout: PATIENCE };
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    let pipeline = builder.resource(Attributes::empty()).target(target, schedule).start();
    let pipeline = pipeline.expect("the pipeline starts");
    let error = pipeline.flush(PATIENCE).await.expect_err("it is the wrong server").to_string();
    let health = pipeline.health().to_string();
    let advice = error.rsplit("; ").next().expect("text");
    assert!(health.contains(advice), "health says the same: {health}");
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_the_address_is_said_in_one_sentence() {
    let Some(executable) = peer::find("meterkit-otelcol") else {
        return;
    };
    let collector = Collector::start(&executable).await;
    let (grpc, http) = (collector.grpc_url(), collector.http_url());
    let base = http.trim_end_matches("/v1/metrics");
    let secure = |url: &str| url.replace("http://", "https://");
    for (protocol, url, expected) in [
        (Protocol::Grpc, base, "speaks HTTP, and the protocol is grpc"),
        (Protocol::HttpProtobuf, &*format!("{grpc}/v1/metrics"), "does not speak HTTP/1.1"),
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
        let said = first(protocol, url).await;
        assert!(said.contains(expected), "{protocol} to {url}: {said}");
    }
}
