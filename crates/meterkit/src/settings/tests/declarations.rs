//! Compares the declarations with one another.

use std::collections::HashSet;

use super::*;

#[test]
fn each_variable_is_declared_once_and_under_a_name_of_its_own() {
    let mut seen = HashSet::new();
    for variable in declarations() {
        let own = variable.names().map(str::to_owned);
        for name in own.chain(variable.file_name()) {
            let legal = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
            assert!(name.chars().all(legal), "{name}");
            assert!(seen.insert(name.clone()), "{name} is declared twice");
        }
    }
}

#[test]
fn each_variable_says_what_it_does_in_cells_of_a_table() {
    for variable in declarations() {
        let name = variable.name;
        assert!(!variable.meaning.is_empty(), "{name}");
        for cell in [variable.meaning, variable.default, &variable.value_type.to_string()] {
            assert!(!cell.contains(['|', '\n']), "{name}: {cell}");
            assert_eq!(cell.matches('`').count() % 2, 0, "{name}: {cell}");
        }
    }
}

#[test]
fn variables_that_ask_for_a_target_are_declared() {
    for target in Known::all().filter(|target| target.missing_because().is_none()) {
        for name in target.asked_for_by {
            let is_its = |it: &Declaration| it.target == Some(target.name) && it.is_set_by(name);
            assert!(declarations().any(is_its), "{name}");
        }
    }
}

/// The variables of the public contract. Removing one takes it away from operators.
#[test]
#[cfg(all(feature = "datadog", feature = "grafana", feature = "otlp", feature = "prometheus"))]
fn the_contract_is_declared() {
    for name in [
        "OTEL_METRICS_EXPORTER",
        "OTEL_SDK_DISABLED",
        "OTEL_SERVICE_NAME",
        "OTEL_RESOURCE_ATTRIBUTES",
        "OTEL_METRIC_EXPORT_INTERVAL",
        "OTEL_METRIC_EXPORT_TIMEOUT",
        "OTEL_EXPORTER_PROMETHEUS_HOST",
        "OTEL_EXPORTER_PROMETHEUS_PORT",
        "METERKIT_PROMETHEUS_USERNAME",
        "METERKIT_PROMETHEUS_PASSWORD",
        "METERKIT_PROMETHEUS_BEARER_TOKEN",
        "METERKIT_PROMETHEUS_TLS_CERTIFICATE",
        "METERKIT_PROMETHEUS_TLS_KEY",
        "METERKIT_PROMETHEUS_TLS_CLIENT_CA",
        "DD_API_KEY",
        "DD_SITE",
        "DD_ENV",
        "DD_SERVICE",
        "DD_VERSION",
        "DD_TAGS",
        "DD_HOSTNAME",
        "DD_AGENT_HOST",
        "DD_DOGSTATSD_PORT",
        "DD_DOGSTATSD_URL",
        "METERKIT_DATADOG_MODE",
        "METERKIT_DATADOG_ENDPOINT",
        "GRAFANA_CLOUD_ZONE",
        "GRAFANA_CLOUD_INSTANCE_ID",
        "GRAFANA_CLOUD_API_KEY",
        "GRAFANA_REMOTE_WRITE_URL",
        "GRAFANA_REMOTE_WRITE_USERNAME",
        "GRAFANA_REMOTE_WRITE_PASSWORD",
        "GRAFANA_REMOTE_WRITE_BEARER_TOKEN",
        "GRAFANA_REMOTE_WRITE_TENANT",
        "METERKIT_NAMESPACE",
        "METERKIT_NAMING",
        "METERKIT_CARDINALITY_LIMIT",
        "METERKIT_SNAPSHOT_MAX_AGE",
        "METERKIT_DISABLED_SCOPES",
    ] {
        assert!(declared(name).is_some(), "{name}");
    }
    let generic = [
        "ENDPOINT",
        "PROTOCOL",
        "HEADERS",
        "COMPRESSION",
        "TIMEOUT",
        "INSECURE",
        "CERTIFICATE",
        "CLIENT_KEY",
        "CLIENT_CERTIFICATE",
    ];
    let of_metrics = ["TEMPORALITY_PREFERENCE", "DEFAULT_HISTOGRAM_AGGREGATION"];
    for name in generic {
        assert!(declared(&format!("OTEL_EXPORTER_OTLP_{name}")).is_some(), "{name}");
    }
    for name in generic.into_iter().chain(of_metrics) {
        let name = format!("OTEL_EXPORTER_OTLP_METRICS_{name}");
        assert!(declared(&name).is_some(), "{name}");
    }
}

#[test]
fn every_credential_is_a_secret() {
    for variable in declarations() {
        let words = ["_KEY", "PASSWORD", "TOKEN", "HEADERS"];
        let is_credential = words.iter().any(|word| variable.name.ends_with(word))
            && variable.value_type != ValueType::File;
        assert_eq!(variable.is_secret, is_credential, "{}", variable.name);
    }
}

#[test]
fn each_target_that_is_pushed_to_has_an_interval_of_its_own() {
    let mut targets: Vec<_> = declarations().filter_map(|variable| variable.target).collect();
    targets.dedup();
    for target in targets.into_iter().filter(|target| !["prometheus", "acme"].contains(target)) {
        let name = format!("METERKIT_{}_INTERVAL", target.to_ascii_uppercase());
        let variable = declared(&name).unwrap_or_else(|| panic!("no {name}"));
        assert_eq!((variable.value_type, variable.target), (ValueType::Interval, Some(target)));
    }
}

#[test]
fn origin_and_feature_follow_from_name_and_target() {
    for (name, origin, feature) in [
        ("OTEL_SERVICE_NAME", "OpenTelemetry", None),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "OpenTelemetry", Some("prometheus")),
        ("METERKIT_CONSOLE_INTERVAL", "meterkit", None),
        ("DD_SITE", "Datadog", Some("datadog")),
        ("GRAFANA_CLOUD_ZONE", "meterkit", Some("grafana")),
    ] {
        let Some(variable) = declared(name) else { continue };
        assert_eq!((variable.origin(), variable.feature()), (origin, feature), "{name}");
    }
}
