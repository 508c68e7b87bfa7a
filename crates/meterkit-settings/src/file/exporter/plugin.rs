//! Exporters that OpenTelemetry does not define, with their part of the file unchanged.

use crate::{Position, Section, SectionValue};

use crate::file::report::Report;
use crate::file::schema::At;
use crate::file::yaml::{Content, Meaning};

/// An exporter of another name, with its properties. The crate that implements it reads them; each property knows its
/// line and path for errors.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plugin {
    /// The name, for example `datadog`.
    pub name: String,
    /// The properties below the name.
    pub properties: Section,
}

pub(super) fn read(name: &str, at: At<'_>, report: &mut Report) -> Option<Plugin> {
    let properties = property(&at.clone().secret(), report);
    match properties.value {
        SectionValue::Null | SectionValue::Mapping(_) => {
            Some(Plugin { name: name.to_owned(), properties })
        }
        _ => {
            at.secret().fields(report);
            None
        }
    }
}

fn property(at: &At<'_>, report: &mut Report) -> Section {
    let value = match &at.node.content {
        Content::Scalar(scalar) => match scalar.meaning {
            Meaning::Null | Meaning::Broken => SectionValue::Null,
            Meaning::Bool(value) => SectionValue::Bool(value),
            Meaning::Int(value) => SectionValue::Int(value),
            Meaning::Float(value) => SectionValue::Float(value),
            Meaning::Text => SectionValue::Text(scalar.text.clone()),
        },
        Content::Sequence(_) => {
            let items = at.items(0, report);
            SectionValue::List(items.iter().map(|item| property(item, report)).collect())
        }
        Content::Mapping(entries) => {
            let entries = entries.iter();
            let read = entries.map(|entry| (entry.key.clone(), property(&at.entry(entry), report)));
            SectionValue::Mapping(read.collect())
        }
    };
    let position = Position { line: at.line, path: at.path.clone() };
    Section::new(position, value)
}
