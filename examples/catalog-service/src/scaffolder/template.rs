//! The templates and their rendering.

use std::fmt;

use meterkit::LabelValue;
use serde::{Deserialize, Serialize};

use crate::entity::{Kind, Name};

/// The templates.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, LabelValue,
)]
#[serde(rename_all = "lowercase")]
pub enum Template {
    /// Creates a component that serves requests.
    Service,
    /// Creates a component that people look at.
    Website,
    /// Needs a value that is never provided, so every task with this template fails.
    Broken,
}

impl Template {
    /// Returns the template's name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Website => "website",
            Self::Broken => "broken",
        }
    }

    /// Returns the kind of the entities that the template creates.
    pub fn kind(self) -> Kind {
        Kind::Component
    }

    /// Returns the description of the entity with this name.
    pub(super) fn render(self, name: &Name) -> Result<String, NoValue> {
        let mut description = String::new();
        let mut rest = self.text();
        while let Some((before, after)) = rest.split_once('{') {
            let (key, after) = after.split_once('}').unwrap_or((after, ""));
            if key != "name" {
                return Err(NoValue(key));
            }
            description.push_str(before);
            description.push_str(name.as_str());
            rest = after;
        }
        description.push_str(rest);
        Ok(description)
    }

    fn text(self) -> &'static str {
        match self {
            Self::Service => {
                "{name} answers requests; {name} owns its data and shows it through an API."
            }
            Self::Website => "{name} is what people see at https://{name}.example.com/.",
            Self::Broken => "{name} belongs to {owner}.",
        }
    }
}

impl fmt::Display for Template {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// The error for a template that needs a value that was not provided.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the template asks for `{0}`, which has no value")]
pub(super) struct NoValue(&'static str);

#[cfg(test)]
mod tests {
    use super::*;

    fn shop() -> Name {
        "shop".parse().unwrap()
    }

    #[test]
    fn a_template_gets_the_name_at_each_place() {
        let description = Template::Website.render(&shop());
        assert_eq!(description.unwrap(), "shop is what people see at https://shop.example.com/.");
    }

    #[test]
    fn a_template_that_asks_for_an_unknown_value_fails_with_its_name() {
        let error = Template::Broken.render(&shop()).unwrap_err();
        assert_eq!(error.to_string(), "the template asks for `owner`, which has no value");
    }
}
