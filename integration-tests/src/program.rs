//! Programs of this workspace, built on demand.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// Returns the executable of the example `package`, and builds it first if it is out of date.
pub fn build(package: &str) -> PathBuf {
    executable(package, &["--package", package])
}

/// Returns the executable of a program of `examples/ways-of-use`, and builds it first if it is out of date.
pub fn small(name: &str) -> PathBuf {
    executable(name, &["--package", "ways-of-use", "--example", name])
}

fn executable(name: &str, arguments: &[&str]) -> PathBuf {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--message-format=json"])
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .unwrap_or_else(|| panic!("cargo names no executable of {name}"))
}
