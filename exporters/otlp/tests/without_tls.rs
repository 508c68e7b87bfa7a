//! A build without TLS refuses `https` at startup.
#![cfg(not(feature = "tls"))]

use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol};

#[test]
fn https_is_an_error_before_anything_is_sent() {
    let config = OtlpConfig::new(Protocol::Grpc, "https://collector.example.com").expect("a URL");
    let error = OtlpTarget::new(config).expect_err("no TLS").to_string();
    assert_eq!(
        error,
        "OTLP endpoint `https://collector.example.com/`: is built without TLS; \
         enable the feature `tls` of meterkit-otlp, or use `http://`"
    );
}
