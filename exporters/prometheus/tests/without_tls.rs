//! Without the feature `tls`, an endpoint that is configured for TLS does not start unencrypted.
#![cfg(not(feature = "tls"))]

use meterkit_prometheus::{PrometheusServer, ServerTls};

#[test]
fn tls_that_is_not_compiled_in_is_an_error_at_the_start() {
    let server = PrometheusServer::new().host("127.0.0.1").port(0).tls(ServerTls::new("", ""));
    let text = server.bind().unwrap_err().to_string();
    assert!(
        text.contains("`prometheus-tls` of meterkit, or `tls` of meterkit-prometheus"),
        "{text}"
    );
}
