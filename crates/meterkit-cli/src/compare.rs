//! `meterkit compare`: the differences between the metrics of two programs, and their causes.

mod bounds;
mod cause;
mod comparison;
mod labels;
mod names;
mod report;

use std::ffi::OsString;

use lexopt::{Arg, Parser};

pub use self::cause::Cause;
pub use self::comparison::{Comparison, Difference, Group, MixedError};
use crate::command::{Command, CommandError, Exit};
use crate::inventory::Inventory;
use crate::source::Source;

pub(crate) const COMMAND: Command = Command {
    name: "compare",
    summary: "Compares the metrics of two programs, and explains how to remove each difference.",
    help: "\
Usage: meterkit compare [--json] OLD NEW

Compares names, types, units, labels and bucket bounds, and groups the differences by cause. Values of metrics are not
compared. Bounds are compared as numbers, because Prometheus 3 stores them as numbers: `1` equals `1.0`.

OLD and NEW are expositions (Prometheus' text format or OpenMetrics) or catalogs (the JSON of `Catalog::to_json`). Each
is a file, an `http://` URL, or `-` for standard input.

Options:
  --json      Print JSON.
  -h, --help  Print this help.

Exit codes: 0 if nothing differs, 1 if something does, 2 if the comparison failed.
",
    run,
};

fn run(mut arguments: Parser) -> Result<(String, Exit), CommandError> {
    let mut sources: Vec<OsString> = Vec::new();
    let mut is_json = false;
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Err(CommandError::Help),
            Arg::Long("json") => is_json = true,
            Arg::Value(source) => sources.push(source),
            other => return Err(other.unexpected().into()),
        }
    }
    let [old, new] = <[OsString; 2]>::try_from(sources).map_err(|sources| {
        let problem = "`meterkit compare` takes two arguments, OLD and NEW";
        CommandError::Usage(format!("{problem}, but got {}.", sources.len()))
    })?;
    let [old, new] = [Source::from(old), Source::from(new)];
    if (&old, &new) == (&Source::Stdin, &Source::Stdin) {
        let problem = "Only one of OLD and NEW can be standard input.";
        return Err(CommandError::Usage(problem.to_owned()));
    }
    let [old, new] = [read(&old)?, read(&new)?];
    let comparison =
        Comparison::new(&old, &new).map_err(|error| CommandError::Failed(format!("{error}.")))?;
    let text = if is_json { comparison.to_json() } else { comparison.to_string() };
    Ok((text, if comparison.is_equal() { Exit::Clean } else { Exit::Findings }))
}

fn read(source: &Source) -> Result<Inventory, CommandError> {
    let text = source.read().map_err(CommandError::Failed)?;
    Inventory::read(&text)
        .map_err(|error| CommandError::Failed(format!("{source} cannot be compared: {error}.")))
}
