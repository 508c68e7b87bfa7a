//! TLS: private authorities, and client certificates.
#![cfg(feature = "tls")]

use meterkit_fakes::otlp::Receiver;
use meterkit_fakes::tls::Authority;
use meterkit_otlp::{BuildError, OtlpConfig, OtlpTarget, Protocol, TlsError, Transport};
use meterkit_pipeline::{ExportError, Target};
use meterkit_settings::Environment;

use crate::snapshots::{ALL, config, snapshot};

/// Starts a receiver whose certificate `authority` issued, and which asks clients for a certificate of `clients`.
async fn receiver(authority: &Authority, clients: Option<&Authority>) -> Receiver {
    Receiver::start_with_tls(authority.server("localhost", clients)).await
}

async fn export(config: OtlpConfig) -> Result<(), ExportError> {
    OtlpTarget::new(config).expect("a target").export(&snapshot(1, &[1])).await
}

fn trusting(authority: &Authority) -> Transport {
    Transport::default().with_certificate_authorities(authority.pem())
}

#[tokio::test]
async fn a_private_authority_is_trusted_if_it_is_configured() {
    let authority = Authority::new();
    for protocol in ALL {
        let receiver = receiver(&authority, None).await;
        let config = config(protocol, &receiver);
        let given = config.clone().with_transport(trusting(&authority));
        assert_eq!(export(given).await, Ok(()), "{protocol}");
        let other = config.with_transport(trusting(&Authority::new()));
        let error = export(other).await.expect_err("it is unknown").to_string();
        assert!(error.contains("certificate"), "{error}");
        assert_eq!(receiver.arrivals().len(), 1);
    }
}

#[tokio::test]
async fn a_receiver_accepts_the_client_certificate() {
    let (authority, clients) = (Authority::new(), Authority::new());
    for protocol in ALL {
        let receiver = receiver(&authority, Some(&clients)).await;
        let config = config(protocol, &receiver).with_transport(trusting(&authority));
        let identity = clients.issue("catalog");
        let (certificate, key) = (identity.pem(), identity.key_pem());
        let transport = Transport::default().with_client_certificate(certificate, key);
        let known = config.clone().with_transport(transport);
        assert_eq!(export(known).await, Ok(()), "{protocol}");
        assert!(export(config).await.is_err(), "{protocol}");
        assert_eq!(receiver.arrivals().len(), 1);
    }
}

#[tokio::test]
async fn each_protocol_uses_certificates_that_were_renewed_in_their_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let [ca, certificate, key] =
        ["ca", "certificate", "key"].map(|name| directory.path().join(name));
    let write = |authority: &Authority, clients: &Authority| {
        let identity = clients.issue("catalog");
        std::fs::write(&ca, authority.pem()).expect("room for it");
        std::fs::write(&certificate, identity.pem()).expect("room for it");
        std::fs::write(&key, identity.key_pem()).expect("room for it");
    };
    for protocol in ALL {
        let (authority, clients) = (Authority::new(), Authority::new());
        let receiver = receiver(&authority, Some(&clients)).await;
        write(&Authority::new(), &clients);
        let endpoint = format!("https://localhost:{}", receiver.address().port());
        let environment = Environment::of([
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.to_string().into()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.into()),
            ("OTEL_EXPORTER_OTLP_CERTIFICATE", ca.clone().into_os_string()),
            ("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", certificate.clone().into_os_string()),
            ("OTEL_EXPORTER_OTLP_CLIENT_KEY", key.clone().into_os_string()),
        ]);
        let config = environment.read(OtlpConfig::read).expect("good variables");
        let mut target = OtlpTarget::new(config).expect("a target");
        target.export(&snapshot(1, &[1])).await.expect_err("the authority is unknown");
        write(&authority, &Authority::new());
        target.export(&snapshot(2, &[1])).await.expect_err("the client is unknown");
        write(&authority, &clients);
        assert_eq!(target.export(&snapshot(3, &[1])).await, Ok(()), "{protocol}");
        assert_eq!(receiver.accepted().len(), 1, "{protocol}");
    }
}

#[test]
fn certificates_that_cannot_be_used_are_an_error_before_anything_is_sent() {
    let config = OtlpConfig::new(Protocol::Grpc, "https://localhost:4317").expect("a URL");
    let (one, other) = (Authority::new().issue("a"), Authority::new().issue("b"));
    for (transport, expected) in [
        (
            Transport::default().with_certificate_authorities("no certificate"),
            "OTLP endpoint `https://localhost:4317/`: holds no certificate in PEM form",
        ),
        (
            Transport::default().with_client_certificate(one.pem(), other.key_pem()),
            "check that they belong together",
        ),
    ] {
        let config = config.clone().with_transport(transport);
        let error = OtlpTarget::new(config).expect_err("useless").to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_authorities_of_the_system_are_the_default() {
    let config = OtlpConfig::new(Protocol::Grpc, "https://localhost:4317").expect("a URL");
    match OtlpTarget::new(config) {
        Ok(_) => {}
        // A minimal system has no authorities.
        Err(BuildError::Tls { problem: TlsError::NoAuthorities(_), .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
