//! Problems that are found while a file is read, and the parts of it that have no effect.

use crate::problem::{Position, Problem};

/// All of that, in the order in which it was found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) problems: Vec<Problem>,
    pub(crate) unused: Vec<Position>,
    /// Whether the file may have properties that only a later version of the schema knows.
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
