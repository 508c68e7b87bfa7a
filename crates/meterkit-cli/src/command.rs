//! The subcommands, and how one is chosen and ends.

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
    /// Nothing was found.
    Clean,
    /// Something was found, such as a difference.
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

/// A subcommand: what it is called, and what it does.
pub(crate) struct Command {
    pub(crate) name: &'static str,
    /// One line for the list of subcommands.
    pub(crate) summary: &'static str,
    /// The whole help, from `Usage:` on.
    pub(crate) help: &'static str,
    /// Returns what to print, and whether that is a finding.
    pub(crate) run: fn(Parser) -> Result<(String, Exit), CommandError>,
}

/// Why a subcommand could not do its work, or need not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// `--help` was among the arguments.
    #[error("the help was asked for")]
    Help,
    /// The arguments are wrong.
    #[error("{0}")]
    Usage(String),
    /// Something that it needs is missing or unusable.
    #[error("{0}")]
    Failed(String),
}

impl From<lexopt::Error> for CommandError {
    fn from(error: lexopt::Error) -> Self {
        Self::Usage(format!("{error}."))
    }
}

/// All subcommands, in the order of the help.
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

/// Runs the command with these arguments, the name of the program left out.
///
/// Results go to `out`, complaints to `err`. Whether either can be written does not change the outcome.
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
    // A reader such as `head` may have enough.
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
        return Err(format!("There is no command `{name}`.\n\n{}", help()));
    };
    (command.run)(parser).or_else(|error| match error {
        CommandError::Help => Ok((command.help.to_owned(), Exit::Clean)),
        CommandError::Usage(problem) => Err(format!("{problem}\n\n{}", command.help)),
        CommandError::Failed(problem) => Err(problem),
    })
}

/// Returns `value` as JSON that people can read, with a line end.
#[cfg(feature = "targets")]
pub(crate) fn json(value: &impl serde::Serialize) -> String {
    // Nothing here fails to be written: keys are texts.
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
