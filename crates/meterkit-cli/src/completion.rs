//! `meterkit completion`: scripts that complete commands and options in a shell.

use lexopt::{Arg, Parser, ValueExt};

use crate::command::{COMMANDS, Command, CommandError, Exit};

pub(crate) const COMMAND: Command = Command {
    name: "completion",
    summary: "Prints a script that completes commands in bash, zsh or fish.",
    help: "\
Usage: meterkit completion SHELL

SHELL is `bash`, `zsh` or `fish`:

  bash  source <(meterkit completion bash)
  zsh   meterkit completion zsh > ~/.zfunc/_meterkit
  fish  meterkit completion fish > ~/.config/fish/completions/meterkit.fish

Options:
  -h, --help  Print this help.

Exit codes: 0, or 2 if the command failed.
",
    run,
};

const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];

fn run(mut arguments: Parser) -> Result<(String, Exit), CommandError> {
    let mut shells = Vec::new();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Err(CommandError::Help),
            Arg::Value(shell) => shells.push(shell.string()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let script = match &*shells.iter().map(|it| &**it).collect::<Vec<_>>() {
        ["bash"] => bash(),
        ["zsh"] => zsh(),
        ["fish"] => fish(),
        _ => return Err(CommandError::Usage("SHELL must be `bash`, `zsh` or `fish`.".to_owned())),
    };
    Ok((script, Exit::Clean))
}

/// Returns the long options that the help of a command lists.
fn options(command: &Command) -> impl Iterator<Item = &'static str> + use<> {
    let lines = command.help.lines().filter(|line| line.starts_with("  -"));
    let words = lines.filter_map(|line| line.split_whitespace().find(|it| it.starts_with("--")));
    words.map(|word| word.trim_end_matches(','))
}

fn names() -> String {
    COMMANDS.iter().map(|command| command.name).collect::<Vec<_>>().join(" ")
}

fn bash() -> String {
    let cases: String = COMMANDS
        .iter()
        .map(|command| {
            let mut options: Vec<_> = options(command).collect();
            if command.name == COMMAND.name {
                options.splice(..0, SHELLS);
            }
            format!("    {}) words=\"{}\" ;;\n", command.name, options.join(" "))
        })
        .collect();
    format!(
        "_meterkit() {{
  local current=\"${{COMP_WORDS[COMP_CWORD]}}\" words=\"\"
  if [ \"$COMP_CWORD\" -eq 1 ]; then
    COMPREPLY=($(compgen -W \"{} --help --version\" -- \"$current\"))
    return
  fi
  case \"${{COMP_WORDS[1]}}\" in
{cases}  esac
  COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))
}}
complete -o default -F _meterkit meterkit
",
        names()
    )
}

fn zsh() -> String {
    let commands: String = COMMANDS
        .iter()
        .map(|it| format!("    '{}:{}'\n", it.name, it.summary.replace('\'', "'\\''")))
        .collect();
    let cases: String = COMMANDS
        .iter()
        .map(|command| {
            let options: Vec<_> = options(command).collect();
            format!("    {}) compadd -- {} ;;\n", command.name, options.join(" "))
        })
        .collect();
    format!(
        "#compdef meterkit
_meterkit() {{
  local -a commands
  commands=(
{commands}  )
  if (( CURRENT == 2 )); then
    _describe 'command' commands
    return
  fi
  case \"$words[2]\" in
{cases}  esac
  _files
}}
compdef _meterkit meterkit
"
    )
}

fn fish() -> String {
    let mut script = String::new();
    for command in COMMANDS {
        let (name, summary) = (command.name, command.summary.replace('\'', "\\'"));
        script +=
            &format!("complete -c meterkit -n __fish_use_subcommand -a {name} -d '{summary}'\n");
        for option in options(command) {
            let option = option.trim_start_matches('-');
            script += &format!(
                "complete -c meterkit -n '__fish_seen_subcommand_from {name}' -l {option}\n"
            );
        }
    }
    script
}
