//! Tests of every setting of the target.

use meterkit_fakes::settings_table::{Row, Table, certificate_rows};

use super::*;

const ROWS: &[Row] = &[
    Row::new("METERKIT_GCP_PROJECT")
        .valid(&[
            ("my-project-1", "project: Some(\"my-project-1\")"),
            ("example.com:my-project", "project: Some(\"example.com:my-project\")"),
        ])
        .invalid(&[("My Project", "write an id such as `my-project`")]),
    Row::new("METERKIT_GCP_QUOTA_PROJECT")
        .valid(&[("billing", "quota_project: Some(\"billing\")")])
        .invalid(&[("1", "is not a project id")]),
    Row::new("METERKIT_GCP_ENDPOINT")
        .valid(&[("https://telemetry.Example.com/v1/metrics", "telemetry.Example.com/v1/metrics")])
        .invalid(&[
            ("telemetry.example.com", "has no scheme"),
            ("https://me:hunter2@example.com", "holds credentials"),
        ]),
    Row::new("METERKIT_GCP_TEMPORALITY_PREFERENCE")
        .valid(&[("Delta", "temporality: Delta"), ("lowmemory", "temporality: LowMemory")])
        .invalid(&[("totals", "is unknown; write ")]),
    Row::new("METERKIT_GCP_COMPRESSION")
        .valid(&[("none", "compression: Some(None)"), ("gzip", "compression: Some(Gzip)")])
        .invalid(&[("zstd", "write `gzip` or `none`")]),
    Row::new("METERKIT_GCP_TIMEOUT")
        .valid(&[("2500", "timeout: Some(2.5s)"), ("0", "timeout: None")]),
    Row::new("METERKIT_GCP_PROXY")
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
    let rows = [ROWS, &certificate_rows(certificates, &[])].concat();
    let read = |reader: &Reader<'_>| format!("{:?}", GcpConfig::read(reader));
    Table {
        settings: SETTINGS,
        rows: &rows,
        beside: &[],
        read: &|environment| environment.read(read),
        read_section: Some(&read),
        has_defaults: true,
        directory: directory.path().to_str().expect("a path of letters"),
    }
    .check();
}
