//! `meterkit validate`: checks a configuration file.

use std::path::PathBuf;

use lexopt::{Arg, Parser};
use meterkit::Telemetry;

use crate::check::environment;
use crate::command::{Command, CommandError, Exit};

pub(crate) const COMMAND: Command = Command {
    name: "validate",
    summary: "Checks a configuration file and lists its problems.",
    help: "\
Usage: meterkit validate FILE

Reads FILE like a service whose OTEL_CONFIG_FILE names it, with the variables of this environment, and lists each
problem with its line. It contacts no target; use `meterkit check --config FILE` for that.

Options:
  -h, --help  Print this help.

Exit codes: 0 if the file is valid, 1 if it is not, 2 if it cannot be read.
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
        CommandError::Usage(format!("{problem}, but got {}.", files.len()))
    })?;
    std::fs::metadata(&file).map_err(|error| {
        CommandError::Failed(format!("Cannot read {}: {error}.", file.display()))
    })?;
    Ok(match Telemetry::from_environment(environment(Some(file))) {
        Ok(_) => ("The file can be used.\n".to_owned(), Exit::Clean),
        Err(error) => (format!("{error}\n"), Exit::Findings),
    })
}
