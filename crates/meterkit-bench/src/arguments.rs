//! The arguments of a benchmark run, and the machine that it runs on.

use std::env;
use std::fs;
use std::process::Command;
use std::thread;

/// The arguments of a benchmark.
///
/// `--quick` only checks that everything runs. `--check` fails the run if a bound is missed, except in a quick run. Any
/// other argument selects the cases whose names contain it. A run without `--bench`, which `cargo bench` passes and
/// `cargo test` does not, is quick.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "three arguments")]
pub struct Arguments {
    /// Whether the run is quick, so that its figures mean nothing.
    pub is_quick: bool,
    /// Whether missed bounds fail the run.
    pub must_check: bool,
    /// Text that the names of selected cases contain.
    pub filter: Option<String>,
}

impl Arguments {
    /// Parses the arguments of this program.
    pub fn from_env() -> Self {
        Self::new(&env::args().skip(1).collect::<Vec<_>>())
    }

    fn new(arguments: &[String]) -> Self {
        let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
        let is_quick = has("--quick") || !has("--bench");
        Self {
            is_quick,
            must_check: has("--check") && !is_quick,
            filter: arguments.iter().find(|argument| !argument.starts_with('-')).cloned(),
        }
    }

    /// Returns whether the case with this name is selected.
    pub fn select(&self, name: &str) -> bool {
        self.filter.as_ref().is_none_or(|part| name.contains(part))
    }

    /// Returns a description of the machine and the method of measurement.
    pub fn header(&self) -> String {
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
            if self.is_quick { "\nquick run: the figures mean nothing" } else { "" },
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(arguments: &[&str]) -> Arguments {
        Arguments::new(&arguments.iter().map(|&argument| argument.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_run_is_quick_when_asked_and_when_it_is_a_test() {
        assert!(of(&[]).is_quick);
        assert!(of(&["--bench", "--quick"]).is_quick);
        assert!(!of(&["--bench"]).is_quick);
    }

    #[test]
    fn a_quick_run_checks_no_bounds() {
        assert!(of(&["--bench", "--check"]).must_check);
        assert!(!of(&["--bench", "--check", "--quick"]).must_check);
    }

    #[test]
    fn a_word_selects_the_names_that_have_it() {
        assert!(of(&["--bench", "texts"]).select("counter, 3 texts / Counter::add"));
        assert!(!of(&["texts", "--bench"]).select("gauge"));
        assert!(of(&["--bench"]).select("gauge"));
    }
}
