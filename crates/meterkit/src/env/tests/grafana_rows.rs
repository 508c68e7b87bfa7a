//! What the Grafana target is given of the environment: each of its variables, unset, empty, valid, invalid, in a file.

use meterkit_grafana::GrafanaConfig;

use super::*;

/// What one variable does.
struct Row {
    variable: &'static str,
    /// What else is set, so that it matters.
    beside: Variables,
    /// Values, and a part of the settings that come of them.
    valid: Variables,
    /// Values, and how what is said of them begins, behind the variable's name.
    invalid: Variables,
}

type Variables = &'static [(&'static str, &'static str)];

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
        invalid: &[("prod eu", "=`prod eu`: ")],
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

/// Whether the target reads it by itself.
pub(super) fn is_read_by_it(variable: &Variable) -> bool {
    let is_other = declared::grafana::PUBLISHING.contains(&variable.name);
    let is_of_target = variable.target == Some("grafana") && !is_other;
    is_of_target && variable.name != "METERKIT_GRAFANA_INTERVAL"
}

fn read_with(variables: &[&[(&str, &str)]]) -> Result<GrafanaConfig, EnvError> {
    let variables = [&[("OTEL_METRICS_EXPORTER", "grafana")], &*variables.concat()].concat();
    read(&variables).map(|settings| settings.grafana.expect("it is selected"))
}

fn shown(variables: &[&[(&str, &str)]]) -> String {
    let config = read_with(variables);
    format!("{:?}", config.unwrap_or_else(|error| panic!("{variables:?}: {error}")))
}

#[test]
fn every_variable_of_the_target_has_one_row() {
    let declared = variables().filter(|it| is_read_by_it(it));
    let mut declared: Vec<_> = declared.map(|it| it.name).collect();
    let mut rows: Vec<_> = ROWS.iter().map(|row| row.variable).collect();
    declared.sort_unstable();
    rows.sort_unstable();
    assert_eq!(rows, declared);
}

#[test]
fn valid_values_make_a_difference_and_empty_ones_make_none() {
    for Row { variable, beside, valid, .. } in ROWS {
        let unset = read_with(&[beside]).map(|config| format!("{config:?}")).ok();
        for empty in ["", " ", "\n"] {
            let read = read_with(&[beside, &[(variable, empty)]]);
            assert_eq!(read.map(|config| format!("{config:?}")).ok(), unset, "{variable}");
        }
        for (value, part) in *valid {
            let is_there = |text: &String| text.contains(part);
            assert!(!unset.as_ref().is_some_and(is_there), "{variable}: it makes no difference");
            let shown = shown(&[beside, &[(variable, &format!("{value}\n"))]]);
            assert!(is_there(&shown), "{variable}=`{value}`: {shown}");
            for secret in ["hunter2", "S3cret", "glc_Secret"] {
                assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
}

#[test]
fn invalid_values_are_told_with_variable_and_without_secrets() {
    for Row { variable, beside, invalid, .. } in ROWS {
        for (value, said) in *invalid {
            let error = read_with(&[beside, &[(variable, value)]]).expect_err(variable);
            let text = error.to_string();
            assert!(text.starts_with(&format!("{variable}{said}")), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
        let value_type = declared::variable(variable).expect("it is declared").value_type;
        let takes_anything = value_type == ValueType::Text;
        assert!(takes_anything || !invalid.is_empty(), "{variable}: none invalid");
    }
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
    let shown = shown(&[TO_MIMIR, &[("GRAFANA_REMOTE_WRITE_BEARER_TOKEN_FILE", path)]]);
    assert!(shown.contains("Bearer") && !shown.contains("S3cret"), "{shown}");
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
