//! The subcommands, their selection, and their exit codes.

use std::ffi::OsString;
use std::io::{self, Write};

use lexopt::{Arg, Parser};

#[cfg(feature = "targets")]
use crate::{check, dashboards, names, settings, validate};
use crate::{compare, completion};

/// How a run of the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "scripts rely on the three codes")]
pub enum Exit {
    /// The command found nothing to report.
    Clean,
    /// The command found something to report, such as a difference.
    Findings,
    /// The command could not do its work.
    Failed,
}

impl Exit {
    /// Returns the exit code of the process: 0, 1 or 2.
    pub const fn code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Findings => 1,
            Self::Failed => 2,
        }
    }
}

/// A subcommand.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// The line that describes the subcommand in the list of subcommands.
    pub(crate) summary: &'static str,
    /// The complete help, beginning with `Usage:`.
    pub(crate) help: &'static str,
    /// Runs the subcommand. Returns the text to print, and whether the text is a finding.
    pub(crate) run: fn(Parser) -> Result<(String, Exit), CommandError>,
}

/// The reason why a subcommand did not run to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The arguments contain `--help`.
    #[error("help was requested")]
    Help,
    /// The arguments are wrong.
    #[error("{0}")]
    Usage(String),
    /// Something that the subcommand needs is missing or unusable.
    #[error("{0}")]
    Failed(String),
}

impl From<lexopt::Error> for CommandError {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(format!("{error}."))
    }
}

/// All subcommands, in the order in which the help lists them.
pub(crate) const COMMANDS: &[Command] = &[
    compare::COMMAND,
    #[cfg(feature = "targets")]
    check::COMMAND,
    #[cfg(feature = "targets")]
    settings::COMMAND,
    #[cfg(feature = "targets")]
    dashboards::DASHBOARDS,
    #[cfg(feature = "targets")]
    dashboards::RULES,
    #[cfg(feature = "targets")]
    names::COMMAND,
    #[cfg(feature = "targets")]
    validate::COMMAND,
    completion::COMMAND,
];

/// Runs the command with these arguments, which exclude the name of the program.
///
/// Results go to `out`, and error messages to `err`. Returns [`Exit::Failed`] if `out` cannot be written, except when its
/// reader has closed the pipe.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Exit {
    let (text, exit) = match chosen(Parser::from_args(arguments)) {
        Ok(result) => result,
        Err(problem) => {
            let _ = writeln!(err, "meterkit: {problem}");
            return Exit::Failed;
        }
    };
    // A reader such as `head` may close the pipe early.
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let _ = writeln!(err, "meterkit: The output cannot be written: {error}.");
            Exit::Failed
        }
        _ => exit,
    }
}

fn chosen(mut parser: Parser) -> Result<(String, Exit), String> {
    let name = match parser.next() {
        Ok(Some(Arg::Value(name))) => name.to_string_lossy().into_owned(),
        Ok(Some(Arg::Short('h') | Arg::Long("help"))) => return Ok((help(), Exit::Clean)),
        Ok(Some(Arg::Short('V') | Arg::Long("version"))) => {
            return Ok((
                concat!("meterkit ", env!("CARGO_PKG_VERSION"), "\n").to_owned(),
                Exit::Clean,
            ));
        }
        Ok(Some(argument)) => return Err(format!("{}.\n\n{}", argument.unexpected(), help())),
        Ok(None) => return Err(format!("A command is missing.\n\n{}", help())),
        Err(error) => return Err(format!("{error}.\n\n{}", help())),
    };
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        return Err(format!("Unknown command `{name}`.\n\n{}", help()));
    };
    (command.run)(parser).or_else(|error| match error {
        CommandError::Help => Ok((command.help.to_owned(), Exit::Clean)),
        CommandError::Usage(problem) => Err(format!("{problem}\n\n{}", command.help)),
        CommandError::Failed(problem) => Err(problem),
    })
}

/// Returns `value` as indented JSON, with a line feed at its end.
#[cfg(feature = "targets")]
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    // Cannot fail: all keys are strings.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn help() -> String {
    let mut text = "Usage: meterkit COMMAND [ARGUMENTS]\n\nCommands:\n".to_owned();
    for command in COMMANDS {
        text.push_str(&format!("  {:10} {}\n", command.name, command.summary));
    }
    text.push_str("\n`meterkit COMMAND --help` explains a command.\n");
    text
}
