//! Reads a file by its schema, and reports whatever does not match, with its path.

mod fields;
mod value;

use crate::file::path;
use crate::file::report::Report;
use crate::file::yaml::{Content, Entry, Meaning, Node, Scalar};

pub(crate) use self::fields::Fields;

/// A part of the file and its position.
#[derive(Clone)]
pub(crate) struct At<'n> {
    pub(crate) node: &'n Node,
    /// The line of the key, if there is a key: a value that is left out has no line of its own.
    pub(crate) line: usize,
    pub(crate) path: String,
    /// Whether errors must not show this value.
    is_secret: bool,
}

impl<'n> At<'n> {
    pub(crate) fn root(node: &'n Node) -> Self {
        Self { node, line: node.line, path: String::new(), is_secret: false }
    }

    /// Returns the same value, marked so that errors show neither it nor anything below it.
    pub(crate) fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    pub(crate) fn entry(&self, Entry { key, line, value }: &'n Entry) -> Self {
        let path = path::key(&self.path, key);
        Self { node: value, line: *line, path, is_secret: self.is_secret }
    }

    pub(crate) fn is_null(&self) -> bool {
        self.node.is_null()
    }

    /// Reports a problem with this value, unless a problem with it has been reported already.
    pub(crate) fn problem(&self, report: &mut Report, reason: impl Into<String>) {
        if !matches!(self.node.content, Content::Scalar(Scalar { meaning: Meaning::Broken, .. })) {
            report.problem(self.line, self.path.clone(), reason);
        }
    }

    pub(crate) fn unused(&self, report: &mut Report) {
        report.unused(self.line, self.path.clone());
    }

    /// Describes the value for an error, without showing what may be secret.
    pub(crate) fn shown(&self) -> String {
        match &self.node.content {
            Content::Sequence(_) => "a list".to_owned(),
            Content::Mapping(_) => "a mapping".to_owned(),
            Content::Scalar(Scalar { meaning: Meaning::Null, written: None, .. }) => {
                "null".to_owned()
            }
            Content::Scalar(_) if self.is_secret => "a hidden value".to_owned(),
            // A variable may hold a secret even if it is used in the wrong place.
            Content::Scalar(Scalar { written: Some(written), .. }) => {
                format!("the value of {}", quoted(written))
            }
            Content::Scalar(Scalar { text, .. }) => quoted(text),
        }
    }
}

impl Node {
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.content, Content::Scalar(Scalar { meaning: Meaning::Null, .. }))
    }
}

fn quoted(text: &str) -> String {
    let short: String = text.chars().take(80).collect();
    let rest = if short.len() < text.len() { "…" } else { "" };
    format!("`{}{rest}`", short.escape_debug())
}
