//! Tests of what the environment says, or of what a program has only one of, run in a process of their own.
#![allow(dead_code, reason = "each test file needs a part of it")]

use std::env;
use std::process::{Command, Output};

/// Set for the process that a test runs itself in.
const MARK: &str = "TEST_OF_METERKIT_RUNS_ALONE";

/// What the environment of such a process holds none of, whatever ours does.
const OURS: [&str; 4] = ["OTEL_", "METERKIT_", "DD_", "GRAFANA_"];

/// Runs the test `name` of this file again, alone and with these variables set: `Some` output of a success.
/// `None` when this is that process, where the test is to do its work.
#[track_caller]
pub(crate) fn rerun(name: &str, variables: &[(&str, &str)]) -> Option<Output> {
    if env::var_os(MARK).is_some() {
        return None;
    }
    let mut command = Command::new(env::current_exe().expect("tests run from a file"));
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]);
    for (variable, _) in env::vars_os() {
        if OURS.iter().any(|prefix| variable.to_string_lossy().starts_with(prefix)) {
            command.env_remove(variable);
        }
    }
    let output =
        command.env(MARK, "1").envs(variables.iter().copied()).output().expect("it starts");
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{name} failed in its own process:\n{out}\n{err}");
    assert!(out.contains("1 passed"), "there is no test {name}:\n{out}");
    Some(output)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
