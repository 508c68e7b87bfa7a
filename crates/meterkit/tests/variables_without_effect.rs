//! Variables without effect cause a warning, because whoever set them would not notice.

use meterkit::{Meter, Telemetry};
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::{rerun, text};

#[test]
fn a_misspelled_variable_causes_a_warning_at_startup() {
    let name = "a_misspelled_variable_causes_a_warning_at_startup";
    let variables = [("OTEL_METRICS_EXPORTER", "none"), ("METERKIT_NAMESPACES", "acme")];
    if rerun(name, &variables).is_some() {
        return;
    }
    let (builder, lines) = log_lines::of(|| Telemetry::from_env().unwrap());
    assert!(lines.is_empty(), "logs may not be set up yet: {lines:?}");
    let (telemetry, lines) = log_lines::of(|| builder.install().unwrap());
    let warning = "WARN METERKIT_NAMESPACES is set, but it is unknown; did you mean `METERKIT_NAMESPACE`? \
                   variable=METERKIT_NAMESPACES";
    assert_eq!(lines[0], warning);
    let health = telemetry.source().health();
    assert_eq!(health.settings.len(), 1, "the live page shows it too: {health}");
    assert!(warning.contains(&health.settings[0]), "{health}");
}

#[test]
fn a_disabled_scope_that_does_not_exist_causes_a_warning_at_the_latest_at_the_end() {
    let name = "a_disabled_scope_that_does_not_exist_causes_a_warning_at_the_latest_at_the_end";
    let variables = [
        ("OTEL_METRICS_EXPORTER", "none"),
        ("METERKIT_DISABLED_SCOPES", "plugin.catalog,plugin.techdoc,core.*"),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let ((), lines) = log_lines::of_all_threads(|| {
        let telemetry = Telemetry::from_env().unwrap().install().unwrap();
        for name in ["catalog", "techdocs"] {
            let builds = Meter::scoped("plugin", name).counter::<u64>("builds").build().unwrap();
            builds.increment();
        }
        telemetry.flush_blocking().unwrap();
        telemetry.shutdown_blocking().unwrap();
    });
    let warnings: Vec<_> = lines.iter().filter(|line| line.starts_with("WARN")).collect();
    let warning = "WARN a pattern of disabled scopes matches no scope; it may be misspelled \
                   in `METERKIT_DISABLED_SCOPES` or in the program scopes=";
    assert_eq!(warnings, [&format!("{warning}plugin.techdoc"), &format!("{warning}core.*")]);
}

#[test]
fn a_harmless_variable_of_opentelemetry_with_a_wrong_value_stops_nothing() {
    let name = "a_harmless_variable_of_opentelemetry_with_a_wrong_value_stops_nothing";
    let variables =
        [("OTEL_METRICS_EXPORTER", "none"), ("OTEL_METRIC_EXPORT_INTERVAL", "1 minute")];
    if rerun(name, &variables).is_some() {
        return;
    }
    let (telemetry, lines) = log_lines::of(|| Telemetry::from_env().unwrap().install().unwrap());
    let warning = "OTEL_METRIC_EXPORT_INTERVAL=`1 minute`: write a whole number of milliseconds, 1 or more; \
                   until then, the default applies";
    let is_warning = |line: &&String| line.starts_with("WARN");
    let warnings: Vec<_> = lines.iter().filter(is_warning).collect();
    assert_eq!(warnings, [&format!("WARN {warning} variable=OTEL_METRIC_EXPORT_INTERVAL")]);
    let health = telemetry.health();
    assert!(health.is_delivering() && health.settings == [warning]);
    assert!(health.to_string().ends_with(&format!("\nsetting {warning}")), "{health}");
}

#[test]
fn valid_settings_cause_no_warning() {
    let name = "valid_settings_cause_no_warning";
    let variables = [
        ("OTEL_METRICS_EXPORTER", "none"),
        ("METERKIT_DISABLED_SCOPES", "plugin.catalog"),
        ("METERKIT_NAMESPACE", "acme"),
        ("METERKIT_CONSOLE_INTERVAL", "10"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318"),
        ("DD_API_KEY_FILE", "/nowhere"),
    ];
    if rerun(name, &variables).is_some() {
        return;
    }
    let ((), lines) = log_lines::of_all_threads(|| {
        let telemetry = Telemetry::from_env().unwrap().install().unwrap();
        Meter::scoped("plugin", "catalog").counter::<u64>("builds").build().unwrap().increment();
        telemetry.shutdown_blocking().unwrap();
    });
    assert!(lines.iter().all(|line| line.starts_with("INFO")), "{lines:?}");
}

#[test]
fn without_a_subscriber_warnings_go_to_standard_error() {
    let name = "without_a_subscriber_warnings_go_to_standard_error";
    let variables = [
        ("OTEL_METRICS_EXPORTER", "none"),
        ("METERKIT_NAMESPACES", "acme"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "soon"),
    ];
    if let Some(output) = rerun(name, &variables) {
        let err = text(&output.stderr);
        for expected in [
            "meterkit: warning: METERKIT_NAMESPACES is set, but it is unknown; did you mean `METERKIT_NAMESPACE`?\n",
            "meterkit: warning: OTEL_METRIC_EXPORT_INTERVAL=`soon`: write a whole number of milliseconds, 1 or more",
        ] {
            assert_eq!(err.matches(expected).count(), 1, "{err}");
        }
        return;
    }
    let telemetry = Telemetry::from_env().unwrap().install().unwrap();
    telemetry.shutdown_blocking().unwrap();
    // Once a subscriber is set, its settings decide: the second start only logs.
    let (telemetry, lines) = log_lines::of(|| Telemetry::from_env().unwrap().install().unwrap());
    assert!(lines.iter().any(|line| line.contains("METERKIT_NAMESPACES")), "{lines:?}");
    telemetry.shutdown_blocking().unwrap();
}
