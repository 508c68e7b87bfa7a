//! URLs as users write them into settings.

use http::Uri;
pub use meterkit_settings::url_without_secrets as shown;

/// The target-specific parts of error texts about invalid URLs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UrlHints<'a> {
    /// A valid URL, such as `http://localhost:4318`.
    pub example: &'a str,
    /// Where to set user name and password instead, such as ``put them into `MY_HEADERS` ``.
    pub credentials: &'a str,
    /// The advice for a URL that ends with its host, such as "Mimir takes `/api/v1/push`". `None` if no path is
    /// required. A URL with a `/` after the host is accepted as intended.
    pub path: Option<&'a str>,
}

/// Parses a URL to which requests can be sent: with `http` or `https`, a host, a valid port if any, and no credentials.
///
/// # Errors
///
/// Returns what is wrong with the URL and what to write instead. The text quotes no password.
///
/// ```
/// use meterkit_http::url::{self, UrlHints};
///
/// let hints = UrlHints { example: "http://localhost:4318", credentials: "set the header", path: None };
/// assert_eq!(url::parse("http://collector:4318/v1", &hints)?.path(), "/v1");
/// let problem = url::parse("http://me:hunter2@collector", &hints).expect_err("a password");
/// assert_eq!(problem, "holds credentials; set the header");
/// # Ok::<(), String>(())
/// ```
pub fn parse(text: &str, hints: &UrlHints<'_>) -> Result<Uri, String> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(format!("has no scheme; write `http://{0}` or `https://{0}`", shown(text)));
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err("has an unknown scheme; write `http://` or `https://`".to_owned());
    }
    let example = format!("write for example `{}`", hints.example);
    let uri: Uri = text.parse().map_err(|error| format!("is not a URL ({error}); {example}"))?;
    let Some(authority) = uri.authority() else {
        return Err(format!("has no host; {example}"));
    };
    if authority.as_str().contains('@') || authority.as_str().contains("%40") {
        return Err(format!("holds credentials; {}", hints.credentials));
    }
    if authority.host().is_empty() {
        return Err(format!("has no host; {example}"));
    }
    if !is_port(authority.as_str(), authority.host(), authority.port_u16()) {
        return Err(BAD_PORT.to_owned());
    }
    match hints.path {
        Some(paths) if !rest.contains('/') => Err(format!("has no path; {paths}")),
        _ => Ok(uri),
    }
}

pub(crate) const BAD_PORT: &str = "has a bad port; write one from 1 to 65535";

/// Returns whether `authority` has no port or a valid one after `host`. An empty port means the default of the scheme.
/// If the crate `http` returns no port although there is text, the port is not valid.
pub(crate) fn is_port(authority: &str, host: &str, port: Option<u16>) -> bool {
    let text = authority.rsplit('@').next().unwrap_or_default();
    let text = text.get(host.len()..).unwrap_or_default().trim_start_matches(':');
    text.is_empty() || port.is_some_and(|port| port > 0)
}

/// Returns the URL with `path` inserted after its own path, before its query.
///
/// ```
/// use meterkit_http::url;
///
/// let base = "https://collector/otlp/?token=1".parse()?;
/// assert_eq!(url::append(&base, "/v1/metrics"), "https://collector/otlp/v1/metrics?token=1");
/// # Ok::<(), http::uri::InvalidUri>(())
/// ```
pub fn append(base: &Uri, path: &str) -> String {
    let scheme = base.scheme_str().unwrap_or("http");
    let authority = base.authority().map_or("", |authority| authority.as_str());
    let own = base.path();
    let own = own.strip_suffix('/').unwrap_or(own);
    let query = base.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{authority}{own}{path}{query}")
}

/// Returns the host of `uri`, an IPv6 address without brackets, and its port or else the default port of the scheme.
///
/// ```
/// use meterkit_http::url;
///
/// let collector = "https://[::1]/v1/metrics".parse()?;
/// assert_eq!(url::server(&collector), Some(("::1".to_owned(), 443)));
/// # Ok::<(), http::uri::InvalidUri>(())
/// ```
pub fn server(uri: &Uri) -> Option<(String, u16)> {
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    let port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    Some((host.to_owned(), uri.port_u16().unwrap_or(port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HINTS: UrlHints<'static> =
        UrlHints { example: "http://localhost:4318", credentials: "set the headers", path: None };

    const WITH_PATH: UrlHints<'static> =
        UrlHints { path: Some("Prometheus takes `/api/v1/write`"), ..HINTS };

    #[test]
    fn a_url_names_scheme_and_host() {
        for text in [
            "http://localhost",
            "https://localhost:4318/",
            "HTTP://collector:4318/a/b?c=d",
            "http://collector:/v1",
            "http://[::1]:4318",
            "http://10.0.0.1:65535",
        ] {
            assert!(parse(text, &HINTS).is_ok(), "{text}: {:?}", parse(text, &HINTS));
        }
    }

    #[test]
    fn a_path_is_there_when_it_has_to_be() {
        for text in [
            "https://prometheus-prod-01-eu-west-0.grafana.net/api/prom/push",
            "http://[::1]:9009/api/v1/push?x=1",
            "HTTP://gateway/",
            "http://gateway/@team/push",
        ] {
            assert!(parse(text, &WITH_PATH).is_ok(), "{text}: {:?}", parse(text, &WITH_PATH));
        }
        for text in ["http://localhost:9090", "http://localhost?x=1"] {
            let problem = parse(text, &WITH_PATH).expect_err(text);
            assert_eq!(problem, "has no path; Prometheus takes `/api/v1/write`");
        }
    }

    #[test]
    fn each_bad_url_says_what_to_write() {
        for (text, rule, remedy) in [
            ("localhost:4318", "no scheme", "`http://localhost:4318`"),
            ("collector/v1/metrics", "no scheme", "`https://collector/v1/metrics`"),
            ("grpc://collector:4317", "unknown scheme", "`https://`"),
            ("://collector", "unknown scheme", "`http://`"),
            ("http://", "not a URL", "`http://localhost:4318`"),
            ("http:///v1", "not a URL", "`http://localhost:4318`"),
            ("http://:4318", "no host", "`http://localhost:4318`"),
            ("http://a b", "not a URL", "`http://localhost:4318`"),
            ("http://[::1", "not a URL", "`http://localhost:4318`"),
            ("http://collector:99999", "bad port", "1 to 65535"),
            ("http://collector:0", "bad port", "1 to 65535"),
            ("http://collector:otlp", "bad port", "1 to 65535"),
            ("http://user:hunter2@collector", "credentials", "set the headers"),
        ] {
            for hints in [HINTS, WITH_PATH] {
                let problem = parse(text, &hints).expect_err(text);
                assert!(problem.contains(rule) && problem.contains(remedy), "{text}: {problem}");
            }
        }
    }

    #[test]
    fn a_path_goes_between_the_own_path_and_the_query() {
        for (base, expected) in [
            ("http://c", "http://c/v1/metrics"),
            ("http://c:4318/", "http://c:4318/v1/metrics"),
            ("https://c/otlp", "https://c/otlp/v1/metrics"),
            ("https://c/otlp/", "https://c/otlp/v1/metrics"),
            ("https://c/otlp/?t=1&u=2", "https://c/otlp/v1/metrics?t=1&u=2"),
            ("https://c?t=1", "https://c/v1/metrics?t=1"),
        ] {
            let base = parse(base, &HINTS).unwrap_or_else(|problem| panic!("{base}: {problem}"));
            assert_eq!(append(&base, "/v1/metrics"), expected);
        }
    }

    #[test]
    fn a_server_has_the_port_of_the_url_or_of_its_scheme() {
        for (text, host, port) in [
            ("http://c/v1", "c", 80),
            ("https://c", "c", 443),
            ("https://c:4318/v1?t=1", "c", 4318),
            ("http://[::1]:9009", "::1", 9009),
            ("http://10.0.0.1:/", "10.0.0.1", 80),
        ] {
            let uri = text.parse().expect("a URL");
            assert_eq!(server(&uri), Some((host.to_owned(), port)), "{text}");
        }
        assert_eq!(server(&Uri::from_static("/v1")), None);
    }

    #[test]
    fn no_problem_quotes_a_password() {
        for text in [
            "http://me:hunter2/x@c",
            "http://me:hunter2?x@c",
            "http://me:hunter2 @c",
            "http://me:hunter2%40c",
            "http://me:hunter2",
            "hunter2@c",
            "hunter2://me@c",
        ] {
            let problem = parse(text, &HINTS).expect_err(text);
            assert!(!problem.contains("hunter2"), "{text}: {problem}");
        }
    }
}
