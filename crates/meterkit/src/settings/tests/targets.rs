//! The settings that targets receive from the environment. The crates that declare the settings test how they are read.

use super::*;

#[cfg(feature = "otlp")]
mod otlp {
    use super::*;

    #[test]
    fn an_endpoint_selects_the_target_beside_the_scrape() {
        let settings = settings(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=s3cret"),
        ]);
        assert!(settings.selection.has("otlp"));
        let otlp = target(&settings, "OtlpConfig").expect("it is selected");
        assert!(otlp.contains("http://127.0.0.1:4318/v1/metrics"), "{otlp}");
        assert!(!format!("{settings:?}").contains("s3cret"));
    }

    #[test]
    fn without_being_selected_it_is_not_read() {
        let settings = settings(&[
            ("OTEL_METRICS_EXPORTER", "console"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier pigeon"),
        ]);
        assert_eq!(target(&settings, "OtlpConfig"), None);
    }

    #[test]
    fn its_problems_are_reported_with_all_others_and_without_secrets() {
        let error = read(&[
            ("OTEL_METRICS_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier pigeon"),
            ("OTEL_EXPORTER_OTLP_HEADERS", "s3cret"),
            ("METERKIT_SERIES_LIMIT", "many"),
        ]);
        let text = error.expect_err("three problems").to_string();
        for variable in
            ["OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_HEADERS", "METERKIT_SERIES_LIMIT"]
        {
            assert!(text.contains(variable), "{text}");
        }
        assert!(!text.contains("s3cret"), "{text}");
    }
}

#[cfg(feature = "datadog")]
mod datadog {
    use super::*;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const BY_API: &[(&str, &str)] = &[("DD_API_KEY", KEY)];
    const BY_AGENT: &[(&str, &str)] = &[("METERKIT_DATADOG_MODE", "agent")];

    fn read_with(variables: &[&[(&str, &str)]]) -> Result<String, SettingsError> {
        let variables = [&[("OTEL_METRICS_EXPORTER", "datadog")], &*variables.concat()].concat();
        read(&variables).map(|settings| target(&settings, "DatadogConfig").expect("it is selected"))
    }

    fn shown(variables: &[&[(&str, &str)]]) -> String {
        read_with(variables).unwrap_or_else(|error| panic!("{variables:?}: {error}"))
    }

    #[test]
    fn a_key_can_stand_in_a_file() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("key");
        std::fs::write(&path, format!("{KEY}\n")).expect("room for it");
        let path = path.to_str().expect("a path of letters");
        assert!(shown(&[&[("DD_API_KEY_FILE", path)]]).contains("mode: Api"));
        // The file selects the target just like the key itself.
        let settings = settings(&[("DD_API_KEY_FILE", path)]);
        assert!(settings.selection.has("datadog"));
        let twice = read_with(&[&[("DD_API_KEY_FILE", path), ("DD_API_KEY", KEY)]]);
        let text = twice.expect_err("one is enough").to_string();
        assert!(text.starts_with("DD_API_KEY_FILE: is set together with DD_API_KEY"), "{text}");
    }

    #[test]
    fn an_agent_selects_the_target_beside_the_scrape() {
        for (variable, value) in [("DD_AGENT_HOST", "agent"), ("DD_DOGSTATSD_URL", "unix:///dsd")] {
            let settings = settings(&[(variable, value)]);
            assert!(settings.selection.has("datadog"), "{variable}");
        }
        let by_default = target(&settings(BY_AGENT), "DatadogConfig").expect("its own address");
        assert!(by_default.contains("mode: Agent"), "{by_default}");
        let elsewhere =
            settings(&[("DD_SERVICE", "shop"), ("DD_TAGS", "9:bad, and nobody reads it")]);
        assert_eq!(target(&elsewhere, "DatadogConfig"), None);
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
            let datadog = target(&settings(&others), "DatadogConfig");
            assert_eq!(datadog, None, "an explicit selection switches other targets off");
        }
    }

    #[test]
    fn a_general_proxy_is_used_unless_datadog_has_its_own() {
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
}

#[cfg(feature = "grafana")]
mod grafana {
    use super::*;

    const URL: (&str, &str) = ("GRAFANA_REMOTE_WRITE_URL", "http://mimir:9009/api/v1/push");
    const TO_MIMIR: &[(&str, &str)] = &[URL];
    const ID: (&str, &str) = ("GRAFANA_CLOUD_INSTANCE_ID", "123456");
    const KEY: (&str, &str) = ("GRAFANA_CLOUD_API_KEY", "hunter2");
    const ZONE: (&str, &str) = ("GRAFANA_CLOUD_ZONE", "prod-eu-west-2");

    fn read_with(variables: &[&[(&str, &str)]]) -> Result<String, SettingsError> {
        let variables = [&[("OTEL_METRICS_EXPORTER", "grafana")], &*variables.concat()].concat();
        read(&variables).map(|settings| target(&settings, "GrafanaConfig").expect("it is selected"))
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
        // The variables for the dashboard select no target.
        assert!(!with_folder.selection.has("grafana"));
        for (variables, said) in [
            (&[url][..], "GRAFANA_SERVICE_ACCOUNT_TOKEN: is not set, but GRAFANA_URL is"),
            (&[token], "GRAFANA_URL: is not set, but GRAFANA_SERVICE_ACCOUNT_TOKEN is"),
            (
                &[token, ("GRAFANA_URL", "grafana:3000")],
                "GRAFANA_URL=`grafana:3000`: has no scheme",
            ),
            (
                &[url, ("GRAFANA_SERVICE_ACCOUNT_TOKEN", "S3 cret")],
                "GRAFANA_SERVICE_ACCOUNT_TOKEN: ",
            ),
        ] {
            let text = problem(variables);
            assert!(text.starts_with(said) && !text.contains("cret\""), "{text}");
        }
    }

    #[test]
    fn a_stack_without_its_key_is_a_problem_and_not_nothing() {
        for given in [ZONE, ID] {
            let text = read(&[given]).expect_err("half of it").to_string();
            let said = format!("GRAFANA_CLOUD_API_KEY: is not set, but {} is", given.0);
            assert!(text.contains(&said), "{text}");
            let elsewhere = settings(&[given, ("OTEL_METRICS_EXPORTER", "console")]);
            let grafana = target(&elsewhere, "GrafanaConfig");
            assert_eq!(grafana, None, "an explicit selection switches other targets off");
        }
    }

    #[test]
    fn a_destination_selects_the_target_and_none_is_a_problem() {
        let to_mimir = settings(TO_MIMIR);
        assert!(to_mimir.selection.has("grafana"));
        let text = read_with(&[]).expect_err("nowhere").to_string();
        assert!(text.starts_with("GRAFANA_REMOTE_WRITE_URL: is not set, nor is"), "{text}");
        let both = read_with(&[TO_MIMIR, &[ZONE, ID, KEY]]).expect_err("one is enough").to_string();
        assert!(
            both.starts_with("GRAFANA_REMOTE_WRITE_URL: is set together with GRAFANA_CLOUD_ZONE"),
            "{both}"
        );
    }
}

#[cfg(feature = "prometheus")]
mod prometheus {
    use super::*;

    #[test]
    fn all_problems_with_the_protection_are_reported_at_once() {
        let token = ("METERKIT_PROMETHEUS_BEARER_TOKEN", "hunter2");
        let port = ("OTEL_EXPORTER_PROMETHEUS_PORT", "x");
        let key = ("METERKIT_PROMETHEUS_TLS_KEY", "/nowhere");
        let name = ("METERKIT_PROMETHEUS_USERNAME", "me");
        let error = read(&[name, token, port, key]).expect_err("a few problems");
        let told: Vec<_> = error.problems().iter().map(|problem| &*problem.variable).collect();
        let tls: &[_] = if cfg!(feature = "prometheus-tls") {
            &["METERKIT_PROMETHEUS_TLS_CERTIFICATE", "METERKIT_PROMETHEUS_TLS_KEY"]
        } else {
            &["METERKIT_PROMETHEUS_TLS_KEY"]
        };
        let expected =
            [&["OTEL_EXPORTER_PROMETHEUS_PORT", "METERKIT_PROMETHEUS_USERNAME"], tls].concat();
        assert_eq!(told, expected);
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn without_an_endpoint_its_settings_are_not_read() {
        let elsewhere =
            [("OTEL_METRICS_EXPORTER", "console"), ("METERKIT_PROMETHEUS_USERNAME", "a:b")];
        settings(&elsewhere);
    }
}

#[cfg(all(feature = "datadog", feature = "grafana", feature = "otlp", feature = "prometheus"))]
mod maybe {
    use super::*;

    fn variables(error: &SettingsError) -> Vec<&str> {
        error.problems().iter().map(|problem| &*problem.variable).collect()
    }

    #[test]
    fn if_the_selection_is_invalid_all_possible_targets_are_checked() {
        let error = read(&[
            ("OTEL_METRICS_EXPORTER", "prometheus,otlp,datadogg"),
            ("DD_API_KEY", "hunter 2"),
            ("DD_SITE", "eu"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier pigeon"),
            ("GRAFANA_CLOUD_ZONE", "prod-eu-west-2"),
            ("METERKIT_PROMETHEUS_USERNAME", "me:hunter2"),
            ("METERKIT_SERIES_LIMIT", "many"),
        ]);
        let error = error.expect_err("much is wrong");
        let expected = [
            "OTEL_METRICS_EXPORTER",
            "METERKIT_SERIES_LIMIT",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "DD_API_KEY",
            "DD_SITE",
            "GRAFANA_CLOUD_INSTANCE_ID",
            "GRAFANA_CLOUD_API_KEY",
            "METERKIT_PROMETHEUS_USERNAME",
        ];
        let mut told = variables(&error);
        told.retain(|name| *name != "METERKIT_PROMETHEUS_PASSWORD");
        assert_eq!(told, expected, "{error}");
        assert!(!error.to_string().contains("hunter"), "{error}");
    }

    #[test]
    fn missing_settings_of_unselected_targets_are_not_reported() {
        let others = [("DD_SERVICE", "shop"), ("GRAFANA_REMOTE_WRITE_TENANT", "a")];
        let selection = ("OTEL_METRICS_EXPORTER", "carbon");
        let error = read(&[&[selection], &others[..]].concat()).expect_err("no such target");
        assert_eq!(variables(&error), ["OTEL_METRICS_EXPORTER"], "{error}");
    }
}

#[test]
fn all_histograms_can_be_exponential_whichever_targets_are_selected() {
    let name = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";
    use HistogramAggregation::{Explicit, Exponential};
    for (value, histograms) in [
        ("base2_exponential_bucket_histogram", Some(Exponential)),
        ("BASE2_Exponential_bucket_histogram", Some(Exponential)),
        ("explicit_bucket_histogram", Some(Explicit)),
        ("", None),
        ("exponential", None),
    ] {
        let settings = settings(&[(name, value), ("OTEL_METRICS_EXPORTER", "console")]);
        assert_eq!(settings.histograms, histograms, "{value}");
        assert_eq!(settings.warnings.len(), usize::from(value == "exponential"), "{value}");
    }
}
