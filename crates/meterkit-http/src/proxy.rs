//! Proxies between a target and its receiver.

use std::fmt;

use http::uri::Scheme;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::Matcher;

use crate::url::{self, BAD_PORT, is_port};

mod settings;

pub use self::settings::{ProxySettings, proxy};

/// The proxies that a target uses, and the hosts that it reaches without a proxy. No proxies by default.
///
/// An `https` receiver is reached through a tunnel (`CONNECT`), so that the proxy only sees the receiver's name. A
/// request to an `http` receiver is forwarded by the proxy, which can read it with all its headers; gRPC uses a tunnel
/// here too. The proxy itself may use `http` or, with the feature `tls`, `https`. Its certificate is checked against
/// the same authorities as the receiver's.
///
/// `Debug` shows no credentials.
///
/// ```
/// use meterkit_http::Proxies;
///
/// let proxies = Proxies::default()
///     .with_https("http://me:hunter2@proxy.example.com:3128")?
///     .with_direct("localhost, .internal, 10.0.0.0/8");
/// let proxy = proxies.of(&"https://api.example.com".parse()?).expect("there is one");
/// assert_eq!(proxy.to_string(), "http://proxy.example.com:3128");
/// assert!(proxies.of(&"https://collector.internal:4318".parse()?).is_none());
/// assert!(proxies.of(&"http://api.example.com".parse()?).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    /// The hosts that are reached without a proxy.
    direct: Vec<String>,
}

impl Proxies {
    /// Sets the proxy for `https` receivers, such as `http://proxy:3128`, or `http://me:secret@proxy:3128` if the proxy
    /// requires a user name and password. `http://` may be omitted.
    ///
    /// # Errors
    ///
    /// Returns an error if `url` is not the URL of a proxy; see [`Proxy::new`].
    pub fn with_https(mut self, url: &str) -> Result<Self, ProxyError> {
        self.https = Some(Proxy::new(url)?);
        Ok(self)
    }

    /// Sets the proxy for `http` receivers, in the same form as for [`with_https`](Self::with_https).
    ///
    /// # Errors
    ///
    /// Returns an error if `url` is not the URL of a proxy; see [`Proxy::new`].
    pub fn with_http(mut self, url: &str) -> Result<Self, ProxyError> {
        self.http = Some(Proxy::new(url)?);
        Ok(self)
    }

    /// Sets the hosts that are reached without a proxy, in the form of `NO_PROXY`. Replaces earlier ones.
    ///
    /// Entries are separated by commas or white space. An entry is a name, optionally with a leading `.` or `*.`, which
    /// includes all names below it; an IP address; a network such as `10.0.0.0/8`; or `*` for all hosts. A name or
    /// address may have a port and then applies only to that port. Hosts that are not listed, even this machine, are
    /// reached through the proxy.
    #[must_use]
    pub fn with_direct(mut self, hosts: &str) -> Self {
        let hosts = hosts.split(|c: char| c == ',' || c.is_whitespace());
        self.direct = hosts.filter(|host| !host.is_empty()).map(str::to_owned).collect();
        self
    }

    /// Creates a configuration that uses `proxy` for every receiver.
    pub(crate) fn all(proxy: Proxy) -> Self {
        Self { https: Some(proxy.clone()), http: Some(proxy), direct: Vec::new() }
    }

    /// Returns whether no proxy is set.
    pub(crate) fn is_empty(&self) -> bool {
        self.https.is_none() && self.http.is_none()
    }

    /// Returns the proxy on the way to `target`, or `None` if `target` is reached without a proxy.
    pub fn of(&self, target: &Uri) -> Option<Proxy> {
        let is_https = target.scheme() == Some(&Scheme::HTTPS);
        let proxy = if is_https { &self.https } else { &self.http }.as_ref()?;
        let port = target.port_u16().unwrap_or(if is_https { 443 } else { 80 });
        let hosts: Vec<&str> =
            self.direct.iter().filter_map(|host| host_at_port(host, port)).collect();
        if hosts.contains(&"*") {
            return None;
        }
        // The matcher is only used for `NO_PROXY`, so the URL of its proxy does not matter.
        let matcher = Matcher::builder().all("http://proxy").no(hosts.join(",")).build();
        matcher.intercept(target).map(|_| proxy.clone())
    }
}

/// Returns the host of an entry, if the entry applies to this port.
fn host_at_port(entry: &str, port: u16) -> Option<&str> {
    let (host, own) = match entry.rsplit_once(':') {
        // With another colon, the entry is an IPv6 address without a port.
        Some((host, own)) if !host.contains(':') || host.ends_with(']') => (host, Some(own)),
        _ => (entry, None),
    };
    if own.is_some_and(|own| own.parse() != Ok(port)) {
        return None;
    }
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    Some(host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host))
}

/// A proxy. `Display` and `Debug` do not show its credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// Scheme, host and port.
    uri: Uri,
    authorization: Option<HeaderValue>,
}

impl Proxy {
    /// Creates a proxy from its `url`, such as `http://proxy:3128` or `http://me:secret@proxy:3128`. Characters with a
    /// special meaning in URLs must be percent-encoded. `http://` may be omitted. Without a port, the default port of
    /// the scheme is used.
    ///
    /// # Errors
    ///
    /// Returns an error if `url` has a scheme other than `http` or `https`, no host, an invalid port or a path, or if
    /// it has `https` and the feature `tls` is not enabled. The text shows no credentials.
    pub fn new(url: &str) -> Result<Self, ProxyError> {
        let error = |reason| ProxyError { url: url::shown(url), reason };
        parse(url).map_err(error)
    }

    /// Returns the URL of the proxy without credentials.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the value of the header `Proxy-Authorization`, which `Debug` does not show.
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }
}

fn parse(text: &str) -> Result<Proxy, String> {
    let example = "write for example `http://proxy.example.com:3128`";
    let escape =
        "write `%23` for `#`, `%2F` for `/`, `%3F` for `?` and `%40` for `@` in a password";
    let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let scheme = full.split("://").next().unwrap_or_default().to_ascii_lowercase();
    match scheme.as_str() {
        "http" => {}
        "https" if cfg!(feature = "tls") => {}
        "https" => return Err("needs TLS, which is not built in; use `http://`".to_owned()),
        _ => return Err("has an unknown scheme; write `http://` or `https://`".to_owned()),
    }
    let uri: Uri = full.parse().map_err(|error| format!("is not a URL ({error}); {example}"))?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = uri.host().unwrap_or_default();
    if host.is_empty() {
        return Err(format!("has no host; {example}"));
    }
    if !is_port(authority, host, uri.port_u16()) {
        let escape = if text.contains('@') { format!(", and {escape}") } else { String::new() };
        return Err(format!("{BAD_PORT}{escape}"));
    }
    // `Uri` drops fragments, so look for them in the text.
    if uri.path() != "/" || uri.query().is_some() || full.contains('#') {
        return Err(format!("must not have a path; {example}, and {escape}"));
    }
    // The matcher parses the URL and creates the header.
    let found = Matcher::builder().all(full).build().intercept(&Uri::from_static("http://any"));
    let found = found.ok_or_else(|| format!("is not the URL of a proxy; {example}"))?;
    let authorization = found.basic_auth().cloned();
    Ok(Proxy { uri: found.uri().clone(), authorization })
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        write!(f, "{}://{authority}", self.uri.scheme_str().unwrap_or("http"))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("url", &format_args!("{self}"))
            .field("has_credentials", &self.authorization.is_some())
            .finish()
    }
}

/// The error for a text that is not the URL of a proxy. Parts that may be secret are not shown.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("proxy `{url}` {reason}")]
pub struct ProxyError {
    url: String,
    reason: String,
}

meterkit_rules::debug_as_text!(ProxyError);

#[cfg(test)]
mod tests;
