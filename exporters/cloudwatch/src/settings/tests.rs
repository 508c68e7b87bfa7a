//! Tests of every setting of the target.

use meterkit_fakes::settings_table::{Row, Table, Variables, certificate_rows};
use meterkit_settings::Environment;

use super::*;

const IN_IRELAND: Variables = &[("METERKIT_CLOUDWATCH_REGION", "eu-west-1")];

const ROWS: &[Row] = &[
    Row::new("METERKIT_CLOUDWATCH_REGION")
        .valid(&[
            ("us-gov-east-1", "https://monitoring.us-gov-east-1.amazonaws.com/v1/metrics"),
            ("cn-north-1", "https://monitoring.cn-north-1.amazonaws.com.cn/v1/metrics"),
        ])
        .invalid(&[
            ("Ireland", "write a region such as `eu-west-1`"),
            ("eu-west-1.example.com/", "is not an AWS region"),
            ("eu-west", "is not an AWS region"),
        ]),
    Row::new("METERKIT_CLOUDWATCH_ENDPOINT")
        .beside(IN_IRELAND)
        .valid(&[("https://vpce-1.Example.com/v1/metrics", "vpce-1.Example.com/v1/metrics")])
        .invalid(&[
            ("vpce-1.example.com", "has no scheme"),
            ("https://me:hunter2@example.com", "holds credentials"),
        ]),
    Row::new("METERKIT_CLOUDWATCH_TEMPORALITY_PREFERENCE")
        .beside(IN_IRELAND)
        .valid(&[("Delta", "temporality: Delta"), ("lowmemory", "temporality: LowMemory")])
        .invalid(&[("totals", "is unknown; write ")]),
    Row::new("METERKIT_CLOUDWATCH_COMPRESSION")
        .beside(IN_IRELAND)
        .valid(&[("none", "compression: Some(None)"), ("gzip", "compression: Some(Gzip)")])
        .invalid(&[("zstd", "write `gzip` or `none`")]),
    Row::new("METERKIT_CLOUDWATCH_TIMEOUT")
        .beside(IN_IRELAND)
        .valid(&[("2500", "timeout: Some(2.5s)"), ("0", "timeout: None")]),
    Row::new("METERKIT_CLOUDWATCH_PROXY")
        .beside(IN_IRELAND)
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
    let rows = [ROWS, &certificate_rows(certificates, IN_IRELAND)].concat();
    let read = |reader: &Reader<'_>| format!("{:?}", CloudWatchConfig::read(reader));
    Table {
        settings: SETTINGS,
        rows: &rows,
        beside: IN_IRELAND,
        read: &|environment| environment.read(read),
        read_section: Some(&read),
        has_defaults: true,
        directory: directory.path().to_str().expect("a path of letters"),
    }
    .check();
}

#[test]
fn the_error_for_a_missing_region_names_the_variable() {
    let environment =
        Environment::of([("METERKIT_CLOUDWATCH_ENDPOINT", "https://vpce-1.example.com")]);
    let error = environment.read(CloudWatchConfig::read).expect_err("no region").to_string();
    let expected = "METERKIT_CLOUDWATCH_REGION: is not set; write the AWS region";
    assert!(error.contains(expected), "{error}");
}
