//! Sections of OTLP exporters.

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
    assert_eq!(configured.histograms, Some(HistogramAggregation::Exponential));
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
fn every_problem_is_reported_with_line_and_path() {
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
        ("otlp_grpc: {tls: {insecure: 1}}", "otlp_grpc.tls.insecure", "is not a boolean"),
        ("otlp_grpc: {tls: {ca_file: ca.pem}}", "otlp_grpc.tls.ca_file", "is not an absolute path"),
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
        // A rejected path still counts as set.
        (
            "otlp_grpc: {tls: {key_file: {key}, cert_file: c.pem}}",
            "otlp_grpc.tls.cert_file",
            "is not an absolute path",
        ),
        ("otlp_http: {headers: }", "otlp_http.headers", "is null; write a list"),
        ("otlp_http: {headers: {a: b}}", "otlp_http.headers", "is a mapping; write a list"),
        ("otlp_http: {headers: [{name: a}]}", "otlp_http.headers[0]", "has no `value`"),
        (
            "otlp_http: {headers: [{name: a, value: 5}]}",
            "otlp_http.headers[0].value",
            "is a number, not text; put it in quotes",
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
            "is not valid; write a whole number of milliseconds",
        ),
        ("otlp_http: {tls: [1]}", "otlp_http.tls", "is a list; write a mapping"),
        ("otlp_http: {endpont: x}", "otlp_http.endpont", "is unknown; write `endpoint`"),
        ("otlp_grpc: {tls: {ca_fil: x}}", "otlp_grpc.tls.ca_fil", "is unknown; write `ca_file`"),
        ("otlp_http: {headers: []}", "otlp_http.headers", "is an empty list; write items"),
        ("otlp_http: {headers: [a]}", "otlp_http.headers[0]", "is text; write a mapping"),
        (
            "otlp_http: {headers: [{name: a, value: b, of: c}]}",
            "otlp_http.headers[0].of",
            "is unknown; the known keys are `name`, `value`",
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
fn unused_and_newer_properties_are_listed() {
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
fn settings_that_prevent_sending_are_reported_at_startup() {
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
