//! The settings for proxies.

use meterkit_settings::{Reader, Setting, ValueType, text};

use super::{Proxies, Proxy};

/// A target's own settings for proxies, which take precedence over the common variables.
#[derive(Debug)]
pub struct ProxySettings {
    /// Takes precedence over `HTTPS_PROXY`.
    pub https: Setting<Proxy>,
    /// Takes precedence over `HTTP_PROXY`.
    pub http: Setting<Proxy>,
    /// Takes precedence over `NO_PROXY`.
    pub no_proxy: Setting<String>,
}

/// Declares a setting that contains the URL of a proxy.
pub const fn proxy(name: &'static str) -> Setting<Proxy> {
    Setting::new(name, ValueType::Url, super::parse)
}

const HTTPS: Setting<Proxy> = proxy("HTTPS_PROXY").or(&["https_proxy", "ALL_PROXY", "all_proxy"]);
const HTTP: Setting<Proxy> = proxy("HTTP_PROXY").or(&["http_proxy", "ALL_PROXY", "all_proxy"]);
/// Without `HTTP_PROXY`: in a CGI program, clients can set that variable with the header `Proxy`.
const HTTP_IN_CGI: Setting<Proxy> = proxy("http_proxy").or(&["ALL_PROXY", "all_proxy"]);
const NO_PROXY: Setting<String> = text("NO_PROXY").or(&["no_proxy"]);
const REQUEST_METHOD: Setting<String> = text("REQUEST_METHOD");

/// Hosts that are never reached through a proxy, because the proxy would look for them on its own machine.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

impl Proxies {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or their lower-case forms. `ALL_PROXY` is the fallback for the
    /// first two. Each of a target's `own` settings takes precedence over its counterpart. `HTTP_PROXY` is ignored if
    /// `REQUEST_METHOD` is set, which means that the program runs as CGI.
    ///
    /// Loopback addresses and `localhost` are reached without a proxy, as if `NO_PROXY` contained them. For a target
    /// without settings of its own, a proxy that cannot be used, such as a SOCKS proxy, only causes a warning, because
    /// the variable may be meant for other programs.
    ///
    /// ```
    /// use meterkit_http::Proxies;
    /// use meterkit_settings::Environment;
    ///
    /// let environment = Environment::of([
    ///     ("HTTPS_PROXY", "http://proxy.example.com:3128"),
    ///     ("NO_PROXY", "localhost,.internal"),
    /// ]);
    /// let proxies = environment.read(|reader| Proxies::read(reader, None))?;
    /// assert!(proxies.of(&"https://api.example.com".parse()?).is_some());
    /// assert!(proxies.of(&"https://localhost".parse()?).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn read(reader: &Reader<'_>, own: Option<&ProxySettings>) -> Self {
        let everyones = reader.environment();
        let http = if everyones.is_set(&REQUEST_METHOD) { HTTP_IN_CGI } else { HTTP };
        let (https, http) = match own {
            None => (HTTPS.lenient(), http.lenient()),
            Some(_) => (HTTPS, http),
        };
        let direct = read(reader, own.map(|own| &own.no_proxy), &NO_PROXY).unwrap_or_default();
        let proxies = Self {
            https: read(reader, own.map(|own| &own.https), &https),
            http: read(reader, own.map(|own| &own.http), &http),
            direct: Vec::new(),
        };
        proxies.with_direct(&format!("{direct},{LOOPBACK}"))
    }
}

fn read<T>(reader: &Reader<'_>, own: Option<&Setting<T>>, usual: &Setting<T>) -> Option<T> {
    match own.filter(|own| reader.is_set(own)) {
        Some(own) => reader.get(own),
        None => reader.environment().get(usual),
    }
}
