//! Each variable of the specification: unset, empty, valid, invalid, and which one wins.

#[cfg(feature = "tls")]
use std::io::Write as _;

use tempfile::NamedTempFile;

use super::*;
use crate::{HistogramAggregation, TemporalityPreference};

fn read(variables: &[(&str, &str)]) -> Result<OtlpConfig, Vec<VariableError>> {
    OtlpConfig::from_variables(|name| {
        let (_, value) = variables.iter().find(|(variable, _)| *variable == name)?;
        Some((*value).to_owned())
    })
}

fn config(variables: &[(&str, &str)]) -> OtlpConfig {
    read(variables).unwrap_or_else(|problems| panic!("{variables:?}: {problems:?}"))
}

/// The only problem.
fn problem(variables: &[(&str, &str)]) -> String {
    match read(variables) {
        Ok(config) => panic!("{variables:?}: {config:?}"),
        Err(problems) => {
            assert_eq!(problems.len(), 1, "{problems:?}");
            problems[0].to_string()
        }
    }
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
            "METRICS_DEFAULT_HISTOGRAM_AGGREGATION",
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
    let (metrics, generic) = (TIMEOUT.metrics, TIMEOUT.generic);
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
            format!(
                "{metrics}=`{bad}`: is no number of milliseconds; \
                 write for example `10000`, or `0` for no limit"
            )
        );
    }
}

#[test]
fn headers_for_metrics_replace_those_for_all_signals() {
    let all = (HEADERS.generic, "api-key=hunter2,tenant=a");
    assert_eq!(config(&[all]).headers, Headers::parse(all.1).expect("good pairs"));
    let metrics = config(&[all, (HEADERS.metrics, "tenant=b")]);
    assert_eq!(metrics.headers, Headers::parse("tenant=b").expect("good pairs"));
}

#[test]
fn bad_headers_are_told_without_their_values() {
    let text = problem(&[(HEADERS.generic, "api-key=hunter2,hunter3")]);
    assert_eq!(
        text,
        "OTEL_EXPORTER_OTLP_HEADERS: pair 2 has no `=`; write `key=value,key2=value2`"
    );
}

#[test]
fn enumerations_are_read_in_any_case() {
    let config = config(&[
        (COMPRESSION.generic, "GZIP"),
        (TEMPORALITY, "LowMemory"),
        (HISTOGRAMS, "BASE2_exponential_bucket_histogram"),
    ]);
    assert_eq!(config.transport.compression(), Some(Compression::Gzip));
    assert_eq!(config.temporality, TemporalityPreference::LowMemory);
    assert_eq!(config.histogram_aggregation, HistogramAggregation::Base2Exponential);
    for (name, accepted) in [
        (COMPRESSION.generic, Compression::ACCEPTED),
        (COMPRESSION.metrics, Compression::ACCEPTED),
        (TEMPORALITY, temporality::TEMPORALITIES),
        (HISTOGRAMS, temporality::AGGREGATIONS),
    ] {
        assert_eq!(
            problem(&[(name, "best")]),
            format!("{name}=`best`: is unknown; write {accepted}")
        );
    }
}

#[test]
fn compression_for_metrics_wins() {
    let variables = [(COMPRESSION.generic, "gzip"), (COMPRESSION.metrics, "none")];
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
        (CERTIFICATE.generic, &certificate),
        (CLIENT_CERTIFICATE.metrics, &certificate),
        (CLIENT_KEY.metrics, &key),
    ]);
    let (pem, secret) = (issued.cert.pem(), issued.signing_key.serialize_pem());
    let transport = Transport::default()
        .with_certificate_authorities(&*pem)
        .with_client_certificate(&*pem, &*secret);
    let expected = OtlpConfig::local(Protocol::HttpProtobuf).with_transport(transport);
    assert_eq!(config, expected);
    assert!(!format!("{config:?}").contains(&secret[40..60]), "{config:?}");

    let swapped =
        problem(&[(CLIENT_CERTIFICATE.generic, &certificate), (CLIENT_KEY.generic, &certificate)]);
    assert!(swapped.contains("CLIENT_KEY") && swapped.contains("no private key"), "{swapped}");
    let swapped = problem(&[(CERTIFICATE.metrics, &key)]);
    assert!(
        swapped.contains("METRICS_CERTIFICATE") && swapped.contains("no certificate"),
        "{swapped}"
    );
}

#[test]
fn files_that_are_missing_are_named() {
    for name in [CERTIFICATE.generic, CERTIFICATE.metrics] {
        let text = problem(&[(name, "/nowhere/ca.pem")]);
        assert!(text.starts_with(&format!("{name}=`/nowhere/ca.pem`: cannot be read (")), "{text}");
    }
}

#[test]
fn a_client_certificate_needs_its_key() {
    let file = NamedTempFile::new().expect("a temporary file");
    let path = file.path().to_str().expect("a path in UTF-8");
    for (one, other) in [(CLIENT_CERTIFICATE, CLIENT_KEY), (CLIENT_KEY, CLIENT_CERTIFICATE)] {
        for (name, missing) in [(one.generic, other.generic), (one.metrics, other.metrics)] {
            let problems = read(&[(name, path)]).expect_err("one alone");
            let expected = format!("{name}=`{path}`: is of no use alone; set `{missing}` too");
            assert_eq!(problems[0].to_string(), expected);
        }
    }
}

#[test]
fn all_problems_are_told_together() {
    let problems = read(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector"),
        ("OTEL_EXPORTER_OTLP_INSECURE", "yes"),
        (TIMEOUT.generic, "soon"),
        (HEADERS.generic, "hunter2"),
        (COMPRESSION.generic, "brotli"),
        (CERTIFICATE.generic, "/nowhere/ca.pem"),
        (TEMPORALITY, "both"),
        (HISTOGRAMS, "none"),
    ]);
    let names: Vec<_> = problems.expect_err("bad").into_iter().map(|it| it.variable).collect();
    assert_eq!(
        names,
        [
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "OTEL_EXPORTER_OTLP_INSECURE",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            TIMEOUT.generic,
            HEADERS.generic,
            COMPRESSION.generic,
            CERTIFICATE.generic,
            TEMPORALITY,
            HISTOGRAMS,
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
