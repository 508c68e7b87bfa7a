//! What comes of files, and of variables beside them.

use std::io::Write;

#[cfg(feature = "prometheus")]
use meterkit_rules::prometheus_name::Translation;
use tempfile::NamedTempFile;

use super::*;
use crate::settings::{Settings, SettingsError};

/// Settings with a file of this text, and variables beside it.
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

/// What is wrong with a file, without its path.
fn problems(text: &str) -> Vec<String> {
    let error = read(text, &[]).expect_err(text);
    error.problems().iter().map(told).collect()
}

/// What is told of a problem with the file, without its path.
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
fn a_file_has_the_only_say_on_where_metrics_go() {
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
    // What no file can say still counts.
    assert_eq!(settings.naming.map(|it| it.namespace().to_owned()).as_deref(), Some("acme"));
    assert_eq!(settings.series_limit, Some(7));
    let mut told: Vec<_> = settings.ignored.iter().map(|it| (&*it.variable, &*it.reason)).collect();
    told.sort_unstable();
    let replaced = "OTEL_CONFIG_FILE takes its place";
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
    assert!(configured.detectors.is_empty(), "the schema has none by default");
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
    assert_eq!(settings.ignored, [], "what the file names is not in vain");
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
    let consoles = targets.map(|(target, schedule)| {
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
    let two = problems(&format!("meter_provider:\n  readers:{reader}{reader}"));
    assert_eq!(two.len(), 1);
    let expected = "line 11, meter_provider.readers[1].pull: defines a second scrape endpoint; a";
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
        let is_replaced = |reason: &str| reason == "OTEL_CONFIG_FILE takes its place";
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
fn what_metrics_have_no_use_for_is_listed() {
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
    // A reader that says nothing has the schema's 2000.
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
fn all_that_is_wrong_is_told_with_the_variable_line_and_path() {
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
        "line 6, meter_provider.readers[0].periodic.exporter.carbon: exporter `carbon` is none";
    assert!(told[0].1.starts_with(carbon), "{told:?}");
    assert!(
        told[1].1.contains("`statsd` is none") && told[1].1.contains("`otlp_http`"),
        "{told:?}"
    );
    assert_eq!(told[2].0, "METERKIT_SERIES_LIMIT");

    // What breaks the schema hides nothing else.
    let text = text.replace("meter_provider:", "disabled: perhaps\nmeter_provider:");
    let told = problems(&text);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("line 2, disabled: "), "{told:?}");
    assert!(told[1].contains("`carbon` is none") && told[2].contains("`statsd`"), "{told:?}");

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
        "OTEL_CONFIG_FILE=`{path}`: line 2, file_format: `1.7` is newer than `1.1`; write `1.1`; until then, what only a \
         newer version has is ignored"
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
fn the_file_in_the_readme_can_be_installed() {
    let readme = include_str!("../../../../../README.md");
    let (_, rest) = readme.split_once("```yaml\nfile_format: \"1.1\"\n").expect("there is one");
    let (text, _) = rest.split_once("```").expect("it ends");
    let settings = settings(text, &[("DD_API_KEY", "0123456789abcdef")]);
    let configured = settings.configured.expect("there is a file");
    let pushed = configured.targets.into_iter().map(|(target, _)| target.into_target());
    let pushed = pushed.map(|target| target.expect("a target").name().to_owned());
    let mut pushed: Vec<String> = pushed.collect();
    pushed.sort_unstable();
    assert_eq!(pushed, ["datadog", "grafana", "otlp"]);
    let prometheus = configured.prometheus.expect("a scrape endpoint");
    assert_eq!((prometheus.host.as_deref(), prometheus.port), (Some("0.0.0.0"), Some(9464)));
    assert_eq!((configured.views.iter().count(), configured.unused), (2, Vec::new()));
}

#[cfg(feature = "otlp")]
mod otlp {

    use super::*;

    fn exporter(name: &str, properties: &str) -> String {
        format!(
            "meter_provider:
  readers:
    - periodic:
        exporter:
          {name}:
{properties}"
        )
    }

    #[test]
    fn every_property_of_an_exporter_is_taken_over() {
        let text = exporter(
            "otlp_http",
            "            endpoint: http://collector:4318/v1/metrics
            encoding: json
            headers:
              - {name: api-key, value: hunter2}
            compression: gzip
            timeout: 2500
            temporality_preference: delta
            default_histogram_aggregation: base2_exponential_bucket_histogram
",
        );
        let configured = configured(&text);
        assert!(configured.has_exponential_histograms);
        assert_eq!(configured.targets[0].1, Some(Schedule::default()));
        let shown = format!("{:?}", configured.targets[0].0);
        for part in [
            "http://collector:4318/v1/metrics",
            "protocol: HttpJson",
            "temporality: Delta",
            "Gzip",
            "2.5s",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
        assert!(shown.contains("api-key") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn whatever_is_wrong_is_told_with_line_and_path() {
        let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a key");
        let file = |pem: String| {
            let mut file = NamedTempFile::new().expect("a temporary file");
            file.write_all(pem.as_bytes()).expect("room for it");
            file
        };
        let (pem, key) = (file(issued.cert.pem()), file(issued.signing_key.serialize_pem()));
        let path = |file: &NamedTempFile| file.path().to_str().expect("letters").to_owned();
        let table = [
            ("otlp_http: {endpoint: 4318}", "otlp_http.endpoint", "is a number, not text"),
            ("otlp_http: {endpoint: ''}", "otlp_http.endpoint", "is empty"),
            (
                "otlp_http: {compression: lz4}",
                "otlp_http.compression",
                "is unknown; write `gzip`, `zstd` or `none`",
            ),
            ("otlp_http: {encoding: xml}", "otlp_http.encoding", "write `protobuf` or `json`"),
            ("otlp_http: {tls: {insecure: true}}", "otlp_http.tls.insecure", "is unknown"),
            ("otlp_grpc: {encoding: json}", "otlp_grpc.encoding", "is unknown"),
            ("otlp_grpc: {tls: {insecure: 1}}", "otlp_grpc.tls.insecure", "is no truth value"),
            ("otlp_grpc: {tls: {ca_file: ca.pem}}", "otlp_grpc.tls.ca_file", "is no absolute path"),
            (
                "otlp_grpc: {tls: {key_file: {key}}}",
                "otlp_grpc.tls.cert_file",
                "is not set, but `tls.key_file` is; name the PEM file",
            ),
            (
                "otlp_grpc: {tls: {cert_file: {pem}}}",
                "otlp_grpc.tls.key_file",
                "is not set, but `tls.cert_file` is; name the PEM file",
            ),
            // A path that is refused is still there.
            (
                "otlp_grpc: {tls: {key_file: {key}, cert_file: c.pem}}",
                "otlp_grpc.tls.cert_file",
                "is no absolute path",
            ),
            ("otlp_http: {headers: }", "otlp_http.headers", "is nothing; write a list"),
            ("otlp_http: {headers: {a: b}}", "otlp_http.headers", "is a mapping; write a list"),
            ("otlp_http: {headers: [{name: a}]}", "otlp_http.headers[0]", "has no `value`"),
            (
                "otlp_http: {headers: [{name: a, value: 5}]}",
                "otlp_http.headers[0].value",
                "is a number, not text; put it into quotes",
            ),
            (
                "otlp_http: {headers: [{name: 'a b', value: c}]}",
                "otlp_http.headers[0].name",
                "header has a bad name; write letters, digits and `-`",
            ),
            (
                "otlp_http: {headers: [{name: a, value: \"b\\nc\"}]}",
                "otlp_http.headers[0].name",
                "header `a` has a value with control characters or line breaks",
            ),
            ("otlp_http: {headers_list: \"a=b,c\"}", "otlp_http.headers_list", "pair 2 has no `=`"),
            (
                "otlp_http: {headers_list: \"a=b%0Ac\"}",
                "otlp_http.headers_list",
                "header `a` has a value with control characters or line breaks",
            ),
            (
                "otlp_http: {timeout: soon}",
                "otlp_http.timeout",
                "does not do; write a whole number of milliseconds",
            ),
            ("otlp_http: {tls: [1]}", "otlp_http.tls", "is a list; write a mapping"),
            ("otlp_http: {endpont: x}", "otlp_http.endpont", "is unknown; write `endpoint`"),
            (
                "otlp_grpc: {tls: {ca_fil: x}}",
                "otlp_grpc.tls.ca_fil",
                "is unknown; write `ca_file`",
            ),
            ("otlp_http: {headers: []}", "otlp_http.headers", "is an empty list; write items"),
            ("otlp_http: {headers: [a]}", "otlp_http.headers[0]", "is text; write a mapping"),
            (
                "otlp_http: {headers: [{name: a, value: b, of: c}]}",
                "otlp_http.headers[0].of",
                "is unknown; there are `name`, `value`",
            ),
        ];
        for (text, path_of_problem, words) in table {
            let text = text.replace("{pem}", &path(&pem)).replace("{key}", &path(&key));
            let file = format!(
                "meter_provider:\n  readers:\n    - periodic:\n        exporter:\n          {text}\n"
            );
            let told = problems(&file);
            let at = "meter_provider.readers[0].periodic.exporter";
            assert_eq!(told.len(), 1, "{text}: {told:#?}");
            assert!(told[0].starts_with(&format!("line 6, {at}.{path_of_problem}: ")), "{told:?}");
            assert!(told[0].contains(words), "{words}: {told:?}");
        }
    }

    #[test]
    fn no_error_shows_what_a_variable_or_a_header_holds() {
        for properties in [
            "headers: [{name: a, value: [hunter2]}]",
            "headers: [{name: 'hunter2 x', value: a}]",
            "headers: [hunter2]",
            "headers: hunter2",
            "headers: [{name: a, value: 8675309}]",
            "headers: [{name: 8675309, value: a}]",
            "headers_list: 'a=hunter2,hunter2'",
            "headers_list: 8675309",
            "endpoint: ['hunter2']",
            "endpoint: 8675309",
            "endpoint: 'http://me:hunter2@c'",
            "timeout: '${KEY}'",
            "compression: '${KEY}'",
            "tls: {ca_file: '${KEY}'}",
            "tls: {ca_file: '/${KEY}'}",
            "tls: '${KEY}'",
        ] {
            let text = exporter("otlp_http", &format!("            {properties}\n"));
            let error = read(&text, &[("KEY", "hunter2")]).expect_err(properties);
            let text = format!("{error} {error:?}");
            assert!(!text.contains("hunter2") && !text.contains("8675309"), "{text}");
        }
    }

    #[test]
    fn headers_come_as_a_list_over_those_in_one_text() {
        let text = exporter(
            "otlp_http",
            "            headers_list: Api-Key=listed,tenant=a%2Cb
            headers:
              - {name: api-key, value: \"1234\"}
              - {name: nothing, value: }
",
        );
        let shown = format!("{:?}", configured(&text).targets[0].0);
        assert!(shown.contains("headers: {\"api-key\", \"tenant\"}"), "{shown}");
    }

    #[test]
    fn what_is_not_used_or_newer_is_listed() {
        let properties = "            max_request_size: 1000
            retry/development: {attempts: 3}
";
        let at = "meter_provider.readers[0].periodic.exporter.otlp_http";
        let unused = configured(&exporter("otlp_http", properties)).unused;
        let expected =
            [format!("{at}.max_request_size (line 7)"), format!("{at}.retry/development (line 8)")];
        assert_eq!(unused, expected);
        let mut file = NamedTempFile::new().expect("a temporary file");
        let text = exporter("otlp_http", "            batching: {size: 3}\n");
        write!(file, "file_format: \"1.9\"\n{text}").expect("room for it");
        let path = file.path().to_str().expect("a path of letters");
        let settings = Settings::read(Environment::of([("OTEL_CONFIG_FILE", path)]));
        let unused = settings.expect("nothing wrong").configured.expect("there is a file").unused;
        assert_eq!(unused, [format!("{at}.batching (line 7)")]);
    }

    #[test]
    fn grpc_has_endpoints_without_a_scheme() {
        for (properties, expected) in [
            (
                "            endpoint: collector:4317\n            tls: {insecure: true}\n",
                "http://collector:4317/",
            ),
            ("            endpoint: http://collector:4317\n", "http://collector:4317/"),
            ("", "http://localhost:4317/"),
        ] {
            let configured = configured(&exporter("otlp_grpc", properties));
            let shown = format!("{:?}", configured.targets[0].0);
            assert!(shown.contains(expected), "{shown}");
        }
    }

    #[test]
    fn what_could_never_be_sent_is_told_at_the_start() {
        for (name, properties, at, words) in [
            ("otlp_http", "endpoint: collector:4318", "endpoint", "has no scheme"),
            (
                "otlp_http",
                "endpoint: \"http://me:hunter2@c/v1\"",
                "endpoint",
                "holds credentials; put them into `headers_list`",
            ),
            (
                "otlp_http",
                "tls: {ca_file: /dev/zero}",
                "tls.ca_file",
                "cannot be read (it is a pipe, a socket or a device, not a file)",
            ),
            ("otlp_http", "tls: {ca_file: /nowhere/ca.pem}", "tls.ca_file", "cannot be read ("),
            (
                "otlp_grpc",
                "headers: [{name: content-type, value: x}]",
                "headers[0].name",
                "`content-type` is set by the exporter itself",
            ),
        ] {
            let told = problems(&exporter(name, &format!("            {properties}\n")));
            assert_eq!(told.len(), 1, "{told:?}");
            let path = format!("line 7, meter_provider.readers[0].periodic.exporter.{name}.{at}: ");
            assert!(told[0].starts_with(&path) && told[0].contains(words), "{told:?}");
        }
    }

    #[test]
    fn no_limit_is_none() {
        let configured = configured(&exporter("otlp_http", "            timeout: 0\n"));
        let shown = format!("{:?}", configured.targets[0].0);
        assert!(shown.contains("timeout: None"), "{shown}");
        assert_eq!(configured.targets[0].1, Some(Schedule::default()));
    }
}

#[cfg(feature = "datadog")]
mod datadog {
    use super::*;

    fn reader(properties: &str) -> String {
        format!(
            "meter_provider:
  readers:
    - periodic:
        interval: 10000
        exporter:
          datadog:
{properties}"
        )
    }

    #[test]
    fn properties_are_those_of_the_variables() {
        let text = reader(
            "            api_key: ${DD_API_KEY}
            site: datadoghq.eu
            tags: [team:a, zone:b]
            scope_tags: true
            instance_tag: false
            env: prod
",
        );
        let variables = [("DD_API_KEY", "0123456789abcdef"), ("DD_SITE", "us5.datadoghq.com")];
        let configured = settings(&text, &variables).configured.expect("there is a file");
        let (config, schedule) = &configured.targets[0];
        assert_eq!(schedule.expect("its own").interval, std::time::Duration::from_secs(10));
        let shown = format!("{config:?}");
        for part in [
            "mode: Api",
            "site: Eu1",
            "tags: [\"team:a\", \"zone:b\"]",
            "scope_tags: true",
            "instance_tag: false",
            "env: Some(\"prod\")",
        ] {
            assert!(shown.contains(part), "{shown}");
        }
        assert!(!shown.contains("0123456789abcdef"), "{shown}");
    }

    #[test]
    fn problems_name_line_and_property_and_no_secret() {
        let told = problems(&reader(
            "            api_key: hunter 2
            site: eu
            flavour: vanilla
            mode: {a: b}
",
        ));
        let at = |line: usize, property: &str| {
            format!("line {line}, meter_provider.readers[0].periodic.exporter.datadog.{property}: ")
        };
        let expected = [at(8, "api_key"), at(9, "site"), at(10, "flavour"), at(11, "mode")];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (told, expected) in told.iter().zip(expected) {
            assert!(told.starts_with(&expected) && !told.contains("hunter"), "{told}");
        }
    }

    #[test]
    fn proxies_of_everyone_count_where_the_file_names_none() {
        let key = "            api_key: 0123456789abcdef\n            env: prod\n";
        for (name, properties, shown, hidden) in [
            ("HTTPS_PROXY", "", "everyone:1", "own:2"),
            ("https_proxy", "", "everyone:1", "own:2"),
            ("HTTP_PROXY", "", "everyone:1", "own:2"),
            ("NO_PROXY", "", "everyone:1", "own:2"),
            ("no_proxy", "", "everyone:1", "own:2"),
            ("HTTPS_PROXY", "            proxy_https: http://own:2\n", "own:2", "everyone:1"),
            // What is Datadog's own stands in the file, or nowhere.
            ("DD_PROXY_HTTPS", "", "prod", "everyone:1"),
        ] {
            let text = reader(&format!("{key}{properties}"));
            let configured = settings(&text, &[(name, "everyone:1")]).configured;
            let config = format!("{:?}", configured.expect("there is a file").targets[0].0);
            assert!(config.contains(shown) && !config.contains(hidden), "{name}: {config}");
        }
    }

    #[test]
    fn a_proxy_of_everyone_that_cannot_be_used_is_told_with_its_variable() {
        let text = reader("            api_key: 0123456789abcdef\n");
        let error = read(&text, &[("HTTPS_PROXY", "socks5://me:hunter2@proxy")]);
        let told = error.expect_err("no proxy").to_string();
        assert!(told.starts_with("HTTPS_PROXY=`socks5://...`: "), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }

    #[test]
    fn what_is_missing_is_told_in_words_of_the_file() {
        let told = problems(&reader("            site: datadoghq.eu\n"));
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("`agent_host` or `dogstatsd_url` for an agent"), "{told:?}");
        assert!(!told[0].contains("DD_"), "{told:?}");
    }
}

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
