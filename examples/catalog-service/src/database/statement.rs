//! The labels by which statements are counted.

use std::fmt;

use meterkit::{LabelValue, Labels};

use super::Error;

/// A statement's operation and its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Labels)]
pub struct Statement {
    /// The operation.
    pub operation: Operation,
    /// The outcome.
    pub outcome: Outcome,
}

impl fmt::Display for Statement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.operation.as_str(), self.outcome.as_str())
    }
}

/// The operation of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, LabelValue)]
#[expect(missing_docs, reason = "each is named after the method of `Database` that runs it")]
pub enum Operation {
    Insert,
    Update,
    Delete,
    Get,
    List,
    Count,
}

impl Operation {
    /// Returns the operation as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
            Self::Get => "get",
            Self::List => "list",
            Self::Count => "count",
        }
    }
}

/// The outcome of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, LabelValue)]
pub enum Outcome {
    /// The statement succeeded.
    Ok,
    /// The row does not exist.
    NotFound,
    /// The row already exists.
    Duplicate,
    /// SQLite failed.
    Error,
}

impl Outcome {
    /// Returns the outcome as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotFound => "not_found",
            Self::Duplicate => "duplicate",
            Self::Error => "error",
        }
    }

    pub(super) fn of<T>(result: &Result<T, Error>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(Error::NotFound) => Self::NotFound,
            Err(Error::Duplicate) => Self::Duplicate,
            Err(Error::Sqlite(_) | Error::Aborted(_)) => Self::Error,
        }
    }
}
