//! Encryption: whom to trust, and who we are.

use std::fmt;

/// Certificates and keys, as the text of PEM files. `Debug` shows which there are.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Pems {
    /// Authorities to trust in place of the system's.
    pub authorities: Option<Vec<u8>>,
    /// Our certificate with its chain, and its private key.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Pems {
    /// Whether `pem` holds certificates that can be authorities. A build without the feature `tls` cannot tell.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn check_authorities(pem: &[u8]) -> Result<(), TlsError> {
        built_in::check_authorities(pem).map(drop)
    }

    /// Whether `pem` holds a chain of certificates. A build without the feature `tls` cannot tell.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub fn check_certificate(pem: &[u8]) -> Result<(), TlsError> {
        built_in::check_certificate(pem).map(drop)
    }

    /// Whether `pem` holds a private key. A build without the feature `tls` cannot tell.
    ///
    /// # Errors
    ///
    /// When it does not. The text does not quote it.
    pub fn check_key(pem: &[u8]) -> Result<(), TlsError> {
        built_in::check_key(pem).map(drop)
    }
}

impl fmt::Debug for Pems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pems")
            .field("authorities", &self.authorities.is_some())
            .field("identity", &self.identity.is_some())
            .finish()
    }
}

/// What the texts of [`TlsError`] say of the target that meets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlsHints {
    /// The crate with a feature `tls` that switches encryption on: `meterkit-otlp`.
    pub package: &'static str,
    /// What to do on a system without authorities, besides installing some, or naming them in `SSL_CERT_FILE`: `name a
    /// file in \`OTEL_EXPORTER_OTLP_CERTIFICATE\``. Empty for nothing.
    pub authorities: &'static str,
}

impl TlsHints {
    #[cfg(feature = "tls")]
    fn no_authorities(self, why: &str) -> TlsError {
        // Everyone's variable, which is looked at for those of the system.
        let name = "name a file with some in SSL_CERT_FILE";
        let install = "install its CA certificates";
        TlsError::NoAuthorities(match self.authorities {
            "" => format!("({why}); {install}, or {name}"),
            other => format!("({why}); {install}, {name}, or {other}"),
        })
    }
}

/// Why encryption cannot be set up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// This build has no encryption. The crate named has a feature for it.
    #[error("is built without TLS; enable the feature `tls` of {0}, or use `http://`")]
    NotBuiltIn(&'static str),
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
    /// The system has no list of authorities: why, and what to do.
    #[error("no certificate authorities are found on this system {0}")]
    NoAuthorities(String),
}

#[cfg(feature = "tls")]
pub(crate) use self::built_in::client_config;

#[cfg(feature = "tls")]
mod built_in {
    use std::sync::Arc;

    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ClientConfig, RootCertStore};

    use super::{Pems, TlsError, TlsHints};

    /// Settings for a client that trusts and shows what `pems` says. With `None`, it trusts nobody: that works on
    /// systems that have no authorities.
    pub(crate) fn client_config(
        pems: Option<&Pems>,
        hints: TlsHints,
    ) -> Result<ClientConfig, TlsError> {
        let roots = match pems.map(|pems| &pems.authorities) {
            None => RootCertStore::empty(),
            Some(Some(pem)) => check_authorities(pem)?,
            Some(None) => of_this_system(hints)?,
        };
        // Named here: a process may have another provider, or several and none that is chosen.
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Identity(error.to_string()))?
            .with_root_certificates(roots);
        match pems.and_then(|pems| pems.identity.as_ref()) {
            None => Ok(builder.with_no_client_auth()),
            Some((certificate, key)) => builder
                .with_client_auth_cert(check_certificate(certificate)?, check_key(key)?)
                .map_err(|error| TlsError::Identity(error.to_string())),
        }
    }

    /// The certificates in `pem` as authorities.
    pub(super) fn check_authorities(pem: &[u8]) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in check_certificate(pem)? {
            roots.add(certificate).map_err(|error| TlsError::NoCertificate(error.to_string()))?;
        }
        Ok(roots)
    }

    /// The chain of certificates in `pem`.
    pub(super) fn check_certificate(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match certificates {
            Ok(chain) if chain.is_empty() => Err(TlsError::NoCertificate("none is in it".into())),
            Ok(chain) => Ok(chain),
            Err(error) => Err(TlsError::NoCertificate(error.to_string())),
        }
    }

    /// The private key in `pem`. What is wrong with it is not told: the text may quote it.
    pub(super) fn check_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(pem).map_err(|_| TlsError::NoKey)
    }

    fn of_this_system(hints: TlsHints) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        let found = rustls_native_certs::load_native_certs();
        // Some systems have old certificates among theirs that cannot be read.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found
                .errors
                .first()
                .map_or_else(|| "the list is empty".to_owned(), ToString::to_string);
            return Err(hints.no_authorities(&why));
        }
        Ok(roots)
    }
}

#[cfg(not(feature = "tls"))]
mod built_in {
    use super::TlsError;

    pub(super) use self::{
        anything as check_authorities, anything as check_certificate, anything as check_key,
    };

    pub(super) fn anything(_pem: &[u8]) -> Result<(), TlsError> {
        Ok(())
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use super::*;

    #[test]
    fn where_there_are_no_authorities_it_is_told_what_to_do() {
        let told = |authorities| {
            TlsHints { package: "p", authorities }.no_authorities("the list is empty").to_string()
        };
        let start = "no certificate authorities are found on this system (the list is empty); install its CA \
                     certificates, ";
        assert_eq!(told(""), format!("{start}or name a file with some in SSL_CERT_FILE"));
        let both = format!("{start}name a file with some in SSL_CERT_FILE, or write `X`");
        assert_eq!(told("write `X`"), both);
    }
}
