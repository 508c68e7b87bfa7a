//! A real Prometheus scrapes an endpoint that requires credentials, uses HTTPS, and requires a client certificate.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use integration_tests::peer;
use integration_tests::prometheus::Prometheus;
use meterkit_core::Registry;
use meterkit_pipeline::Pipeline;
use meterkit_prometheus::{PrometheusServer, ServerTls};
use rcgen::{CertifiedKey, KeyPair};

fn issue() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate")
}

/// Starts the endpoint, and returns its address.
fn serve(server: PrometheusServer) -> (Pipeline, String) {
    let registry = Registry::new();
    registry.semconv("shop").counter::<u64>("orders").build().expect("a valid name").add(7);
    let bound = server.host("127.0.0.1").port(0).bind().expect("the endpoint can be bound");
    let target = bound.address().to_string();
    let pipeline = Pipeline::builder(registry).expect("no other pipeline uses the registry");
    let pipeline = pipeline.service(|source, stop| bound.serve(source, stop));
    (pipeline.start().expect("a thread"), target)
}

/// Returns the TLS settings of a job, with files in `directory`.
fn tls_config(
    directory: &Path,
    server: &CertifiedKey<KeyPair>,
    client: &CertifiedKey<KeyPair>,
) -> String {
    let file = |name: &str, text: String| {
        let path = directory.join(name);
        fs::write(&path, text).expect("the file can be written");
        path.display().to_string()
    };
    let ca = file("ca.pem", server.cert.pem());
    let certificate = file("client.pem", client.cert.pem());
    let key = file("client.key", client.signing_key.serialize_pem());
    format!("tls_config: {{ ca_file: {ca}, cert_file: {certificate}, key_file: {key} }}")
}

async fn assert_scraped(prometheus: &Prometheus) {
    prometheus.scraped_after(SystemTime::now()).await;
    let orders = prometheus.query("orders_total").await;
    assert!(matches!(&*orders, [(_, 7.0)]), "{orders:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_shows_name_password_and_certificate_over_https() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let (server, client) = (issue(), issue());
    let tls = ServerTls::new(server.cert.pem(), server.signing_key.serialize_pem());
    let tls = tls.client_authorities(client.cert.pem());
    let endpoint = PrometheusServer::new().basic_auth("prometheus", "open: sésame").tls(tls);
    let (pipeline, target) = serve(endpoint);
    let directory = tempfile::tempdir().expect("a temporary directory");
    let job = [
        "scheme: https".to_owned(),
        "basic_auth: { username: prometheus, password: 'open: sésame' }".to_owned(),
        tls_config(directory.path(), &server, &client),
    ];
    let prometheus = Prometheus::start_with_job(&executable, &target, &job).await;
    assert_scraped(&prometheus).await;
    pipeline.shutdown(Duration::from_secs(60)).await.expect("the shutdown completes in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_shows_a_token() {
    let Some(executable) = peer::find("prometheus") else {
        return;
    };
    let (pipeline, target) = serve(PrometheusServer::new().bearer_token("s3cret"));
    let job = ["authorization: { credentials: s3cret }".to_owned()];
    let prometheus = Prometheus::start_with_job(&executable, &target, &job).await;
    assert_scraped(&prometheus).await;
    pipeline.shutdown(Duration::from_secs(60)).await.expect("the shutdown completes in time");
}
