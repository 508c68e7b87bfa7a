//! Each variable of the specification: unset, empty, valid and invalid values, and precedence.

#[cfg(feature = "tls")]
use std::io::Write as _;

use meterkit_settings::{Environment, SettingsError};
use tempfile::NamedTempFile;

use super::*;
#[cfg(feature = "tls")]
use crate::Transport;

fn read(variables: &[(&str, &str)]) -> Result<OtlpConfig, SettingsError> {
    Environment::of(variables.iter().copied()).read(OtlpConfig::read)
}

fn config(variables: &[(&str, &str)]) -> OtlpConfig {
    read(variables).unwrap_or_else(|problems| panic!("{variables:?}: {problems:?}"))
}

/// Returns the only problem of these variables.
fn problem(variables: &[(&str, &str)]) -> String {
    match read(variables) {
        Ok(config) => panic!("{variables:?}: {config:?}"),
        Err(error) => {
            assert_eq!(error.problems().len(), 1, "{error}");
            error.to_string()
        }
    }
}

#[test]
fn advice_names_the_variables_that_are_set() {
    let url = "http://collector:4318";
    let named = |variables: &[_]| {
        let hints = config(variables).transport.hints();
        (hints.endpoint, hints.protocol)
    };
    let (endpoint, protocol) =
        ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL");
    let (for_all, protocol_of_all) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL");
    assert_eq!(named(&[]), (endpoint, protocol_of_all));
    assert_eq!(named(&[(for_all, url)]), (for_all, protocol_of_all));
    assert_eq!(named(&[(for_all, url), (endpoint, url)]), (endpoint, protocol_of_all));
    assert_eq!(named(&[(protocol_of_all, "grpc")]), (endpoint, protocol_of_all));
    assert_eq!(named(&[(protocol, "grpc")]), (endpoint, protocol));
}

#[test]
fn nothing_set_means_the_defaults() {
    for empty in ["", "  "] {
        let names = [
            "ENDPOINT",
            "PROTOCOL",
            "HEADERS",
            "TIMEOUT",
            "COMPRESSION",
            "INSECURE",
            "CERTIFICATE",
            "CLIENT_KEY",
            "CLIENT_CERTIFICATE",
            "METRICS_TEMPORALITY_PREFERENCE",
        ];
        let names: Vec<String> = names
            .iter()
            .flat_map(|name| {
                ["", "METRICS_"].map(|infix| format!("OTEL_EXPORTER_OTLP_{infix}{name}"))
            })
            .collect();
        let variables: Vec<_> = names.iter().map(|name| (name.as_str(), empty)).collect();
        assert_eq!(config(&variables), OtlpConfig::local(Protocol::HttpProtobuf));
    }
    assert_eq!(config(&[]).transport.timeout(), Some(Duration::from_secs(10)));
}

#[test]
fn timeouts_are_milliseconds_and_zero_is_no_limit() {
    let (metrics, generic) = (TIMEOUT.name, TIMEOUT.aliases[0]);
    for (variables, expected) in [
        (&[(generic, "2500")][..], Some(2500)),
        (&[(generic, "2500"), (metrics, " 1 ")], Some(1)),
        (&[(generic, "2500"), (metrics, "")], Some(2500)),
        (&[(generic, "0")], None),
    ] {
        assert_eq!(config(variables).transport.timeout(), expected.map(Duration::from_millis));
    }
    for bad in ["-1", "10s", "1.5", "99999999999999999999"] {
        assert_eq!(
            problem(&[(metrics, bad)]),
            format!("{metrics}=`{bad}`: write a whole number of milliseconds, 0 for no limit")
        );
    }
}

#[test]
fn headers_for_metrics_replace_those_for_all_signals() {
    let all = (HEADERS.aliases[0], "api-key=hunter2,tenant=a");
    assert_eq!(config(&[all]).headers, Headers::parse(all.1).expect("good pairs"));
    let metrics = config(&[all, (HEADERS.name, "tenant=b")]);
    assert_eq!(metrics.headers, Headers::parse("tenant=b").expect("good pairs"));
}

#[test]
fn errors_about_headers_do_not_quote_their_values() {
    let text = problem(&[(HEADERS.aliases[0], "api-key=hunter2,hunter3")]);
    assert_eq!(
        text,
        "OTEL_EXPORTER_OTLP_HEADERS: pair 2 has no `=`; write `key=value,key2=value2`"
    );
}

#[test]
fn enumerations_are_read_in_any_case() {
    let config = config(&[(COMPRESSION.aliases[0], "GZIP"), (TEMPORALITY.name, "LowMemory")]);
    assert_eq!(config.transport.compression(), Some(Compression::Gzip));
    assert_eq!(config.temporality, TemporalityPreference::LowMemory);
    for (name, accepted) in [
        (COMPRESSION.aliases[0], COMPRESSION.value_type),
        (COMPRESSION.name, COMPRESSION.value_type),
        (TEMPORALITY.name, TEMPORALITY.value_type),
    ] {
        assert_eq!(
            problem(&[(name, "best")]),
            format!("{name}=`best`: is unknown; write {accepted}")
        );
    }
}

#[test]
fn compression_for_metrics_wins() {
    let variables = [(COMPRESSION.aliases[0], "gzip"), (COMPRESSION.name, "none")];
    assert_eq!(config(&variables).transport.compression(), Some(Compression::None));
}

#[cfg(feature = "tls")]
#[test]
fn certificates_are_read_from_their_files() {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
    let file = |text: &str| {
        let mut file = NamedTempFile::new().expect("a temporary file");
        file.write_all(text.as_bytes()).expect("it is written");
        file
    };
    let (certificate, key) = (file(&issued.cert.pem()), file(&issued.signing_key.serialize_pem()));
    let path = |file: &NamedTempFile| file.path().to_str().expect("a path in UTF-8").to_owned();
    let (certificate, key) = (path(&certificate), path(&key));
    let config = config(&[
        (CERTIFICATE.aliases[0], &certificate),
        (CLIENT_CERTIFICATE.name, &certificate),
        (CLIENT_KEY.name, &key),
    ]);
    let (pem, secret) = (issued.cert.pem(), issued.signing_key.serialize_pem());
    let transport = Transport::default()
        .with_certificate_authorities(&*pem)
        .with_client_certificate(&*pem, &*secret);
    let expected = OtlpConfig::local(Protocol::HttpProtobuf).with_transport(transport);
    assert_eq!(config, expected);
    assert!(!format!("{config:?}").contains(&secret[40..60]), "{config:?}");

    let swapped = problem(&[
        (CLIENT_CERTIFICATE.aliases[0], &certificate),
        (CLIENT_KEY.aliases[0], &certificate),
    ]);
    assert!(swapped.contains("CLIENT_KEY") && swapped.contains("no private key"), "{swapped}");
    let swapped = problem(&[(CERTIFICATE.name, &key)]);
    assert!(
        swapped.contains("METRICS_CERTIFICATE") && swapped.contains("no certificate"),
        "{swapped}"
    );
}

#[test]
fn files_that_are_missing_are_named() {
    for name in [CERTIFICATE.aliases[0], CERTIFICATE.name] {
        let text = problem(&[(name, "/nowhere/ca.pem")]);
        assert!(text.starts_with(&format!("{name}=`/nowhere/ca.pem`: cannot be read (")), "{text}");
    }
}

#[test]
fn a_client_certificate_needs_its_key() {
    let file = NamedTempFile::new().expect("a temporary file");
    let path = file.path().to_str().expect("a path in UTF-8");
    for (one, other) in [(CLIENT_CERTIFICATE, CLIENT_KEY), (CLIENT_KEY, CLIENT_CERTIFICATE)] {
        for (name, missing) in [(one.aliases[0], other.aliases[0]), (one.name, other.name)] {
            let error = read(&[(name, path)]).expect_err("one alone");
            let expected = format!("{missing}: is not set, but {name} is; name the PEM file with ");
            assert!(error.problems()[0].to_string().starts_with(&expected), "{error}");
        }
    }
}

#[test]
fn all_problems_are_reported_together() {
    let problems = read(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "yes"),
        (TIMEOUT.aliases[0], "soon"),
        (HEADERS.aliases[0], "hunter2"),
        (COMPRESSION.aliases[0], "brotli"),
        (CERTIFICATE.aliases[0], "/nowhere/ca.pem"),
        (TEMPORALITY.name, "both"),
    ]);
    let error = problems.expect_err("bad");
    let names: Vec<_> = error.problems().iter().map(|it| &*it.variable).collect();
    assert_eq!(
        names,
        [
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_INSECURE",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            HEADERS.aliases[0],
            TEMPORALITY.name,
            COMPRESSION.aliases[0],
            TIMEOUT.aliases[0],
            CERTIFICATE.aliases[0],
        ]
    );
}

#[test]
fn an_endpoint_is_not_blamed_for_an_unknown_protocol() {
    for endpoint in ["collector:4317", "http://collector:4318/otlp"] {
        let text = problem(&[
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "otlp"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ]);
        assert!(text.starts_with("OTEL_EXPORTER_OTLP_PROTOCOL=`otlp`"), "{text}");
    }
}

#[cfg(all(feature = "tls", feature = "zstd"))]
#[test]
fn every_setting_behaves_like_all_others() {
    use meterkit_fakes::settings_table::{Row, Table, certificate_rows};

    const GRPC: &[(&str, &str)] =
        &[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "c:4317")];
    let rows = [
        Row::new("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT").with_other_aliases().valid(&[
            ("http://collector:4318", "http://collector:4318/)"),
            ("https://collector/Otlp/?t=1", "https://collector/Otlp/?...)"),
        ]),
        Row::new("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL").valid(&[
            ("grpc", "http://localhost:4317/"),
            ("http/protobuf", "protocol: HttpProtobuf"),
            ("http/json", "protocol: HttpJson"),
        ]),
        Row::new("OTEL_EXPORTER_OTLP_METRICS_HEADERS")
            .valid(&[("api-key=hunter2", "headers: {\"api-key\"}"), ("A=x=y ,,a=b", "{\"a\"}")])
            .invalid(&[
                ("a=1,b c=hunter2", "pair 2: header has a bad name; write letters, digits and `-`"),
                ("a=hunter2%0A", "pair 1: header `a` has a value with control characters"),
                ("Content-Type=hunter2", "header `Content-Type` is set by the exporter itself"),
            ]),
        Row::new("OTEL_EXPORTER_OTLP_METRICS_COMPRESSION").valid(&[
            ("gzip", "Gzip"),
            ("zstd", "Zstd"),
            ("none", "compression: Some(None)"),
        ]),
        Row::new("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT")
            .valid(&[("2500", "Some(2.5s)"), ("0", "timeout: None")]),
        Row::new("OTEL_EXPORTER_OTLP_METRICS_INSECURE")
            .beside(GRPC)
            .valid(&[("true", "http://c:4317/"), ("false", "https://c:4317/")]),
        Row::new("METERKIT_OTLP_PROXY")
            .valid(&[("http://me:hunter2@Proxy:3128", "http://Proxy:3128")])
            .invalid(&[("socks5://proxy", "has an unknown scheme")]),
        Row::new("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE").valid(&[
            ("delta", "temporality: Delta"),
            ("lowmemory", "temporality: LowMemory"),
            ("low_memory", "temporality: LowMemory"),
        ]),
    ];
    let certificates = [CERTIFICATE.name, CLIENT_KEY.name, CLIENT_CERTIFICATE.name];
    let rows = [&rows[..], &certificate_rows(certificates, &[])].concat();
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let write = |name: &str, text: String| std::fs::write(directory.path().join(name), text);
    write("certificate.pem", issued.cert.pem()).expect("room for it");
    write("key.pem", issued.signing_key.serialize_pem()).expect("room for it");
    let shown = |config: OtlpConfig| format!("{config:?}");
    Table {
        settings: SETTINGS,
        rows: &rows,
        beside: &[],
        read: &|environment| environment.read(OtlpConfig::read).map(shown),
        read_section: Some(&|reader| shown(OtlpConfig::read(reader))),
        has_defaults: true,
        directory: directory.path().to_str().expect("a path of letters"),
    }
    .check();
}

#[test]
fn items_of_a_section_win_over_its_list_of_headers() {
    use std::collections::BTreeMap;

    use meterkit_settings::{Position, Problems, Section, SectionValue};

    let at = || Position { line: 1, path: "exporter".to_owned() };
    let section = |value| Section::new(at(), value);
    let text = |text: &str| section(SectionValue::Text(text.to_owned()));
    let mapping = |entries: [(&str, Section); 2]| {
        let entries = entries.map(|(key, value)| (key.to_owned(), value));
        section(SectionValue::Mapping(BTreeMap::from(entries)))
    };
    let header = mapping([("name", text("api-key")), ("value", text("1234"))]);
    let root = mapping([
        ("headers_list", text("Api-Key=listed,tenant=a%2Cb")),
        ("headers", section(SectionValue::List(vec![header]))),
    ]);
    let (environment, problems) = (Environment::of([("A", "b")]), Problems::new(true));
    let reader = Reader::of_section(&root, &environment, &problems);
    let config = OtlpConfig::read_section("otlp_http", &reader).expect("a section of its own");
    let expected = OtlpConfig::local(Protocol::HttpProtobuf)
        .with_header("tenant", "a,b")
        .and_then(|config| config.with_header("api-key", "1234"))
        .expect("good headers");
    assert_eq!(config.headers, expected.headers);
}
