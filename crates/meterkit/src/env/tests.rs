//! A table per variable: unset, empty, valid, invalid.

use std::collections::HashMap;

use super::*;

fn read(variables: &[(&str, &str)]) -> Result<Settings, EnvError> {
    let variables: HashMap<String, OsString> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    Settings::read(|name| variables.get(name).cloned())
}

fn settings(variables: &[(&str, &str)]) -> Settings {
    read(variables).unwrap_or_else(|error| panic!("{variables:?}: {error}"))
}

/// Each of these values is an error that names variable, value and remedy.
fn refuses(variable: &str, values: &[(&str, &str)]) {
    for (value, remedy) in values {
        let text = read(&[(variable, value)]).expect_err(value).to_string();
        assert!(text.starts_with(&format!("{variable}=`{value}`: ")), "{text}");
        assert!(text.contains(remedy), "{text}");
    }
}

#[test]
fn nothing_set_gives_the_documented_defaults() {
    for variables in [&[][..], &[("OTEL_METRICS_EXPORTER", ""), ("OTEL_SDK_DISABLED", " ")]] {
        let settings = settings(variables);
        assert!(!settings.is_disabled);
        let default = cfg!(feature = "prometheus").then_some(TargetName::Prometheus);
        assert_eq!(settings.selection.targets, default.into_iter().collect::<Vec<_>>());
        assert_eq!(settings.schedule, Schedule::default());
        assert_eq!(settings.naming, None);
        assert_eq!((settings.series_limit, &settings.disabled_scopes), (None, &None));
        assert!(settings.resource.is_empty());
        assert!(settings.prometheus_host.is_none() && settings.prometheus_port.is_none());
    }
}

#[test]
#[cfg(feature = "prometheus")]
fn the_exporter_list_drops_blanks_and_duplicates_in_any_case() {
    use TargetName::{Console, Prometheus};
    for (list, expected) in [
        ("prometheus", &[Prometheus][..]),
        ("console,Prometheus", &[Console, Prometheus]),
        (" prometheus , ,CONSOLE,prometheus,", &[Prometheus, Console]),
        ("none", &[]),
        ("None,none", &[]),
    ] {
        assert_eq!(settings(&[("OTEL_METRICS_EXPORTER", list)]).selection.targets, expected);
    }
}

#[test]
fn a_list_that_cannot_be_served_is_an_error() {
    refuses(
        "OTEL_METRICS_EXPORTER",
        &[
            ("carbon", "`carbon` is unknown; accepted"),
            ("console,none", "`none` stands alone"),
            ("console,otlp", "`otlp` is not part of this version"),
        ],
    );
}

#[test]
#[cfg(not(feature = "prometheus"))]
fn a_target_that_is_not_compiled_in_names_its_feature() {
    refuses("OTEL_METRICS_EXPORTER", &[("prometheus", "feature `prometheus`")]);
}

#[test]
#[cfg(all(feature = "process", feature = "tokio"))]
fn the_list_of_runtime_metrics_drops_blanks_and_duplicates_in_any_case() {
    use RuntimeMetrics::{Process, Tokio};
    for (list, expected) in [
        ("", &[][..]),
        (" , ", &[]),
        ("process", &[Process]),
        ("tokio,Process", &[Tokio, Process]),
        (" PROCESS , ,tokio,process,", &[Process, Tokio]),
        ("none", &[]),
        ("None,NONE", &[]),
    ] {
        assert_eq!(settings(&[("METERKIT_RUNTIME_METRICS", list)]).runtime_metrics, expected);
    }
    assert!(settings(&[]).runtime_metrics.is_empty());
    refuses("METERKIT_RUNTIME_METRICS", &[("process,none", "`none` stands alone")]);
}

#[test]
fn runtime_metrics_that_there_are_not_are_an_error() {
    refuses(
        "METERKIT_RUNTIME_METRICS",
        &[
            ("jvm", "`jvm` is unknown; accepted: a comma list of `process` and `tokio`, or `none`"),
            ("all", "`all` is unknown"),
            ("smol", "`smol` is unknown"),
        ],
    );
}

#[test]
#[cfg(not(all(feature = "process", feature = "tokio")))]
fn runtime_metrics_that_are_not_compiled_in_name_their_feature() {
    for (name, is_in) in
        [("process", cfg!(feature = "process")), ("tokio", cfg!(feature = "tokio"))]
    {
        if !is_in {
            let remedy = format!("switch on the feature `{name}` of meterkit");
            refuses("METERKIT_RUNTIME_METRICS", &[(name, &remedy)]);
        }
    }
}

#[test]
fn a_variable_of_a_target_that_is_not_here_does_not_go_unnoticed() {
    let settings =
        settings(&[("DD_API_KEY", "secret"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c")]);
    let expected = [("OTEL_EXPORTER_OTLP_ENDPOINT", "otlp"), ("DD_API_KEY", "datadog")];
    assert_eq!(settings.selection.unserved, expected);
    assert!(!format!("{settings:?}").contains("secret"));
}

#[test]
fn intervals_and_timeouts_are_milliseconds() {
    let settings = settings(&[
        ("OTEL_METRIC_EXPORT_INTERVAL", "1500"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "0"),
        ("METERKIT_CONSOLE_INTERVAL", "20"),
        ("METERKIT_SNAPSHOT_MAX_AGE", "0"),
        ("METERKIT_CALLBACK_BUDGET", "250"),
    ]);
    assert_eq!(settings.schedule.interval, Duration::from_millis(1500));
    assert_eq!(settings.schedule.timeout, Duration::MAX);
    assert_eq!(settings.console_interval, Some(Duration::from_millis(20)));
    assert_eq!(settings.snapshot_max_age, Some(Duration::ZERO));
    assert_eq!(settings.callback_budget, Some(Duration::from_millis(250)));

    let bad =
        [("-5", "whole number"), ("1s", "milliseconds"), ("0", "at least 1"), ("1.5", "whole")];
    refuses("OTEL_METRIC_EXPORT_INTERVAL", &bad);
    refuses("METERKIT_CONSOLE_INTERVAL", &bad);
    refuses("OTEL_METRIC_EXPORT_TIMEOUT", &[("-1", "whole number")]);
    refuses("METERKIT_SNAPSHOT_MAX_AGE", &[("soon", "milliseconds")]);
    refuses("METERKIT_CALLBACK_BUDGET", &[("long", "milliseconds"), ("0", "at least 1")]);
}

#[test]
fn the_service_name_wins_and_values_are_percent_decoded() {
    let settings = settings(&[
        ("OTEL_SERVICE_NAME", "shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other, team=a%2Cb%20c ,,zone=é"),
    ]);
    let resource = resource(settings.resource);
    let value = |key| resource.get(key).map(ToString::to_string);
    assert_eq!(value("service.name").as_deref(), Some("shop"));
    assert_eq!(value("team").as_deref(), Some("a,b c"));
    assert_eq!(value("zone").as_deref(), Some("é"));
    assert_eq!(value("telemetry.distro.name").as_deref(), Some("meterkit"));
    assert_eq!(value("telemetry.sdk.language").as_deref(), Some("rust"));

    refuses(
        "OTEL_RESOURCE_ATTRIBUTES",
        &[("a", "`key=value`"), ("=1", "`key=value`"), ("a=%ff", "UTF-8")],
    );
}

#[test]
fn an_unnamed_service_is_called_after_its_program() {
    let name = resource(Vec::new()).get("service.name").map(ToString::to_string);
    assert!(name.is_some_and(|name| name.starts_with("unknown_service:")));
}

#[test]
fn host_and_port_of_the_scrape_endpoint_are_checked() {
    let settings = settings(&[
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "[::1]"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
    ]);
    assert_eq!(settings.prometheus_host.as_deref(), Some("::1"));
    assert_eq!(settings.prometheus_port, Some(0));
    refuses(
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        &[("http://x", "without scheme"), ("a b", "host name"), ("localhost:9464", "_PORT")],
    );
    refuses(
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        &[("65536", "0 to 65535"), ("-1", "0 to"), ("x", "0 to")],
    );
}

#[test]
fn names_and_limits_are_checked() {
    let settings = settings(&[
        ("METERKIT_NAMESPACE", "acme"),
        ("METERKIT_NAMING", "Scope"),
        ("METERKIT_CARDINALITY_LIMIT", "10"),
        ("METERKIT_SERIES_LIMIT", "5000"),
        ("METERKIT_DISABLED_SCOPES", "plugin.techdocs, core.*"),
        ("OTEL_SDK_DISABLED", "TRUE"),
    ]);
    assert_eq!(settings.naming, Naming::new("acme", NamingPolicy::ScopeOnly).ok());
    assert_eq!(settings.cardinality_limit, Some(10));
    assert_eq!(settings.series_limit, Some(5000));
    assert_eq!(settings.disabled_scopes, "plugin.techdocs,core.*".parse().ok());
    assert!(settings.is_disabled);
    refuses("METERKIT_NAMESPACE", &[("Acme", "`acme`"), ("my co", "`my_co`")]);
    refuses("METERKIT_NAMING", &[("flat", "`prefixed` or `scope`")]);
    refuses(
        "METERKIT_CARDINALITY_LIMIT",
        &[("0", "1 or more"), ("-1", "1 or more"), ("many", "1 or more")],
    );
    refuses("METERKIT_SERIES_LIMIT", &[("0", "1 or more"), ("all", "1 or more")]);
    refuses("METERKIT_DISABLED_SCOPES", &[("plugin:x", "`core.*`"), ("core.*,a b", "`a b`")]);
    refuses("OTEL_SDK_DISABLED", &[("yes", "`true` or `false`")]);
}

#[test]
fn all_problems_are_reported_at_once() {
    let error = read(&[
        ("OTEL_METRICS_EXPORTER", "carbon,grafit"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "-5"),
        ("METERKIT_NAMESPACE", "Acme"),
    ])
    .unwrap_err();
    let variables: Vec<_> = error.problems().iter().map(|problem| problem.variable).collect();
    assert_eq!(
        variables,
        [
            "OTEL_METRICS_EXPORTER",
            "OTEL_METRICS_EXPORTER",
            "METERKIT_NAMESPACE",
            "OTEL_METRIC_EXPORT_INTERVAL"
        ]
    );
    assert!(error.to_string().starts_with("4 problems in the environment:\n  OTEL_METRICS"));
}
