//! Whole files: their resources, their unused parts, and files as an operator would write them.

use std::fs;
use std::time::Duration;

use meterkit_core::{AttributeValue, ExemplarFilter};
use meterkit_settings::SectionValue;
use meterkit_settings::file::{ConfigError, ConfigFile, FileFormat, PushExporter};

use crate::reading;
use crate::reading::{bad, good, good_with, no_variables, places, pushed, unused};

#[test]
fn a_file_without_metrics_is_valid() {
    let file = good("file_format: \"1.0\"\n");
    assert_eq!(file.file_format.to_string(), "1.0");
    assert!(!file.is_disabled && file.meter_provider.is_none() && file.unused.is_empty());
    assert!(file.resource.attributes.is_empty());
}

#[test]
fn unquoted_and_prerelease_versions_are_accepted() {
    for text in ["file_format: 1.0\n", "file_format: '1.1'\n", "file_format: 1.1-rc.2\n"] {
        assert!(!good(text).file_format.is_newer(), "{text}");
    }
    assert_eq!(FileFormat::KNOWN.to_string(), "1.1");
}

#[test]
fn everything_can_be_switched_off() {
    assert!(good("file_format: 1.0\ndisabled: true\n").is_disabled);
    let text = "file_format: 1.0\ndisabled: ${OTEL_SDK_DISABLED:-false}\n";
    assert!(!good(text).is_disabled);
    assert!(good_with(text, &[("OTEL_SDK_DISABLED", "true")]).is_disabled);
    assert!(!good("file_format: 1.0\ndisabled:\n").is_disabled);
}

#[test]
fn resource_attributes_have_types_and_win_over_the_list() {
    let file = good_with(
        "file_format: \"1.0\"
resource:
  schema_url: https://opentelemetry.io/schemas/1.30.0
  attributes_list: ${OTEL_RESOURCE_ATTRIBUTES}
  attributes:
    - name: service.name
      value: catalog
    - {name: text, value: \"1\", type: string}
    - {name: yes, value: yes}
    - {name: truth, value: true, type: bool}
    - {name: whole, value: -3, type: int}
    - {name: double, value: 3, type: double}
    - {name: texts, value: [a, \"b c\"], type: string_array}
    - {name: truths, value: [true, false], type: bool_array}
    - {name: wholes, value: [1, 2], type: int_array}
    - {name: doubles, value: [1.5, 2.5], type: double_array}
    - {name: nothing, value: ~}
",
        &[("OTEL_RESOURCE_ATTRIBUTES", "service.name=other, host.name = a%2Cb,,")],
    );
    let text = |text: &str| AttributeValue::from(text.to_owned());
    let expected = [
        ("service.name", text("catalog")),
        ("text", text("1")),
        ("yes", text("yes")),
        ("truth", AttributeValue::Bool(true)),
        ("whole", AttributeValue::I64(-3)),
        ("double", AttributeValue::F64(3.0)),
        ("texts", AttributeValue::List([text("a"), text("b c")].into())),
        ("truths", AttributeValue::List([true, false].map(AttributeValue::Bool).into())),
        ("wholes", AttributeValue::List([1, 2].map(AttributeValue::I64).into())),
        ("doubles", AttributeValue::List([1.5, 2.5].map(AttributeValue::F64).into())),
        ("host.name", text("a,b")),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value));
    assert_eq!(file.resource.attributes, expected);
    let url = file.resource.schema_url.expect("a schema URL");
    assert_eq!(url, "https://opentelemetry.io/schemas/1.30.0");
}

#[test]
fn detectors_are_listed_with_their_places() {
    let file = good(
        "file_format: \"1.1\"
resource:
  detection/development:
    attributes:
      excluded: [process.command_args]
    detectors:
      - service:
      - host: {}
      - own: {some: thing}
",
    );
    let detection = file.resource.detection.clone().expect("detection");
    let found: Vec<_> = detection.detectors.iter().map(|it| (&*it.name, it.line)).collect();
    assert_eq!(found, [("service", 7), ("host", 8), ("own", 9)]);
    let filter = detection.attributes.expect("a filter");
    assert!(filter.keeps("process.pid") && !filter.keeps("process.command_args"));
    let at = "resource.detection/development.detectors[2].own.some";
    assert_eq!(unused(&file), [(9, at)]);
}

#[test]
fn parts_that_do_not_concern_metrics_are_unused() {
    let file = good(
        "file_format: \"1.1\"
log_level: debug
attribute_limits: {attribute_count_limit: 64}
propagator: {composite_list: \"tracecontext,baggage\"}
tracer_provider:
  processors:
    - batch: {exporter: {otlp_http: }}
meter_provider:
  meter_configurator/development:
    default_config: {enabled: true}
  readers:
    - periodic:
        max_export_batch_size/development: 100
        producers:
          - opencensus:
        exporter:
          otlp_http:
            max_request_size: 1000
            retry/development: {attempts: 3}
logger_provider:
something_of_a_vendor: [1, 2]
",
    );
    let periodic = "meter_provider.readers[0].periodic";
    let expected = [
        (2, "log_level".to_owned()),
        (3, "attribute_limits".to_owned()),
        (4, "propagator".to_owned()),
        (5, "tracer_provider".to_owned()),
        (9, "meter_provider.meter_configurator/development".to_owned()),
        (13, format!("{periodic}.max_export_batch_size/development")),
        (14, format!("{periodic}.producers")),
        (20, "logger_provider".to_owned()),
        (21, "something_of_a_vendor".to_owned()),
    ];
    let found: Vec<_> = file.unused.iter().map(|it| (it.line, it.path.clone())).collect();
    assert_eq!(found, expected);
    assert_eq!(file.unused[3].to_string(), "line 5, tracer_provider");
}

#[test]
fn the_filter_of_exemplars_is_one_of_three_words() {
    let with = |filter: &str| {
        format!(
            "file_format: \"1.1\"\nmeter_provider:\n  {filter}\n  readers:\n    - periodic: {{exporter: {{console: }}}}\n"
        )
    };
    for (filter, expected) in [
        ("exemplar_filter: always_off", Some(ExemplarFilter::AlwaysOff)),
        ("exemplar_filter: always_on", Some(ExemplarFilter::AlwaysOn)),
        ("exemplar_filter: trace_based", Some(ExemplarFilter::TraceBased)),
        ("exemplar_filter:", None),
    ] {
        let file = good(&with(filter));
        let provider = file.meter_provider.expect("a provider");
        assert_eq!(provider.exemplar_filter, expected, "{filter}");
    }
}

#[test]
fn in_a_file_of_a_later_version_unknown_properties_are_not_used() {
    let text = |version: &str| {
        format!(
            "file_format: \"{version}\"
meter_provider:
  later: 1
  readers:
    - periodic:
        jitter: 5
        exporter: {{console: {{color: true}}}}
    - streaming: {{}}
  views:
    - {{selector: {{scope: x}}, stream: {{aggregation: {{sketch: }}}}}}
"
        )
    };
    let later = good(&text("1.7"));
    assert!(later.file_format.is_newer());
    let provider = "meter_provider";
    let expected = [
        (3, format!("{provider}.later")),
        (6, format!("{provider}.readers[0].periodic.jitter")),
        (7, format!("{provider}.readers[0].periodic.exporter.console.color")),
        (8, format!("{provider}.readers[1].streaming")),
        (10, format!("{provider}.views[0].selector.scope")),
        (10, format!("{provider}.views[0].stream.aggregation.sketch")),
    ];
    let found: Vec<_> = later.unused.iter().map(|it| (it.line, it.path.clone())).collect();
    assert_eq!(found, expected);
    assert_eq!(
        bad(&text("1.1")).problems().len(),
        6,
        "with a known version, each of them is an error"
    );
}

/// A rewording of the first example in OpenTelemetry's documentation.
#[test]
fn a_service_that_sends_everything_to_a_collector() {
    let text = "
# Names and versions come from where the service is deployed.
file_format: '1.1'
resource:
  attributes_list: ${OTEL_RESOURCE_ATTRIBUTES}
  detection/development:
    detectors: [service: , host: , process: , container: ]
propagator:
  composite: [{tracecontext: }, {baggage: }]
tracer_provider:
  sampler: {parent_based: {root: {always_on: }}}
  processors:
    - batch:
        exporter: &otlp
          otlp_http:
            endpoint: \"${OTEL_EXPORTER_OTLP_ENDPOINT:-http://localhost:4318}/v1/traces\"
meter_provider:
  readers:
    - periodic:
        interval: ${OTEL_METRIC_EXPORT_INTERVAL:-60000}
        exporter:
          otlp_http:
            endpoint: ${OTEL_EXPORTER_OTLP_ENDPOINT:-http://localhost:4318}/v1/metrics
logger_provider:
  processors: [{batch: {exporter: *otlp }}]
";
    let file = good_with(text, &[("OTEL_METRIC_EXPORT_INTERVAL", "5000")]);
    let reader = reading::periodic(file);
    assert_eq!(reader.interval, Some(Duration::from_secs(5)));
    assert_eq!(endpoint(reader.exporter), "http://localhost:4318/v1/metrics");

    let elsewhere = good_with(text, &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel:4318")]);
    assert_eq!(endpoint(pushed(elsewhere)), "https://otel:4318/v1/metrics");
}

/// Returns the endpoint of an OTLP exporter.
fn endpoint(exporter: PushExporter) -> String {
    let PushExporter::Plugin(plugin) = exporter else {
        panic!("OTLP");
    };
    match &plugin.properties.get("endpoint").expect("an endpoint").value {
        SectionValue::Text(text) => text.clone(),
        other => panic!("no text: {other:?}"),
    }
}

#[test]
fn aliases_are_expanded() {
    let file = good(
        "file_format: \"1.1\"
shared: &headers
  - {name: tenant, value: a}
meter_provider:
  readers:
    - periodic: {exporter: {otlp_http: {headers: *headers}}}
",
    );
    let PushExporter::Plugin(plugin) = pushed(file) else {
        panic!("OTLP");
    };
    let SectionValue::List(headers) = &plugin.properties.get("headers").expect("them").value else {
        panic!("a list");
    };
    let value = |key| headers[0].get(key).map(|section| &section.value);
    let text = |text: &str| SectionValue::Text(text.to_owned());
    assert_eq!((value("name"), value("value")), (Some(&text("tenant")), Some(&text("a"))));
}

#[test]
fn windows_lines_and_a_byte_order_mark_make_no_difference() {
    let file = good("\u{feff}file_format: \"1.1\"\r\nlog_level: info\r\n");
    assert_eq!(unused(&file), [(2, "log_level")]);
}

#[test]
fn a_file_on_disk_is_read_and_named_in_errors() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("otel.yaml");
    fs::write(&path, "file_format: \"1.1\"\ndisabled: true\n").expect("a file");
    let file = ConfigFile::read(&path, no_variables).expect("a file that is right");
    assert!(file.is_disabled);

    fs::write(&path, "file_format: \"1.1\"\ndisabled: 1\n").expect("a file");
    let error = ConfigFile::read(&path, no_variables).expect_err("a wrong file");
    let expected = format!(
        "config file `{}`, line 2, disabled: `1` is not a boolean; write `true` or `false`",
        path.display()
    );
    assert_eq!(error.to_string(), expected);

    let missing = directory.path().join("missing.yaml");
    let error = ConfigFile::read(&missing, no_variables).expect_err("no file");
    assert!(matches!(&error, ConfigError::Read { path, .. } if *path == missing));
    assert!(error.to_string().contains("missing.yaml") && error.problems().is_empty());
}

#[test]
fn bytes_that_are_no_text_are_an_error_with_their_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("otel.yaml");
    fs::write(&path, b"file_format: \"1.1\"\n# caf\xe9\n").expect("a file");
    let error = ConfigFile::read(&path, no_variables).expect_err("no UTF-8");
    assert_eq!(places(&error), [(2, "")]);
}
