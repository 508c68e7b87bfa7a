//! The proxies that an operator names.

use meterkit_settings::{Reader, Setting, ValueType, text};

use super::{Proxies, Proxy};

/// Settings that a target has for its proxies, in front of the usual variables.
#[derive(Debug)]
pub struct ProxySettings {
    /// In front of `HTTPS_PROXY`.
    pub https: Setting<Proxy>,
    /// In front of `HTTP_PROXY`.
    pub http: Setting<Proxy>,
    /// In front of `NO_PROXY`.
    pub no_proxy: Setting<String>,
}

/// Declares a setting that is the URL of a proxy.
pub const fn proxy(name: &'static str) -> Setting<Proxy> {
    Setting::new(name, ValueType::Url, super::parse)
}

const HTTPS: Setting<Proxy> = proxy("HTTPS_PROXY").or(&["https_proxy", "ALL_PROXY", "all_proxy"]);
const HTTP: Setting<Proxy> = proxy("HTTP_PROXY").or(&["http_proxy", "ALL_PROXY", "all_proxy"]);
/// In a CGI program, clients set `HTTP_PROXY` with the header `Proxy`.
const HTTP_IN_CGI: Setting<Proxy> = proxy("http_proxy").or(&["ALL_PROXY", "all_proxy"]);
const NO_PROXY: Setting<String> = text("NO_PROXY").or(&["no_proxy"]);
const REQUEST_METHOD: Setting<String> = text("REQUEST_METHOD");

/// Where a proxy would look for the receiver on its own machine.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

impl Proxies {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, or the same in lower case; for the first two, else `ALL_PROXY`.
    /// The settings `own` of a target win, one by one. `HTTP_PROXY` does not count where `REQUEST_METHOD` is set: in a
    /// CGI program.
    ///
    /// Loopback addresses and `localhost` are reached without a proxy, as if `NO_PROXY` named them. For a target without
    /// settings of its own, a proxy that cannot be used, such as one of SOCKS, is a warning: the variable may be meant for
    /// other programs.
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
