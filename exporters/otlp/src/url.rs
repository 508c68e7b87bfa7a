//! URLs as people write them into a variable.

use http::Uri;

/// The URL, if requests can be sent to it: `http` or `https`, a host, a port that exists, and no password.
pub(crate) fn parse(text: &str) -> Result<Uri, String> {
    let Some((scheme, _)) = text.split_once("://") else {
        return Err(format!("has no scheme; write `http://{0}` or `https://{0}`", shown(text)));
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err("has an unknown scheme; write `http://` or `https://`".to_owned());
    }
    let example = "write for example `http://localhost:4318`";
    let uri: Uri = text.parse().map_err(|error| format!("is no URL ({error}); {example}"))?;
    let Some(authority) = uri.authority() else {
        return Err(format!("names no host; {example}"));
    };
    if authority.as_str().contains('@') {
        let remedy =
            "put them into `OTEL_EXPORTER_OTLP_METRICS_HEADERS` as `Authorization=Basic%20...`";
        return Err(format!("holds credentials; {remedy}"));
    }
    if authority.host().is_empty() {
        return Err(format!("names no host; {example}"));
    }
    // An empty port is the scheme's own. One that `http` keeps to itself is too large to be one.
    let port = authority.as_str()[authority.host().len()..].trim_start_matches(':');
    if !port.is_empty() && authority.port_u16().is_none_or(|port| port == 0) {
        return Err("has a bad port; write one from 1 to 65535".to_owned());
    }
    Ok(uri)
}

/// The URL with `path` behind its own, before its query.
pub(crate) fn append(base: &Uri, path: &str) -> String {
    let scheme = base.scheme_str().unwrap_or("http");
    let authority = base.authority().map_or("", |authority| authority.as_str());
    let own = base.path();
    let own = own.strip_suffix('/').unwrap_or(own);
    let query = base.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{scheme}://{authority}{own}{path}{query}")
}

/// What a variable holds, for people's eyes. The query is left out, and all but the scheme where there may be a
/// password: one with `/` or `?` in it ends anywhere.
pub(crate) fn shown(text: &str) -> String {
    let scheme = text.find("://").map_or("", |end| &text[..end + 3]);
    if text.contains('@') {
        return if scheme.contains('@') { "...".to_owned() } else { format!("{scheme}...") };
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
    fn a_url_names_scheme_and_host() {
        for text in [
            "http://localhost",
            "https://localhost:4318/",
            "HTTP://collector:4318/a/b?c=d",
            "http://collector:/v1",
            "http://[::1]:4318",
            "http://10.0.0.1:65535",
        ] {
            assert!(parse(text).is_ok(), "{text}: {:?}", parse(text));
        }
    }

    #[test]
    fn each_bad_url_is_told_what_to_write() {
        for (text, rule, remedy) in [
            ("localhost:4318", "no scheme", "`http://localhost:4318`"),
            ("collector/v1/metrics", "no scheme", "`https://collector/v1/metrics`"),
            ("grpc://collector:4317", "unknown scheme", "`https://`"),
            ("://collector", "unknown scheme", "`http://`"),
            ("http://", "no URL", "`http://localhost:4318`"),
            ("http:///v1", "no URL", "`http://localhost:4318`"),
            ("http://:4318", "no host", "`http://localhost:4318`"),
            ("http://a b", "no URL", "`http://localhost:4318`"),
            ("http://[::1", "no URL", "`http://localhost:4318`"),
            ("http://collector:99999", "bad port", "1 to 65535"),
            ("http://collector:0", "bad port", "1 to 65535"),
            ("http://collector:otlp", "bad port", "1 to 65535"),
            ("http://user:hunter2@collector", "credentials", "OTEL_EXPORTER_OTLP_METRICS_HEADERS"),
        ] {
            let problem = parse(text).expect_err(text);
            assert!(problem.contains(rule) && problem.contains(remedy), "{text}: {problem}");
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
            let base = parse(base).unwrap_or_else(|problem| panic!("{base}: {problem}"));
            assert_eq!(append(&base, "/v1/metrics"), expected);
        }
    }

    #[test]
    fn what_may_be_secret_is_not_shown() {
        for (text, expected) in [
            ("http://c:4318/v1", "http://c:4318/v1"),
            ("c:4318", "c:4318"),
            ("http://c/v1?token=hunter2", "http://c/v1?..."),
            ("http://me:hunter2@c/v1", "http://..."),
            ("http://me:hunt/er?2@c", "http://..."),
            ("me:hunter2@c", "..."),
            ("me:hunter2@://c", "..."),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn no_problem_quotes_a_password() {
        for text in [
            "http://me:hunter2/x@c",
            "http://me:hunter2?x@c",
            "http://me:hunter2 @c",
            "hunter2@c",
            "hunter2://me@c",
        ] {
            let problem = parse(text).expect_err(text);
            assert!(!problem.contains("hunter2"), "{text}: {problem}");
        }
    }
}
