//! Servers by other projects, if they are installed.

use std::env;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;

/// Returns the executable of the server `name`, or `None` if it is missing and the test should be skipped.
///
/// # Panics
///
/// Panics if the server is missing and `METERKIT_PEERS=require` is set.
pub fn find(name: &str) -> Option<PathBuf> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");
    let output = Command::new(script).args(["path", name]).output();
    let reason = match output {
        Ok(output) if output.status.success() => {
            let path = String::from_utf8_lossy(&output.stdout);
            return Some(PathBuf::from(path.trim()));
        }
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    let is_required = env::var("METERKIT_PEERS").is_ok_and(|value| value == "require");
    assert!(!is_required, "METERKIT_PEERS=require, but {name} is missing: {reason}");
    // Not `eprintln!`, whose output the test runner hides when the test passes.
    let _ = writeln!(
        io::stderr(),
        "skipped: {name} is not installed; `integration-tests/peers {name}` installs it"
    );
    None
}
