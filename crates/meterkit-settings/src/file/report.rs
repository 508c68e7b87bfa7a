//! Problems and unused parts that are found while a file is read.

use crate::problem::{Position, Problem};

/// The problems and unused parts, in the order in which they were found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) problems: Vec<Problem>,
    pub(crate) unused: Vec<Position>,
    /// Whether the file may have properties that only a later version of the schema defines.
    pub(crate) is_newer: bool,
}

impl Report {
    pub(crate) fn problem(&mut self, line: usize, path: String, reason: impl Into<String>) {
        self.problems.push(Problem::in_file(Position { line, path }, reason));
    }

    pub(crate) fn unused(&mut self, line: usize, path: String) {
        self.unused.push(Position { line, path });
    }
}
