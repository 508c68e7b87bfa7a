//! The transport: how requests reach a receiver.

use std::fmt;
use std::time::Duration;

use meterkit_settings::{FileVersion, Problem};

use self::pem::Pem;
use crate::compression::Compression;
use crate::proxy::Proxies;

mod pem;
mod settings;

pub use self::settings::{
    TransportSettings, certificate, client_certificate, client_key, compression, compression_of,
    timeout,
};

/// The configuration of how one target sends requests: proxies, certificates, compression and timeout.
///
/// Every push target accepts a `Transport`. Settings that are unset keep the target's own default. No setting is read
/// from the environment. `Debug` shows no certificates, keys or credentials.
///
/// ```
/// use std::time::Duration;
///
/// use meterkit_http::{Compression, Proxies, Transport};
///
/// let transport = Transport::default()
///     .with_proxies(Proxies::default().with_https("http://proxy.example.com:3128")?)
///     .with_compression(Compression::Gzip)
///     .with_timeout(Duration::from_secs(5));
/// # Ok::<(), meterkit_http::ProxyError>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Transport {
    pub(crate) proxies: Option<Proxies>,
    pub(crate) authorities: Option<Pem>,
    /// The certificate chain and its private key.
    pub(crate) identity: Option<(Pem, Pem)>,
    pub(crate) compression: Option<Compression>,
    /// The timeout of one request. [`Duration::MAX`] means no limit.
    pub(crate) timeout: Option<Duration>,
    pub(crate) hints: Option<TransportHints>,
}

impl Transport {
    /// Sets the proxies. None are used by default, whatever the environment says. [`Proxies::read`] reads the common
    /// variables.
    #[must_use]
    pub fn with_proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = Some(proxies);
        self
    }

    /// Sets the certificate authorities to trust instead of those of the system. `pem` is the text of a PEM file.
    #[must_use]
    pub fn with_certificate_authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(Pem::new(pem));
        self
    }

    /// Sets the certificate to present to receivers that ask for a client certificate. `certificate` contains the
    /// certificate with its chain and `key` its private key, both as the text of a PEM file.
    #[must_use]
    pub fn with_client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        self.identity = Some((Pem::new(certificate), Pem::new(key)));
        self
    }

    /// Sets the compression of requests. A target whose protocol does not support `compression` cannot be built.
    #[must_use]
    pub fn with_compression(mut self, compression: Compression) -> Self {
        self.compression = Some(compression);
        self
    }

    /// Sets how long the receiver may take to answer one request. With [`Duration::MAX`], only the pipeline's timeout
    /// for a whole export applies.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the names of settings that errors mention. Targets call this on behalf of their users.
    #[must_use]
    pub fn with_hints(mut self, hints: TransportHints) -> Self {
        self.hints = Some(hints);
        self
    }

    /// Returns this transport with unset settings taken from `defaults`.
    #[must_use]
    pub fn or(self, defaults: Self) -> Self {
        Self {
            proxies: self.proxies.or(defaults.proxies),
            authorities: self.authorities.or(defaults.authorities),
            identity: self.identity.or(defaults.identity),
            compression: self.compression.or(defaults.compression),
            timeout: self.timeout.or(defaults.timeout),
            hints: self.hints.or(defaults.hints),
        }
    }

    /// Returns the proxies, if they are set.
    pub fn proxies(&self) -> Option<&Proxies> {
        self.proxies.as_ref()
    }

    /// Returns the compression, if it is set.
    pub fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// Returns the timeout of one request, or `None` if there is no limit, which is the default.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout.filter(|timeout| *timeout != Duration::MAX)
    }

    /// Returns the names of settings that errors mention.
    pub fn hints(&self) -> TransportHints {
        self.hints.unwrap_or_default()
    }

    /// Returns the transport with the current content of its PEM files, and adds the settings of changed files to
    /// `changed`.
    pub(crate) fn renewed(&self, changed: &mut Vec<String>) -> Result<Self, Problem> {
        let mut renewed = self.clone();
        let identity =
            renewed.identity.iter_mut().flat_map(|(certificate, key)| [certificate, key]);
        for pem in renewed.authorities.iter_mut().chain(identity) {
            pem.renew(changed)?;
        }
        Ok(renewed)
    }

    /// Returns the versions of the PEM files.
    pub(crate) fn versions(&self) -> impl Iterator<Item = Option<FileVersion>> {
        let identity = self.identity.iter().flat_map(|(certificate, key)| [certificate, key]);
        self.authorities.iter().chain(identity).filter_map(Pem::version)
    }
}

/// The names of one target's settings, which errors of its transport mention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransportHints {
    /// The crate whose features `tls` and `zstd` enable what is not built in, such as `meterkit-otlp`.
    pub package: &'static str,
    /// The setting that names the file with certificate authorities, such as `OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE`.
    /// Empty for none.
    pub certificate: &'static str,
    /// The setting that changes the timeout, such as `OTEL_EXPORTER_OTLP_METRICS_TIMEOUT`. Empty for none.
    pub timeout: &'static str,
    /// The settings that may hold the credentials, such as `OTEL_EXPORTER_OTLP_METRICS_HEADERS`.
    pub credentials: &'static [&'static str],
    /// The setting that contains the URL, such as `OTEL_EXPORTER_OTLP_METRICS_ENDPOINT`. Empty for none.
    pub endpoint: &'static str,
    /// The setting that names the file with the client certificate. Empty for none.
    pub client_certificate: &'static str,
    /// The setting that names the proxy of this target only. Empty for none.
    pub proxy: &'static str,
    /// The setting that chooses between gRPC and HTTP. Empty if there is no choice.
    pub protocol: &'static str,
    /// Whether requests are sent over gRPC.
    pub is_grpc: bool,
    /// The usual ends of the URL's path over HTTP, such as `/v1/metrics`. Empty if any path is possible.
    pub paths: &'static [&'static str],
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("proxies", &self.proxies)
            .field("has_certificate_authorities", &self.authorities.is_some())
            .field("has_client_certificate", &self.identity.is_some())
            .field("compression", &self.compression)
            .field("timeout", &self.timeout())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Transport {
        let proxies = Proxies::default().with_http("http://me:hunter2@proxy:3128");
        Transport::default()
            .with_proxies(proxies.expect("a proxy"))
            .with_certificate_authorities("hunter2")
            .with_client_certificate("hunter2", "hunter2")
            .with_compression(Compression::Gzip)
            .with_timeout(Duration::from_secs(1))
    }

    #[test]
    fn unset_settings_are_taken_from_the_defaults_and_others_are_not() {
        assert_eq!(Transport::default().or(complete()), complete());
        assert_eq!(complete().or(Transport::default()), complete());
        let other = Transport::default()
            .with_proxies(Proxies::default())
            .with_certificate_authorities("a")
            .with_client_certificate("b", "c")
            .with_compression(Compression::None)
            .with_timeout(Duration::MAX);
        assert_eq!(other.clone().or(complete()), other);
    }

    #[test]
    fn the_longest_timeout_is_no_limit() {
        let timeout = |timeout| Transport::default().with_timeout(timeout).timeout();
        assert_eq!(timeout(Duration::ZERO), Some(Duration::ZERO));
        assert_eq!(timeout(Duration::MAX), None);
    }

    #[test]
    fn debug_shows_no_secrets() {
        let text = format!("{:?}", complete());
        assert!(text.contains("http://proxy:3128") && text.contains("Gzip"), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
    }
}
