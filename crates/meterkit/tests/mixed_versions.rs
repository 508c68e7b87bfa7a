//! Cargo tells a program that it runs where its manifest is, so a second `opentelemetry` in its lock file causes a
//! warning.

use std::fs;

use meterkit::{Registry, Telemetry};
use meterkit_fakes::log_lines;
use meterkit_fakes::own_process::rerun;

const LOCK: &str = r#"
[[package]]
name = "meterkit-core"
version = "0.1.0"
dependencies = [
 "opentelemetry 0.33.1",
]

[[package]]
name = "opentelemetry"
version = "0.31.0"

[[package]]
name = "opentelemetry"
version = "0.33.1"

[[package]]
name = "shop"
version = "1.0.0"
dependencies = [
 "meterkit-core",
 "opentelemetry 0.31.0",
]
"#;

#[test]
fn a_second_version_causes_a_warning_when_metrics_are_installed() {
    let name = "a_second_version_causes_a_warning_when_metrics_are_installed";
    let workspace = tempfile::tempdir().unwrap();
    fs::write(workspace.path().join("Cargo.lock"), LOCK).unwrap();
    let member = workspace.path().join("crates/shop");
    fs::create_dir_all(&member).unwrap();
    let member = member.to_str().unwrap();
    if rerun(name, &[("CARGO_MANIFEST_DIR", member), ("CARGO_PKG_NAME", "shop")]).is_some() {
        return;
    }
    let builder = Telemetry::builder().registry(Registry::new());
    let (telemetry, lines) = log_lines::of(|| builder.install().unwrap());
    let warning = lines.iter().find(|line| line.starts_with("WARN")).expect("a warning");
    for words in ["a second version of `opentelemetry`", "version=0.31.0", "used_by=shop 1.0.0"] {
        assert!(warning.contains(words), "{words} is not in {warning}");
    }
    assert!(warning.contains("cargo tree -i opentelemetry@0.31.0"), "{warning}");
    telemetry.shutdown_blocking().unwrap();
}

#[test]
fn this_workspace_has_one_version() {
    let builder = Telemetry::builder().registry(Registry::new());
    let (telemetry, lines) = log_lines::of(|| builder.install().unwrap());
    assert_eq!(lines, ["INFO metrics are collected, but no target is selected"]);
    telemetry.shutdown_blocking().unwrap();
}
