//! Reading by a schema: each part of a file with its path, and whatever does not fit reported.

mod fields;
mod value;

use crate::file::path;
use crate::file::report::Report;
use crate::file::yaml::{Content, Entry, Meaning, Node, Scalar};

pub(crate) use self::fields::Fields;

/// A part of the file, and where it stands.
#[derive(Clone)]
pub(crate) struct At<'n> {
    pub(crate) node: &'n Node,
    /// Of the key where there is one: a value that is left out has no line of its own.
    pub(crate) line: usize,
    pub(crate) path: String,
    /// Whether errors must not show what stands here.
    is_secret: bool,
}

impl<'n> At<'n> {
    pub(crate) fn root(node: &'n Node) -> Self {
        Self { node, line: node.line, path: String::new(), is_secret: false }
    }

    /// Returns the same value, but errors do not show it or anything below it.
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

    /// Reports what is wrong here, unless something has been reported already.
    pub(crate) fn problem(&self, report: &mut Report, reason: impl Into<String>) {
        if !matches!(self.node.content, Content::Scalar(Scalar { meaning: Meaning::Broken, .. })) {
            report.problem(self.line, self.path.clone(), reason);
        }
    }

    pub(crate) fn unused(&self, report: &mut Report) {
        report.unused(self.line, self.path.clone());
    }

    /// Describes the value here, as far as it may be shown.
    pub(crate) fn shown(&self) -> String {
        match &self.node.content {
            Content::Sequence(_) => "a list".to_owned(),
            Content::Mapping(_) => "a mapping".to_owned(),
            Content::Scalar(Scalar { meaning: Meaning::Null, written: None, .. }) => {
                "nothing".to_owned()
            }
            Content::Scalar(_) if self.is_secret => "what stands here".to_owned(),
            // What a variable holds may be secret wherever it is used by mistake.
            Content::Scalar(Scalar { written: Some(written), .. }) => {
                format!("what {} stands for", quoted(written))
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
