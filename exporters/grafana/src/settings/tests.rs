//! Properties of every setting of the target and of the dashboard publisher.

use meterkit_fakes::settings_table::{Row, Variables};
use meterkit_fakes::settings_table::{Table, certificate_rows};

use super::*;

const URL: (&str, &str) = ("GRAFANA_REMOTE_WRITE_URL", "http://mimir:9009/api/v1/push");
const TO_MIMIR: Variables = &[URL];
const AS_USER: Variables = &[URL, ("GRAFANA_REMOTE_WRITE_USERNAME", "me")];
const WITH_PASSWORD: Variables = &[URL, ("GRAFANA_REMOTE_WRITE_PASSWORD", "hunter2")];
const ID: (&str, &str) = ("GRAFANA_CLOUD_INSTANCE_ID", "123456");
const KEY: (&str, &str) = ("GRAFANA_CLOUD_API_KEY", "hunter2");
const ZONE: (&str, &str) = ("GRAFANA_CLOUD_ZONE", "prod-eu-west-2");

const ROWS: &[Row] = &[
    Row::new("GRAFANA_CLOUD_ZONE")
        .beside(&[ID, KEY])
        .valid(&[("prod-eu-west-2", "prod-eu-west-2")])
        .invalid(&[
            ("prod eu", "a zone consists of lower-case letters"),
            ("PROD-US-1", "a zone consists of lower-case letters"),
        ]),
    Row::new("GRAFANA_CLOUD_INSTANCE_ID")
        .beside(&[ZONE, KEY])
        .valid(&[("654321", "654321")])
        .invalid(&[("stack", "an instance id is a number")]),
    Row::new("GRAFANA_CLOUD_API_KEY").beside(&[ZONE, ID]).valid(&[("glc_hunter2", "Cloud")]),
    Row::new("GRAFANA_REMOTE_WRITE_URL")
        .valid(&[("https://Mimir/api/v1/push", "Mimir/api/v1/push")])
        .invalid(&[("mimir:9009/x", "has no scheme")]),
    Row::new("GRAFANA_REMOTE_WRITE_USERNAME").beside(WITH_PASSWORD).valid(&[("Me", "\"Me\"")]),
    Row::new("GRAFANA_REMOTE_WRITE_PASSWORD").beside(AS_USER).valid(&[("hunter2", "Basic")]),
    Row::new("GRAFANA_REMOTE_WRITE_BEARER_TOKEN").beside(TO_MIMIR).valid(&[("hunter2", "Bearer")]),
    Row::new("GRAFANA_REMOTE_WRITE_TENANT")
        .beside(TO_MIMIR)
        .valid(&[("Team-A", "Team-A")])
        .invalid(&[("team\u{1}a", "a tenant consists of ASCII characters without white space")]),
    Row::new("METERKIT_GRAFANA_REMOTE_WRITE_VERSION")
        .beside(TO_MIMIR)
        .valid(&[("1.0", "version: V1"), ("2.0", "version: V2")])
        .invalid(&[("3.0", "write `1.0` or `2.0`"), ("V1", "write `1.0` or `2.0`")]),
    Row::new("METERKIT_GRAFANA_REMOTE_WRITE_HISTOGRAMS")
        .beside(TO_MIMIR)
        .valid(&[("Classic", "histograms: Classic"), ("native", "histograms: Native")])
        .invalid(&[("sparse", "write `as_recorded`, `classic` or `native`")]),
    Row::new("METERKIT_GRAFANA_QUEUE_BYTES")
        .beside(TO_MIMIR)
        .valid(&[("1000", "queue_bytes: 1000")])
        .invalid(&[("64MiB", "1 or more")]),
    Row::new("METERKIT_GRAFANA_QUEUE_AGE")
        .beside(TO_MIMIR)
        .valid(&[("60000", "queue_age: 60s")])
        .invalid(&[("2h", "milliseconds, 1 or more")]),
    Row::new("METERKIT_GRAFANA_SPOOL_DIR").beside(TO_MIMIR).valid(&[("/var/Spool", "/var/Spool")]),
    Row::new("METERKIT_GRAFANA_COMPRESSION")
        .beside(&[ZONE, ID, KEY])
        .valid(&[("none", "compression: Some(None)")]),
    Row::new("METERKIT_GRAFANA_TIMEOUT")
        .beside(TO_MIMIR)
        .valid(&[("2500", "timeout: Some(2.5s)"), ("0", "timeout: None")]),
    Row::new("METERKIT_GRAFANA_PROXY")
        .beside(TO_MIMIR)
        .valid(&[("http://me:hunter2@Proxy:3128", "http://Proxy:3128")])
        .invalid(&[("socks5://proxy", "has an unknown scheme")]),
    Row::new("GRAFANA_URL")
        .beside(&[URL, ("GRAFANA_SERVICE_ACCOUNT_TOKEN", "hunter2")])
        .valid(&[("http://Grafana:3000", "url: http://Grafana:3000/")])
        .invalid(&[("grafana:3000", "has no scheme"), ("http://g/?orgId=1", "has a query")]),
    Row::new("GRAFANA_SERVICE_ACCOUNT_TOKEN")
        .beside(&[URL, ("GRAFANA_URL", "http://grafana:3000")])
        .valid(&[("hunter2", "PublishConfig")]),
    Row::new("GRAFANA_FOLDER")
        .beside(&[
            URL,
            ("GRAFANA_URL", "http://grafana:3000"),
            ("GRAFANA_SERVICE_ACCOUNT_TOKEN", "hunter2"),
        ])
        .valid(&[("Shop", "folder: Some(\"Shop\")")]),
];

#[test]
fn every_setting_behaves_like_all_others() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let identity = meterkit_fakes::tls::Authority::new().issue("client");
    let write = |name: &str, text: String| std::fs::write(directory.path().join(name), text);
    write("certificate.pem", identity.pem()).expect("room for it");
    write("key.pem", identity.key_pem()).expect("room for it");
    let certificates = [CERTIFICATE.name, CLIENT_KEY.name, CLIENT_CERTIFICATE.name];
    let rows = [ROWS, &certificate_rows(certificates, TO_MIMIR)].concat();
    let read = |reader: &Reader<'_>| {
        format!(
            "{:?} {:?}",
            GrafanaConfig::read(reader),
            PublishConfig::read(&reader.environment())
        )
    };
    Table {
        settings: SETTINGS,
        rows: &rows,
        beside: TO_MIMIR,
        read: &|environment| environment.read(read),
        read_section: Some(&read),
        has_defaults: true,
        directory: directory.path().to_str().expect("a path of letters"),
    }
    .check();
}
