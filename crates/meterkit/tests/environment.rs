//! The effect of environment variables on a program that starts.

#[cfg(feature = "prometheus")]
use crate::http_get;
use meterkit::opentelemetry::global;
use meterkit::{Error, Meter, Telemetry};
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::{rerun, text};

/// Counts in the global registry, like every part of a program.
fn count(requests: u64) {
    let meter = Meter::scoped("plugin", "catalog");
    meter.counter::<u64>("requests").build().expect("a good name").add(requests);
}

#[test]
fn a_disabled_program_records_safely_and_exports_nothing() {
    let name = "a_disabled_program_records_safely_and_exports_nothing";
    let variables = [("OTEL_SDK_DISABLED", "TRUE"), ("OTEL_METRICS_EXPORTER", "console")];
    if let Some(output) = rerun(name, &variables) {
        assert!(!text(&output.stdout).contains("backstage.plugin"), "nothing is written");
        return;
    }
    count(2);
    let (telemetry, lines) =
        log_lines::of(|| Telemetry::from_env().unwrap().install().expect("it does nothing"));
    assert_eq!(lines, ["INFO metrics are disabled by OTEL_SDK_DISABLED"]);
    count(3);
    let meter = Meter::scoped("plugin", "catalog");
    meter.histogram::<f64>("size").build().unwrap().record(1.0);
    let _rows = meter.observable_gauge::<u64>("rows").observe(|| panic!("it never runs")).unwrap();
    let foreign = global::meter("foreign");
    foreign.u64_counter("calls").build().add(1, &[]);
    assert!(telemetry.source().snapshot_blocking().is_empty());
    telemetry.flush_blocking().unwrap();
    telemetry.shutdown_blocking().unwrap();
    assert_eq!(meter.counter::<u64>("requests").build().unwrap().value(), 5);
}

#[test]
fn the_console_writes_to_standard_output_at_the_latest_when_the_program_ends() {
    let name = "the_console_writes_to_standard_output_at_the_latest_when_the_program_ends";
    let variables = [("OTEL_METRICS_EXPORTER", "console"), ("METERKIT_NAMESPACE", "acme")];
    if let Some(output) = rerun(name, &variables) {
        let out = text(&output.stdout);
        assert!(out.contains("acme.plugin.catalog.requests 5\n"), "{out}");
        return;
    }
    count(2);
    let telemetry = Telemetry::from_env().unwrap().install().unwrap();
    count(3);
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn disabled_scopes_and_limits_come_from_the_environment() {
    let name = "disabled_scopes_and_limits_come_from_the_environment";
    let variables = [
        ("OTEL_METRICS_EXPORTER", "console"),
        ("METERKIT_DISABLED_SCOPES", "plugin.catalog,backstage.core.*"),
        ("METERKIT_SERIES_LIMIT", "3"),
    ];
    if let Some(output) = rerun(name, &variables) {
        let out = text(&output.stdout);
        assert!(out.contains("backstage.plugin.techdocs.builds 1\n"), "{out}");
        assert!(!out.contains("catalog") && !out.contains("backstage.core"), "{out}");
        return;
    }
    count(2);
    let (telemetry, lines) = log_lines::of(|| Telemetry::from_env().unwrap().install().unwrap());
    assert_eq!(lines[0], "INFO scopes disabled scopes=plugin.catalog,backstage.core.*");
    count(3);
    let builds = Meter::scoped("plugin", "techdocs").counter::<u64>("builds").build().unwrap();
    builds.increment();
    Meter::scoped("core", "http").counter::<u64>("requests").build().unwrap().increment();
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn an_installed_program_is_the_provider_of_other_libraries() {
    let name = "an_installed_program_is_the_provider_of_other_libraries";
    if rerun(name, &[("OTEL_METRICS_EXPORTER", "none")]).is_some() {
        return;
    }
    let (telemetry, lines) = log_lines::of(|| Telemetry::from_env().unwrap().install().unwrap());
    assert_eq!(lines, ["INFO metrics are collected, but no target is selected"]);
    let foreign = global::meter("http.client");
    foreign.u64_counter("calls").build().add(4, &[]);
    count(1);
    let snapshot = telemetry.source().snapshot_blocking();
    let scopes: Vec<_> = snapshot.scopes.iter().map(|scope| scope.scope.name()).collect();
    assert_eq!(scopes, ["backstage.plugin.catalog", "http.client"]);
}

#[test]
fn resource_naming_and_limits_come_from_the_environment() {
    let name = "resource_naming_and_limits_come_from_the_environment";
    let variables = [
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_SERVICE_NAME", "shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other,team=a%20b"),
        ("METERKIT_NAMING", "scope"),
        ("METERKIT_SNAPSHOT_MAX_AGE", "0"),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let telemetry = Telemetry::from_env().unwrap().install().unwrap();
    for total in 1..=2 {
        count(1);
        let snapshot = telemetry.source().snapshot_blocking();
        let metric = &snapshot.scopes[0].metrics[0];
        assert_eq!(metric.descriptor.name, "requests");
        assert!(format!("{:?}", metric.data).contains(&format!("U64({total})")), "{metric:?}");
        assert_eq!(snapshot.resource.get("service.name").unwrap().to_string(), "shop");
        assert_eq!(snapshot.resource.get("team").unwrap().to_string(), "a b");
    }
}

#[test]
fn all_that_is_wrong_is_reported_at_once_and_nothing_starts() {
    let name = "all_that_is_wrong_is_reported_at_once_and_nothing_starts";
    let variables = [
        ("OTEL_METRICS_EXPORTER", "console,none"),
        ("METERKIT_SNAPSHOT_MAX_AGE", "-5"),
        ("METERKIT_CONSOLE_INTERVAL", "1s"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "http"),
        ("METERKIT_NAMESPACE", "Acme"),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let error = Telemetry::from_env().unwrap_err();
    assert_eq!(error.problems().len(), variables.len());
    let text = error.to_string();
    assert!(text.starts_with("5 problems in the environment:\n"), "{text}");
    for (variable, value) in variables {
        assert!(text.contains(&format!("\n  {variable}=`{value}`: ")), "{text}");
    }
    assert_eq!(format!("{:?}", Error::from(error)), text);
}

#[test]
fn an_unknown_exporter_is_reported_with_the_known_ones() {
    let name = "an_unknown_exporter_is_reported_with_the_known_ones";
    if rerun(name, &[("OTEL_METRICS_EXPORTER", "carbon")]).is_some() {
        return;
    }
    let text = Telemetry::from_env().unwrap_err().to_string();
    for part in ["OTEL_METRICS_EXPORTER=`carbon`", "`carbon` is unknown", "`console`", "`none`"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
#[cfg(feature = "prometheus")]
fn with_port_0_in_the_environment_the_address_is_readable_and_global_metrics_are_scraped() {
    let name =
        "with_port_0_in_the_environment_the_address_is_readable_and_global_metrics_are_scraped";
    let variables = [
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ("OTEL_SERVICE_NAME", "shop"),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    count(2);
    let telemetry = Telemetry::from_env().unwrap().install().unwrap();
    count(3);
    let text = http_get::scrape(telemetry.prometheus_address().unwrap()).unwrap();
    assert!(text.contains("backstage_plugin_catalog_requests_total{"), "{text}");
    assert!(text.contains("} 5\n"), "{text}");
    assert!(text.contains("service_name=\"shop\""), "{text}");
    telemetry.shutdown_blocking().unwrap();
}

#[test]
#[cfg(feature = "prometheus")]
fn a_port_in_use_names_the_variable_that_chose_it() {
    let name = "a_port_in_use_names_the_variable_that_chose_it";
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let variables = [
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", &*port),
        ("TAKEN_PORT", &*port),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let port = std::env::var("TAKEN_PORT").unwrap();
    let text = Telemetry::from_env().unwrap().install().unwrap_err().to_string();
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    assert!(text.contains("OTEL_EXPORTER_PROMETHEUS_PORT"), "{text}");
}

#[test]
fn secrets_of_the_environment_show_nowhere() {
    let name = "secrets_of_the_environment_show_nowhere";
    let secret = "5ecre7-value";
    let variables = [
        ("OTEL_EXPORTER_PROMETHEUS_HOST", "127.0.0.1"),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ("DD_API_KEY", secret),
        ("METERKIT_DATADOG_ENDPOINT", "http://127.0.0.1:9"),
        ("GRAFANA_REMOTE_WRITE_URL", "http://127.0.0.1:9/api/v1/write"),
        ("GRAFANA_REMOTE_WRITE_BEARER_TOKEN", secret),
        ("GRAFANA_URL", "http://127.0.0.1:9"),
        ("GRAFANA_SERVICE_ACCOUNT_TOKEN", secret),
        ("METERKIT_PUSHGATEWAY_URL", "http://127.0.0.1:9"),
        ("METERKIT_PUSHGATEWAY_USERNAME", "me"),
        ("METERKIT_PUSHGATEWAY_PASSWORD", secret),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=5ecre7-value"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9"),
    ];
    if let Some(output) = rerun(name, &variables) {
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(!out.contains(secret) && !err.contains(secret), "{out}\n{err}");
        return;
    }
    let ((builder, telemetry), lines) = log_lines::of(|| {
        let builder = Telemetry::from_env().unwrap();
        (format!("{builder:#?}"), builder.install().unwrap())
    });
    let debug = format!("{telemetry:#?} {:?} {:?}", telemetry.source(), telemetry.provider());
    for shown in lines.iter().chain([&builder, &debug]) {
        assert!(!shown.contains(secret), "{shown}");
    }
    for (target, is_there, variable) in [
        ("datadog", cfg!(feature = "datadog"), "DD_API_KEY"),
        ("grafana", cfg!(feature = "grafana"), "GRAFANA_REMOTE_WRITE_URL"),
        ("pushgateway", cfg!(feature = "pushgateway"), "METERKIT_PUSHGATEWAY_URL"),
    ] {
        let said = if is_there { "metrics target is configured" } else { variable };
        let is_said = lines.iter().any(|it| it.contains(said) && it.contains(target));
        assert!(is_said, "{variable} is not logged: {lines:?}");
    }
    // Nobody listens, and the reason of a failed export must not contain a secret either.
    let failed = telemetry.flush_blocking();
    let health = telemetry.health();
    for shown in [format!("{failed:?}"), health.to_string(), format!("{health:?}")] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[cfg(feature = "prometheus")]
#[test]
fn the_translation_of_names_comes_from_the_environment() {
    let name = "the_translation_of_names_comes_from_the_environment";
    let variables = [
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "0"),
        ("METERKIT_PROMETHEUS_TRANSLATION", "Underscore_Escaping_Without_Suffixes"),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let telemetry = Telemetry::from_env().unwrap().install().unwrap();
    count(2);
    let scraped = http_get::scrape(telemetry.prometheus_address().unwrap()).unwrap();
    assert!(scraped.contains("\nbackstage_plugin_catalog_requests{"), "{scraped}");
    telemetry.shutdown_blocking().unwrap();
}
