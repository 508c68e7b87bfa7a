//! One run: its arguments, its header, and a row for each comparison.

use std::env;
use std::fs;
use std::process::{Command, ExitCode};
use std::thread;

use crate::comparison::{Comparison, Outcome, Pace};

/// By how much a bound must be missed before `--check` fails: shared machines are noisy.
const MARGIN: f64 = 0.1;

/// A run of comparisons.
///
/// Arguments: `--quick` does few short rounds, `--check` fails when a bound is missed by more than a tenth, which a quick
/// run never does, and anything else is a part of the names of the comparisons to run. Without `--bench`, which
/// `cargo bench` passes and `cargo test` does not, a run is quick.
#[derive(Debug)]
#[must_use = "`finish` gives the exit code"]
pub struct Suite {
    pace: Pace,
    must_check: bool,
    filter: Option<String>,
    missed: Vec<String>,
}

impl Suite {
    /// A run with the arguments of the program. Prints the header.
    pub fn from_args() -> Self {
        let arguments: Vec<String> = env::args().skip(1).collect();
        let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
        let is_quick = has("--quick") || !has("--bench");
        println!("{}", header(is_quick));
        Self {
            pace: if is_quick { Pace::QUICK } else { Pace::FULL },
            must_check: has("--check") && !is_quick,
            filter: arguments.iter().find(|argument| !argument.starts_with('-')).cloned(),
            missed: Vec::new(),
        }
    }

    /// Begins a table.
    pub fn section(&self, title: &str) {
        let head = [title, "ours", "theirs", "ratio", "paired", "middle half", "bound"];
        println!("\n{}", row(head.map(str::to_owned)));
        println!("|{}|{}", "-".repeat(63), "---|".repeat(6));
    }

    /// Runs a comparison, unless the arguments left it out, and prints its row.
    pub fn run(&mut self, comparison: Comparison<'_>) {
        if self.filter.as_ref().is_some_and(|part| !comparison.name().contains(part)) {
            return;
        }
        let outcome = comparison.run(self.pace);
        println!("{}", row(cells(&outcome)));
        if outcome.misses(MARGIN) {
            self.missed.push(outcome.name);
        }
    }

    /// Success, but with `--check` when a bound was missed.
    pub fn finish(self) -> ExitCode {
        if !self.must_check || self.missed.is_empty() {
            return ExitCode::SUCCESS;
        }
        println!("\nmissed by more than {:.0} %: {}", MARGIN * 100.0, self.missed.join("; "));
        ExitCode::FAILURE
    }
}

/// Where and how the figures were taken.
fn header(is_quick: bool) -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
        let model = info.lines().find(|line| line.starts_with("model name"))?;
        Some(model.split_once(':')?.1.trim().to_owned())
    });
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let compiler = Command::new("rustc").arg("--version").output().ok();
    let compiler = compiler.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let unknown = || "unknown".to_owned();
    format!(
        "{}, {cores} cores, load {}, {}{}",
        cpu.unwrap_or_else(unknown),
        load.split(' ').next().unwrap_or_default(),
        compiler.unwrap_or_else(unknown).trim(),
        if is_quick { "\nquick run: the figures mean nothing" } else { "" },
    )
}

fn cells(outcome: &Outcome) -> [String; 7] {
    let [low, _, high] = outcome.pairs;
    let verdict = match outcome.bound {
        None => String::new(),
        Some(bound) if outcome.misses(0.0) => format!("{bound:.2} MISSED"),
        Some(bound) => format!("{bound:.2} ok"),
    };
    [
        outcome.name.clone(),
        time(outcome.ours),
        time(outcome.theirs),
        format!("{:.3}", outcome.ratio()),
        format!("{:.3}", outcome.paired()),
        format!("{low:.3} to {high:.3}"),
        verdict,
    ]
}

fn row([name, ours, theirs, ratio, paired, half, bound]: [String; 7]) -> String {
    format!(
        "| {name:<61} | {ours:>8} | {theirs:>8} | {ratio:>6} | {paired:>6} | {half:>14} | {bound:<11} |"
    )
}

fn time(nanos: f64) -> String {
    match nanos {
        n if n < 1e3 => format!("{n:.1} ns"),
        n if n < 1e6 => format!("{:.1} µs", n / 1e3),
        n => format!("{:.2} ms", n / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_readable_unit() {
        assert_eq!(time(5.64), "5.6 ns");
        assert_eq!(time(1_530.0), "1.5 µs");
        assert_eq!(time(2_345_678.0), "2.35 ms");
    }
}
