//! Tests of URLs, hosts and variables, as tables.

use meterkit_settings::{Environment, Problems, SettingsError};

use super::*;

fn uri(text: &str) -> Uri {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[test]
fn a_proxy_is_named_with_or_without_scheme_and_credentials() {
    for (url, shown, authorization) in [
        ("http://proxy:3128", "http://proxy:3128", None),
        ("proxy:3128", "http://proxy:3128", None),
        ("proxy", "http://proxy", None),
        ("http://proxy:3128/", "http://proxy:3128", None),
        ("HTTP://[::1]:3128", "http://[::1]:3128", None),
        ("me:hunter2@proxy:1", "http://proxy:1", Some("Basic bWU6aHVudGVyMg==")),
        ("http://me:hunt%40%2Fer2@proxy", "http://proxy", Some("Basic bWU6aHVudEAvZXIy")),
        ("http://me@proxy", "http://proxy", Some("Basic bWU6")),
        ("http://me:a:b@proxy", "http://proxy", Some("Basic bWU6YTpi")),
    ] {
        let proxy = Proxy::new(url).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(proxy.to_string(), shown, "{url}");
        assert_eq!(proxy.authorization().map(text).as_deref(), authorization, "{url}");
    }
}

#[test]
fn each_bad_url_says_what_to_write_and_not_its_password() {
    for (url, rule, remedy) in [
        ("socks5://me:hunter2@proxy", "unknown scheme", "`http://`"),
        ("http://", "not a URL", "`http://proxy.example.com:3128`"),
        ("http://:3128", "no host", "`http://proxy.example.com:3128`"),
        ("http://me:hunter2@", "not a URL", "`http://proxy.example.com:3128`"),
        ("http://proxy:99999", "bad port", "1 to 65535"),
        ("http://me:hunter2@proxy:0", "bad port", "1 to 65535"),
        ("http://me:hunter2/x@proxy", "bad port", "`%2F` for `/`"),
        ("http://me:1/hunter2@proxy", "must not have a path", "`%2F` for `/`"),
        ("http://me:1#hunter2@proxy", "must not have a path", "`%23` for `#`"),
        ("http://me:1?hunter2@proxy", "must not have a path", "`%3F` for `?`"),
        ("http://proxy:3128/proxy.pac", "must not have a path", "`http://proxy.example.com:3128`"),
        ("http://me:hunter2 @proxy", "not a URL", "`http://proxy.example.com:3128`"),
    ] {
        let error = Proxy::new(url).expect_err(url);
        let (shown, debug) = (error.to_string(), format!("{error:?}"));
        assert!(shown.contains(rule) && shown.contains(remedy), "{url}: {shown}");
        assert!(!shown.contains("hunter2") && !debug.contains("hunter2"), "{shown} {debug}");
    }
}

#[cfg(not(feature = "tls"))]
#[test]
fn a_build_without_tls_has_no_encrypted_proxies() {
    let error = Proxy::new("https://proxy").expect_err("it cannot").to_string();
    assert_eq!(error, "proxy `https://proxy` needs TLS, which is not built in; use `http://`");
}

#[test]
fn some_hosts_are_reached_without_a_proxy() {
    for (direct, target, expected) in [
        ("", "http://localhost", true),
        ("localhost", "http://localhost:4318/v1", false),
        ("localhost", "http://localhost.example.com", true),
        ("example.com", "http://EXAMPLE.com", false),
        ("example.com", "http://api.example.com", false),
        ("example.com", "http://notexample.com", true),
        (".example.com", "http://api.example.com", false),
        ("*.example.com", "http://api.example.com", false),
        ("a, b\tc ,, d", "http://c", false),
        ("a b", "http://b", false),
        ("127.0.0.1", "http://127.0.0.1:4318", false),
        ("10.0.0.0/8", "http://10.1.2.3", false),
        ("10.0.0.0/8", "http://11.1.2.3", true),
        ("::1", "http://[::1]:4318", false),
        ("[::1]", "http://[::1]:4318", false),
        ("[::1]:4318", "http://[::1]:4318", false),
        ("[::1]:4319", "http://[::1]:4318", true),
        ("a:4318", "http://a:4318", false),
        ("a:4318", "http://a", true),
        ("a:80", "http://a", false),
        ("a:443", "https://a", false),
        ("*", "http://a", false),
        ("*", "http://[::1]", false),
    ] {
        let proxies = Proxies::default().with_http("p").and_then(|it| it.with_https("p"));
        let proxies = proxies.expect("a proxy").with_direct(direct);
        assert_eq!(proxies.of(&uri(target)).is_some(), expected, "`{direct}`, {target}");
    }
}

const OWN: ProxySettings = ProxySettings {
    https: proxy("DD_PROXY_HTTPS"),
    http: proxy("DD_PROXY_HTTP"),
    no_proxy: meterkit_settings::text("DD_PROXY_NO_PROXY"),
};

fn read(variables: &[(&str, &str)], own: Option<&ProxySettings>) -> Result<Proxies, SettingsError> {
    Environment::of(variables.iter().copied()).read(|reader| Proxies::read(reader, own))
}

fn of(proxies: &Proxies, target: &str) -> String {
    proxies.of(&uri(target)).map_or_else(|| "none".to_owned(), |proxy| proxy.to_string())
}

#[test]
fn variables_name_the_proxies() {
    for (variables, https, http) in [
        (&[][..], "none", "none"),
        (&[("HTTPS_PROXY", "a:1")], "http://a:1", "none"),
        (&[("https_proxy", "a:1"), ("HTTP_PROXY", "b:1")], "http://a:1", "http://b:1"),
        (&[("HTTPS_PROXY", "a"), ("https_proxy", "b")], "http://a", "none"),
        (&[("HTTPS_PROXY", " "), ("https_proxy", " b ")], "http://b", "none"),
        (&[("ALL_PROXY", "a"), ("HTTP_PROXY", "b")], "http://a", "http://b"),
        (&[("all_proxy", "a"), ("NO_PROXY", "receiver")], "none", "none"),
        (&[("HTTP_PROXY", "a"), ("REQUEST_METHOD", "GET")], "none", "none"),
        (&[("http_proxy", "a"), ("REQUEST_METHOD", "GET")], "none", "http://a"),
    ] {
        let proxies = read(variables, None).expect("all fine");
        assert_eq!(of(&proxies, "https://receiver"), https, "{variables:?}");
        assert_eq!(of(&proxies, "http://receiver"), http, "{variables:?}");
    }
}

#[test]
fn this_machine_is_reached_without_the_proxies_of_variables() {
    let proxies = read(&[("ALL_PROXY", "a"), ("NO_PROXY", "receiver")], None).expect("all fine");
    for (target, expected) in [
        ("http://localhost:4318", "none"),
        ("https://127.8.9.1", "none"),
        ("http://[::1]:4318", "none"),
        ("https://receiver", "none"),
        ("http://10.0.0.1", "http://a"),
    ] {
        assert_eq!(of(&proxies, target), expected, "{target}");
    }
}

#[test]
fn a_common_proxy_that_cannot_be_used_is_only_an_error_for_targets_with_settings_of_their_own() {
    let environment = Environment::of([("ALL_PROXY", "socks5://me:hunter2@proxy")]);
    let problems = Problems::new(false);
    let proxies = Proxies::read(&environment.reader(&problems), None);
    assert_eq!(of(&proxies, "https://receiver"), "none");
    assert!(problems.finish(()).is_ok(), "it is a warning");
    let problems = Problems::new(false);
    Proxies::read(&environment.reader(&problems), Some(&OWN));
    assert!(problems.finish(()).is_err());
}

#[test]
fn a_targets_own_variables_win_one_by_one() {
    for (variables, https, http) in [
        (&[("DD_PROXY_HTTPS", "a"), ("HTTPS_PROXY", "b")][..], "http://a", "none"),
        (&[("DD_PROXY_HTTPS", "a"), ("HTTP_PROXY", "b")], "http://a", "http://b"),
        (&[("DD_PROXY_HTTP", "a"), ("REQUEST_METHOD", "GET")], "none", "http://a"),
        (&[("ALL_PROXY", "a"), ("DD_PROXY_NO_PROXY", "x receiver")], "none", "none"),
        (
            &[("ALL_PROXY", "a"), ("DD_PROXY_NO_PROXY", "x"), ("NO_PROXY", "receiver")],
            "http://a",
            "http://a",
        ),
    ] {
        let proxies = read(variables, Some(&OWN)).expect("all fine");
        assert_eq!(of(&proxies, "https://receiver"), https, "{variables:?}");
        assert_eq!(of(&proxies, "http://receiver"), http, "{variables:?}");
    }
}

#[test]
fn each_bad_variable_is_named_once_and_without_its_password() {
    let error = read(&[("ALL_PROXY", "socks5://me:hunter2@proxy")], None).expect_err("no SOCKS");
    let [problem] = error.problems() else { panic!("{error:?}") };
    let start = "ALL_PROXY=`socks5://...`: has an unknown scheme; ";
    assert!(problem.to_string().starts_with(start), "{problem}");

    let error = read(&[("HTTPS_PROXY", "http://:1"), ("HTTP_PROXY", "http://:1")], None);
    assert_eq!(error.expect_err("no host").problems().len(), 2);
}

#[test]
fn debug_shows_no_credentials() {
    let proxies = Proxies::default().with_https("http://me:hunter2@proxy:1").expect("a proxy");
    let shown = format!("{proxies:?}");
    assert!(shown.contains("url: http://proxy:1, has_credentials: true"), "{shown}");
    assert!(!shown.contains("hunter2") && !shown.contains("Basic"), "{shown}");
}
