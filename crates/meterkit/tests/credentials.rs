//! Credentials that a receiver quotes in its answer appear in no error of any target, and credentials that can be read
//! in transit cause one warning.

use std::net::SocketAddr;
use std::time::SystemTime;

use meterkit_core::{Attributes, Registry};
use meterkit_datadog::{DatadogConfig, DatadogTarget};
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::{rerun, text};
use meterkit_fakes::raw::RawServer;
use meterkit_grafana::{Authentication, RemoteWrite, RemoteWriteConfig, RemoteWriteTarget, Secret};
use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol, Proxies, Transport};
use meterkit_pipeline::{Snapshot, Target};
use meterkit_prometheus::PrometheusServer;
use meterkit_pushgateway::{PushgatewayConfig, PushgatewayTarget};

/// Returns all targets, with the token `h3aderT/ken` in the header and the token `qu3ry=T+ken` in the query.
fn targets(base: &str, transport: &Transport) -> Vec<Box<dyn Target>> {
    let url = format!("{base}/v1?api_key=qu3ry%3DT%2Bken&x=1");
    let otlp = |protocol| {
        // gRPC endpoints cannot have a query.
        let url = if protocol == Protocol::Grpc { base } else { &url };
        let config =
            OtlpConfig::new(protocol, url).expect("a URL").with_transport(transport.clone());
        let config = config.with_header("authorization", "Bearer h3aderT/ken").expect("a header");
        Box::new(OtlpTarget::new(config).expect("a target")) as Box<dyn Target>
    };
    let datadog = DatadogConfig::api("h3aderT/ken").expect("a key");
    let datadog = datadog.with_endpoint(&url).expect("a URL").with_transport(transport.clone());
    let (username, password) = ("me".to_owned(), Secret::new("h3aderT/ken"));
    let receiver = RemoteWrite::new(&url).expect("a URL");
    let receiver = receiver.with_authentication(Authentication::Basic { username, password });
    let grafana = RemoteWriteConfig::new(receiver).with_transport(transport.clone());
    let pushgateway = PushgatewayConfig::new(&url).expect("a URL");
    let token = Authentication::Bearer { token: Secret::new("h3aderT/ken") };
    let pushgateway = pushgateway.with_authentication(token).with_transport(transport.clone());
    vec![
        Box::new(PushgatewayTarget::new(pushgateway).expect("a target")),
        otlp(Protocol::HttpProtobuf),
        otlp(Protocol::HttpJson),
        otlp(Protocol::Grpc),
        Box::new(DatadogTarget::new(datadog).expect("a target")),
        Box::new(RemoteWriteTarget::new(grafana).expect("a target")),
    ]
}

fn through(proxy: SocketAddr) -> Transport {
    let proxies = Proxies::default().with_http(&format!("http://me:pr0xyT%2Fken@{proxy}"));
    Transport::default().with_proxies(proxies.expect("a proxy"))
}

fn snapshot() -> Snapshot {
    let registry = Registry::new();
    let counter = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
    counter.expect("a new name").add(1);
    Snapshot::new(Attributes::empty(), SystemTime::now(), registry.read())
}

#[tokio::test]
async fn credentials_that_a_receiver_quotes_are_in_no_error() {
    // The credentials in plain text, in URLs, in JSON, and in Base64 together with the usernames.
    let said = "no such key: h3aderT/ken, h3aderT%2Fken, h3aderT%2fken, h3aderT\\/ken, Basic bWU6aDNhZGVyVC9rZW4=, \
                qu3ry=T+ken, api_key=qu3ry%3DT%2Bken&x=1, qu3ry%3dT+ken, pr0xyT/ken, \
                proxy-authorization: Basic bWU6cHIweHlUL2tlbg==, bWU6cHIweHlUL2tlbg, pr0xyT%2Fken";
    let json = format!(r#"{{"message": "{}"}}"#, said.replace('\\', "\\\\"));
    for (media_type, body) in [("text/plain", said), ("application/json", &json)] {
        let answer = format!(
            "HTTP/1.1 403 Forbidden\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let proxy = RawServer::saying(answer).await;
        for mut target in targets("http://receiver.test:4318", &through(proxy.address())) {
            let error = target.export(&snapshot()).await.expect_err("it is refused").to_string();
            let kind = target.component_type();
            assert!(kind.contains("grpc") || error.contains("no such key: ..., ..."), "{error}");
            for (secret, in_base64) in
                [("h3ader", "aDNhZGVy"), ("qu3ry", "cXUzcnk"), ("pr0xy", "cHIweHl")]
            {
                assert!(!error.contains(secret), "{kind}: {error}");
                // Only remote write sends its credentials in this form.
                let is_sent = secret != "h3ader" || target.name() == "grafana";
                assert!(!(is_sent && error.contains(in_base64)), "{kind}: {error}");
                assert!(!format!("{target:?}").contains(secret), "{target:?}");
            }
            assert!(!error.contains("ken"), "{kind}: {error}");
        }
    }
}

#[test]
fn credentials_in_clear_text_cause_one_warning_at_startup() {
    const WARNING: &str =
        "WARN credentials go over the wire in clear text: the receiver at `http://c.example";
    let direct = Transport::default();
    for (base, warnings) in [
        ("http://c.example", 1),
        ("http://127.0.0.1:4318", 0),
        ("http://localhost", 0),
        ("https://c.example", 0),
    ] {
        let (targets, lines) = log_lines::of(|| targets(base, &direct));
        let count = lines.iter().filter(|line| line.starts_with(WARNING)).count();
        assert_eq!(count, targets.len() * warnings, "{base}: {lines:?}");
        assert!(!lines.iter().any(|line| line.contains("ken")), "{lines:?}");
    }
    let proxy = through("10.0.0.1:3128".parse().expect("an address"));
    let warning = "WARN credentials of a proxy go over the wire in clear text: the proxy `http://10.0.0.1:3128`";
    let (targets, lines) = log_lines::of(|| targets("http://c.example", &proxy));
    assert_eq!(lines.iter().filter(|line| line.starts_with(warning)).count(), targets.len());
    assert_eq!(lines.len(), 2 * targets.len(), "{lines:?}");
}

#[test]
fn a_program_without_a_subscriber_has_warnings_of_clear_text_on_standard_error() {
    let name = "a_program_without_a_subscriber_has_warnings_of_clear_text_on_standard_error";
    if let Some(output) = rerun(name, &[]) {
        let err = text(&output.stderr);
        for place in ["the receiver at `http://c.example", "the endpoint at 0.0.0.0:"] {
            let lines = err.lines().filter(|line| line.starts_with("meterkit: warning: "));
            assert_eq!(lines.filter(|line| line.contains(place)).count(), 1, "{place}: {err}");
        }
        return;
    }
    let config = OtlpConfig::new(Protocol::HttpProtobuf, "http://c.example/v1/metrics").unwrap();
    OtlpTarget::new(config.with_header("api-key", "t0ken").unwrap()).unwrap();
    let server = PrometheusServer::new().host("0.0.0.0").port(0).bearer_token("t0ken");
    server.bind().unwrap();
}
