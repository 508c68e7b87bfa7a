//! How statements are told apart when they are counted.

use std::fmt;

use meterkit::{LabelValue, Labels};

use super::Error;

/// What a statement was and how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Labels)]
pub struct Statement {
    /// What it did.
    pub operation: Operation,
    /// How it ended.
    pub outcome: Outcome,
}

impl fmt::Display for Statement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.operation.as_str(), self.outcome.as_str())
    }
}

/// What a statement does.
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
    /// The operation as a word.
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

/// How a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, LabelValue)]
pub enum Outcome {
    /// It did what it was asked for.
    Ok,
    /// There was no such row.
    NotFound,
    /// The row was there already.
    Duplicate,
    /// SQLite failed.
    Error,
}

impl Outcome {
    /// The outcome as a word.
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
