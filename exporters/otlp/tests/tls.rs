//! Encryption: authorities of our own, and client certificates.
#![cfg(feature = "tls")]

mod receiver;
mod snapshots;

use std::sync::Arc;

use meterkit_otlp::{BuildError, OtlpConfig, OtlpTarget, Protocol, TlsError, Transport};
use meterkit_pipeline::{ExportError, Target};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use self::receiver::Receiver;
use self::snapshots::{ALL, config, snapshot};

/// An authority, and what it issues.
struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key.
struct Identity {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn issue(&self, name: &str) -> Identity {
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        Identity { certificate, key }
    }

    /// A receiver that this authority vouches for, and that asks clients for a certificate of `clients`.
    async fn receiver(&self, clients: Option<&Self>) -> Receiver {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("there are some");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.0.der().clone()).expect("an authority");
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
            }
        };
        let identity = self.issue("localhost");
        let key = PrivateKeyDer::try_from(identity.key.serialize_der()).expect("a key");
        let chain = vec![identity.certificate.der().clone()];
        let mut config = builder.with_single_cert(chain, key).expect("they belong together");
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Receiver::start_with_tls(TlsAcceptor::from(Arc::new(config))).await
    }
}

async fn export(config: OtlpConfig) -> Result<(), ExportError> {
    OtlpTarget::new(config).expect("a target").export(&snapshot(1, &[1])).await
}

fn trusting(authority: &Authority) -> Transport {
    Transport::default().with_certificate_authorities(authority.pem())
}

#[tokio::test]
async fn an_authority_of_our_own_is_trusted_when_it_is_given() {
    let authority = Authority::new();
    for protocol in ALL {
        let receiver = authority.receiver(None).await;
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
async fn a_receiver_knows_us_by_our_certificate() {
    let (authority, clients) = (Authority::new(), Authority::new());
    for protocol in ALL {
        let receiver = authority.receiver(Some(&clients)).await;
        let config = config(protocol, &receiver).with_transport(trusting(&authority));
        let identity = clients.issue("catalog");
        let (certificate, key) = (identity.certificate.pem(), identity.key.serialize_pem());
        let transport = Transport::default().with_client_certificate(certificate, key);
        let known = config.clone().with_transport(transport);
        assert_eq!(export(known).await, Ok(()), "{protocol}");
        assert!(export(config).await.is_err(), "{protocol}");
        assert_eq!(receiver.arrivals().len(), 1);
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
            Transport::default()
                .with_client_certificate(one.certificate.pem(), other.key.serialize_pem()),
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
        // A bare machine has none.
        Err(BuildError::Tls { problem: TlsError::NoAuthorities(_), .. }) => {}
        Err(error) => panic!("{error}"),
    }
}
