//! `meterkit compare` scrapes a program as Prometheus does.

use std::fs;

use meterkit::prometheus::{ExpositionOptions, PrometheusServer};
use meterkit::{Registry, Telemetry};
use meterkit_cli::Exit;

/// Returns the exit code of the command and its output.
fn compared(old: &str, new: &str) -> (Exit, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = ["compare", old, new].map(Into::into);
    let exit = meterkit_cli::run(arguments, &mut out, &mut err);
    assert_eq!(String::from_utf8_lossy(&err), "");
    (exit, String::from_utf8(out).expect("text"))
}

fn served(options: ExpositionOptions) -> (Telemetry, String) {
    let registry = Registry::new();
    let plain = registry.plain();
    plain.counter::<u64>("jobs_total").build().expect("a valid name").add(4);
    plain.gauge::<f64>("load").build().expect("a valid name").set(0.5);
    let server = PrometheusServer::new().host("127.0.0.1").port(0).options(options);
    let telemetry = Telemetry::builder().registry(registry).prometheus(server).install();
    let telemetry = telemetry.expect("port 0 is always free");
    let address = telemetry.prometheus_address().expect("an endpoint");
    (telemetry, format!("http://{address}/metrics"))
}

#[test]
fn an_endpoint_is_compared_with_a_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("old.txt");
    let old = "# TYPE jobs_total counter\njobs_total 3\n# TYPE load gauge\nload 1\n";
    fs::write(&file, old).expect("a file");
    let file = file.to_str().expect("text");

    let options = ExpositionOptions::new().target_info(false).self_metrics(false);
    let (telemetry, url) = served(options.start_times(false));
    let (exit, text) = compared(file, &url);
    assert_eq!((exit, &*text), (Exit::Clean, "Nothing differs: 2 metrics in both.\n"));
    telemetry.shutdown_blocking().expect("the shutdown completes in time");

    let (telemetry, url) = served(ExpositionOptions::new());
    let (exit, text) = compared(file, &url);
    assert_eq!(exit, Exit::Findings);
    for setting in ["TARGET_INFO=false", "START_TIMES=false"] {
        assert!(text.contains(&format!("`METERKIT_PROMETHEUS_{setting}`")), "{text}");
    }
    telemetry.shutdown_blocking().expect("the shutdown completes in time");
}
