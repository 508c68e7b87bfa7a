//! Exporters that OpenTelemetry does not define: their part of the file, as it stands there.

use std::collections::BTreeMap;
use std::fmt;

use crate::report::{Problem, Report};
use crate::schema::At;
use crate::yaml::{Content, Meaning};

/// An exporter of another name, with its properties. Whoever has it reads them; errors can name line and path.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plugin {
    /// Its name, `datadog` for example.
    pub name: String,
    /// What stands below it.
    pub properties: Property,
}

/// One value of a plug-in. `Debug` shows no text and no numbers: they may be secret.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Property {
    /// Its line in the file.
    pub line: usize,
    /// Its path in the file.
    pub path: String,
    /// What stands there, with the values of variables.
    pub value: PropertyValue,
}

/// What stands in a file.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum PropertyValue {
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
    List(Vec<Property>),
    /// Values with keys.
    Mapping(BTreeMap<String, Property>),
}

impl Property {
    /// What stands under `key`, if this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match &self.value {
            PropertyValue::Mapping(properties) => properties.get(key),
            _ => None,
        }
    }

    /// What is wrong with it, as an error says it.
    pub fn problem(&self, reason: impl Into<String>) -> Problem {
        Problem::new(self.line, &*self.path, reason)
    }
}

impl fmt::Debug for PropertyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("Null"),
            Self::Bool(_) => f.write_str("Bool(..)"),
            Self::Int(_) => f.write_str("Int(..)"),
            Self::Float(_) => f.write_str("Float(..)"),
            Self::Text(_) => f.write_str("Text(..)"),
            Self::List(items) => f.debug_list().entries(items).finish(),
            Self::Mapping(properties) => f.debug_map().entries(properties).finish(),
        }
    }
}

pub(super) fn read(name: &str, at: At<'_>, report: &mut Report) -> Option<Plugin> {
    let properties = property(&at.clone().secret(), report);
    match properties.value {
        PropertyValue::Null | PropertyValue::Mapping(_) => {
            Some(Plugin { name: name.to_owned(), properties })
        }
        _ => {
            at.secret().fields(report);
            None
        }
    }
}

fn property(at: &At<'_>, report: &mut Report) -> Property {
    let value = match &at.node.content {
        Content::Scalar(scalar) => match scalar.meaning {
            Meaning::Null | Meaning::Broken => PropertyValue::Null,
            Meaning::Bool(value) => PropertyValue::Bool(value),
            Meaning::Int(value) => PropertyValue::Int(value),
            Meaning::Float(value) => PropertyValue::Float(value),
            Meaning::Text => PropertyValue::Text(scalar.text.clone()),
        },
        Content::Sequence(_) => {
            let items = at.items(0, report);
            PropertyValue::List(items.iter().map(|item| property(item, report)).collect())
        }
        Content::Mapping(entries) => {
            let entries = entries.iter();
            let read = entries.map(|entry| (entry.key.clone(), property(&at.entry(entry), report)));
            PropertyValue::Mapping(read.collect())
        }
    };
    Property { line: at.line, path: at.path.clone(), value }
}
