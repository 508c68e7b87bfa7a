//! TLS: certificate authorities, client certificates and their keys.

/// Checks that `pem` contains certificates that can be authorities. A build without the feature `tls` accepts anything.
///
/// # Errors
///
/// Returns an error if `pem` contains no such certificates.
pub fn check_authorities(pem: &[u8]) -> Result<(), TlsError> {
    built_in::authorities(pem).map(drop)
}

/// Checks that `pem` contains a chain of certificates. A build without the feature `tls` accepts anything.
///
/// # Errors
///
/// Returns an error if `pem` contains no certificate, or one that cannot be parsed.
pub fn check_certificate(pem: &[u8]) -> Result<(), TlsError> {
    built_in::certificates(pem).map(drop)
}

/// Checks that `pem` contains a private key. A build without the feature `tls` accepts anything.
///
/// # Errors
///
/// Returns an error if `pem` contains no private key. The text does not quote the key.
pub fn check_key(pem: &[u8]) -> Result<(), TlsError> {
    built_in::private_key(pem).map(drop)
}

/// Why TLS cannot be set up.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// This build does not support TLS. The named crate has a feature that enables it.
    #[error("is built without TLS; enable the feature `tls` of {0}, or use `http://`")]
    NotBuiltIn(&'static str),
    /// The text contains no certificate that can be parsed. Contains the reason.
    #[error(
        "holds no certificate in PEM form ({0}); it must begin with `-----BEGIN CERTIFICATE-----`"
    )]
    NoCertificate(String),
    /// The text contains no private key that can be parsed.
    #[error(
        "holds no private key in PEM form; it must have a line like `-----BEGIN PRIVATE KEY-----`"
    )]
    NoKey,
    /// Certificate and key cannot be used together. Contains the reason.
    #[error("client certificate and key cannot be used ({0}); check that they belong together")]
    Identity(String),
    /// The system has no certificate authorities. Contains the reason and what to do.
    #[error("no certificate authorities were found on this system {0}")]
    NoAuthorities(String),
}

meterkit_rules::debug_as_text!(TlsError);

#[cfg(feature = "tls")]
pub(crate) use self::built_in::client_config;

#[cfg(feature = "tls")]
mod built_in {
    use std::sync::Arc;

    use meterkit_settings::{SmallFileError, read_small_file};
    use rustls::crypto::ring;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ClientConfig, RootCertStore};

    use super::TlsError;
    use crate::transport::Transport;

    /// Returns the configuration of a TLS client with the certificates of `transport`. With `None`, the client trusts
    /// nobody, which works on systems without certificate authorities.
    pub(crate) fn client_config(transport: Option<&Transport>) -> Result<ClientConfig, TlsError> {
        let roots = match transport {
            None => RootCertStore::empty(),
            Some(Transport { authorities: Some(pem), .. }) => authorities(&pem.text)?,
            Some(transport) => of_this_system(transport.hints().certificate)?,
        };
        // Name the provider explicitly: a process may have chosen another one, or have several and no default.
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsError::Identity(error.to_string()))?
            .with_root_certificates(roots);
        match transport.and_then(|transport| transport.identity.as_ref()) {
            None => Ok(builder.with_no_client_auth()),
            Some((certificate, key)) => builder
                .with_client_auth_cert(certificates(&certificate.text)?, private_key(&key.text)?)
                .map_err(|error| TlsError::Identity(error.to_string())),
        }
    }

    /// Returns the certificates in `pem` as authorities.
    pub(super) fn authorities(pem: &[u8]) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(pem)? {
            roots.add(certificate).map_err(|error| TlsError::NoCertificate(error.to_string()))?;
        }
        Ok(roots)
    }

    /// Returns the chain of certificates in `pem`.
    pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        match certificates {
            Ok(chain) if chain.is_empty() => Err(TlsError::NoCertificate("none found".into())),
            Ok(chain) => Ok(chain),
            Err(error) => Err(TlsError::NoCertificate(error.to_string())),
        }
    }

    /// Returns the private key in `pem`. The error drops its cause, which may quote the key.
    pub(super) fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
        PrivateKeyDer::from_pem_slice(pem).map_err(|_| TlsError::NoKey)
    }

    /// The maximum size of a list of authorities.
    const MOST_BYTES: usize = 16 << 20;

    /// Returns the certificate authorities of this system. Errors suggest `setting` to name a file with others.
    fn of_this_system(setting: &str) -> Result<RootCertStore, TlsError> {
        let mut roots = RootCertStore::empty();
        if let Some(path) = std::env::var_os("SSL_CERT_FILE") {
            // Check it first: the loader has no size limit, and would wait forever for a pipe.
            let read = read_small_file(path.as_ref(), MOST_BYTES);
            if let Err(error @ (SmallFileError::NoFile { .. } | SmallFileError::TooLong { .. })) =
                read
            {
                return Err(no_authorities(&format!("SSL_CERT_FILE {error}"), setting));
            }
        }
        let found = rustls_native_certs::load_native_certs();
        // Some systems have old certificates that cannot be parsed.
        roots.add_parsable_certificates(found.certs);
        if roots.is_empty() {
            let why = found
                .errors
                .first()
                .map_or_else(|| "the list is empty".to_owned(), ToString::to_string);
            return Err(no_authorities(&why, setting));
        }
        Ok(roots)
    }

    pub(super) fn no_authorities(why: &str, setting: &str) -> TlsError {
        // `SSL_CERT_FILE` is not specific to this library.
        let install = "install its CA certificates";
        TlsError::NoAuthorities(match setting {
            "" => format!("({why}); {install}, or name a file with some in SSL_CERT_FILE"),
            own => {
                format!("({why}); {install}, or name a file with some in SSL_CERT_FILE or {own}")
            }
        })
    }
}

#[cfg(not(feature = "tls"))]
mod built_in {
    use super::TlsError;

    pub(super) use self::{
        anything as authorities, anything as certificates, anything as private_key,
    };

    pub(super) fn anything(_pem: &[u8]) -> Result<(), TlsError> {
        Ok(())
    }
}

#[cfg(all(test, feature = "tls"))]
mod tests {
    use super::*;

    #[test]
    fn without_authorities_the_error_says_what_to_do() {
        let told = |setting| built_in::no_authorities("the list is empty", setting).to_string();
        let start = "no certificate authorities were found on this system (the list is empty); install its CA \
                     certificates, or name a file with some in SSL_CERT_FILE";
        assert_eq!(told(""), start);
        assert_eq!(told("X_CERTIFICATE"), format!("{start} or X_CERTIFICATE"));
    }
}
