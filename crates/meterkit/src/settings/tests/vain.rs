//! Variables without effect, and whether they are reported.

use super::*;

fn told(ignored: &[Ignored]) -> Vec<(&str, &str)> {
    ignored.iter().map(|it| (&*it.variable, &*it.reason)).collect()
}

#[test]
fn an_explicit_selection_causes_no_reports_about_other_targets() {
    let variables = [("OTEL_METRICS_EXPORTER", "console"), ("DD_API_KEY", "hunter2")];
    assert!(settings(&variables).selection.unserved.is_empty());
}

#[test]
fn a_misspelled_meterkit_variable_is_reported_with_the_nearest_one() {
    for (variable, reason) in [
        ("METERKIT_NAMESPACES", "it is unknown; did you mean `METERKIT_NAMESPACE`?"),
        ("METERKIT_NAMMING", "it is unknown; did you mean `METERKIT_NAMING`?"),
        ("METERKIT_CARDINALITY", "it is unknown; did you mean `METERKIT_CARDINALITY_LIMIT`?"),
        ("METERKIT_CONSOL_INTERVALL", "it is unknown; did you mean `METERKIT_CONSOLE_INTERVAL`?"),
        ("METERKIT_NAMESPACE_FILE", "it is unknown; did you mean `METERKIT_NAMESPACE`?"),
        ("METERKIT_ZZZ", "it is unknown, and no known variable has a similar name"),
        ("METERKIT_", "it is unknown, and no known variable has a similar name"),
    ] {
        assert_eq!(told(&settings(&[(variable, "x")]).ignored), [(variable, reason)]);
    }
}

#[test]
#[cfg(not(feature = "datadog"))]
fn a_variable_of_a_target_that_is_not_compiled_in_is_reported_with_its_feature() {
    let reason = "target `datadog` is not compiled in: enable the feature `datadog` of meterkit";
    let settings = settings(&[("DD_API_KEY", "hunter2"), ("METERKIT_DATADOG_INTERVAL", "5")]);
    assert_eq!(told(&settings.selection.unserved), [("DD_API_KEY", reason)]);
    assert_eq!(told(&settings.ignored), [("METERKIT_DATADOG_INTERVAL", reason)]);
}

#[test]
#[cfg(not(feature = "datadog"))]
fn a_variable_that_selects_a_target_that_is_not_compiled_in_is_reported_once() {
    let settings = settings(&[("METERKIT_DATADOG_MODE", "agent")]);
    assert_eq!(settings.selection.unserved.len(), 1);
    assert_eq!(told(&settings.ignored), []);
}

#[test]
fn empty_foreign_and_known_variables_are_not_reported() {
    let settings = settings(&[
        ("METERKIT_NAMESPACES", ""),
        ("METERKIT_NAMESPACE", "acme"),
        ("METERKIT_UPDATE_CATALOG", "1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "1"),
        ("METERKITTEN", "x"),
        ("DD_TRACE_ENABLED", "x"),
        ("PATH", "/bin"),
    ]);
    assert_eq!(told(&settings.ignored), []);
}

#[test]
fn an_opentelemetry_name_that_is_one_letter_off_is_reported_and_others_are_not() {
    for (variable, meant) in [
        ("OTEL_METRIC_EXPORTER", "OTEL_METRICS_EXPORTER"),
        ("OTEL_METRICS_EXPORT_INTERVAL", "OTEL_METRIC_EXPORT_INTERVAL"),
        ("OTEL_SERVICE_NAMES", "OTEL_SERVICE_NAME"),
        ("OTEL_RESSOURCE_ATTRIBUTES", "OTEL_RESOURCE_ATTRIBUTES"),
        ("OTEL_CONFIG_FILA", "OTEL_CONFIG_FILE"),
        #[cfg(feature = "datadog")]
        ("DD_API_KEYS", "DD_API_KEY"),
    ] {
        let reason = format!("it is unknown; did you mean `{meant}`?");
        assert_eq!(told(&settings(&[(variable, "x")]).ignored), [(variable, &*reason)]);
    }
    for elses in [
        "OTEL_TRACES_EXPORTER",
        "OTEL_LOGS_EXPORTER",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "OTEL_EXPORTER_OTLP_LOGS_HEADERS",
        "OTEL_BLRP_EXPORT_TIMEOUT",
        "OTEL_PROPAGATORS",
        "DD_APP_KEY",
        "DD_TRACE_AGENT_PORT",
        "DD_URL",
    ] {
        assert_eq!(told(&settings(&[(elses, "x")]).ignored), [], "{elses}");
    }
}

#[test]
fn otlp_settings_without_a_selected_target_are_reported() {
    let reason = match cfg!(feature = "otlp") {
        true => {
            "metrics are not sent by OTLP; set `OTEL_EXPORTER_OTLP_ENDPOINT`, or add `otlp` to \
                 `OTEL_METRICS_EXPORTER`"
        }
        false => "target `otlp` is not compiled in: enable the feature `otlp` of meterkit",
    };
    for (variable, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=hunter2"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "5"),
    ] {
        assert_eq!(told(&settings(&[(variable, value)]).ignored), [(variable, reason)]);
        let selects = ("OTEL_METRICS_EXPORTER", "console");
        assert_eq!(told(&settings(&[(variable, value), selects]).ignored), [], "{variable}");
    }
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    let sent = settings(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")]);
    assert_eq!(told(&sent.ignored), []);
}

#[test]
fn renamed_variables_and_missing_features_are_reported() {
    let (variable, reason) =
        ("OTEL_EXPERIMENTAL_CONFIG_FILE", "it has been renamed; use `OTEL_CONFIG_FILE`");
    assert_eq!(told(&settings(&[(variable, "x")]).ignored), [(variable, reason)]);
    let (variable, reason) = (
        "OTEL_METRICS_EXEMPLAR_FILTER",
        "recording exemplars needs the feature `exemplars` of meterkit",
    );
    let expected = if cfg!(feature = "exemplars") { vec![] } else { vec![(variable, reason)] };
    assert_eq!(told(&settings(&[(variable, "always_on")]).ignored), expected);
}

#[test]
#[cfg(unix)]
fn an_unread_variable_is_never_a_problem() {
    use std::ffi::OsString;
    use std::os::unix::ffi::OsStringExt;
    // The scrape endpoint's variables, intervals and filters are always checked.
    let is_read =
        |it: &Declaration| it.target.is_none() || it.name.starts_with("OTEL_EXPORTER_PROM");
    let is_read = |it: &Declaration| {
        is_read(it)
            || it.name.ends_with("_INTERVAL")
            || it.value_type == ValueType::NamePatterns
            || it.name.starts_with("METERKIT_PROMETHEUS_")
    };
    let is_published = |it: &Declaration| cfg!(feature = "dashboard") && it.counts_beside_file;
    for setting in declarations().filter(|it| !is_read(it) && !is_published(it)) {
        for bytes in [&b""[..], b"\xff", b"!? :"] {
            let value = OsString::from_vec(bytes.to_vec());
            for name in setting.names().map(str::to_owned).chain(setting.file_name()) {
                let selected = ("OTEL_METRICS_EXPORTER".into(), "console".into());
                let read = Settings::read(Environment::of([
                    selected,
                    (OsString::from(name), value.clone()),
                ]));
                read.unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }
}
