//! What the scrape endpoint is given of the environment: each variable that protects it, unset, empty, valid, invalid.

use std::fs;
use std::path::Path;

use super::target_rows::{Row, TargetRows, Variables};
use super::*;

const AS_USER: Variables = &[("METERKIT_PROMETHEUS_USERNAME", "me")];
const WITH_PASSWORD: Variables = &[("METERKIT_PROMETHEUS_PASSWORD", "hunter2")];
#[cfg(feature = "prometheus-tls")]
const CERTIFICATE: (&str, &str) = ("METERKIT_PROMETHEUS_TLS_CERTIFICATE", "{dir}/certificate.pem");
#[cfg(feature = "prometheus-tls")]
const KEY: (&str, &str) = ("METERKIT_PROMETHEUS_TLS_KEY", "{dir}/key.pem");

/// `{dir}` stands for a directory with a certificate and its key.
const ROWS: &[Row] = &[
    Row {
        variable: "METERKIT_PROMETHEUS_USERNAME",
        beside: WITH_PASSWORD,
        valid: &[("Me", "Basic { username: \"Me\"")],
        invalid: &[("a:b", "=`a:b`: holds `:`")],
    },
    Row {
        variable: "METERKIT_PROMETHEUS_PASSWORD",
        beside: AS_USER,
        valid: &[("S3cret", "Basic { username: \"me\""), ("open S3cret", "Basic")],
        invalid: &[("hunter2\u{7}", ": holds a control character")],
    },
    Row {
        variable: "METERKIT_PROMETHEUS_BEARER_TOKEN",
        beside: &[],
        valid: &[("S3cret", "Bearer")],
        invalid: &[("Bearer hunter2", ": holds white space; write the token alone")],
    },
    #[cfg(feature = "prometheus-tls")]
    Row {
        variable: "METERKIT_PROMETHEUS_TLS_CERTIFICATE",
        beside: &[KEY],
        valid: &[("{dir}/certificate.pem", "ServerTls { client_authorities: false")],
        invalid: &[
            ("/Nowhere.pem", "=`/Nowhere.pem`: cannot be read ("),
            ("{dir}/key.pem", "=`{dir}/key.pem`: the certificate of the scrape endpoint cannot be"),
        ],
    },
    #[cfg(feature = "prometheus-tls")]
    Row {
        variable: "METERKIT_PROMETHEUS_TLS_KEY",
        beside: &[CERTIFICATE],
        valid: &[("{dir}/key.pem", "ServerTls { client_authorities: false")],
        invalid: &[
            ("{dir}", "=`{dir}`: cannot be read ("),
            ("{dir}/certificate.pem", "=`{dir}/certificate.pem`: the private key of the scrape"),
            ("{dir}/OTHER-key.pem", "=`{dir}/OTHER-key.pem`: certificate and private key of the"),
        ],
    },
    #[cfg(feature = "prometheus-tls")]
    Row {
        variable: "METERKIT_PROMETHEUS_TLS_CLIENT_CA",
        beside: &[CERTIFICATE, KEY],
        valid: &[("{dir}/certificate.pem", "ServerTls { client_authorities: true")],
        invalid: &[
            ("/Nowhere.pem", "=`/Nowhere.pem`: cannot be read ("),
            ("{dir}/key.pem", "=`{dir}/key.pem`: the authorities of the clients of the scrape"),
        ],
    },
    #[cfg(not(feature = "prometheus-tls"))]
    Row {
        variable: "METERKIT_PROMETHEUS_TLS_CERTIFICATE",
        beside: &[],
        valid: &[],
        invalid: &[(
            "/C.pem",
            "=`/C.pem`: TLS is not compiled in: switch on the feature `prometheus-",
        )],
    },
    #[cfg(not(feature = "prometheus-tls"))]
    Row {
        variable: "METERKIT_PROMETHEUS_TLS_KEY",
        beside: &[],
        valid: &[],
        invalid: &[("/K.pem", "=`/K.pem`: TLS is not compiled in")],
    },
    #[cfg(not(feature = "prometheus-tls"))]
    Row {
        variable: "METERKIT_PROMETHEUS_TLS_CLIENT_CA",
        beside: &[],
        valid: &[],
        invalid: &[("/A.pem", "=`/A.pem`: TLS is not compiled in")],
    },
];

const PROMETHEUS: TargetRows = TargetRows {
    rows: ROWS,
    reads: |it| prometheus::PROTECTION.contains(&it.name),
    read: |variables| read_with(variables).map(|settings| format!("{:?}", settings.protection)),
    secrets: &["hunter2", "S3cret", "PRIVATE KEY-----\n"],
};

fn read_with(variables: &[&[(&str, &str)]]) -> Result<Settings, EnvError> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    write_pems(directory.path());
    let path = directory.path().to_str().expect("a path of letters");
    let variables: Vec<_> = variables.concat();
    let variables = variables.iter().map(|(name, value)| (name, value.replace("{dir}", path)));
    let selected = ("OTEL_METRICS_EXPORTER".into(), "prometheus".into());
    let variables = variables.map(|(name, value)| (name.into(), value.into()));
    let read = Settings::read(variables.chain([selected]));
    read.map_err(|mut error| {
        for problem in &mut error.problems {
            problem.value = problem.value.take().map(|value| value.replace(path, "{dir}"));
        }
        error
    })
}

fn write_pems(directory: &Path) {
    let issue = || rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it is one");
    let (one, other) = (issue(), issue());
    for (name, pem) in [
        ("certificate.pem", one.cert.pem()),
        ("key.pem", one.signing_key.serialize_pem()),
        ("OTHER-key.pem", other.signing_key.serialize_pem()),
    ] {
        fs::write(directory.join(name), pem).expect("room for it");
    }
}

#[test]
fn every_variable_that_protects_has_one_row() {
    PROMETHEUS.assert_every_variable_has_one_row();
}

#[test]
fn every_row_has_the_cases_that_its_type_asks_for() {
    PROMETHEUS.assert_every_row_has_its_cases();
}

#[test]
fn valid_values_make_a_difference_and_empty_ones_make_none() {
    PROMETHEUS.assert_valid_values_make_a_difference_and_empty_ones_none();
}

#[test]
fn invalid_values_are_told_with_variable_and_remedy_and_without_secrets() {
    PROMETHEUS.assert_invalid_values_are_told_with_variable_and_remedy();
}

#[test]
fn secrets_can_stand_in_files() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("secret");
    fs::write(&path, "S3cret\n").expect("room for it");
    let path = path.to_str().expect("a path of letters");
    for (beside, variable, expected) in [
        (AS_USER, "METERKIT_PROMETHEUS_PASSWORD_FILE", "Basic"),
        (&[], "METERKIT_PROMETHEUS_BEARER_TOKEN_FILE", "Bearer"),
    ] {
        let settings = read_with(&[beside, &[(variable, path)]]).expect("it can be read");
        let shown = format!("{settings:?}");
        assert!(shown.contains(expected) && !shown.contains("S3cret"), "{shown}");
    }
    // A file that cannot be read is one problem, and not two.
    let missing = [AS_USER, &[("METERKIT_PROMETHEUS_PASSWORD_FILE", "/nowhere")]];
    let text = read_with(&missing).expect_err("there is none").to_string();
    assert!(text.starts_with("METERKIT_PROMETHEUS_PASSWORD_FILE=`/nowhere`: the file"), "{text}");
}

#[test]
fn all_that_is_wrong_with_the_protection_is_told_at_once() {
    let token = ("METERKIT_PROMETHEUS_BEARER_TOKEN", "hunter2");
    let port = ("OTEL_EXPORTER_PROMETHEUS_PORT", "x");
    let key = ("METERKIT_PROMETHEUS_TLS_KEY", "/nowhere");
    let error = read_with(&[AS_USER, &[token, port, key]]).expect_err("a few problems");
    let told: Vec<_> = error.problems().iter().map(|problem| &*problem.variable).collect();
    let tls: &[_] = if cfg!(feature = "prometheus-tls") {
        &["METERKIT_PROMETHEUS_TLS_CERTIFICATE", "METERKIT_PROMETHEUS_TLS_KEY"]
    } else {
        &["METERKIT_PROMETHEUS_TLS_KEY"]
    };
    let expected =
        [&["METERKIT_PROMETHEUS_USERNAME"], tls, &["OTEL_EXPORTER_PROMETHEUS_PORT"]].concat();
    assert_eq!(told, expected);
    assert!(!error.to_string().contains("hunter2"));
}

#[test]
fn without_an_endpoint_nothing_of_it_is_read() {
    let elsewhere = [("OTEL_METRICS_EXPORTER", "console"), ("METERKIT_PROMETHEUS_USERNAME", "a:b")];
    settings(&elsewhere);
}
