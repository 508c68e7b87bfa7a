//! Scalars and lists.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use super::At;
use crate::file::path;
use crate::file::report::Report;
use crate::file::yaml::{Content, Meaning, Node, Scalar};

impl<'n> At<'n> {
    fn scalar(&self) -> Option<&'n Scalar> {
        match &self.node.content {
            Content::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    fn meaning(&self) -> Option<Meaning> {
        self.scalar().map(|scalar| scalar.meaning)
    }

    /// Returns the text of a scalar of any type.
    pub(crate) fn raw_text(&self) -> Option<&'n str> {
        match self.scalar() {
            Some(Scalar { meaning: Meaning::Null | Meaning::Broken, .. }) | None => None,
            Some(scalar) => Some(&scalar.text),
        }
    }

    /// Returns text, or `None` for null.
    pub(crate) fn text(&self, report: &mut Report) -> Option<&'n str> {
        if self.is_null() { None } else { self.some_text(report) }
    }

    /// Returns text. Null is a problem.
    pub(crate) fn some_text(&self, report: &mut Report) -> Option<&'n str> {
        match self.scalar() {
            Some(Scalar { meaning: Meaning::Text, text, .. }) => Some(text),
            Some(Scalar { meaning: Meaning::Null, .. }) | None => {
                self.problem(report, format!("is {}; write text", self.shown()));
                None
            }
            Some(scalar) => {
                let what = match scalar.meaning {
                    Meaning::Bool(_) => "a boolean",
                    _ => "a number",
                };
                let reason = format!("{} is {what}, not text; put it in quotes", self.shown());
                self.problem(report, reason);
                None
            }
        }
    }

    /// Returns text that is not empty, or `None` for null.
    pub(crate) fn filled_text(&self, report: &mut Report) -> Option<&'n str> {
        let text = self.text(report)?;
        if text.trim().is_empty() {
            self.problem(report, "is empty; write something, or remove it");
            return None;
        }
        Some(text)
    }

    pub(crate) fn boolean(&self, report: &mut Report) -> Option<bool> {
        match self.meaning() {
            Some(Meaning::Null) => None,
            Some(Meaning::Bool(value)) => Some(value),
            _ => {
                self.problem(
                    report,
                    format!("{} is not a boolean; write `true` or `false`", self.shown()),
                );
                None
            }
        }
    }

    /// Returns a whole number in `range`, or `None` for null. `example` says what to write and ends the error.
    pub(crate) fn integer(
        &self,
        range: RangeInclusive<i128>,
        example: &str,
        report: &mut Report,
    ) -> Option<i128> {
        let value = match self.meaning() {
            Some(Meaning::Null) => return None,
            Some(Meaning::Int(value)) => Some(value),
            // In JSON schema, 1.0 is an integer.
            Some(Meaning::Float(value)) if value.fract() == 0.0 => Some(value as i128),
            _ => None,
        };
        match value.filter(|value| range.contains(value)) {
            Some(value) => Some(value),
            None => {
                let reason = format!("{} is not valid; write {example}", self.shown());
                self.problem(report, reason);
                None
            }
        }
    }

    /// Returns a whole number of at least 1, or `None` for null.
    pub(crate) fn count(&self, report: &mut Report) -> Option<usize> {
        let largest = i128::try_from(usize::MAX).unwrap_or(i128::MAX);
        let count = self.integer(1..=largest, "a whole number, 1 or more", report)?;
        usize::try_from(count).ok()
    }

    /// Returns a duration of at least `least` milliseconds.
    pub(crate) fn milliseconds(&self, least: i128, report: &mut Report) -> Option<Duration> {
        let example = match least {
            0 => "a whole number of milliseconds, `1000` for a second",
            _ => "a whole number of milliseconds, 1 or more, `1000` for a second",
        };
        let milliseconds = self.integer(least..=i128::from(u64::MAX), example, report)?;
        u64::try_from(milliseconds).ok().map(Duration::from_millis)
    }

    /// Returns a timeout. 0 means no limit.
    pub(crate) fn timeout(&self, report: &mut Report) -> Option<Duration> {
        match self.milliseconds(0, report)? {
            Duration::ZERO => Some(Duration::MAX),
            timeout => Some(timeout),
        }
    }

    pub(crate) fn number(&self, report: &mut Report) -> Option<f64> {
        match self.meaning() {
            Some(Meaning::Float(value)) => Some(value),
            Some(Meaning::Int(value)) => Some(value as f64),
            _ => {
                self.problem(report, format!("{} is not a number", self.shown()));
                None
            }
        }
    }

    /// Returns the value of one of these words, or `None` for null.
    pub(crate) fn choice<T: Clone>(&self, choices: &[(&str, T)], report: &mut Report) -> Option<T> {
        if self.is_null() {
            return None;
        }
        let text = match self.scalar() {
            Some(Scalar { meaning: Meaning::Text, text, .. }) => Some(text),
            _ => None,
        };
        let found = choices.iter().find(|(word, _)| Some(*word) == text.map(String::as_str));
        if found.is_none() {
            let words: Vec<_> = choices.iter().map(|(word, _)| format!("`{word}`")).collect();
            let reason = format!("{} is unknown; write {}", self.shown(), words.join(" or "));
            self.problem(report, reason);
        }
        found.map(|(_, value)| value.clone())
    }

    /// Returns the items of a list that has at least `least` items.
    pub(crate) fn items(&self, least: usize, report: &mut Report) -> Vec<Self> {
        let Content::Sequence(items) = &self.node.content else {
            let reason = format!("is {}; write a list, or remove it", self.shown());
            self.problem(report, reason);
            return Vec::new();
        };
        if items.len() < least {
            self.problem(report, "is an empty list; write items, or remove it");
        }
        let item = |(place, node): (usize, &'n Arc<Node>)| Self {
            node,
            line: node.line,
            path: path::item(&self.path, place),
            is_secret: self.is_secret,
        };
        items.iter().enumerate().map(item).collect()
    }

    /// Returns the items of a list of text.
    pub(crate) fn texts(&self, report: &mut Report) -> Vec<&'n str> {
        let items = self.items(1, report);
        items.iter().filter_map(|item| item.some_text(report)).collect()
    }
}
