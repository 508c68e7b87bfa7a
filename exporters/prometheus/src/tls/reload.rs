//! Reloads certificates that are renewed while the endpoint runs.

use std::fmt;
use std::sync::{Arc, Mutex, TryLockError};

use meterkit_core::Unpoisoned;
use meterkit_settings::read_small_file;
use rustls::ServerConfig;
use tokio::net::TcpStream;

use super::built_in::config;
use super::socket::TlsSocket;
use super::{Pem, ServerTls, TlsError};

/// Maximum size of a PEM file, in bytes.
const MAX_PEM: usize = 1 << 20;

/// Encrypts connections with the current certificates. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Encryption(Arc<Reloading>);

struct Reloading {
    tls: ServerTls,
    config: Mutex<Arc<ServerConfig>>,
    /// The content that was read last, even if it cannot be used.
    seen: Mutex<Result<Texts, TlsError>>,
}

/// The content of the PEM files.
#[derive(PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) certificate: Vec<u8>,
    pub(super) key: Vec<u8>,
    pub(super) client_authorities: Option<Vec<u8>>,
}

impl Encryption {
    pub(crate) fn new(tls: ServerTls) -> Result<Self, TlsError> {
        let texts = Texts::read(&tls)?;
        let config = Mutex::new(Arc::new(config(&texts)?));
        Ok(Self(Arc::new(Reloading { tls, config, seen: Mutex::new(Ok(texts)) })))
    }

    pub(crate) fn encrypt(&self, stream: TcpStream) -> TlsSocket {
        TlsSocket::new(self.clone(), stream)
    }

    /// Returns whether any certificate or key comes from a file, so that it may change.
    pub(super) fn has_files(&self) -> bool {
        let ServerTls { certificate, key, client_authorities } = &self.0.tls;
        let mut all = [certificate, key].into_iter().chain(client_authorities);
        all.any(|pem| matches!(pem, Pem::File(_)))
    }

    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.0.config.lock().unpoisoned().clone()
    }

    /// Reads the files again and returns the current configuration. Blocks while the files are read; if another thread
    /// is reading them already, returns the current configuration at once.
    pub(super) fn reloaded(&self) -> Arc<ServerConfig> {
        let seen = match self.0.seen.try_lock() {
            Ok(seen) => Some(seen),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        };
        if let Some(mut seen) = seen {
            let read = Texts::read(&self.0.tls);
            if read != *seen {
                match read.as_ref().map_err(Clone::clone).and_then(config) {
                    Ok(config) => {
                        *self.0.config.lock().unpoisoned() = Arc::new(config);
                        tracing::info!("scrape endpoint reloaded its TLS certificates");
                    }
                    Err(error) => {
                        tracing::error!(
                            "scrape endpoint keeps its previous TLS certificates because the new ones cannot be \
                             used: {error}"
                        );
                    }
                }
                *seen = read;
            }
        }
        self.current()
    }
}

impl Texts {
    fn read(tls: &ServerTls) -> Result<Self, TlsError> {
        let authorities = tls.client_authorities.as_ref();
        Ok(Self {
            certificate: tls.certificate.read("certificate")?,
            key: tls.key.read("private key")?,
            client_authorities: authorities
                .map(|pem| pem.read("client authorities"))
                .transpose()?,
        })
    }
}

impl Pem {
    fn read(&self, what: &'static str) -> Result<Vec<u8>, TlsError> {
        match self {
            Self::Text(text) => Ok(text.clone()),
            Self::File(path) => read_small_file(path, MAX_PEM).map_err(|error| TlsError::File {
                what,
                reason: format!("in {} {error}", path.display()),
            }),
        }
    }
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encryption").finish_non_exhaustive()
    }
}
