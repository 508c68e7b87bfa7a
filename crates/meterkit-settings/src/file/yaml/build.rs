//! Builds the tree from text: aliases, tags, variables, and the limits that keep a malicious file from doing harm.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::scalar::{self, Meaning};
use super::substitute::{self, Lookup, SubstitutionError};
use super::{Content, Entry, Node, Scalar};
use crate::file::path;
use crate::file::report::Report;

/// The maximum number of nodes in a file, counted with its aliases expanded.
const MAX_NODES: usize = 100_000;

/// The maximum depth of a file.
const MAX_DEPTH: usize = 64;

/// The maximum number of bytes of all scalars with variables together.
const MAX_SUBSTITUTED: usize = 1 << 20;

/// Returns the root of the file, or `None` if the text is not valid YAML or exceeds a limit.
///
/// Variables are substituted after YAML has been parsed, so that their values cannot add structure.
pub(crate) fn read(text: &str, lookup: Lookup<'_>, report: &mut Report) -> Option<Arc<Node>> {
    let mut builder = Builder {
        lookup,
        report,
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
        documents: 0,
        substituted: 0,
    };
    for event in Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        let taken = match event {
            Ok((event, span)) => builder.take(event, span),
            Err(error) => Err(syntax_error(&error)),
        };
        if let Err(Fatal { line, reason }) = taken {
            let path = builder.path();
            builder.report.problem(line, path, reason);
            return None;
        }
    }
    builder.root
}

struct Builder<'a> {
    lookup: Lookup<'a>,
    report: &'a mut Report,
    /// Sequences and mappings that have not ended yet.
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    root: Option<Arc<Node>>,
    documents: usize,
    substituted: usize,
}

enum Open {
    Sequence {
        anchor: usize,
        line: usize,
        items: Vec<Arc<Node>>,
    },
    Mapping {
        anchor: usize,
        line: usize,
        entries: Vec<Entry>,
        /// The line of each key.
        lines: HashMap<String, usize>,
        /// The key whose value comes next.
        key: Option<(String, usize)>,
    },
}

/// A problem after which nothing more can be read.
struct Fatal {
    line: usize,
    reason: String,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fatal> {
        let line = span.start.line();
        match event {
            Event::DocumentStart(_) => {
                self.documents += 1;
                if self.documents > 1 {
                    let reason = "a second document begins here; only one is supported".to_owned();
                    return Err(Fatal { line, reason });
                }
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => match self.open.last_mut() {
                Some(Open::Mapping { key: key @ None, .. }) => {
                    *key = Some((text.clone().into_owned(), line));
                    let node = Node::new(line, Content::Scalar(text_scalar(text.into_owned())));
                    self.remember(anchor, &Arc::new(node));
                    Ok(())
                }
                _ => {
                    let scalar = self.scalar(text, style, tag.as_deref(), line)?;
                    self.add(anchor, Node::new(line, Content::Scalar(scalar)))
                }
            },
            Event::SequenceStart(anchor, tag) => {
                self.start(Open::Sequence { anchor, line, items: Vec::new() }, line)?;
                self.check_tag(tag.as_deref(), "seq", line);
                Ok(())
            }
            Event::MappingStart(anchor, tag) => {
                let mapping = Open::Mapping {
                    anchor,
                    line,
                    entries: Vec::new(),
                    lines: HashMap::new(),
                    key: None,
                };
                self.start(mapping, line)?;
                self.check_tag(tag.as_deref(), "map", line);
                Ok(())
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open::Sequence { anchor, line, items }) => {
                    self.add(anchor, Node::new(line, Content::Sequence(items)))
                }
                Some(Open::Mapping { anchor, line, entries, .. }) => {
                    self.add(anchor, Node::new(line, Content::Mapping(entries)))
                }
                None => Ok(()),
            },
            Event::Alias(anchor) => {
                if self.awaits_key() {
                    return Err(not_a_key(line));
                }
                match self.anchors.get(&anchor) {
                    Some(node) => {
                        let node = node.clone();
                        self.place(node)
                    }
                    None => {
                        let reason =
                            "an alias refers to a value that contains the alias itself".to_owned();
                        Err(Fatal { line, reason })
                    }
                }
            }
            _ => Ok(()),
        }
    }

    fn start(&mut self, open: Open, line: usize) -> Result<(), Fatal> {
        if self.awaits_key() {
            return Err(not_a_key(line));
        }
        self.open.push(open);
        self.check_depth(0, line)
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last(), Some(Open::Mapping { key: None, .. }))
    }

    fn add(&mut self, anchor: usize, node: Node) -> Result<(), Fatal> {
        let node = Arc::new(node);
        self.remember(anchor, &node);
        self.place(node)
    }

    fn remember(&mut self, anchor: usize, node: &Arc<Node>) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
    }

    /// Adds a finished node to the open sequence or mapping, or makes it the root.
    fn place(&mut self, node: Arc<Node>) -> Result<(), Fatal> {
        self.check_depth(node.depth, node.line)?;
        if node.size > MAX_NODES {
            let reason = format!(
                "has more than {MAX_NODES} values once its aliases are expanded; write fewer"
            );
            return Err(Fatal { line: node.line, reason });
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::Sequence { items, .. }) => items.push(node),
            Some(Open::Mapping { entries, lines, key, .. }) => {
                let Some((name, line)) = key.clone() else {
                    return Err(not_a_key(node.line));
                };
                if let Some(first) = lines.get(&name) {
                    let reason = format!("is defined twice, first on line {first}");
                    let at = self.path();
                    self.report.problem(line, at, reason);
                } else {
                    lines.insert(name.clone(), line);
                    entries.push(Entry { key: name, line, value: node });
                }
                if let Some(Open::Mapping { key, .. }) = self.open.last_mut() {
                    *key = None;
                }
            }
        }
        Ok(())
    }

    fn check_depth(&self, depth: usize, line: usize) -> Result<(), Fatal> {
        if self.open.len() + depth > MAX_DEPTH {
            return Err(Fatal { line, reason: format!("is more than {MAX_DEPTH} levels deep") });
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        tag: Option<&Tag>,
        line: usize,
    ) -> Result<Scalar, Fatal> {
        let left = MAX_SUBSTITUTED - self.substituted;
        let substituted = match substitute::substitute(&text, self.lookup, left) {
            Ok(Cow::Borrowed(same)) => same.to_owned(),
            Ok(Cow::Owned(substituted)) => {
                self.substituted = (self.substituted + substituted.len()).min(MAX_SUBSTITUTED);
                substituted
            }
            Err(SubstitutionError::Reference(reason)) => {
                let at = self.path();
                self.report.problem(line, at, reason);
                return Ok(Scalar { meaning: Meaning::Broken, ..text_scalar(String::new()) });
            }
            Err(SubstitutionError::TooLong) => {
                let reason =
                    "variables make the file larger than 1 MiB; shorten their values".to_owned();
                return Err(Fatal { line, reason });
            }
        };
        let is_plain = style == ScalarStyle::Plain;
        let meaning = self.meaning(&substituted, is_plain, tag, line);
        let written = (substituted != text).then(|| text.into_owned());
        Ok(Scalar { meaning, text: substituted, written })
    }

    fn meaning(&mut self, text: &str, is_plain: bool, tag: Option<&Tag>, line: usize) -> Meaning {
        let Some(tag) = tag else {
            return if is_plain { scalar::plain(text) } else { Meaning::Text };
        };
        let found = scalar::plain(text);
        let is_right = match core_tag(tag) {
            Some("" | "str") => return Meaning::Text,
            Some("null") => found == Meaning::Null,
            Some("bool") => matches!(found, Meaning::Bool(_)),
            Some("int") => matches!(found, Meaning::Int(_)),
            Some("float") => {
                if let Meaning::Int(number) = found {
                    return Meaning::Float(number as f64);
                }
                matches!(found, Meaning::Float(_))
            }
            _ => false,
        };
        if is_right {
            return found;
        }
        self.wrong_tag(tag, line);
        Meaning::Broken
    }

    fn check_tag(&mut self, tag: Option<&Tag>, expected: &str, line: usize) {
        if let Some(tag) = tag {
            if core_tag(tag).is_none_or(|name| !name.is_empty() && name != expected) {
                self.wrong_tag(tag, line);
            }
        }
    }

    fn wrong_tag(&mut self, tag: &Tag, line: usize) {
        let name = match core_tag(tag) {
            Some(name) => format!("!!{name}"),
            None => tag.to_string(),
        };
        let at = self.path();
        self.report.problem(line, at, format!("tag `{name}` does not fit here; remove it"));
    }

    /// Returns the path of the next value.
    fn path(&self) -> String {
        self.open.iter().fold(String::new(), |at, open| match open {
            Open::Sequence { items, .. } => path::item(&at, items.len()),
            Open::Mapping { key: Some((key, _)), .. } => path::key(&at, key),
            Open::Mapping { key: None, .. } => at,
        })
    }
}

fn text_scalar(text: String) -> Scalar {
    Scalar { meaning: Meaning::Text, text, written: None }
}

/// Returns the name of a tag of YAML's core schema; empty for `!`.
fn core_tag(tag: &Tag) -> Option<&str> {
    if tag.is_yaml_core_schema() || tag.suffix.is_empty() || tag.suffix == "!" {
        return Some(tag.suffix.trim_start_matches('!'));
    }
    None
}

fn not_a_key(line: usize) -> Fatal {
    Fatal { line, reason: "a key must be text".to_owned() }
}

fn syntax_error(error: &ScanError) -> Fatal {
    let reason =
        format!("is not valid YAML: {}, at column {}", error.info(), error.marker().col() + 1);
    Fatal { line: error.marker().line(), reason }
}
