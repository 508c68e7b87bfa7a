//! The settings of transports. Each push target declares its own in its table of settings.

use std::time::Duration;

use meterkit_settings::{
    Reader, Setting, UnknownWord, ValueType, Words, file, timeout as time_limit, word,
};

use super::{Pem, Transport, TransportHints};
use crate::compression::Compression;
use crate::proxy::{Proxies, Proxy};
use crate::tls;

/// The settings for the transport of one target.
#[derive(Debug)]
pub struct TransportSettings {
    /// The crate whose features `tls` and `zstd` enable what is not built in, such as `meterkit-otlp`.
    pub package: &'static str,
    /// The proxy, declared with [`proxy`](crate::proxy()). `None` for a target that reads its proxies itself.
    pub proxy: Option<Setting<Proxy>>,
    /// The compression, declared with [`compression`].
    pub compression: Setting<Compression>,
    /// The timeout of a request, declared with [`timeout`].
    pub timeout: Setting<Duration>,
    /// The certificate authorities, declared with [`certificate`].
    pub certificate: Setting<String>,
    /// The key of the client certificate, declared with [`client_key`].
    pub client_key: Setting<String>,
    /// The client certificate, declared with [`client_certificate`].
    pub client_certificate: Setting<String>,
    /// The settings that may hold the credentials.
    pub credentials: &'static [&'static str],
    /// The setting that contains the URL.
    pub endpoint: &'static str,
    /// The setting that chooses between gRPC and HTTP. Empty if there is no choice.
    pub protocol: &'static str,
    /// The usual ends of the URL's path over HTTP. Empty if any path is possible.
    pub paths: &'static [&'static str],
}

/// Declares the setting for the compression of requests.
pub const fn compression(name: &'static str) -> Setting<Compression> {
    word(name).key("compression").meaning("how requests are compressed")
}

/// Declares the setting for the compression of requests to a receiver that supports only the algorithms in `supported`.
pub const fn compression_of(
    name: &'static str,
    supported: &'static [&'static str],
) -> Setting<Compression> {
    let parse = |text: &str| text.parse().map_err(|error: UnknownWord| error.to_string());
    let setting = Setting::new(name, ValueType::Word(supported), parse);
    setting.key("compression").meaning("how requests are compressed")
}

/// Declares the setting for the timeout of a request.
pub const fn timeout(name: &'static str) -> Setting<Duration> {
    time_limit(name).key("timeout").meaning("the time that one request may take")
}

/// Declares the setting for the file with certificate authorities.
pub const fn certificate(name: &'static str) -> Setting<String> {
    file(name)
        .key("tls.ca_file")
        .by_default("those of the system")
        .meaning("certificates in PEM that the receiver's is checked against")
}

/// Declares the setting for the file with the private key of the client certificate.
pub const fn client_key(name: &'static str) -> Setting<String> {
    file(name).key("tls.key_file").meaning("the private key of the client's certificate, in PEM")
}

/// Declares the setting for the file with the client certificate.
pub const fn client_certificate(name: &'static str) -> Setting<String> {
    file(name).key("tls.cert_file").meaning("the client's certificate, in PEM")
}

impl TransportSettings {
    /// Returns the names of settings that errors of this transport mention.
    pub const fn hints(&self) -> TransportHints {
        TransportHints {
            package: self.package,
            certificate: self.certificate.declaration().name,
            timeout: self.timeout.declaration().name,
            credentials: self.credentials,
            endpoint: self.endpoint,
            client_certificate: self.client_certificate.declaration().name,
            proxy: match &self.proxy {
                Some(proxy) => proxy.declaration().name,
                None => "",
            },
            protocol: self.protocol,
            is_grpc: false,
            paths: self.paths,
        }
    }

    /// Reads the transport from its settings. PEM files are read now, and a [`Client`](crate::Client) reads them again
    /// when they change. Settings that are not set stay unset.
    ///
    /// If the target's own proxy is set, it is used for receivers of any scheme, whatever `NO_PROXY` says. Otherwise,
    /// the common variables apply: see [`Proxies::read`].
    pub fn read(&self, reader: &Reader<'_>) -> Transport {
        let (certificate, key) = (&self.client_certificate, &self.client_key);
        let proxies = match &self.proxy {
            Some(setting) if reader.is_set(setting) => reader.get(setting).map(Proxies::all),
            Some(_) => Some(Proxies::read(reader, None)).filter(|proxies| !proxies.is_empty()),
            None => None,
        };
        let compression = reader.get_with(&self.compression, |text| {
            built_in(text, self.compression.declaration().value_type, self.package)
        });
        let timeout = reader.get(&self.timeout);
        let authorities = Pem::read(reader, &self.certificate, tls::check_authorities);
        reader.needs(key, certificate, "name the PEM file with its private key");
        reader.needs(certificate, key, "name the PEM file with the certificate");
        let certificate = Pem::read(reader, certificate, tls::check_certificate);
        let key = Pem::read(reader, key, tls::check_key);
        Transport {
            proxies,
            authorities,
            identity: certificate.zip(key),
            compression,
            timeout,
            hints: None,
        }
    }
}

fn built_in(text: &str, accepted: ValueType, package: &str) -> Result<Compression, String> {
    let is_accepted = |known: &Compression| match accepted {
        ValueType::Word(words) => words.contains(&known.as_str()),
        _ => true,
    };
    let known = Compression::find(text).filter(is_accepted);
    let known = known.ok_or_else(|| format!("is unknown; write {accepted}"))?;
    if known.is_built_in() {
        return Ok(known);
    }
    Err(format!("is not built in; enable the feature `{known}` of {package}, or write `gzip`"))
}
