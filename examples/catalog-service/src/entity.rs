//! The entries of the catalog: entities, each with a name, a kind and a description.

use std::{fmt, str::FromStr};

use meterkit::LabelValue;
use serde::{Deserialize, Serialize};

/// An entry of the catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// The name, which is unique in the catalog.
    pub name: Name,
    /// The kind of entity.
    pub kind: Kind,
    /// Free text; empty by default.
    #[serde(default)]
    pub description: String,
}

/// An update of an entity. Absent fields stay unchanged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The new kind.
    pub kind: Option<Kind>,
    /// The new description.
    pub description: Option<String>,
}

/// The kinds of entities.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, LabelValue,
)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A piece of software.
    Component,
    /// An interface between components.
    Api,
    /// Something that a component needs at run time, such as a bucket or a queue.
    Resource,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Component, Self::Api, Self::Resource];

    /// Returns the kind as it is written in JSON, in a query and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Component => "component",
            Self::Api => "api",
            Self::Resource => "resource",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The name of an entity: 1 to 63 lower-case ASCII letters, digits and hyphens, with a letter first.
///
/// A value of this type is always valid, so bad names are rejected when a request is parsed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase());
        let letters =
            text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if starts_well && letters && text.len() <= 63 {
            Ok(Self(text.to_owned()))
        } else {
            Err(BadName)
        }
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// The error for a name that violates the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name is 1 to 63 lower-case letters, digits and hyphens, with a letter first")]
pub struct BadName;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_letters_digits_and_hyphens_with_a_letter_first() {
        for good in ["a", "payments-api", "k8s", &"a".repeat(63)] {
            assert_eq!(good.parse::<Name>().map(String::from), Ok(good.to_owned()));
        }
        for bad in ["", "1st", "-a", "Payments", "a b", "caf\u{e9}", "a_b", &"a".repeat(64)] {
            assert_eq!(bad.parse::<Name>(), Err(BadName), "{bad:?}");
        }
    }

    #[test]
    fn a_kind_is_written_the_same_everywhere() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
