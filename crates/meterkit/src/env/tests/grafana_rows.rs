//! What the Grafana target is given of the environment: each of its variables, unset, empty, valid, invalid, in a file.

use meterkit_grafana::GrafanaConfig;

use super::target_rows::{Row, TargetRows, Variables};
use super::*;

const URL: (&str, &str) = ("GRAFANA_REMOTE_WRITE_URL", "http://mimir:9009/api/v1/push");
const TO_MIMIR: Variables = &[URL];
const AS_USER: Variables = &[URL, ("GRAFANA_REMOTE_WRITE_USERNAME", "me")];
const WITH_PASSWORD: Variables = &[URL, ("GRAFANA_REMOTE_WRITE_PASSWORD", "hunter2")];
const ID: (&str, &str) = ("GRAFANA_CLOUD_INSTANCE_ID", "123456");
const KEY: (&str, &str) = ("GRAFANA_CLOUD_API_KEY", "hunter2");
const ZONE: (&str, &str) = ("GRAFANA_CLOUD_ZONE", "prod-eu-west-2");

const ROWS: &[Row] = &[
    Row {
        variable: "GRAFANA_CLOUD_ZONE",
        beside: &[ID, KEY],
        valid: &[("prod-eu-west-2", "prod-eu-west-2")],
        invalid: &[
            ("prod eu", "=`prod eu`: "),
            ("PROD-US-1", "=`PROD-US-1`: a zone holds lower-case"),
        ],
    },
    Row {
        variable: "GRAFANA_CLOUD_INSTANCE_ID",
        beside: &[ZONE, KEY],
        valid: &[("654321", "654321")],
        invalid: &[("stack", "=`stack`: ")],
    },
    Row {
        variable: "GRAFANA_CLOUD_API_KEY",
        beside: &[ZONE, ID],
        valid: &[("glc_Secret", "Cloud")],
        invalid: &[("hunter2 x", ": ")],
    },
    Row {
        variable: "GRAFANA_REMOTE_WRITE_URL",
        beside: &[],
        valid: &[("https://Mimir/api/v1/push", "Mimir/api/v1/push")],
        invalid: &[
            ("mimir:9009/x", "=`mimir:9009/x`: has no scheme"),
            ("http://me:hunter2@c/x", "="),
        ],
    },
    Row {
        variable: "GRAFANA_REMOTE_WRITE_USERNAME",
        beside: WITH_PASSWORD,
        valid: &[("Me", "Me")],
        invalid: &[("a:b", "=`a:b`: ")],
    },
    Row {
        variable: "GRAFANA_REMOTE_WRITE_PASSWORD",
        beside: AS_USER,
        valid: &[("S3cret", "Basic")],
        invalid: &[],
    },
    Row {
        variable: "GRAFANA_REMOTE_WRITE_BEARER_TOKEN",
        beside: TO_MIMIR,
        valid: &[("S3cret", "Bearer")],
        invalid: &[("hunter2 x", ": ")],
    },
    Row {
        variable: "GRAFANA_REMOTE_WRITE_TENANT",
        beside: TO_MIMIR,
        valid: &[("Team-A", "Team-A")],
        invalid: &[("team\u{1}a", "=")],
    },
    Row {
        variable: "METERKIT_GRAFANA_QUEUE_BYTES",
        beside: TO_MIMIR,
        valid: &[("1000", "queue_bytes: 1000")],
        invalid: &[("0", "=`0`: "), ("64MiB", "=`64MiB`: ")],
    },
    Row {
        variable: "METERKIT_GRAFANA_QUEUE_AGE",
        beside: TO_MIMIR,
        valid: &[("60000", "queue_age: 60s")],
        invalid: &[("0", "=`0`: "), ("2h", "=`2h`: ")],
    },
    Row {
        variable: "METERKIT_GRAFANA_SPOOL_DIR",
        beside: TO_MIMIR,
        valid: &[("/var/Spool", "/var/Spool")],
        invalid: &[],
    },
];

const GRAFANA: TargetRows = TargetRows {
    rows: ROWS,
    reads: |it| {
        let is_other = declared::grafana::PUBLISHING.contains(&it.name);
        let is_of_target = it.target == Some("grafana") && !is_other;
        is_of_target && it.name != "METERKIT_GRAFANA_INTERVAL"
    },
    read: |variables| read_with(variables).map(|config| format!("{config:?}")),
    secrets: &["hunter2", "S3cret", "glc_Secret"],
};

fn read_with(variables: &[&[(&str, &str)]]) -> Result<GrafanaConfig, EnvError> {
    let variables = [&[("OTEL_METRICS_EXPORTER", "grafana")], &*variables.concat()].concat();
    read(&variables).map(|settings| settings.grafana.expect("it is selected"))
}

#[test]
fn every_variable_of_the_target_has_one_row() {
    GRAFANA.assert_every_variable_has_one_row();
}

#[test]
fn every_row_has_the_cases_that_its_type_asks_for() {
    GRAFANA.assert_every_row_has_its_cases();
}

#[test]
fn valid_values_make_a_difference_and_empty_ones_make_none() {
    GRAFANA.assert_valid_values_make_a_difference_and_empty_ones_none();
}

#[test]
fn invalid_values_are_told_with_variable_and_remedy_and_without_secrets() {
    GRAFANA.assert_invalid_values_are_told_with_variable_and_remedy();
}

#[test]
#[cfg(feature = "dashboard")]
fn a_grafana_for_the_dashboard_is_named_by_url_and_token() {
    let url = ("GRAFANA_URL", "http://Grafana:3000");
    let token = ("GRAFANA_SERVICE_ACCOUNT_TOKEN", "S3cret");
    assert!(settings(&[]).publish.is_none());
    let with_folder = settings(&[url, token, ("GRAFANA_FOLDER", "Shop")]);
    let shown = format!("{:?}", with_folder.publish);
    assert!(shown.contains("Shop") && !shown.contains("S3cret"), "{shown}");
    // It selects no target.
    assert!(!with_folder.selection.targets.contains(&TargetName::Grafana));
    for (variables, said) in [
        (&[url][..], "GRAFANA_SERVICE_ACCOUNT_TOKEN: is not set, but GRAFANA_URL is"),
        (&[token], "GRAFANA_URL: is not set, but GRAFANA_SERVICE_ACCOUNT_TOKEN is"),
        (&[token, ("GRAFANA_URL", "grafana:3000")], "GRAFANA_URL=`grafana:3000`: has no scheme"),
        (&[url, ("GRAFANA_SERVICE_ACCOUNT_TOKEN", "S3 cret")], "GRAFANA_SERVICE_ACCOUNT_TOKEN: "),
    ] {
        let text = problem(variables);
        assert!(text.starts_with(said) && !text.contains("cret\""), "{text}");
    }
}

#[test]
fn secrets_can_stand_in_files() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("token");
    std::fs::write(&path, "S3cret\n").expect("room for it");
    let path = path.to_str().expect("a path of letters");
    let config = read_with(&[TO_MIMIR, &[("GRAFANA_REMOTE_WRITE_BEARER_TOKEN_FILE", path)]]);
    let shown = format!("{config:?}");
    assert!(shown.contains("Bearer") && !shown.contains("S3cret"), "{shown}");
}

#[test]
fn a_stack_without_its_key_is_a_problem_and_not_nothing() {
    for given in [ZONE, ID] {
        let text = read(&[given]).expect_err("half of it").to_string();
        let said = format!("GRAFANA_CLOUD_API_KEY: is not set, but {} is", given.0);
        assert!(text.contains(&said), "{text}");
        let elsewhere = settings(&[given, ("OTEL_METRICS_EXPORTER", "console")]);
        assert!(elsewhere.grafana.is_none(), "whoever selects targets has the others off");
    }
}

#[test]
fn a_destination_selects_the_target_and_none_is_a_problem() {
    let to_mimir = settings(TO_MIMIR);
    assert!(to_mimir.selection.targets.contains(&TargetName::Grafana));
    let text = read_with(&[]).expect_err("nowhere").to_string();
    assert!(text.starts_with("GRAFANA_REMOTE_WRITE_URL: is not set, nor is"), "{text}");
    let both = read_with(&[TO_MIMIR, &[ZONE, ID, KEY]]).expect_err("one is enough").to_string();
    assert!(both.starts_with("GRAFANA_REMOTE_WRITE_URL: is set, and GRAFANA_CLOUD_ZONE"), "{both}");
}
