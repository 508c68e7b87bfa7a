//! The proxies that variables name.

use meterkit_pipeline::VariableError;

use super::{Proxies, Proxy};
use crate::url;

/// Variables that a target has for its proxies, besides the usual ones.
///
/// ```
/// use meterkit_http::ProxyVariables;
///
/// const OWN: ProxyVariables = ProxyVariables {
///     https: "DD_PROXY_HTTPS",
///     http: "DD_PROXY_HTTP",
///     no_proxy: "DD_PROXY_NO_PROXY",
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProxyVariables {
    /// In front of `HTTPS_PROXY`.
    pub https: &'static str,
    /// In front of `HTTP_PROXY`.
    pub http: &'static str,
    /// In front of `NO_PROXY`.
    pub no_proxy: &'static str,
}

impl Proxies {
    /// What `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` say, or the same in lower case; for the first two, else
    /// `ALL_PROXY`. Empty is unset.
    ///
    /// `HTTP_PROXY` counts for nothing where `REQUEST_METHOD` is set: in a CGI program, clients set it with the header
    /// `Proxy`.
    ///
    /// # Errors
    ///
    /// All that is wrong, by variable; see [`Proxy::new`]. Credentials are left out.
    ///
    /// ```
    /// use meterkit_http::Proxies;
    ///
    /// let proxies = Proxies::from_variables(|name| match name {
    ///     "HTTPS_PROXY" => Some("http://proxy.example.com:3128".to_owned()),
    ///     "NO_PROXY" => Some("localhost,.internal".to_owned()),
    ///     _ => None,
    /// });
    /// let proxies = proxies.expect("both are fine");
    /// assert!(proxies.of(&"https://api.example.com".parse()?).is_some());
    /// assert!(proxies.of(&"https://localhost".parse()?).is_none());
    /// # Ok::<(), http::uri::InvalidUri>(())
    /// ```
    pub fn from_variables(
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<VariableError>> {
        read(None, &lookup)
    }

    /// As [`from_variables`](Self::from_variables), but `own` win, one by one.
    ///
    /// # Errors
    ///
    /// As for `from_variables`.
    pub fn from_variables_with(
        own: ProxyVariables,
        lookup: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Vec<VariableError>> {
        read(Some(own), &lookup)
    }
}

type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

const HTTPS: &[&str] = &["HTTPS_PROXY", "https_proxy"];
const HTTP: &[&str] = &["HTTP_PROXY", "http_proxy"];
/// Of a client's headers, CGI makes variables in upper case.
const HTTP_IN_CGI: &[&str] = &["http_proxy"];
const ALL: &[&str] = &["ALL_PROXY", "all_proxy"];
const NO_PROXY: &[&str] = &["NO_PROXY", "no_proxy"];

fn read(own: Option<ProxyVariables>, lookup: Lookup<'_>) -> Result<Proxies, Vec<VariableError>> {
    let is_cgi = lookup("REQUEST_METHOD").is_some();
    let http = if is_cgi { HTTP_IN_CGI } else { HTTP };
    let mut problems: Vec<VariableError> = Vec::new();
    let mut proxy = |own: Option<&'static str>, usual: &[&'static str]| {
        let names = own.into_iter().chain(usual.iter().chain(ALL).copied());
        let (name, value) = first_set(names, lookup)?;
        let proxy = super::parse(&value);
        let proxy = proxy.map_err(|reason| VariableError::new(name, url::shown(&value), reason));
        match proxy {
            Ok(proxy) => Some(proxy),
            // One in `ALL_PROXY` is found twice.
            Err(problem) if problems.contains(&problem) => None,
            Err(problem) => {
                problems.push(problem);
                None
            }
        }
    };
    let https: Option<Proxy> = proxy(own.map(|own| own.https), HTTPS);
    let http = proxy(own.map(|own| own.http), http);
    if !problems.is_empty() {
        return Err(problems);
    }
    let names = own.map(|own| own.no_proxy).into_iter().chain(NO_PROXY.iter().copied());
    let direct = first_set(names, lookup).map(|(_, value)| value).unwrap_or_default();
    Ok(Proxies { https, http, direct: Vec::new() }.with_direct(&direct))
}

/// The first variable that is set, and its value.
fn first_set(
    mut names: impl Iterator<Item = &'static str>,
    lookup: Lookup<'_>,
) -> Option<(&'static str, String)> {
    names.find_map(|name| {
        let value = lookup(name)?.trim().to_owned();
        (!value.is_empty()).then_some((name, value))
    })
}
