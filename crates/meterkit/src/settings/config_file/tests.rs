//! The effects of configuration files, and of variables beside them.

use std::io::Write;

#[cfg(feature = "prometheus")]
use meterkit_rules::prometheus_name::Translation;
use tempfile::NamedTempFile;

use super::*;
use crate::settings::{Settings, SettingsError};

/// Reads settings from a file with this text, and from variables beside it.
fn read(text: &str, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let mut file = NamedTempFile::new().expect("a temporary file");
    write!(file, "file_format: \"1.1\"\n{text}").expect("room for it");
    let path = file.path().to_str().expect("a path of letters");
    let named = [("OTEL_CONFIG_FILE", path)];
    let variables = variables.iter().chain(&named);
    Settings::read(Environment::of(variables.copied()))
}

fn settings(text: &str, variables: &[(&str, &str)]) -> Settings {
    read(text, variables).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn configured(text: &str) -> Configured {
    settings(text, &[]).configured.expect("there is a file")
}

/// Returns the problems with a file, without its path.
fn problems(text: &str) -> Vec<String> {
    let error = read(text, &[]).expect_err(text);
    error.problems().iter().map(told).collect()
}

/// Returns the text of a problem with the file, without its path.
fn told(problem: &Problem) -> String {
    let position = problem.position.as_ref().map(ToString::to_string).unwrap_or_default();
    format!("{position}: {}", problem.reason)
}

const CONSOLE: &str = "meter_provider:
  readers:
    - periodic:
        exporter:
          console:
";

#[test]
fn a_file_alone_decides_where_metrics_go() {
    let variables = [
        ("OTEL_METRICS_EXPORTER", "prometheus,carbon"),
        ("OTEL_SERVICE_NAME", "of-the-environment"),
        ("OTEL_SDK_DISABLED", "true"),
        ("DD_API_KEY_FILE", "/nowhere"),
        ("METERKIT_CONSOLE_INTERVAL", "5"),
        ("METERKIT_NAMESPACE", "acme"),
        ("METERKIT_SERIES_LIMIT", "7"),
        ("METERKIT_NAMMING", "scope"),
        ("PATH", "/bin"),
    ];
    let settings = settings(CONSOLE, &variables);
    assert!(settings.selection.targets.is_empty() && settings.selection.unserved.is_empty());
    assert!(settings.resource.is_empty() && !settings.is_disabled);
    assert!(settings.intervals.is_empty());
    // Settings that a file cannot express still count.
    assert_eq!(settings.naming.map(|it| it.namespace().to_owned()).as_deref(), Some("acme"));
    assert_eq!(settings.series_limit, Some(7));
    let mut told: Vec<_> = settings.ignored.iter().map(|it| (&*it.variable, &*it.reason)).collect();
    told.sort_unstable();
    let replaced = "the file of OTEL_CONFIG_FILE replaces it";
    let expected = [
        ("DD_API_KEY_FILE", replaced),
        ("METERKIT_CONSOLE_INTERVAL", replaced),
        ("METERKIT_NAMMING", "it is unknown; did you mean `METERKIT_NAMING`?"),
        ("OTEL_METRICS_EXPORTER", replaced),
        ("OTEL_SDK_DISABLED", replaced),
        ("OTEL_SERVICE_NAME", replaced),
    ];
    assert_eq!(told, expected);
}

#[test]
#[cfg(all(feature = "dashboard", feature = "grafana"))]
fn a_grafana_for_the_dashboard_is_named_by_variables_beside_a_file() {
    let mut token_file = NamedTempFile::new().expect("a temporary file");
    writeln!(token_file, "S3cret").expect("room for it");
    let token_path = token_file.path().to_str().expect("a path of letters");
    for token in [
        ("GRAFANA_SERVICE_ACCOUNT_TOKEN", "S3cret"),
        ("GRAFANA_SERVICE_ACCOUNT_TOKEN_FILE", token_path),
    ] {
        let url = ("GRAFANA_URL", "http://grafana:3000");
        let settings = settings(CONSOLE, &[url, token, ("GRAFANA_FOLDER", "Shop")]);
        let publish = settings.publish.expect("a Grafana");
        assert_eq!(publish.url().to_string(), "http://grafana:3000/");
        assert_eq!(publish.folder(), Some("Shop"));
        assert_eq!(settings.ignored, [], "{token:?}");
    }
}

#[test]
fn without_a_meter_provider_metrics_go_nowhere() {
    let settings = settings("", &[]);
    assert!(settings.selection.targets.is_empty());
    let configured = settings.configured.expect("there is a file");
    assert!(configured.targets.is_empty() && configured.prometheus.is_none());
    assert!(configured.detectors.is_empty(), "the schema enables no detectors by default");
}

#[test]
fn everything_can_be_switched_off() {
    assert!(configured("disabled: true\n").is_disabled);
    assert!(!configured("disabled: false\n").is_disabled);
}

#[test]
fn variables_that_the_file_names_are_looked_up_even_when_they_are_empty() {
    let text = "resource:
  attributes:
    - {name: service.name, value: \"${OTEL_SERVICE_NAME}\"}
    - {name: zone, value: \"${ZONE:-eu}\"}
    - {name: team, value: \"x${TEAM}\"}
";
    let settings = settings(text, &[("OTEL_SERVICE_NAME", "shop"), ("TEAM", "")]);
    assert_eq!(settings.ignored, [], "variables that the file refers to have an effect");
    let resource = settings.configured.expect("there is a file").resource;
    let pairs: Vec<_> = resource.iter().map(|(key, value)| format!("{key}={value}")).collect();
    assert_eq!(pairs, ["service.name=shop", "zone=eu", "team=x"]);
}

#[test]
fn each_reader_has_its_own_schedule() {
    let text = "meter_provider:
  readers:
    - periodic:
        interval: 5000
        timeout: 700
        exporter:
          console:
            temporality_preference: delta
    - periodic:
        exporter:
          console:
";
    let targets = configured(text).targets.into_iter();
    let consoles = targets.map(|(target, schedule, _)| {
        (target.into_target().expect("a target").temporality(), schedule.expect("its own"))
    });
    let consoles: Vec<_> = consoles.collect();
    let schedule = |interval, timeout| Schedule {
        interval: std::time::Duration::from_millis(interval),
        timeout: std::time::Duration::from_millis(timeout),
    };
    let expected = [
        (Temporality::Delta, schedule(5000, 700)),
        (Temporality::Cumulative, schedule(60_000, 30_000)),
    ];
    assert_eq!(consoles, expected);
}

#[test]
fn each_reader_has_its_own_filter() {
    let text = "meter_provider:
  readers:
    - periodic:
        filter:
          instruments: { included: [http.*] }
          labels: { excluded: [user.id] }
        exporter:
          console:
    - periodic:
        exporter:
          console:
";
    let targets = configured(text).targets.into_iter();
    let filters: Vec<_> = targets.map(|(_, _, filter)| filter).collect();
    let filter = TargetFilter {
        instruments: KeyFilter::only(["http.*"]),
        labels: KeyFilter::default().without(["user.id"]),
    };
    assert_eq!(filters, [Some(filter), None]);
    let misspelled = problems(&text.replace("labels", "label"));
    assert_eq!(misspelled.len(), 1, "{misspelled:?}");
    assert!(misspelled[0].contains("filter.label"), "{misspelled:?}");
}

#[test]
#[cfg(feature = "prometheus")]
fn a_scrape_endpoint_has_a_filter() {
    let text = "meter_provider:
  readers:
    - pull:
        filter: { labels: { included: [route] } }
        exporter:
          prometheus/development:
";
    let labels = KeyFilter::only(["route"]);
    let filter = TargetFilter { labels, ..TargetFilter::default() };
    assert_eq!(configured(text).prometheus_filter, Some(filter));
}

#[test]
#[cfg(feature = "prometheus")]
fn a_scrape_endpoint_has_host_port_and_translation() {
    let reader = "
    - pull:
        exporter:
          prometheus/development:
            host: 127.0.0.1
            port: 9999
            translation_strategy: no_translation/development
";
    let configured = configured(&format!("meter_provider:\n  readers:{reader}"));
    let prometheus = configured.prometheus.expect("a scrape endpoint");
    assert_eq!((prometheus.host.as_deref(), prometheus.port), (Some("127.0.0.1"), Some(9999)));
    assert_eq!(prometheus.translation, Some(Translation::NoTranslation));
    assert_eq!((prometheus.scope_info, prometheus.target_info), (None, None));
    let two = problems(&format!("meter_provider:\n  readers:{reader}{reader}"));
    assert_eq!(two.len(), 1);
    let expected =
        "line 11, meter_provider.readers[1].pull: defines a second scrape endpoint; only";
    assert!(two[0].starts_with(expected), "{two:?}");
}

#[test]
#[cfg(feature = "prometheus")]
fn variables_protect_the_scrape_endpoint_of_a_file_if_it_has_one() {
    let mut password = NamedTempFile::new().expect("a temporary file");
    write!(password, "hunter2").expect("room for it");
    let path = password.path().to_str().expect("a path of letters");
    let variables = [
        ("METERKIT_PROMETHEUS_USERNAME", "me"),
        ("METERKIT_PROMETHEUS_PASSWORD_FILE", path),
        ("OTEL_EXPORTER_PROMETHEUS_PORT", "1"),
    ];
    let replaced = |settings: &Settings| -> Vec<String> {
        let is_replaced = |reason: &str| reason == "the file of OTEL_CONFIG_FILE replaces it";
        let told = settings.ignored.iter().filter(|it| is_replaced(&it.reason));
        told.map(|it| it.variable.to_string()).collect()
    };
    let scraped = "meter_provider:
  readers:
    - pull: {exporter: {prometheus/development: {}}}
";
    let scraped_settings = settings(scraped, &variables);
    let shown = format!("{:?}", scraped_settings.protection);
    assert!(shown.contains("Basic { username: \"me\""), "{shown}");
    assert_eq!(replaced(&scraped_settings), ["OTEL_EXPORTER_PROMETHEUS_PORT"]);

    let pushed = settings(CONSOLE, &variables);
    assert!(format!("{:?}", pushed.protection).contains("credentials: None"));
    let mut told = replaced(&pushed);
    told.sort_unstable();
    let expected = [
        "METERKIT_PROMETHEUS_PASSWORD_FILE",
        "METERKIT_PROMETHEUS_USERNAME",
        "OTEL_EXPORTER_PROMETHEUS_PORT",
    ];
    assert_eq!(told, expected);

    let half = read(scraped, &variables[..1]).expect_err("half of a pair").to_string();
    assert!(half.starts_with("METERKIT_PROMETHEUS_PASSWORD: is not set, but"), "{half}");
}

#[test]
fn detectors_go_by_their_names_and_attributes_by_a_filter() {
    let text = "resource:
  detection/development:
    attributes:
      included: [\"host.*\", os.type]
      excluded: [host.arch]
    detectors:
      - host:
      - service:
      - process:
      - host:
      - container:
      - mainframe:
";
    let configured = configured(text);
    let names: Vec<_> = configured.detectors.iter().map(|it| it.name()).collect();
    assert_eq!(names, ["host", "service_instance", "process", "container"]);
    let filter = configured.detected.as_ref().expect("a filter");
    let kept = ["host.name", "host.arch", "os.type", "process.pid"].map(|key| filter.keeps(key));
    assert_eq!(kept, [true, false, true, false]);
    assert_eq!(configured.unused.len(), 1);
    assert!(configured.unused[0].ends_with("detectors[5].mainframe (line 13)"), "{configured:?}");
}

#[test]
fn parts_that_do_not_concern_metrics_are_listed() {
    let text = "tracer_provider:
  processors: []
resource:
  schema_url: https://opentelemetry.io/schemas/1.30.0
";
    assert_eq!(configured(text).unused, ["tracer_provider (line 2)", "resource.schema_url"]);
}

#[test]
fn the_largest_limit_of_all_readers_counts_for_each_kind() {
    let text = "meter_provider:
  readers:
    - periodic:
        exporter: {console: }
        cardinality_limits: {default: 10, histogram: 50}
    - periodic:
        exporter: {console: }
        cardinality_limits: {default: 20, gauge: 5}
";
    let expected = KINDS.into_iter().fold(StreamDefaults::new(), |defaults, kind| {
        let limit = match kind {
            Kind::Histogram => 50,
            Kind::Gauge => 10,
            _ => 20,
        };
        defaults.cardinality_limit_of(kind, limit)
    });
    assert_eq!(configured(text).stream_defaults, expected);
    assert_eq!(configured(CONSOLE).stream_defaults, StreamDefaults::new());
    // A reader without limits has the schema's limit of 2000.
    let text = format!(
        "{CONSOLE}    - periodic: {{exporter: {{console: }}, cardinality_limits: {{gauge: 5}}}}\n"
    );
    let expected = StreamDefaults::new().cardinality_limit_of(Kind::Gauge, 2000);
    assert_eq!(configured(&text).stream_defaults, expected);
}

#[test]
fn views_are_taken_over() {
    let text = format!(
        "{CONSOLE}  views:
    - selector: {{instrument_name: \"tokio.*\"}}
      stream: {{aggregation: {{drop: }}}}
"
    );
    assert_eq!(configured(&text).views.iter().count(), 1);
}

#[test]
fn all_problems_are_reported_with_variable_line_and_path() {
    let text = "meter_provider:
  readers:
    - periodic:
        exporter:
          carbon:
            port: 2003
    - pull:
        exporter:
          statsd:
";
    let error = read(text, &[("METERKIT_SERIES_LIMIT", "many")]).expect_err("three problems");
    let told: Vec<_> = error.problems().iter().map(|it| (&*it.variable, told(it))).collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert_eq!(told[0].0, "OTEL_CONFIG_FILE");
    let carbon =
        "line 6, meter_provider.readers[0].periodic.exporter.carbon: exporter `carbon` is unknown";
    assert!(told[0].1.starts_with(carbon), "{told:?}");
    assert!(
        told[1].1.contains("`statsd` is unknown") && told[1].1.contains("`otlp_http`"),
        "{told:?}"
    );
    assert_eq!(told[2].0, "METERKIT_SERIES_LIMIT");

    // A violation of the schema hides no other problem.
    let text = text.replace("meter_provider:", "disabled: perhaps\nmeter_provider:");
    let told = problems(&text);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("line 2, disabled: "), "{told:?}");
    assert!(told[1].contains("`carbon` is unknown") && told[2].contains("`statsd`"), "{told:?}");

    let schema = problems("meter_provider:\n  readers:\n    - periodic:\n        interval: soon\n");
    assert!(schema[0].starts_with("line 4, meter_provider.readers[0].periodic"), "{schema:?}");
    assert!(schema.len() > 1, "{schema:?}");
}

#[test]
fn an_unknown_minor_version_is_a_warning() {
    let read = |version: &str, variables: &[(&str, &str)]| {
        let mut file = NamedTempFile::new().expect("a temporary file");
        write!(file, "disabled: true\nfile_format: \"{version}\"\n").expect("room for it");
        let path = file.path().to_str().expect("a path of letters").to_owned();
        let named = [("OTEL_CONFIG_FILE", &*path)];
        let all = variables.iter().chain(&named).copied();
        (path.clone(), Settings::read(Environment::of(all)))
    };
    for known in ["1.0", "1.1", "1.1-rc.1"] {
        assert_eq!(read(known, &[]).1.expect("a known one").warnings, []);
    }
    let (path, settings) = read("1.7", &[]);
    let settings = settings.expect("a warning at most");
    assert!(settings.configured.expect("there is a file").is_disabled);
    let expected = format!(
        "OTEL_CONFIG_FILE=`{path}`: line 2, file_format: `1.7` is newer than `1.1`; write `1.1`; until then, \
         settings that only the newer version has are ignored"
    );
    assert_eq!(settings.warnings[0].to_string(), expected);
    let (_, strict) = read("1.7", &[("METERKIT_STRICT", "true")]);
    assert!(strict.expect_err("an error").to_string().ends_with("write `1.1`"));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let variables = [("OTEL_CONFIG_FILE", "/nowhere/otel.yaml")];
    let error = Settings::read(Environment::of(variables));
    let text = error.expect_err("no file").to_string();
    assert!(text.starts_with("OTEL_CONFIG_FILE=`/nowhere/otel.yaml`: cannot be read ("), "{text}");
}

#[test]
#[cfg(all(feature = "datadog", feature = "grafana", feature = "otlp", feature = "prometheus"))]
fn the_file_in_the_guide_can_be_installed() {
    let page = include_str!("../../../guide/deploying/configuration_file.md");
    let (_, rest) = page.split_once("```yaml\nfile_format: \"1.1\"\n").expect("there is one");
    let (text, _) = rest.split_once("```").expect("it ends");
    let settings = settings(text, &[("DD_API_KEY", "0123456789abcdef")]);
    let configured = settings.configured.expect("there is a file");
    let pushed = configured.targets.into_iter().map(|(target, ..)| target.into_target());
    let pushed = pushed.map(|target| target.expect("a target").name().to_owned());
    let mut pushed: Vec<String> = pushed.collect();
    pushed.sort_unstable();
    assert_eq!(pushed, ["datadog", "grafana", "otlp"]);
    let prometheus = configured.prometheus.expect("a scrape endpoint");
    assert_eq!((prometheus.host.as_deref(), prometheus.port), (Some("0.0.0.0"), Some(9464)));
    assert_eq!((configured.views.iter().count(), configured.unused), (2, Vec::new()));
}

#[cfg(feature = "otlp")]
mod otlp;

#[cfg(feature = "datadog")]
mod datadog;

#[cfg(feature = "grafana")]
mod grafana {
    use super::*;

    fn reader(properties: &str) -> String {
        format!(
            "meter_provider:
  readers:
    - periodic:
        exporter:
          grafana: {properties}
"
        )
    }

    #[test]
    fn remote_write_is_taken_over() {
        let properties = "{remote_write_url: \"http://mimir:9009/push\", remote_write_tenant: team-a, queue_bytes: 1000}";
        let configured = configured(&reader(properties));
        let shown = format!("{:?}", configured.targets[0].0);
        for part in ["mimir:9009/push", "team-a", "queue_bytes: 1000"] {
            assert!(shown.contains(part), "{shown}");
        }
    }

    #[test]
    fn a_receiver_is_needed_and_problems_name_their_property() {
        let told = problems(&reader("{queue_bytes: 1000}"));
        assert!(
            told[0]
                .contains("exporter.grafana.remote_write_url: is not set, nor is `cloud_api_key`"),
            "{told:?}"
        );
        let told =
            problems(&reader("{remote_write_url: \"mimir/push\", remote_write_password: hunter2}"));
        assert!(told[0].contains("exporter.grafana.remote_write_"), "{told:?}");
        assert!(
            told.iter().all(|told| !told.contains("hunter2") && !told.contains("GRAFANA_")),
            "{told:?}"
        );
    }
}
