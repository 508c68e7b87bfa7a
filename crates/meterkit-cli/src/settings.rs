//! `meterkit settings`: all settings, and where their values come from.

use std::env;

use lexopt::{Arg, Parser};
use meterkit::settings::{Declaration, declarations};
use serde::Serialize;

use crate::command::{Command, CommandError, Exit, json};

pub(crate) const COMMAND: Command = Command {
    name: "settings",
    summary: "Lists all settings, their values, and where each value comes from.",
    help: "\
Usage: meterkit settings [--set] [--json]

Lists each setting of all targets with its value and the source of the value: a variable of this environment, a file
that a variable names, or the default. Secrets are not shown.

Options:
  --set       List only settings that are set.
  --json      Print JSON, with the meaning of each setting.
  -h, --help  Print this help.

Exit codes: 0, or 2 if the command failed.
",
    run,
};

/// One setting, as in the JSON output.
#[derive(Serialize)]
struct Line {
    name: &'static str,
    target: Option<&'static str>,
    /// The value, unless it is a secret or not valid text.
    value: Option<String>,
    /// `environment`, `file` or `default`.
    source: &'static str,
    /// The variable that provides the value.
    variable: Option<String>,
    /// Whether the variable is ignored because a configuration file is set.
    is_replaced: bool,
    default: &'static str,
    meaning: &'static str,
}

fn run(mut arguments: Parser) -> Result<(String, Exit), CommandError> {
    let (mut is_json, mut only_set) = (false, false);
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Err(CommandError::Help),
            Arg::Long("json") => is_json = true,
            Arg::Long("set") => only_set = true,
            other => return Err(other.unexpected().into()),
        }
    }
    let has_file = value("OTEL_CONFIG_FILE").is_some();
    let lines = declarations().map(|setting| line(setting, has_file));
    let lines: Vec<_> = lines.filter(|line| !only_set || line.variable.is_some()).collect();
    let text = if is_json { json(&lines) } else { lines.iter().map(shown).collect() };
    Ok((text, Exit::Clean))
}

fn line(setting: &Declaration, has_file: bool) -> Line {
    let by_value = setting.names().map(|name| (name.to_owned(), false));
    let files =
        setting.names().filter(|_| setting.is_secret).map(|it| (format!("{it}_FILE"), true));
    let found = by_value.chain(files).find_map(|(name, is_file)| {
        let value = value(&name)?;
        Some((name, value, is_file))
    });
    let (value, source, variable) = match found {
        None => (None, "default", None),
        // The variable's value is the path of a file.
        Some((name, path, true)) => (Some(path), "file", Some(name)),
        Some((name, value, false)) => (setting.shown(&value), "environment", Some(name)),
    };
    Line {
        name: setting.name,
        target: setting.target,
        value,
        source,
        is_replaced: variable.is_some() && has_file && !setting.counts_beside_file,
        variable,
        default: setting.default,
        meaning: setting.meaning,
    }
}

fn value(name: &str) -> Option<String> {
    let value = env::var_os(name)?.to_string_lossy().trim().to_owned();
    Some(value).filter(|value| !value.is_empty())
}

fn shown(line: &Line) -> String {
    let replaced = if line.is_replaced { "; ignored, because OTEL_CONFIG_FILE is set" } else { "" };
    let value = line.value.as_deref().unwrap_or("(not shown)").escape_debug();
    match (&line.variable, line.default) {
        (Some(variable), _) if line.source == "file" => {
            format!("{} = the content of {value} ({variable}){replaced}\n", line.name)
        }
        (Some(variable), _) => format!("{} = {value} ({variable}){replaced}\n", line.name),
        (None, "") => format!("{} is unset\n", line.name),
        (None, default) => format!("{} is unset: {default}\n", line.name),
    }
}
