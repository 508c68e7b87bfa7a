//! TLS settings: the certificate of the endpoint, and the authorities of client certificates.

use std::fmt;
use std::path::PathBuf;

#[cfg(feature = "tls")]
mod reload;
#[cfg(feature = "tls")]
mod socket;

pub(crate) use self::built_in::{
    Encryption, check_certificate, check_client_authorities, check_key, missing,
};

/// The certificate and private key of the endpoint and, optionally, the authorities of client certificates. `Debug`
/// shows only whether client authorities are set.
///
/// [Files](Self::from_files) are read again when a client connects, so that a renewed certificate needs no restart. If
/// the new files cannot be used, the problem is logged and the endpoint keeps the previous certificate. Open
/// connections are not affected.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerTls {
    certificate: Pem,
    key: Pem,
    client_authorities: Option<Pem>,
}

#[derive(Clone, PartialEq, Eq)]
enum Pem {
    Text(Vec<u8>),
    File(PathBuf),
}

impl ServerTls {
    /// Creates settings from a certificate with its chain and a private key, both in PEM.
    ///
    /// [`PrometheusServer::bind`](crate::PrometheusServer::bind) checks them.
    pub fn new(certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        let (certificate, key) = (Pem::Text(certificate.into()), Pem::Text(key.into()));
        Self { certificate, key, client_authorities: None }
    }

    /// Creates settings from two PEM files, which may change: a certificate with its chain, and a private key.
    /// `METERKIT_PROMETHEUS_TLS_CERTIFICATE` and `METERKIT_PROMETHEUS_TLS_KEY` set the paths.
    ///
    /// [`PrometheusServer::bind`](crate::PrometheusServer::bind) reads the files.
    pub fn from_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let (certificate, key) = (Pem::File(certificate.into()), Pem::File(key.into()));
        Self { certificate, key, client_authorities: None }
    }

    /// Serves only clients with a certificate issued by one of these authorities, in PEM. All clients by default.
    #[must_use]
    pub fn client_authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.client_authorities = Some(Pem::Text(pem.into()));
        self
    }

    /// Serves only clients with a certificate issued by one of the authorities in this PEM file, which may change. All
    /// clients by default. `METERKIT_PROMETHEUS_TLS_CLIENT_CA` sets the path.
    #[must_use]
    pub fn client_authorities_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.client_authorities = Some(Pem::File(path.into()));
        self
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls")
            .field("client_authorities", &self.client_authorities.is_some())
            .finish_non_exhaustive()
    }
}

/// Why TLS cannot be set up. The text never quotes a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(
    dead_code,
    reason = "some variants exist only for builds with TLS, others only for builds without"
)]
pub(crate) enum TlsError {
    #[error(
        "TLS is not compiled in; enable the feature `prometheus-tls` of meterkit, or `tls` of meterkit-prometheus"
    )]
    NotBuiltIn,
    #[error(
        "the certificate of the scrape endpoint cannot be read ({0}); it must be in PEM, with a line \
         `-----BEGIN CERTIFICATE-----`"
    )]
    Certificate(String),
    #[error(
        "the private key of the scrape endpoint cannot be read; it must be in PEM, with a line such as \
         `-----BEGIN PRIVATE KEY-----`"
    )]
    Key,
    #[error(
        "the certificate and private key of the scrape endpoint cannot be used ({0}); check that they belong together"
    )]
    Identity(String),
    #[error(
        "the client authorities of the scrape endpoint cannot be read ({0}); they must be in PEM, with a line \
         `-----BEGIN CERTIFICATE-----`"
    )]
    ClientAuthorities(String),
    #[error(
        "the {what} of the scrape endpoint {reason}; name a PEM file that this process may read"
    )]
    File { what: &'static str, reason: String },
}

#[cfg(feature = "tls")]
mod built_in {
    use std::sync::Arc;

    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, ServerConfig};

    use super::TlsError;
    pub(crate) use super::reload::Encryption;
    use super::reload::Texts;

    /// Returns the TLS configuration for the content of the PEM files.
    pub(super) fn config(tls: &Texts) -> Result<ServerConfig, TlsError> {
        let mut config = without_protocols(tls)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn without_protocols(tls: &Texts) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&tls.certificate).map_err(TlsError::Certificate)?;
        let key = private_key(&tls.key)?;
        let of_identity = |error: rustls::Error| TlsError::Identity(error.to_string());
        // Choose the provider explicitly: the process may have installed another one, or none although several are
        // compiled in.
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(of_identity)?;
        let builder = match &tls.client_authorities {
            None => builder.with_no_client_auth(),
            Some(pem) => {
                let roots = authorities(pem).map_err(TlsError::ClientAuthorities)?;
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                        .build()
                        .map_err(|error| TlsError::ClientAuthorities(error.to_string()))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        builder.with_single_cert(chain, key).map_err(of_identity)
    }

    /// Returns why TLS is unavailable; `None` in this build.
    pub(crate) fn missing() -> Option<String> {
        None
    }

    pub(crate) fn check_certificate(pem: &[u8]) -> Result<(), TlsError> {
        certificates(pem).map(drop).map_err(TlsError::Certificate)
    }

    pub(crate) fn check_key(pem: &[u8]) -> Result<(), TlsError> {
        private_key(pem).map(drop)
    }

    pub(crate) fn check_client_authorities(pem: &[u8]) -> Result<(), TlsError> {
        authorities(pem).map(drop).map_err(TlsError::ClientAuthorities)
    }

    /// Parses a private key. The error does not say why the key is refused, because that text might quote the key.
    fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(pem).map_err(|_| TlsError::Key)
    }

    fn authorities(pem: &[u8]) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(pem)? {
            roots.add(certificate).map_err(|error| error.to_string())?;
        }
        Ok(roots)
    }

    fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match certificates {
            Ok(chain) if chain.is_empty() => Err("it contains no certificate".to_owned()),
            Ok(chain) => Ok(chain),
            Err(error) => Err(error.to_string()),
        }
    }
}

#[cfg(not(feature = "tls"))]
mod built_in {
    use tokio::net::TcpStream;

    use super::{ServerTls, TlsError};

    pub(crate) use self::{
        nothing as check_certificate, nothing as check_key, nothing as check_client_authorities,
    };

    pub(crate) fn nothing(_: &[u8]) -> Result<(), TlsError> {
        Err(TlsError::NotBuiltIn)
    }

    /// Returns why TLS is unavailable.
    pub(crate) fn missing() -> Option<String> {
        Some(TlsError::NotBuiltIn.to_string())
    }

    /// Uninhabited: this build has no TLS.
    #[derive(Clone, Debug)]
    pub(crate) enum Encryption {}

    impl Encryption {
        pub(crate) fn new(_: ServerTls) -> Result<Self, TlsError> {
            Err(TlsError::NotBuiltIn)
        }

        pub(crate) fn encrypt(&self, _: TcpStream) -> TcpStream {
            match *self {}
        }
    }
}
