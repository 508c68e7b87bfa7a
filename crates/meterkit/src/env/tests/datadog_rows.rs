//! A row for each variable that the Datadog target reads by itself: unset, empty, valid, invalid, in capitals, in a
//! file.

use meterkit_datadog::DatadogConfig;

use super::target_rows::{Row, TargetRows, Variables};
use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// A key, so that the target is complete.
const BY_API: Variables = &[("DD_API_KEY", KEY)];
const BY_AGENT: Variables = &[("METERKIT_DATADOG_MODE", "agent")];

const BAD_PROXIES: Variables = &[("ftp://me:hunter2@proxy", "="), ("http://", "=`http://`: ")];

const ROWS: &[Row] = &[
    Row {
        variable: "DD_API_KEY",
        beside: &[],
        valid: &[(KEY, "mode: Api"), ("ABC", "mode: Api")],
        invalid: &[("hunter2 x", ": is empty or holds white space or a character that no key has")],
    },
    Row {
        variable: "DD_SITE",
        beside: BY_API,
        valid: &[("datadoghq.eu", "site: Eu1"), ("US5.datadoghq.com", "site: Us5")],
        invalid: &[("eu", "=`eu`: this is no Datadog site; write one of")],
    },
    Row {
        variable: "DD_ENV",
        beside: BY_API,
        valid: &[("Prod", "\"DD_ENV\": \"Prod\"")],
        invalid: &[],
    },
    Row {
        variable: "DD_SERVICE",
        beside: BY_API,
        valid: &[("Shop", "\"DD_SERVICE\": \"Shop\"")],
        invalid: &[],
    },
    Row {
        variable: "DD_VERSION",
        beside: BY_API,
        valid: &[("1.2-RC", "\"DD_VERSION\": \"1.2-RC\"")],
        invalid: &[],
    },
    Row {
        variable: "DD_TAGS",
        beside: BY_API,
        valid: &[("team:A,zone:b", "\"DD_TAGS\": \"team:A,zone:b\""), ("a:1 b:2", "a:1 b:2")],
        invalid: &[("a:1,9:x", "=`a:1,9:x`: `9:x` does not begin with a letter")],
    },
    Row {
        variable: "DD_HOSTNAME",
        beside: BY_API,
        valid: &[("Web-1", "host: Some(\"Web-1\")")],
        invalid: &[],
    },
    Row {
        variable: "DD_AGENT_HOST",
        beside: &[],
        valid: &[("10.0.0.1", "10.0.0.1"), ("Agent", "Agent")],
        invalid: &[("http://agent:8125", "=`http://agent:8125`: ")],
    },
    Row {
        variable: "DD_DOGSTATSD_PORT",
        beside: BY_AGENT,
        valid: &[("9125", "9125")],
        invalid: &[("0", "=`0`: write a port, 1 to 65535"), ("statsd", "=`statsd`: write a port")],
    },
    Row {
        variable: "DD_DOGSTATSD_URL",
        beside: &[],
        valid: &[("udp://Agent:9", "Agent"), ("unix:///run/dsd.socket", "/run/dsd.socket")],
        invalid: &[("tcp://agent", "=`tcp://agent`: ")],
    },
    Row {
        variable: "DD_EXTERNAL_ENV",
        beside: BY_AGENT,
        valid: &[("it-false,cn-X", "external_data: Some(\"it-false,cn-X\")")],
        invalid: &[],
    },
    Row {
        variable: "DD_ENTITY_ID",
        beside: BY_AGENT,
        valid: &[("Pod-7", "entity_id: Some(\"Pod-7\")")],
        invalid: &[],
    },
    Row {
        variable: "DD_PROXY_HTTPS",
        beside: BY_API,
        valid: &[("http://Proxy:3128", "Proxy:3128")],
        invalid: BAD_PROXIES,
    },
    Row {
        variable: "DD_PROXY_HTTP",
        beside: BY_API,
        valid: &[("http://Proxy:3128", "Proxy:3128")],
        invalid: BAD_PROXIES,
    },
    Row {
        variable: "DD_PROXY_NO_PROXY",
        beside: BY_API,
        valid: &[("localhost, .Internal", ".Internal")],
        invalid: &[],
    },
    Row {
        variable: "METERKIT_DATADOG_MODE",
        beside: BY_API,
        valid: &[("agent", "mode: Agent"), ("OTLP", "mode: Otlp")],
        invalid: &[("proxy", "=`proxy`: this mode is unknown; write `api`, `agent` or `otlp`")],
    },
    Row {
        variable: "METERKIT_DATADOG_ENDPOINT",
        beside: BY_API,
        valid: &[("http://localhost:8428/Datadog", "http://localhost:8428/Datadog")],
        invalid: &[
            ("localhost:8428", "=`localhost:8428`: has no scheme"),
            ("http://me:hunter2@c", "=`http://...`: holds credentials"),
        ],
    },
    Row {
        variable: "METERKIT_DATADOG_SCOPE_TAGS",
        beside: BY_API,
        valid: &[("true", "scope_tags: true"), ("TRUE", "scope_tags: true")],
        invalid: &[("yes", "=`yes`: write `true` or `false`")],
    },
    Row {
        variable: "METERKIT_DATADOG_INSTANCE_TAG",
        beside: BY_API,
        valid: &[("false", "instance_tag: false"), ("FALSE", "instance_tag: false")],
        invalid: &[("off", "=`off`: write `true` or `false`")],
    },
];

const DATADOG: TargetRows = TargetRows {
    rows: ROWS,
    reads: |it| it.target == Some("datadog") && it.name != "METERKIT_DATADOG_INTERVAL",
    read: |variables| read_with(variables).map(|config| format!("{config:?}")),
    secrets: &[KEY, "hunter2"],
};

fn read_with(variables: &[&[(&str, &str)]]) -> Result<DatadogConfig, EnvError> {
    let variables = [&[("OTEL_METRICS_EXPORTER", "datadog")], &*variables.concat()].concat();
    read(&variables).map(|settings| settings.datadog.expect("it is selected"))
}

fn shown(variables: &[&[(&str, &str)]]) -> String {
    let config = read_with(variables);
    format!("{:?}", config.unwrap_or_else(|error| panic!("{variables:?}: {error}")))
}

#[test]
fn every_variable_of_the_target_has_one_row() {
    DATADOG.assert_every_variable_has_one_row();
}

#[test]
fn every_row_has_the_cases_that_its_type_asks_for() {
    DATADOG.assert_every_row_has_its_cases();
}

#[test]
fn valid_values_make_a_difference_and_empty_ones_make_none() {
    DATADOG.assert_valid_values_make_a_difference_and_empty_ones_none();
}

#[test]
fn invalid_values_are_told_with_variable_and_remedy_and_without_secrets() {
    DATADOG.assert_invalid_values_are_told_with_variable_and_remedy();
}

#[test]
fn a_key_can_stand_in_a_file() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("key");
    std::fs::write(&path, format!("{KEY}\n")).expect("room for it");
    let path = path.to_str().expect("a path of letters");
    assert!(shown(&[&[("DD_API_KEY_FILE", path)]]).contains("mode: Api"));
    // It selects the target as the key itself does.
    let settings = settings(&[("DD_API_KEY_FILE", path)]);
    assert!(settings.selection.targets.contains(&TargetName::Datadog));
    let twice = read_with(&[&[("DD_API_KEY_FILE", path), ("DD_API_KEY", KEY)]]);
    let text = twice.expect_err("one is enough").to_string();
    assert!(text.starts_with("DD_API_KEY_FILE: is set, and DD_API_KEY too"), "{text}");
}

#[test]
fn an_agent_selects_the_target_beside_the_scrape() {
    for (variable, value) in [("DD_AGENT_HOST", "agent"), ("DD_DOGSTATSD_URL", "unix:///dsd")] {
        let settings = settings(&[(variable, value)]);
        assert!(settings.selection.targets.contains(&TargetName::Datadog), "{variable}");
    }
    let by_default = settings(BY_AGENT).datadog.expect("the agent's own address");
    assert_eq!(by_default.mode(), meterkit_datadog::Mode::Agent);
    let elsewhere = settings(&[("DD_SERVICE", "shop"), ("DD_TAGS", "9:bad, and nobody reads it")]);
    assert!(elsewhere.datadog.is_none());
}

#[test]
fn a_target_that_is_half_set_up_is_a_problem_and_not_nothing() {
    for (variables, said) in [
        (
            &[("METERKIT_DATADOG_MODE", "api")],
            "DD_API_KEY: is not set, but METERKIT_DATADOG_MODE is",
        ),
        (
            &[("METERKIT_DATADOG_ENDPOINT", "http://here:1")],
            "DD_API_KEY: is not set, nor is an agent",
        ),
    ] {
        let text = problem(variables);
        assert!(text.starts_with(said), "{text}");
        let others = [variables, &[("OTEL_METRICS_EXPORTER", "console")][..]].concat();
        assert!(settings(&others).datadog.is_none(), "whoever selects targets has the others off");
    }
}

#[test]
fn a_proxy_of_everyone_is_used_and_one_of_datadogs_wins() {
    let everyones = ("HTTPS_PROXY", "http://everyone:1");
    assert!(shown(&[BY_API, &[everyones]]).contains("everyone:1"));
    let both = shown(&[BY_API, &[everyones, ("DD_PROXY_HTTPS", "http://own:2")]]);
    assert!(both.contains("own:2") && !both.contains("everyone:1"), "{both}");
}

#[test]
fn its_problems_are_reported_with_all_others() {
    let error = read_with(&[&[("DD_API_KEY", "hunter 2"), ("METERKIT_SERIES_LIMIT", "many")]]);
    let text = error.expect_err("two problems").to_string();
    assert!(text.contains("DD_API_KEY: ") && text.contains("METERKIT_SERIES_LIMIT="), "{text}");
    assert!(!text.contains("hunter"), "{text}");
}
