//! Checks the `Host` of requests against the host names of the endpoint.
//!
//! A malicious web page can make its own host name resolve to `127.0.0.1` and so read what a local server returns (DNS
//! rebinding). Its requests carry that host name, so an endpoint on loopback answers only requests for its own names.

use std::net::IpAddr;

use http::header::HOST;
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode, Version};

use crate::body::ScrapeBody;
use crate::scrape::plain;

/// The host names that are served.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    /// `None` if all names are served.
    names: Option<Vec<String>>,
}

impl Hosts {
    /// Creates the names of an endpoint that was bound to `host` and listens on `address`. If `further` names are
    /// given, an endpoint that other machines can reach is restricted too.
    pub(crate) fn new(host: &str, address: IpAddr, further: &[String]) -> Self {
        let is_restricted = address.to_canonical().is_loopback() || !further.is_empty();
        let names = is_restricted.then(|| {
            let own = [normalized(host), normalized(&address.to_string())];
            own.into_iter().flatten().chain(further.iter().cloned()).collect()
        });
        Self { names }
    }

    /// Returns the response that refuses a request which is not for this endpoint, or `None` if the request is
    /// accepted.
    ///
    /// Follows RFC 9112, section 3.2: a request has exactly one `Host` header, which is optional in HTTP/1.0, and the
    /// host in the request target takes precedence over it.
    pub(crate) fn refusal<B>(&self, request: &Request<B>) -> Option<Response<ScrapeBody>> {
        let bad = |words| Some(plain(StatusCode::BAD_REQUEST, words));
        let mut headers = request.headers().get_all(HOST).iter();
        let (host, second) = (headers.next(), headers.next());
        if second.is_some() {
            return bad("the request has more than one Host header\n");
        }
        if host.is_none() && request.version() >= Version::HTTP_11 {
            return bad("the request has no Host header\n");
        }
        let in_header = match host.map(of_header) {
            None => None,
            Some(Some(name)) => Some(name),
            Some(None) => return bad("the Host header is not a host name or address\n"),
        };
        let target = request.uri().authority().map(Authority::host);
        let name = target.map(|host| normalized(host).unwrap_or_default()).or(in_header)?;
        if self.serves(&name) {
            return None;
        }
        Some(plain(
            StatusCode::MISDIRECTED_REQUEST,
            "the metrics are not served under this host name; \
             add it to METERKIT_PROMETHEUS_ALLOWED_HOSTS to allow it\n",
        ))
    }

    fn serves(&self, name: &str) -> bool {
        let Some(names) = &self.names else { return true };
        let is_loopback =
            name == "localhost" || name.parse().is_ok_and(|address: IpAddr| address.is_loopback());
        is_loopback || names.iter().any(|known| known == name)
    }
}

/// Parses a comma-separated list of names for [`Hosts`]. The error names the malformed item.
pub(crate) fn parse(list: &str) -> Result<Vec<String>, String> {
    let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
    let name = |item| {
        normalized(item).ok_or_else(|| {
            format!(
                "`{item}` is not a host name or address; write it without scheme, port and path"
            )
        })
    };
    items.map(name).collect()
}

/// Returns the host in a `Host` header without its port, which is empty if the header is empty. Returns `None` if the
/// header is malformed.
fn of_header(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    let (host, port) = match text.rfind(':').filter(|at| !text[*at..].contains(']')) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    let has_brackets = !host.contains(':') || host.starts_with('[');
    if !is_port || !has_brackets {
        return None;
    }
    if host.is_empty() { Some(String::new()) } else { normalized(host) }
}

/// Returns a host name in lower case and without a trailing dot, or an address in its shortest form. Returns `None` if
/// `host` is neither.
fn normalized(host: &str) -> Option<String> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(host).parse::<IpAddr>() {
        return Some(address.to_canonical().to_string());
    }
    let name = host.strip_suffix('.').unwrap_or(host);
    let is_legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = !name.is_empty() && name.chars().all(is_legal);
    is_name.then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(hosts: &Hosts, version: Version, target: &str, headers: &[&str]) -> u16 {
        let mut request = Request::builder().version(version).uri(target);
        for host in headers {
            request = request.header(HOST, *host);
        }
        let refusal = hosts.refusal(&request.body(()).unwrap());
        refusal.map_or(200, |refusal| refusal.status().as_u16())
    }

    fn local(further: &str) -> Hosts {
        Hosts::new("Box", "127.0.0.1".parse().unwrap(), &parse(further).unwrap())
    }

    #[test]
    fn an_endpoint_on_loopback_answers_to_its_own_names() {
        for (host, expected) in [
            ("localhost", 200),
            ("LocalHost:9464", 200),
            ("localhost.:9464", 200),
            ("localhost:", 200),
            ("127.0.0.1", 200),
            ("127.0.0.1:1", 200),
            ("127.1.2.3", 200),
            ("[::1]", 200),
            ("[::1]:9464", 200),
            ("[0:0::1]:9464", 200),
            ("[::ffff:127.0.0.1]", 200),
            ("box:9464", 200),
            ("", 421),
            ("evil.example", 421),
            ("evil.example:9464", 421),
            ("localhost.evil.example", 421),
            ("evil.localhost", 421),
            ("127.0.0.1.evil.example", 421),
            ("10.0.0.1", 421),
            ("[2001:db8::1]:9464", 421),
            ("::1", 400),
            ("a b", 400),
            ("me@localhost", 400),
            ("localhost:http", 400),
            ("localhost:1:2", 400),
            ("http://localhost", 400),
            ("[::1", 400),
            ("localhost,evil.example", 400),
        ] {
            assert_eq!(
                status(&local(""), Version::HTTP_11, "/metrics", &[host]),
                expected,
                "{host}"
            );
        }
    }

    #[test]
    fn further_names_are_served_and_restrict_every_endpoint() {
        let local = local(" Metrics.Example. ,10.0.0.1,[2001:db8::1],");
        let open = Hosts::new("0.0.0.0", "0.0.0.0".parse().unwrap(), &[]);
        let restricted =
            Hosts::new("::", "::".parse().unwrap(), &parse("metrics.example").unwrap());
        for (hosts, host, expected) in [
            (&local, "metrics.example:80", 200),
            (&local, "10.0.0.1", 200),
            (&local, "[2001:db8:0::1]", 200),
            (&local, "localhost", 200),
            (&local, "other.example", 421),
            (&open, "anything.example", 200),
            (&open, "", 200),
            (&open, "a b", 400),
            (&restricted, "metrics.example", 200),
            (&restricted, "localhost", 200),
            (&restricted, "other.example", 421),
        ] {
            assert_eq!(status(hosts, Version::HTTP_11, "/metrics", &[host]), expected, "{host}");
        }
        for wrong in ["a b", "http://x", "x:80", "x/metrics", "ok,*"] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains("is not a host name or address"), "{error}");
        }
    }

    #[test]
    fn a_request_has_exactly_one_host_which_is_optional_in_http_1_0() {
        let local = local("");
        for (version, target, hosts, expected) in [
            (Version::HTTP_11, "/metrics", &[][..], 400),
            (Version::HTTP_10, "/metrics", &[], 200),
            (Version::HTTP_11, "/metrics", &["localhost", "localhost"], 400),
            (Version::HTTP_10, "/metrics", &["localhost", "evil.example"], 400),
            (Version::HTTP_10, "/metrics", &["evil.example"], 421),
            (Version::HTTP_11, "http://localhost/metrics", &[], 400),
            (Version::HTTP_11, "http://localhost:1/metrics", &["evil.example"], 200),
            (Version::HTTP_11, "http://evil.example/metrics", &["localhost"], 421),
            (Version::HTTP_10, "http://evil.example/metrics", &[], 421),
        ] {
            assert_eq!(status(&local, version, target, hosts), expected, "{target} {hosts:?}");
        }
    }
}
