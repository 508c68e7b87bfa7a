//! Encryption: which certificate the endpoint shows, and whom it lets in.

use std::fmt;
use std::path::PathBuf;

#[cfg(feature = "tls")]
mod reload;
#[cfg(feature = "tls")]
mod socket;

pub(crate) use self::built_in::{
    Encryption, check_certificate, check_client_authorities, check_key, missing,
};

/// The certificate that the endpoint shows, and perhaps whose certificates it asks clients for. `Debug` shows which there
/// are.
///
/// [Files](Self::from_files) are read again when a client connects, so that a renewed certificate needs no restart. New
/// ones that cannot be used are logged, and the endpoint keeps the previous ones. Connections that are open go on as
/// they are.
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
    /// TLS with this certificate, with its chain, and this private key, both as the text of PEM files.
    ///
    /// Nothing is checked before [`PrometheusServer::bind`](crate::PrometheusServer::bind).
    pub fn new(certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        let (certificate, key) = (Pem::Text(certificate.into()), Pem::Text(key.into()));
        Self { certificate, key, client_authorities: None }
    }

    /// TLS with the certificate, with its chain, and the private key in these PEM files, which may change.
    /// `METERKIT_PROMETHEUS_TLS_CERTIFICATE` and `METERKIT_PROMETHEUS_TLS_KEY` name them.
    ///
    /// Nothing is read before [`PrometheusServer::bind`](crate::PrometheusServer::bind).
    pub fn from_files(certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        let (certificate, key) = (Pem::File(certificate.into()), Pem::File(key.into()));
        Self { certificate, key, client_authorities: None }
    }

    /// Serves only clients with a certificate of one of these authorities, which are the text of a PEM file. All clients
    /// by default.
    #[must_use]
    pub fn client_authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.client_authorities = Some(Pem::Text(pem.into()));
        self
    }

    /// Serves only clients with a certificate of one of the authorities in this PEM file, which may change. All clients
    /// by default. `METERKIT_PROMETHEUS_TLS_CLIENT_CA` names it.
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

/// Why encryption cannot be set up. No text quotes a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(dead_code, reason = "one part is of builds with TLS, the other of those without")]
pub(crate) enum TlsError {
    #[error(
        "TLS is not compiled in: enable the feature `prometheus-tls` of meterkit, or `tls` of meterkit-prometheus"
    )]
    NotBuiltIn,
    #[error(
        "the certificate of the scrape endpoint cannot be read ({0}); it has to begin with \
         `-----BEGIN CERTIFICATE-----`"
    )]
    Certificate(String),
    #[error(
        "the private key of the scrape endpoint cannot be read; it has to have a line like \
         `-----BEGIN PRIVATE KEY-----`"
    )]
    Key,
    #[error(
        "certificate and private key of the scrape endpoint cannot be used ({0}); check that they belong together"
    )]
    Identity(String),
    #[error(
        "the authorities of the clients of the scrape endpoint cannot be read ({0}); each has to begin with \
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

    /// Returns the configuration for what the PEM files say.
    pub(super) fn config(tls: &Texts) -> Result<ServerConfig, TlsError> {
        let mut config = without_protocols(tls)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn without_protocols(tls: &Texts) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&tls.certificate).map_err(TlsError::Certificate)?;
        let key = private_key(&tls.key)?;
        let of_identity = |error: rustls::Error| TlsError::Identity(error.to_string());
        // Named here: a process may have another provider, or several and none that is chosen.
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

    /// Why there is no encryption.
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

    /// The error does not say why: its text might quote the key.
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
            Ok(chain) if chain.is_empty() => Err("none is in it".to_owned()),
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

    /// Why there is no encryption.
    pub(crate) fn missing() -> Option<String> {
        Some(TlsError::NotBuiltIn.to_string())
    }

    /// There is none.
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
