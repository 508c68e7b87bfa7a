//! What is found out about a file on the way: what is wrong, and what is not used.

use std::fmt;

/// Something that is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The line, counted from 1.
    pub line: usize,
    /// Where in the file, `meter_provider.readers[0].periodic.interval`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl Problem {
    /// A problem with what stands there.
    pub fn new(line: usize, path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { line, path: path.into(), reason: reason.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if !self.path.is_empty() {
            write!(f, ", {}", self.path)?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// Something in a file that has no effect.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Unused {
    /// The line, counted from 1.
    pub line: usize,
    /// Where in the file, `tracer_provider`. What is below it has no effect either.
    pub path: String,
}

impl fmt::Display for Unused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (line {})", self.path, self.line)
    }
}

/// All of that, in the order in which it was found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) problems: Vec<Problem>,
    pub(crate) unused: Vec<Unused>,
    /// Whether the file may have properties that only a later version of the schema knows.
    pub(crate) is_newer: bool,
}

impl Report {
    pub(crate) fn problem(&mut self, line: usize, path: String, reason: impl Into<String>) {
        self.problems.push(Problem { line, path, reason: reason.into() });
    }

    pub(crate) fn unused(&mut self, line: usize, path: String) {
        self.unused.push(Unused { line, path });
    }
}
