//! Programs whose variables name a cloud to send to.

use meterkit::{Meter, Telemetry};
use meterkit_fakes::otlp::{Arrival, Receiver};
use meterkit_fakes::own_process::rerun;
use meterkit_fakes::raw::RawServer;

/// Runs the test `name` in a process with these variables, and returns what arrived. In that process itself, returns
/// nothing.
async fn arrivals(
    name: &str,
    receiver: &Receiver,
    variables: &[(&str, &str)],
) -> Option<Vec<Arrival>> {
    // Another process may use the default port.
    let variables = [variables, &[("OTEL_EXPORTER_PROMETHEUS_PORT", "0")]].concat();
    if tokio::task::block_in_place(|| rerun(name, &variables)).is_some() {
        return Some(receiver.arrivals());
    }
    let telemetry = Telemetry::from_env().unwrap().install().unwrap();
    Meter::scoped("plugin", "shop").counter::<u64>("orders").build().unwrap().add(5);
    telemetry.shutdown().await.unwrap();
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_selects_cloudwatch_and_requests_are_signed() {
    let name = "a_region_selects_cloudwatch_and_requests_are_signed";
    let receiver = Receiver::start([]).await;
    let url = format!("{}/v1/metrics", receiver.url());
    let variables = [
        ("METERKIT_CLOUDWATCH_REGION", "eu-west-1"),
        ("METERKIT_CLOUDWATCH_ENDPOINT", &url),
        ("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE"),
        ("AWS_SECRET_ACCESS_KEY", "5ecre7"),
    ];
    let Some(arrivals) = arrivals(name, &receiver, &variables).await else { return };
    assert_eq!(receiver.counted("backstage.plugin.shop.orders"), 5.0);
    let authorization = arrivals[0].headers["authorization"].to_str().unwrap();
    assert!(
        authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/"),
        "{authorization}"
    );
    assert!(authorization.contains("/eu-west-1/monitoring/aws4_request, "), "{authorization}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_selects_google_and_requests_carry_a_token() {
    let name = "a_project_selects_google_and_requests_carry_a_token";
    let receiver = Receiver::start([]).await;
    let token = r#"{"access_token":"t0ken","expires_in":3600,"token_type":"Bearer"}"#;
    let length = token.len();
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{token}");
    let metadata = RawServer::saying(answer).await;
    let (url, host) = (format!("{}/v1/metrics", receiver.url()), metadata.address().to_string());
    let variables = [
        ("METERKIT_GCP_PROJECT", "my-project"),
        ("METERKIT_GCP_ENDPOINT", &url),
        ("GCE_METADATA_HOST", &host),
        // The user who runs the tests may be logged in to Google Cloud.
        ("CLOUDSDK_CONFIG", "/nowhere"),
    ];
    let Some(arrivals) = arrivals(name, &receiver, &variables).await else { return };
    assert_eq!(receiver.counted("backstage.plugin.shop.orders"), 5.0);
    assert_eq!(arrivals[0].headers["authorization"], "Bearer t0ken");
    let resource = arrivals[0].content.resource_metrics[0].resource.as_ref().unwrap();
    assert!(resource.attributes.iter().any(|it| it.key == "gcp.project_id"));
}
