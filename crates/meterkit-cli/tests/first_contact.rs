//! `meterkit check` and related commands, as a shell runs them.

use std::fs;
use std::process::Command;

use meterkit_fakes::otlp::{Answer, Receiver};

/// Runs the command with only these variables in its environment.
#[track_caller]
fn meterkit(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_meterkit"));
    command.args(arguments).env_clear().envs(variables.iter().copied());
    let output = command.output().expect("the command");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("no signal"), text(output.stdout), text(output.stderr))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().expect("a runtime")
}

#[test]
fn a_target_that_accepts_an_empty_export_is_ok_and_stores_nothing() {
    let runtime = runtime();
    let receiver = runtime.block_on(Receiver::start([]));
    let url = receiver.url();
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*url), ("OTEL_METRICS_EXPORTER", "otlp")];
    let (code, out, err) = meterkit(&["check"], &variables);
    assert_eq!((code, &*err), (0, ""), "{out}");
    assert_eq!(out, format!("ok      otlp at {url}/v1/metrics: accepted an empty export\n"));
    assert_eq!(receiver.count(), 1);
    assert!(receiver.accepted()[0].resource_metrics.is_empty(), "nothing is stored");

    let (code, out, _) = meterkit(&["check", "--send", "--json"], &variables);
    assert_eq!(code, 0, "{out}");
    assert!(out.contains("\"ok\": true") && out.contains("`meterkit.check`"), "{out}");
    assert_eq!(receiver.accepted()[1].resource_metrics.len(), 1, "with --send there is a point");
}

#[test]
fn a_problem_of_a_target_is_one_line_with_its_remedy() {
    let runtime = runtime();
    let receiver =
        runtime.block_on(Receiver::start([Answer::Http(401, Vec::new(), "no such key: hunter2")]));
    let url = receiver.url();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*url),
        ("OTEL_EXPORTER_OTLP_HEADERS", "x-key=hunter2"),
        ("OTEL_METRICS_EXPORTER", "otlp"),
    ];
    let (code, out, _) = meterkit(&["check"], &variables);
    assert_eq!(code, 1);
    let expected = format!(
        "failed  otlp at {url}/v1/metrics: HTTP status 401 Unauthorized: no such key: ...; check the credentials in \
         `OTEL_EXPORTER_OTLP_METRICS_HEADERS` or `OTEL_EXPORTER_OTLP_HEADERS`\n"
    );
    assert_eq!(out, expected);
}

#[test]
fn a_scrape_endpoint_is_opened_and_scraped_and_a_taken_port_is_named() {
    let port = ("OTEL_EXPORTER_PROMETHEUS_PORT", "0");
    let (code, out, _) = meterkit(&["check"], &[port]);
    assert_eq!(code, 0, "{out}");
    assert!(out.starts_with("ok      prometheus at http://"), "{out}");
    assert!(out.ends_with("/metrics: it listens, and answers a scrape\n"), "{out}");
    let token = ("METERKIT_PROMETHEUS_BEARER_TOKEN", "hunter2");
    let (code, out, _) = meterkit(&["check"], &[port, token]);
    assert!(code == 0 && out.ends_with("it listens, and asks for credentials\n"), "{out}");

    let other = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = other.local_addr().expect("an address").port().to_string();
    let variables = [
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", &*taken),
    ];
    let (code, out, _) = meterkit(&["check"], &variables);
    drop(other);
    assert_eq!(code, 1, "{out}");
    assert!(out.contains("set OTEL_EXPORTER_PROMETHEUS_PORT to a free port"), "{out}");
}

#[test]
fn settings_without_effect_and_values_that_a_default_replaces_are_warnings() {
    let variables = [
        ("OTEL_METRICS_EXPORTER", "console"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-5"),
        ("METERKIT_CALLBACK_BUDGETS", "3"),
        ("HTTPS_PROXY", "http://proxy:3128/path"),
    ];
    let (code, out, _) = meterkit(&["check"], &variables);
    assert_eq!(code, 0, "{out}");
    let lines: Vec<_> = out.lines().filter(|line| line.starts_with("warning ")).collect();
    assert!(lines.iter().any(|it| it.contains("METERKIT_CALLBACK_BUDGETS is set, but")), "{out}");
    assert!(lines.iter().any(|it| it.contains("OTEL_METRIC_EXPORT_INTERVAL=`-5`: ")), "{out}");
    assert!(lines.iter().any(|it| it.contains("HTTPS_PROXY=`http://proxy:3128/path`: ")), "{out}");
    assert_eq!(lines.len(), 3, "{out}");

    let (_, out, _) = meterkit(&["check", "--json"], &variables);
    assert!(out.contains("\"warnings\": [\n") && out.contains("CALLBACK_BUDGETS"), "{out}");
    let strict = [variables[0], variables[1], ("METERKIT_STRICT", "true")];
    assert_eq!(meterkit(&["check"], &strict).0, 1);
}

#[test]
fn an_agent_that_cannot_be_checked_is_no_failure() {
    let variables = [("DD_AGENT_HOST", "127.0.0.1"), ("OTEL_METRICS_EXPORTER", "datadog")];
    let (code, out, _) = meterkit(&["check"], &variables);
    assert_eq!(code, 0, "{out}");
    assert!(out.starts_with("unknown datadog at ") && out.contains("does not respond"), "{out}");
}

#[test]
fn there_is_nothing_to_check_if_metrics_are_disabled() {
    for variable in [("OTEL_SDK_DISABLED", "true"), ("OTEL_METRICS_EXPORTER", "none")] {
        let (code, out, _) = meterkit(&["check"], &[variable]);
        assert_eq!((code, &*out), (0, "No target is selected, or metrics are disabled.\n"));
    }
}

#[test]
fn settings_that_cannot_be_used_are_findings() {
    let variables = [("OTEL_METRICS_EXPORTER", "nowhere")];
    let (code, out, _) = meterkit(&["check"], &variables);
    assert_eq!(code, 1);
    assert!(out.contains("OTEL_METRICS_EXPORTER=`nowhere`"), "{out}");
    let (code, out, _) = meterkit(&["check", "--json"], &variables);
    assert!(code == 1 && out.contains("\"ok\": false"), "{out}");
}

#[test]
fn a_configuration_file_is_validated_and_checked() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("meterkit.yaml");
    let file = path.to_str().expect("text");
    fs::write(&path, "file_format: \"1.1\"\ndisabled: true\n").expect("a file");
    let (code, out, err) = meterkit(&["validate", file], &[]);
    assert_eq!((code, &*err), (0, ""), "{out}");
    fs::write(&path, "file_format: \"1.1\"\nmeter_provider:\n  readerz: []\n").expect("a file");
    let (code, out, _) = meterkit(&["validate", file], &[]);
    assert!(code == 1 && out.contains("readerz"), "{out}");
    let (code, out, _) = meterkit(&["check", "--config", file], &[]);
    assert!(code == 1 && out.contains("readerz"), "{out}");
    let (code, _, err) = meterkit(&["validate", "no-such-file"], &[]);
    assert!(code == 2 && err.contains("no-such-file"), "{err}");
}

#[test]
fn settings_show_what_is_set_and_no_secret() {
    let variables = [
        ("DD_API_KEY", "hunter2"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:hunter2@collector:4318"),
        ("METERKIT_SERIES_LIMIT", "7"),
    ];
    let (code, out, _) = meterkit(&["settings", "--set"], &variables);
    assert_eq!(code, 0);
    assert!(out.contains("METERKIT_SERIES_LIMIT = 7 (METERKIT_SERIES_LIMIT)\n"), "{out}");
    assert!(out.contains("DD_API_KEY = (not shown) (DD_API_KEY)\n"), "{out}");
    assert_eq!(out.lines().count(), 3, "{out}");
    for arguments in [&["settings"][..], &["settings", "--json"]] {
        let (code, out, _) = meterkit(arguments, &variables);
        assert!(code == 0 && !out.contains("hunter2"), "{out}");
        assert!(out.contains("OTEL_METRICS_EXPORTER"), "{out}");
    }
}

#[test]
fn a_name_is_shown_as_each_back_end_has_it() {
    let arguments = ["names", "--unit", "s", "--kind", "histogram", "http.server.request-time"];
    let (code, out, _) = meterkit(&arguments, &[]);
    let expected = "\
OTLP: http.server.request-time
Prometheus (underscore_escaping_with_suffixes): http_server_request_time_seconds
Prometheus (underscore_escaping_without_suffixes): http_server_request_time
Prometheus (no_utf8_escaping_with_suffixes): http.server.request-time_seconds
Prometheus (no_translation): http.server.request-time
Datadog: http.server.request_time
";
    assert_eq!((code, &*out), (0, expected));
}

#[test]
fn dashboards_and_rules_come_from_a_catalog() {
    let registry = meterkit_core::Registry::new();
    let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
    requests.expect("a valid name").increment();
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("catalog.json");
    fs::write(&path, registry.catalog().to_json()).expect("a file");
    let file = path.to_str().expect("text");
    for (arguments, expected) in [
        (&["dashboards", "--title", "Shop", file][..], "backstage_plugin_catalog_requests_total"),
        (&["dashboards", "--v2", file], "dashboard.grafana.app/v2"),
        (&["rules", file], "groups:"),
        (&["rules", "--alerts", "--job", "shop", file], "shop"),
    ] {
        let (code, out, err) = meterkit(arguments, &[]);
        assert_eq!((code, &*err), (0, ""), "{arguments:?}");
        assert!(out.contains(expected), "{arguments:?}: {out}");
    }
}

#[test]
fn shells_complete_each_command_and_its_options() {
    for shell in ["bash", "zsh", "fish"] {
        let (code, out, _) = meterkit(&["completion", shell], &[]);
        assert_eq!(code, 0);
        for word in ["compare", "check", "validate", "json", "send", "alerts", "set", "completion"]
        {
            assert!(out.contains(word), "{shell} lacks {word}: {out}");
        }
    }
    let (code, _, err) = meterkit(&["completion", "tcsh"], &[]);
    assert!(code == 2 && err.contains("`bash`, `zsh` or `fish`"), "{err}");
}
