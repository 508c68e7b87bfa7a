//! `meterkit check`: whether the targets of a service would accept its metrics.

use std::path::PathBuf;

use lexopt::{Arg, Parser};
use meterkit::Telemetry;
use meterkit::settings::Environment;
use meterkit::target::{Checked, Probe, TargetCheck};
use serde::Serialize;

use crate::command::{Command, CommandError, Exit, json};

pub(crate) const COMMAND: Command = Command {
    name: "check",
    summary: "Asks each target of a service whether it would accept its metrics.",
    help: "\
Usage: meterkit check [--send] [--json] [--config FILE]

Reads the same environment as the service, or the file in OTEL_CONFIG_FILE, and checks each selected target: it sends
an empty request to OTLP and remote write, verifies the API key with Datadog, asks a push gateway whether it is ready,
and opens and scrapes the scrape endpoint once. Nothing is stored. Prints one line per target: the result, and what to
do about a problem. A line that begins with `warning` is about a setting that does not keep the service from starting, such
as a misspelled variable; with METERKIT_STRICT=true, wrong values are errors.

Run it where the service runs. Stop the service first if it has a scrape endpoint: a port can be opened only once.

Options:
  --send         Send a point named `meterkit.check`, which stays stored, to all targets except a push gateway.
  --json         Print JSON.
  --config FILE  Read this configuration file instead of the one in OTEL_CONFIG_FILE.
  -h, --help     Print this help.

Exit codes: 0 if all is well, 1 if a target or a setting has a problem, 2 if the check failed.
",
    run,
};

/// The result for one target, as in the JSON output.
#[derive(Serialize)]
struct Line<'a> {
    target: &'a str,
    endpoint: &'a str,
    /// `ok`, `unknown` or `failed`.
    outcome: &'static str,
    text: String,
    /// The attribute `error.type`.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_type: Option<String>,
}

fn run(mut arguments: Parser) -> Result<(String, Exit), CommandError> {
    let (mut probe, mut is_json, mut config) = (Probe::Empty, false, None);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Err(CommandError::Help),
            Arg::Long("send") => probe = Probe::Point,
            Arg::Long("json") => is_json = true,
            Arg::Long("config") => config = Some(PathBuf::from(arguments.value()?)),
            other => return Err(other.unexpected().into()),
        }
    }
    let builder = match Telemetry::from_environment(environment(config)) {
        Ok(builder) => builder,
        Err(error) => {
            let text = match is_json {
                true => json(&serde_json::json!({ "ok": false, "settings": error.to_string() })),
                false => format!("{error}\n"),
            };
            return Ok((text, Exit::Findings));
        }
    };
    let warnings = builder.warnings();
    let checks = builder.check_blocking(probe);
    let checks = checks.map_err(|error| CommandError::Failed(format!("{error}.")))?;
    let is_ok = checks.iter().all(TargetCheck::is_ok);
    let lines: Vec<_> = checks.iter().map(line).collect();
    let text = match is_json {
        true => json(&serde_json::json!({ "ok": is_ok, "targets": lines, "warnings": warnings })),
        false => {
            let warnings = warnings.iter().map(|warning| format!("warning {warning}\n"));
            let targets = lines.iter().map(|line| {
                let at = if line.endpoint.is_empty() { "" } else { " at " };
                format!("{:7} {}{at}{}: {}\n", line.outcome, line.target, line.endpoint, line.text)
            });
            let none = "No target is selected, or metrics are disabled.\n".to_owned();
            let none = lines.is_empty().then_some(none);
            warnings.chain(targets).chain(none).collect()
        }
    };
    Ok((text, if is_ok { Exit::Clean } else { Exit::Findings }))
}

/// Returns the variables of this process, with `config` as the configuration file if given.
pub(crate) fn environment(config: Option<PathBuf>) -> Environment {
    let file = config.map(|file| ("OTEL_CONFIG_FILE".into(), file.into_os_string()));
    Environment::of(std::env::vars_os().chain(file))
}

fn line(check: &TargetCheck) -> Line<'_> {
    let (outcome, text, error_type) = match &check.outcome {
        Ok(Checked::Accepted(text)) => ("ok", text.clone(), None),
        Ok(Checked::Unknown(text)) => ("unknown", text.clone(), None),
        Err(error) => ("failed", error.to_string(), Some(error.cause().to_string())),
    };
    Line { target: &check.name, endpoint: &check.endpoint, outcome, text, error_type }
}
