//! `meterkit dashboards` and `meterkit rules`: files for Grafana and Prometheus, generated from a catalog.

use std::ffi::OsString;

use lexopt::{Arg, Parser, ValueExt};
use meterkit::dashboard::{Dashboard, Rules};
use meterkit_core::Catalog;

use crate::command::{Command, CommandError, Exit};
use crate::source::Source;

pub(crate) const DASHBOARDS: Command = Command {
    name: "dashboards",
    summary: "Creates a Grafana dashboard from a catalog.",
    help: "\
Usage: meterkit dashboards [--title TITLE] [--v2] CATALOG

Prints a dashboard with a panel for each instrument of CATALOG, which is the JSON of `Catalog::to_json`: a file, an
`http://` URL, or `-` for standard input.

Options:
  --title TITLE  The title. `Metrics` by default.
  --v2           Print the schema `dashboard.grafana.app/v2` instead of the classic one.
  -h, --help     Print this help.

Exit codes: 0, or 2 if the command failed.
",
    run: dashboards,
};

pub(crate) const RULES: Command = Command {
    name: "rules",
    summary: "Creates Prometheus recording rules and alerts from a catalog.",
    help: "\
Usage: meterkit rules [--alerts] [--job JOB] CATALOG

Prints recording rules for the instruments of CATALOG, which is the JSON of `Catalog::to_json`: a file, an `http://`
URL, or `-` for standard input.

Options:
  --alerts    Print alerts instead.
  --job JOB   Restrict the rules to this job. Can be given several times.
  -h, --help  Print this help.

Exit codes: 0, or 2 if the command failed.
",
    run: rules,
};

fn dashboards(mut arguments: Parser) -> Result<(String, Exit), CommandError> {
    let (mut title, mut is_v2, mut catalogs) = ("Metrics".to_owned(), false, Vec::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Err(CommandError::Help),
            Arg::Long("title") => title = arguments.value()?.string()?,
            Arg::Long("v2") => is_v2 = true,
            Arg::Value(catalog) => catalogs.push(catalog),
            other => return Err(other.unexpected().into()),
        }
    }
    let dashboard = Dashboard::new(title).of(&catalog(catalogs)?);
    let text = if is_v2 { dashboard.to_v2_json() } else { dashboard.to_classic_json() };
    Ok((text, Exit::Clean))
}

fn rules(mut arguments: Parser) -> Result<(String, Exit), CommandError> {
    let (mut jobs, mut are_alerts, mut catalogs) = (Vec::new(), false, Vec::new());
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Err(CommandError::Help),
            Arg::Long("job") => jobs.push(arguments.value()?.string()?),
            Arg::Long("alerts") => are_alerts = true,
            Arg::Value(catalog) => catalogs.push(catalog),
            other => return Err(other.unexpected().into()),
        }
    }
    let rules = jobs.into_iter().fold(Rules::of(&catalog(catalogs)?), Rules::job);
    Ok((if are_alerts { rules.alerts() } else { rules.recording() }, Exit::Clean))
}

fn catalog(sources: Vec<OsString>) -> Result<Catalog, CommandError> {
    let [source] = <[OsString; 1]>::try_from(sources).map_err(|sources| {
        let problem = "The command takes one argument, CATALOG";
        CommandError::Usage(format!("{problem}, but got {}.", sources.len()))
    })?;
    let source = Source::from(source);
    let text = source.read().map_err(CommandError::Failed)?;
    Catalog::from_json(&text)
        .map_err(|error| CommandError::Failed(format!("{source} cannot be used: {error}.")))
}
