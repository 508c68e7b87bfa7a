//! `meterkit names`: the name of a metric in each back end.

use lexopt::{Arg, Parser, ValueExt};
use meterkit_core::Kind;
use meterkit_rules::prometheus_name::Translation;
use serde::Serialize;

use crate::command::{Command, CommandError, Exit, json};

pub(crate) const COMMAND: Command = Command {
    name: "names",
    summary: "Shows how the name of a metric looks in each back end.",
    help: "\
Usage: meterkit names [--kind KIND] [--unit UNIT] [--json] NAME

NAME is the name in OpenTelemetry, as in `backstage.plugin.catalog.requests`. Prints the name in OTLP, in Prometheus under
each translation strategy, and in Datadog.

Options:
  --kind KIND  `counter` (the default), `up-down-counter`, `gauge` or `histogram`.
  --unit UNIT  The unit, as in `s` or `By`. None by default.
  --json       Print JSON.
  -h, --help   Print this help.

Exit codes: 0, or 2 if the command failed.
",
    run,
};

/// The name in one back end.
#[derive(Serialize)]
struct Line {
    backend: &'static str,
    /// How the back end translates names, where there is a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    translation: Option<&'static str>,
    name: String,
}

fn run(mut arguments: Parser) -> Result<(String, Exit), CommandError> {
    let (mut kind, mut unit, mut is_json) = (Kind::Counter, String::new(), false);
    let mut names = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Err(CommandError::Help),
            Arg::Long("kind") => kind = kind_of(&arguments.value()?.string()?)?,
            Arg::Long("unit") => unit = arguments.value()?.string()?,
            Arg::Long("json") => is_json = true,
            Arg::Value(name) => names.push(name.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let [name] = <[String; 1]>::try_from(names).map_err(|names| {
        let problem = "`meterkit names` takes one argument, NAME";
        CommandError::Usage(format!("{problem}, but got {}.", names.len()))
    })?;
    let lines = lines(&name, &unit, kind);
    let text = if is_json { json(&lines) } else { lines.iter().map(shown).collect() };
    Ok((text, Exit::Clean))
}

fn kind_of(word: &str) -> Result<Kind, CommandError> {
    match word {
        "counter" => Ok(Kind::Counter),
        "up-down-counter" => Ok(Kind::UpDownCounter),
        "gauge" => Ok(Kind::Gauge),
        "histogram" => Ok(Kind::Histogram),
        _ => Err(CommandError::Usage(format!(
            "Unknown kind `{word}`: it must be `counter`, `up-down-counter`, `gauge` or `histogram`."
        ))),
    }
}

fn lines(name: &str, unit: &str, kind: Kind) -> Vec<Line> {
    let otlp = Line { backend: "OTLP", translation: None, name: name.to_owned() };
    let prometheus = Translation::ALL.into_iter().map(|translation| Line {
        backend: "Prometheus",
        translation: Some(translation.as_str()),
        name: translation.utf8().family(name, unit, kind),
    });
    let datadog = meterkit::datadog::metric_name(name);
    let datadog = datadog.map(|name| Line { backend: "Datadog", translation: None, name });
    std::iter::once(otlp).chain(prometheus).chain(datadog).collect()
}

fn shown(line: &Line) -> String {
    let by = line.translation.map(|it| format!(" ({it})")).unwrap_or_default();
    format!("{}{by}: {}\n", line.backend, line.name)
}
