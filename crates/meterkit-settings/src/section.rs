//! A section of a configuration file that a target reads by itself.

use std::collections::BTreeMap;
use std::fmt;

use crate::problem::{Position, Problem};

/// What stands in a section of a configuration file, or below it. `Debug` shows no text and no numbers: they may be
/// secret.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Section {
    /// Where it stands.
    pub position: Position,
    /// What stands there, with the values of variables.
    pub value: SectionValue,
}

/// What stands in a file.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum SectionValue {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Another number.
    Float(f64),
    /// Text.
    Text(String),
    /// Several values.
    List(Vec<Section>),
    /// Values with keys.
    Mapping(BTreeMap<String, Section>),
}

impl Section {
    /// Creates a section.
    pub fn new(position: Position, value: SectionValue) -> Self {
        Self { position, value }
    }

    /// Returns what stands under `key`, `tls.ca_file` for what is inside of a mapping.
    pub fn get(&self, key: &str) -> Option<&Self> {
        let SectionValue::Mapping(entries) = &self.value else {
            return None;
        };
        match key.split_once('.') {
            Some((outer, inner)) => entries.get(outer)?.get(inner),
            None => entries.get(key),
        }
    }

    /// Returns what is wrong with it, as a problem.
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem::in_file(self.position.clone(), reason)
    }

    /// Returns what kind of value stands here, which may be shown.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            SectionValue::Null => "nothing",
            SectionValue::Bool(_) => "a truth value",
            SectionValue::Int(_) | SectionValue::Float(_) => "a number",
            SectionValue::Text(_) => "text",
            SectionValue::List(_) => "a list",
            SectionValue::Mapping(_) => "a mapping",
        }
    }

    /// Returns what stands here as a variable would have it; `None` for what no variable can hold.
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
