//! The URL of a receiver, as people write it into a variable.

use http::Uri;

/// The URL, if requests can be sent to it. `credentials` says where user and password go instead.
pub(crate) fn parse(text: &str, credentials: &str) -> Result<Uri, String> {
    let example = "write for example `https://mimir.example.com/api/v1/push`";
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if ["http", "https"].contains(&&*scheme.to_ascii_lowercase()) => rest,
        Some(_) => return Err(format!("has an unknown scheme; {example}")),
        None => return Err(format!("has no scheme; {example}")),
    };
    let uri: Uri = text.parse().map_err(|error| format!("is no URL ({error}); {example}"))?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    if authority.contains('@') {
        return Err(format!("holds credentials; {credentials}"));
    }
    let host = uri.host().unwrap_or_default();
    if host.is_empty() {
        return Err(format!("names no host; {example}"));
    }
    // An empty port is the scheme's own. One that `http` keeps to itself is too large to be one.
    let port = authority[host.len()..].trim_start_matches(':');
    if !port.is_empty() && uri.port_u16().is_none_or(|port| port == 0) {
        return Err("has a bad port; write one from 1 to 65535".to_owned());
    }
    // No receiver listens at the root: a bare host is a path forgotten. A `/` says that it is meant.
    if !rest.contains('/') {
        return Err("names no path; Prometheus takes `/api/v1/write`, Mimir `/api/v1/push`, \
             Grafana Cloud `/api/prom/push`"
            .to_owned());
    }
    Ok(uri)
}

/// What a variable holds, for people's eyes: without query, and nothing at all where there may be a password.
pub(crate) fn shown(text: &str) -> String {
    if text.contains('@') {
        return "...".to_owned();
    }
    match text.split_once('?') {
        Some((rest, _)) => format!("{rest}?..."),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_scheme_host_and_path() {
        for text in [
            "https://prometheus-prod-01-eu-west-0.grafana.net/api/prom/push",
            "http://localhost:9090/api/v1/write",
            "http://[::1]:9009/api/v1/push?x=1",
            "HTTP://gateway/",
            "http://gateway/@team/push",
        ] {
            assert!(parse(text, "").is_ok(), "{text}: {:?}", parse(text, ""));
        }
    }

    #[test]
    fn each_bad_url_is_told_what_to_write() {
        for (text, rule, remedy) in [
            ("localhost:9090/api/v1/write", "no scheme", "`https://mimir"),
            ("ftp://localhost/x", "unknown scheme", "`https://mimir"),
            ("http://", "no URL", "`https://mimir"),
            ("http://:9090/x", "no host", "`https://mimir"),
            ("http://a b/x", "no URL", "`https://mimir"),
            ("http://c:99999/x", "bad port", "1 to 65535"),
            ("http://localhost:9090", "no path", "Prometheus takes `/api/v1/write`"),
            ("http://me:hunter2@c/x", "credentials", "set the others"),
            ("http://me:hunt/er2@c/x", "bad port", "1 to 65535"),
        ] {
            let problem = parse(text, "set the others").expect_err(text);
            assert!(problem.contains(rule) && problem.contains(remedy), "{text}: {problem}");
            assert!(!problem.contains("hunt"), "{problem}");
        }
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        for (text, expected) in [
            ("http://c/x", "http://c/x"),
            ("http://c/x?key=hunter2", "http://c/x?..."),
            ("http://me:hunter2@c/x", "..."),
            ("me:hunter2@c", "..."),
        ] {
            assert_eq!(shown(text), expected);
        }
    }
}
