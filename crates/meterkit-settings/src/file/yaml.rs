//! YAML as a tree whose nodes know their lines.

mod build;
mod scalar;
mod substitute;

use std::sync::Arc;

pub(crate) use self::build::read;
pub(crate) use self::scalar::Meaning;
pub(crate) use self::substitute::Lookup;

/// A node of the tree. An alias shares the node that it refers to.
pub(crate) struct Node {
    /// The line, counted from 1.
    pub(crate) line: usize,
    /// The number of nodes with aliases expanded, including this node.
    size: usize,
    /// The depth: 1 for a scalar.
    depth: usize,
    pub(crate) content: Content,
}

pub(crate) enum Content {
    Scalar(Scalar),
    Sequence(Vec<Arc<Node>>),
    Mapping(Vec<Entry>),
}

pub(crate) struct Scalar {
    pub(crate) meaning: Meaning,
    /// The text with variables substituted.
    pub(crate) text: String,
    /// The text as written in the file, if it differs.
    pub(crate) written: Option<String>,
}

pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) line: usize,
    pub(crate) value: Arc<Node>,
}

impl Node {
    fn new(line: usize, content: Content) -> Self {
        let (size, depth) = match &content {
            Content::Scalar(_) => (0, 0),
            Content::Sequence(items) => measure(items.iter()),
            Content::Mapping(entries) => measure(entries.iter().map(|entry| &entry.value)),
        };
        Self { line, size: size.saturating_add(1), depth: depth + 1, content }
    }
}

fn measure<'a>(nodes: impl Iterator<Item = &'a Arc<Node>>) -> (usize, usize) {
    nodes
        .fold((0, 0), |(size, depth), node| (size.saturating_add(node.size), depth.max(node.depth)))
}
