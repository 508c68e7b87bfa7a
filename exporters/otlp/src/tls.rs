//! Encryption: whom to trust, and who we are.

use std::fmt;

/// Certificates and keys, as the text of PEM files. `Debug` shows which there are.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Pems {
    /// Authorities to trust in place of the system's.
    pub(crate) authorities: Option<Vec<u8>>,
    /// Our certificate and its private key.
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl fmt::Debug for Pems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pems")
            .field("authorities", &self.authorities.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

/// Why encryption cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// This build has no encryption.
    #[error("is built without TLS; enable the feature `tls` of meterkit-otlp, or use `http://`")]
    NotBuiltIn,
    /// The text holds no certificate that can be read.
    #[error(
        "holds no certificate in PEM form ({0}); it has to begin with `-----BEGIN CERTIFICATE-----`"
    )]
    NoCertificate(String),
    /// The text holds no private key that can be read.
    #[error(
        "holds no private key in PEM form; it has to have a line like `-----BEGIN PRIVATE KEY-----`"
    )]
    NoKey,
    /// Certificate and key do not belong together.
    #[error("client certificate and key cannot be used ({0}); check that they belong together")]
    Identity(String),
    /// The system has no list of authorities.
    #[error(
        "no certificate authorities are found on this system ({0}); install its CA certificates, \
         or name a file in `OTEL_EXPORTER_OTLP_CERTIFICATE`"
    )]
    NoAuthorities(String),
}

#[cfg(feature = "tls")]
pub(crate) use self::built_in::{check_authorities, check_certificate, check_key, client_config};

#[cfg(feature = "tls")]
mod built_in {
    use std::sync::Arc;

    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ClientConfig, RootCertStore};

    use super::{Pems, TlsError};

    pub(crate) fn client_config(pems: &Pems) -> Result<ClientConfig, TlsError> {
        let roots = match &pems.authorities {
            Some(pem) => check_authorities(pem)?,
            None => of_this_system()?,
        };
        // Named here: a process may have another provider, or several and none that is chosen.
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Identity(error.to_string()))?
            .with_root_certificates(roots);
        match &pems.identity {
            None => Ok(builder.with_no_client_auth()),
            Some((certificate, key)) => builder
                .with_client_auth_cert(check_certificate(certificate)?, check_key(key)?)
                .map_err(|error| TlsError::Identity(error.to_string())),
        }
    }

    /// The certificates in `pem` as authorities.
    pub(crate) fn check_authorities(pem: &[u8]) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in check_certificate(pem)? {
            roots.add(certificate).map_err(|error| TlsError::NoCertificate(error.to_string()))?;
        }
        Ok(roots)
    }

    /// The chain of certificates in `pem`.
    pub(crate) fn check_certificate(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match certificates {
            Ok(chain) if chain.is_empty() => Err(TlsError::NoCertificate("none is in it".into())),
            Ok(chain) => Ok(chain),
            Err(error) => Err(TlsError::NoCertificate(error.to_string())),
        }
    }

    /// The private key in `pem`. What is wrong with it is not told: the text may quote it.
    pub(crate) fn check_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(pem).map_err(|_| TlsError::NoKey)
    }

    fn of_this_system() -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        // Some systems have old certificates among theirs that cannot be read.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found
                .errors
                .first()
                .map_or_else(|| "the list is empty".to_owned(), ToString::to_string);
            return Err(TlsError::NoAuthorities(why));
        }
        Ok(roots)
    }
}
