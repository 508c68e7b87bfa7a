//! A run: its header, and a row for each comparison.

use std::process::ExitCode;

use crate::arguments::Arguments;
use crate::comparison::{Comparison, Outcome, Pace};
use crate::figures::Figure;

/// The fraction by which a bound must be missed before `--check` fails, because shared machines are noisy.
const MARGIN: f64 = 0.1;

/// A run of comparisons. With `--check`, the run fails if a bound is missed by more than a tenth.
#[derive(Debug)]
#[must_use = "`finish` gives the exit code"]
pub struct Suite {
    arguments: Arguments,
    table: String,
    missed: Vec<String>,
}

impl Suite {
    /// Creates a run with the arguments of the program, and prints the header.
    pub fn from_args() -> Self {
        let arguments = Arguments::from_env();
        println!("{}", arguments.header());
        Self { arguments, table: String::new(), missed: Vec::new() }
    }

    /// Starts a table.
    pub fn section(&mut self, title: &str) {
        title.clone_into(&mut self.table);
        let head = [title, "ours", "theirs", "ratio", "paired", "middle half", "bound"];
        println!("\n{}", row(head.map(str::to_owned)));
        println!("|{}|{}", "-".repeat(63), "---|".repeat(6));
    }

    /// Runs a comparison, unless the arguments exclude it, and prints its row.
    pub fn run(&mut self, comparison: Comparison<'_>) {
        if !self.arguments.select(comparison.name()) {
            return;
        }
        let pace = if self.arguments.is_quick { Pace::QUICK } else { Pace::FULL };
        let outcome = comparison.run(pace);
        println!("{}", row(cells(&outcome)));
        self.figure(&outcome).append();
        if outcome.misses(MARGIN) {
            self.missed.push(outcome.name);
        }
    }

    fn figure(&self, outcome: &Outcome) -> Figure {
        let &Outcome { ref name, bound, ours, theirs, .. } = outcome;
        let (table, name, ratio) = (self.table.clone(), name.clone(), outcome.paired());
        Figure { table, name, ours, theirs, ratio, bound }
    }

    /// Returns success, or failure if a bound was missed in a run with `--check`.
    pub fn finish(self) -> ExitCode {
        if !self.arguments.must_check || self.missed.is_empty() {
            return ExitCode::SUCCESS;
        }
        println!("\nmissed by more than {:.0} %: {}", MARGIN * 100.0, self.missed.join("; "));
        ExitCode::FAILURE
    }
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
