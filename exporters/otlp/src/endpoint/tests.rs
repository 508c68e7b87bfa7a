//! The specification's examples and tables, and cases that it leaves open.

use meterkit_settings::{Environment, SettingsError};

use super::*;
use crate::OtlpConfig;
use Protocol::{Grpc, HttpJson, HttpProtobuf};

const METRICS: &str = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
const GENERIC: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

fn resolve(
    protocol: Protocol,
    is_insecure: bool,
    variables: &[(&str, &str)],
) -> Result<Endpoint, SettingsError> {
    let insecure = if is_insecure { "true" } else { "false" };
    let how = [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.as_str()),
        ("OTEL_EXPORTER_OTLP_INSECURE", insecure),
    ];
    let variables = variables.iter().copied().chain(how);
    Environment::of(variables).read(OtlpConfig::read).map(|config| config.endpoint)
}

/// Returns the whole URL, including the query.
fn url(protocol: Protocol, is_insecure: bool, variables: &[(&str, &str)]) -> String {
    let endpoint = resolve(protocol, is_insecure, variables);
    endpoint.unwrap_or_else(|error| panic!("{error}")).uri().to_string()
}

#[test]
fn nothing_set_means_this_machine() {
    for variables in [&[][..], &[(METRICS, ""), (GENERIC, " ")]] {
        assert_eq!(url(HttpProtobuf, false, variables), "http://localhost:4318/v1/metrics");
        assert_eq!(url(HttpJson, false, variables), "http://localhost:4318/v1/metrics");
        assert_eq!(url(Grpc, false, variables), "http://localhost:4317/");
    }
}

#[test]
fn http_appends_to_the_endpoint_for_all_signals() {
    for (given, expected) in [
        // Examples 1 and 3 of the specification.
        ("http://collector:4318", "http://collector:4318/v1/metrics"),
        ("http://collector:4318/mycollector/", "http://collector:4318/mycollector/v1/metrics"),
        ("http://collector:4318/mycollector", "http://collector:4318/mycollector/v1/metrics"),
        ("http://collector:4318/", "http://collector:4318/v1/metrics"),
        (" https://collector ", "https://collector/v1/metrics"),
        ("https://collector:/", "https://collector:/v1/metrics"),
        ("http://[::1]:4318", "http://[::1]:4318/v1/metrics"),
        ("http://c/v1/metrics", "http://c/v1/metrics/v1/metrics"),
        ("http://c/a?token=t", "http://c/a/v1/metrics?token=t"),
        ("http://c/a#part", "http://c/a/v1/metrics"),
    ] {
        assert_eq!(url(HttpProtobuf, false, &[(GENERIC, given)]), expected);
        assert_eq!(url(HttpJson, true, &[(GENERIC, given)]), expected, "`insecure` is of gRPC");
    }
}

#[test]
fn http_uses_the_endpoint_for_metrics_as_it_is() {
    for (given, expected) in [
        // Examples 2 and 3 of the specification.
        ("http://collector:4318", "http://collector:4318/"),
        ("https://collector.example.com/v1/metrics", "https://collector.example.com/v1/metrics"),
        ("https://collector.example.com/v1/metrics/", "https://collector.example.com/v1/metrics/"),
        ("https://c/x?token=t", "https://c/x?token=t"),
        ("https://c?token=t", "https://c/?token=t"),
    ] {
        assert_eq!(url(HttpProtobuf, false, &[(METRICS, given)]), expected);
        let both = [(GENERIC, "http://other:1/x"), (METRICS, given)];
        assert_eq!(url(HttpProtobuf, false, &both), expected, "it wins");
    }
}

#[test]
fn grpc_takes_the_scheme_from_the_url_else_from_insecure() {
    for (given, is_insecure, expected) in [
        ("http://collector:4317", false, "http://collector:4317/"),
        ("http://collector:4317", true, "http://collector:4317/"),
        ("https://collector:4317/", true, "https://collector:4317/"),
        ("https://collector", false, "https://collector/"),
        ("collector:4317", false, "https://collector:4317/"),
        ("collector:4317", true, "http://collector:4317/"),
        ("collector", true, "http://collector/"),
        ("[::1]:4317", true, "http://[::1]:4317/"),
    ] {
        for variable in [METRICS, GENERIC] {
            let url = url(Grpc, is_insecure, &[(variable, given)]);
            assert_eq!(url, expected, "{variable}={given} {is_insecure}");
        }
    }
}

#[test]
fn an_endpoint_that_cannot_be_used_names_variable_value_and_remedy() {
    for (protocol, variable, value, remedy) in [
        (HttpProtobuf, GENERIC, "localhost:4318", "write `http://localhost:4318`"),
        (HttpJson, METRICS, "localhost:4318/v1/metrics", "has no scheme"),
        (HttpProtobuf, METRICS, "ftp://collector", "write `http://`"),
        (HttpProtobuf, GENERIC, "http://", "write for example"),
        (Grpc, GENERIC, "http://collector:99999", "1 to 65535"),
        (Grpc, METRICS, "unix:///var/run/otlp.sock", "unknown scheme"),
        (Grpc, GENERIC, "http://collector:4318/v1/metrics", "`http/protobuf`"),
        (Grpc, METRICS, "collector:4317/x", "remove it"),
    ] {
        let text = resolve(protocol, false, &[(variable, value)]).expect_err(value).to_string();
        assert!(text.starts_with(&format!("{variable}=`{value}`: ")), "{text}");
        assert!(text.contains(remedy), "{text}");
    }
}

#[test]
fn an_overridden_variable_may_be_invalid() {
    let variables = [(GENERIC, "nonsense"), (METRICS, "http://c/x")];
    assert_eq!(url(HttpProtobuf, false, &variables), "http://c/x");
}

#[test]
fn no_secret_of_a_url_is_shown() {
    for (protocol, value) in [
        (HttpProtobuf, "http://me:hunter2@collector/x?key=hunter2"),
        (HttpProtobuf, "me:hunter2@collector?key=hunter2"),
        (Grpc, "me:hunter2@collector:4317"),
        (Grpc, "http://collector:4317?key=hunter2"),
    ] {
        let error = resolve(protocol, false, &[(METRICS, value)]).expect_err(value);
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }
    let endpoint = resolve(HttpProtobuf, false, &[(METRICS, "http://c/x?key=hunter2")])
        .unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(endpoint.to_string(), "http://c/x?...");
    assert_eq!(format!("{endpoint:?}"), "Endpoint(http://c/x?...)");
}

#[test]
fn only_https_is_secure() {
    for (url, is_secure) in [("http://c", false), ("https://c", true), ("HTTPS://c", true)] {
        let endpoint = resolve(HttpProtobuf, false, &[(GENERIC, url)]);
        assert_eq!(endpoint.map(|endpoint| endpoint.is_secure()), Ok(is_secure), "{url}");
    }
}

#[test]
fn insecure_is_a_boolean_in_any_case() {
    let read = |metrics, generic| {
        let variables = [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "c"),
            ("OTEL_EXPORTER_OTLP_METRICS_INSECURE", metrics),
            ("OTEL_EXPORTER_OTLP_INSECURE", generic),
        ];
        Environment::of(variables).read(OtlpConfig::read)
    };
    for (metrics, generic, expected) in [
        ("", "", false),
        ("", "TRUE", true),
        ("false", "true", false),
        ("True", "false", true),
        ("true", "maybe", true),
    ] {
        let config = read(metrics, generic).expect("good variables");
        assert_eq!(!config.endpoint.is_secure(), expected, "{metrics} {generic}");
    }
    let text = read("", "1").expect_err("1 is not a boolean").to_string();
    assert_eq!(text, "OTEL_EXPORTER_OTLP_INSECURE=`1`: write `true` or `false`");
}

#[test]
fn the_server_is_the_host_and_the_port_that_it_listens_on() {
    for (url, host, port) in [
        ("http://collector:4318/v1/metrics", "collector", 4318),
        ("http://collector.example.com/v1/metrics?token=t", "collector.example.com", 80),
        ("https://collector.example.com", "collector.example.com", 443),
        ("HTTPS://collector:/", "collector", 443),
        ("https://[2001:db8::1]:8443", "2001:db8::1", 8443),
        ("http://[::1]", "::1", 80),
        ("http://10.0.0.1:65535", "10.0.0.1", 65535),
    ] {
        let endpoint = Endpoint::new(HttpProtobuf, url).expect("a good URL");
        assert_eq!(url::server(endpoint.uri()), Some((host.to_owned(), port)), "{url}");
    }
    let local = |protocol| url::server(Endpoint::of_this_machine(protocol).uri());
    assert_eq!(local(Grpc), Some(("localhost".to_owned(), 4317)));
    assert_eq!(local(HttpJson), Some(("localhost".to_owned(), 4318)));
}
