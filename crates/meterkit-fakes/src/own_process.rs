//! Separate processes for tests that depend on the environment, or on a global of which a process has only one.

use std::env;
use std::process::{Command, Output};

/// A variable that is set in the process that a test starts for itself.
const MARK: &str = "TEST_OF_METERKIT_RUNS_ALONE";

/// Prefixes of variables that such a process does not inherit.
const OURS: [&str; 4] = ["OTEL_", "METERKIT_", "DD_", "GRAFANA_"];

/// Runs the test `name` again, alone in a process with these variables, and returns its output.
///
/// Returns `None` in that process, in which the test does its work. `name` excludes the module, so no other test of the
/// binary may have a name that contains it.
///
/// # Panics
///
/// Panics if the test fails in its own process, or if the binary does not have exactly one such test.
#[track_caller]
pub fn rerun(name: &str, variables: &[(&str, &str)]) -> Option<Output> {
    if env::var_os(MARK).is_some() {
        return None;
    }
    let mut command = Command::new(env::current_exe().expect("tests run from a file"));
    command.args([name, "--nocapture", "--test-threads=1"]);
    for (variable, _) in env::vars_os() {
        if OURS.iter().any(|prefix| variable.to_string_lossy().starts_with(prefix)) {
            command.env_remove(variable);
        }
    }
    let output =
        command.env(MARK, "1").envs(variables.iter().copied()).output().expect("the test starts");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{name} failed in its own process:\n{out}\n{err}");
    assert!(out.contains("1 passed"), "there is no test {name}:\n{out}");
    Some(output)
}

/// Returns the output of a process as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
