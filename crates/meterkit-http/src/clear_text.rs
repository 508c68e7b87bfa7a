//! Warnings about credentials that are sent without encryption.

use std::net::IpAddr;

use http::Uri;
use meterkit_settings::warn_at_start;

use crate::headers::Headers;
use crate::proxy::Proxy;
use crate::url;

/// Logs a warning for credentials that leave this machine without encryption: credentials in `headers` and in the query
/// of `receiver`, and credentials of `proxy` on the way to it.
pub(crate) fn warn(headers: &Headers, receiver: &Uri, proxy: Option<&Proxy>) {
    if is_exposed(headers, receiver, proxy) {
        warn_at_start!(
            "credentials go over the wire in clear text: the receiver at `{}` has no TLS; use `https://`",
            url::shown(&receiver.to_string())
        );
    }
    if let Some(proxy) = proxy.filter(|proxy| proxy.authorization().is_some()) {
        if !proxy.is_secure() && !is_loopback(proxy.uri()) {
            warn_at_start!(
                "credentials of a proxy go over the wire in clear text: the proxy `{proxy}` has no TLS; use `https://` \
                 if the proxy supports it"
            );
        }
    }
}

fn is_exposed(headers: &Headers, receiver: &Uri, proxy: Option<&Proxy>) -> bool {
    let leaves = !is_loopback(receiver) || proxy.is_some_and(|proxy| !is_loopback(proxy.uri()));
    let query = receiver.query().unwrap_or_default().to_ascii_lowercase();
    let has_credentials = headers.as_map().keys().any(|name| !HARMLESS.contains(&name.as_str()))
        || query.split('&').any(|pair| SECRET.iter().any(|word| pair.contains(word)));
    receiver.scheme_str() != Some("https") && leaves && has_credentials
}

/// Returns whether the host of `uri` is this machine.
fn is_loopback(uri: &Uri) -> bool {
    let host = uri.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host == "localhost" || host.ends_with(".localhost"),
    }
}

/// Headers that are not credentials, because they only name the sender or the tenant. All others may be credentials, as
/// receivers use names of their own.
const HARMLESS: [&str; 2] = ["user-agent", "x-scope-orgid"];

/// Words in the names of query parameters that contain credentials. Other parameters say how metrics are stored.
const SECRET: [&str; 7] = ["auth", "credential", "key", "passw", "secret", "sig", "token"];

#[cfg(test)]
mod tests {
    use super::*;

    fn uri(text: &str) -> Uri {
        text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn credentials_are_exposed_where_they_leave_the_machine_without_tls() {
        let proxy = Proxy::new("http://proxy.example:3128").expect("a proxy");
        let local = Proxy::new("http://127.0.0.1:3128").expect("a proxy");
        for (headers, receiver, proxy, expected) in [
            ("authorization=Bearer%20hunter2", "http://c.example/v1", None, true),
            ("x-team=hunter2", "http://10.0.0.1/v1", None, true),
            ("x-team=hunter2", "http://[fe80::1]/v1", None, true),
            ("", "http://c.example/v1?api-key=hunter2", None, true),
            ("", "http://c.example/v1?access_TOKEN=hunter2", None, true),
            ("x-team=hunter2", "http://localhost/v1", Some(&proxy), true),
            ("x-team=hunter2", "http://c.example/v1", Some(&local), true),
            ("x-team=hunter2", "https://c.example/v1?token=hunter2", Some(&proxy), false),
            ("x-team=hunter2", "http://localhost:4318/v1", None, false),
            ("x-team=hunter2", "http://LOCALHOST./v1", Some(&local), false),
            ("x-team=hunter2", "http://c.localhost/v1", None, false),
            ("x-team=hunter2", "http://127.9.9.9/v1", None, false),
            ("x-team=hunter2", "http://[::1]:4318/v1", None, false),
            ("x-team=hunter2", "http://[::ffff:127.0.0.1]/v1", None, false),
            ("", "http://c.example/v1?extra_label=a", None, false),
            ("X-Scope-OrgID=a,user-agent=b", "http://c.example/v1", None, false),
        ] {
            let headers = Headers::parse(headers).expect("good pairs");
            assert_eq!(is_exposed(&headers, &uri(receiver), proxy), expected, "{receiver}");
        }
    }
}
