//! A section of a configuration file that a target reads itself.

use std::collections::BTreeMap;
use std::fmt;

use crate::problem::{Position, Problem};

/// A section of a configuration file, or a value below it. `Debug` shows no text and no numbers, because they may be
/// secret.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Section {
    /// The position in the file.
    pub position: Position,
    /// The value, with variables substituted.
    pub value: SectionValue,
}

/// A value in a configuration file.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum SectionValue {
    /// Null, or no value.
    Null,
    /// A boolean.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Section>),
    /// A mapping.
    Mapping(BTreeMap<String, Section>),
}

impl Section {
    /// Creates a section.
    pub fn new(position: Position, value: SectionValue) -> Self {
        Self { position, value }
    }

    /// Returns the value under `key`. `tls.ca_file` reaches into a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let SectionValue::Mapping(entries) = &self.value else {
            return None;
        };
        match key.split_once('.') {
            Some((outer, inner)) => entries.get(outer)?.get(inner),
            None => entries.get(key),
        }
    }

    /// Creates a problem with this section.
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem::in_file(self.position.clone(), reason)
    }

    /// Returns the kind of the value, which is safe to show.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            SectionValue::Null => "null",
            SectionValue::Bool(_) => "a boolean",
            SectionValue::Int(_) | SectionValue::Float(_) => "a number",
            SectionValue::Text(_) => "text",
            SectionValue::List(_) => "a list",
            SectionValue::Mapping(_) => "a mapping",
        }
    }

    /// Returns the value as an environment variable would hold it; `None` for a value that a variable cannot hold.
    pub(crate) fn text(&self) -> Option<String> {
        match &self.value {
            SectionValue::Null => Some(String::new()),
            SectionValue::Bool(value) => Some(value.to_string()),
            SectionValue::Int(value) => Some(value.to_string()),
            SectionValue::Float(value) => Some(value.to_string()),
            SectionValue::Text(text) => Some(text.clone()),
            SectionValue::List(items) => {
                let items: Option<Vec<String>> = items.iter().map(Self::text).collect();
                items.map(|items| items.join(","))
            }
            SectionValue::Mapping(_) => None,
        }
    }
}

impl fmt::Debug for SectionValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(_) => f.write_str("Bool(..)"),
            Self::Int(_) => f.write_str("Int(..)"),
            Self::Float(_) => f.write_str("Float(..)"),
            Self::Text(_) => f.write_str("Text(..)"),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Mapping(entries) => f.debug_map().entries(entries).finish(),
        }
    }
}
