//! `meterkit validate`: whether a configuration file can be used.

use std::path::PathBuf;

use lexopt::{Arg, Parser};
use meterkit::Telemetry;

use crate::check::environment;
use crate::command::{Command, CommandError, Exit};

pub(crate) const COMMAND: Command = Command {
    name: "validate",
    summary: "Says what is wrong with a configuration file.",
    help: "\
Usage: meterkit validate FILE

Reads FILE as a service does whose OTEL_CONFIG_FILE names it, with the variables of this environment, and lists each problem
with its line. No target is contacted; that is what `meterkit check --config FILE` is for.

Options:
  -h, --help  Print this help.

Exit codes: 0 if the file can be used, 1 if it cannot, 2 if there is no such file.
",
    run,
};

fn run(mut arguments: Parser) -> Result<(String, Exit), CommandError> {
    let mut files = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Err(CommandError::Help),
            Arg::Value(file) => files.push(PathBuf::from(file)),
            other => return Err(other.unexpected().into()),
        }
    }
    let [file] = <[PathBuf; 1]>::try_from(files).map_err(|files| {
        let problem = "`meterkit validate` takes one argument, FILE";
        CommandError::Usage(format!("{problem}, and got {}.", files.len()))
    })?;
    std::fs::metadata(&file).map_err(|error| {
        CommandError::Failed(format!("Cannot read {}: {error}.", file.display()))
    })?;
    Ok(match Telemetry::from_environment(environment(Some(file))) {
        Ok(_) => ("The file can be used.\n".to_owned(), Exit::Clean),
        Err(error) => (format!("{error}\n"), Exit::Findings),
    })
}
