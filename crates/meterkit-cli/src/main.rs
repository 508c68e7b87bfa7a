//! The command `meterkit`.

use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = std::env::args_os().skip(1);
    let exit = meterkit_cli::run(arguments, &mut io::stdout().lock(), &mut io::stderr().lock());
    ExitCode::from(exit.code())
}
