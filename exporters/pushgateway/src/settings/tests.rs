//! Tests of every setting of the target.

use meterkit_fakes::settings_table::{Row, Table, Variables, certificate_rows};

use super::*;

const URL_SET: (&str, &str) = ("METERKIT_PUSHGATEWAY_URL", "http://pushgateway:9091");
const TO_GATEWAY: Variables = &[URL_SET];

const ROWS: &[Row] = &[
    Row::new("METERKIT_PUSHGATEWAY_URL")
        .valid(&[("https://Gateway:9091/prefix", "Gateway:9091/prefix")])
        .invalid(&[
            ("gateway:9091", "has no scheme"),
            ("http://gateway:9091/metrics/job/x", "contains the path `/metrics`"),
            ("http://me:hunter2@gateway", "holds credentials; write them into "),
        ]),
    Row::new("METERKIT_PUSHGATEWAY_JOB")
        .beside(TO_GATEWAY)
        .valid(&[("Nightly", "Some(\"Nightly\")")]),
    Row::new("METERKIT_PUSHGATEWAY_GROUPING")
        .beside(TO_GATEWAY)
        .valid(&[
            ("instance=a%2Fb,region=", r#"[("instance", "a/b"), ("region", "")]"#),
            ("Zone=eu", r#"[("Zone", "eu")]"#),
        ])
        .invalid(&[
            ("job=x", "label `job` is set by a separate setting"),
            ("a-b=x", "is not a valid label name"),
            ("instance", "is not `key=value`"),
            ("a=1,a=2", "occurs twice"),
        ]),
    Row::new("METERKIT_PUSHGATEWAY_METHOD")
        .beside(TO_GATEWAY)
        .valid(&[("POST", "method: Post"), ("put", "method: Put")])
        .invalid(&[("delete", "write `put` or `post`")]),
    Row::new("METERKIT_PUSHGATEWAY_FORMAT")
        .beside(TO_GATEWAY)
        .valid(&[("Protobuf", "format: Protobuf"), ("text", "format: Text")])
        .invalid(&[("json", "write `text` or `protobuf`")]),
    Row::new("METERKIT_PUSHGATEWAY_DELETE_ON_SHUTDOWN")
        .beside(TO_GATEWAY)
        .valid(&[("true", "delete_on_shutdown: true")]),
    Row::new("METERKIT_PUSHGATEWAY_USERNAME")
        .beside(&[URL_SET, ("METERKIT_PUSHGATEWAY_PASSWORD", "hunter2")])
        .valid(&[("Me", "\"Me\"")]),
    Row::new("METERKIT_PUSHGATEWAY_PASSWORD")
        .beside(&[URL_SET, ("METERKIT_PUSHGATEWAY_USERNAME", "me")])
        .valid(&[("hunter2", "Basic")]),
    Row::new("METERKIT_PUSHGATEWAY_BEARER_TOKEN")
        .beside(TO_GATEWAY)
        .valid(&[("hunter2", "Bearer")]),
    Row::new("METERKIT_PUSHGATEWAY_COMPRESSION")
        .beside(TO_GATEWAY)
        .valid(&[("gzip", "compression: Some(Gzip)")])
        .invalid(&[("zstd", "write `gzip` or `none`")]),
    Row::new("METERKIT_PUSHGATEWAY_TIMEOUT")
        .beside(TO_GATEWAY)
        .valid(&[("2500", "timeout: Some(2.5s)"), ("0", "timeout: None")]),
    Row::new("METERKIT_PUSHGATEWAY_PROXY")
        .beside(TO_GATEWAY)
        .valid(&[("http://me:hunter2@Proxy:3128", "http://Proxy:3128")])
        .invalid(&[("socks5://proxy", "has an unknown scheme")]),
];

#[test]
fn every_setting_behaves_like_all_others() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let identity = meterkit_fakes::tls::Authority::new().issue("client");
    let write = |name: &str, text: String| std::fs::write(directory.path().join(name), text);
    write("certificate.pem", identity.pem()).expect("room for it");
    write("key.pem", identity.key_pem()).expect("room for it");
    let certificates = [CERTIFICATE.name, CLIENT_KEY.name, CLIENT_CERTIFICATE.name];
    let rows = [ROWS, &certificate_rows(certificates, TO_GATEWAY)].concat();
    let read = |reader: &Reader<'_>| format!("{:?}", PushgatewayConfig::read(reader));
    Table {
        settings: SETTINGS,
        rows: &rows,
        beside: TO_GATEWAY,
        read: &|environment| environment.read(read),
        read_section: Some(&read),
        has_defaults: true,
        directory: directory.path().to_str().expect("a path of letters"),
    }
    .check();
}

#[test]
fn the_error_for_a_missing_address_names_the_variable() {
    let environment = meterkit_settings::Environment::of([("METERKIT_PUSHGATEWAY_JOB", "x")]);
    let error = environment.read(PushgatewayConfig::read).expect_err("no address").to_string();
    let expected =
        "METERKIT_PUSHGATEWAY_URL: is not set; write the address of the gateway, such as";
    assert!(error.contains(expected), "{error}");
}
