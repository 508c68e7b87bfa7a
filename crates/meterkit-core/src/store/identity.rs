//! Everything in which two requests for one name must agree.

use std::borrow::Cow;
use std::fmt;

use crate::attributes::AttributeValue;
use crate::buckets::Buckets;
use crate::error::InstrumentError;
use crate::kind::Kind;
use crate::number::NumberType;

/// Everything in which two requests for one name must agree.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) number: NumberType,
    pub(crate) unit: String,
    pub(crate) description: String,
    /// Attributes of every series, ordered by key, each key once.
    pub(crate) attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    /// None but for histograms.
    pub(crate) buckets: Buckets,
    /// Whether the code chose the buckets; otherwise they follow from the unit.
    pub(crate) chooses_buckets: bool,
}

impl Identity {
    /// Returns an identity that says as little as can be.
    pub(crate) fn bare(name: String, kind: Kind, number: NumberType) -> Self {
        Self {
            name,
            kind,
            number,
            unit: String::new(),
            description: String::new(),
            attributes: Vec::new(),
            buckets: Buckets::none(),
            chooses_buckets: false,
        }
    }

    /// Returns whether both are one instrument to OpenTelemetry, whatever their descriptions. Follows its Metrics SDK,
    /// section Duplicate instrument registration.
    pub(crate) fn is_duplicate_of(&self, other: &Self) -> bool {
        (self.kind, self.number, &self.unit) == (other.kind, other.number, &other.unit)
    }

    /// Returns whether both are one instrument to a facade, whatever their descriptions.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.is_duplicate_of(other)
            && (&self.buckets, &self.attributes) == (&other.buckets, &other.attributes)
    }

    /// Returns in what both differ.
    pub(crate) fn difference(&self, other: &Self) -> &'static str {
        if (self.kind, self.number) != (other.kind, other.number) {
            "type"
        } else if self.unit != other.unit {
            "unit"
        } else if self.buckets != other.buckets {
            "buckets"
        } else {
            "attributes"
        }
    }
}

impl Identity {
    /// Checks that `requested` is what `self` is, which was first. `description` is its description, if it is not the
    /// one that it has here.
    pub(crate) fn check_same(
        &self,
        full_name: &str,
        description: Option<&String>,
        requested: &Self,
    ) -> Result<(), InstrumentError> {
        let description = description.unwrap_or(&self.description);
        let clash = |aspect, existing: String, requested: String| {
            Err(InstrumentError::Clash { name: full_name.to_owned(), aspect, existing, requested })
        };
        let quoted = |text: &str| match text {
            "" => "(none)".to_owned(),
            text => format!("`{text}`"),
        };
        let typed = |it: &Self| format!("`{} of {}`", it.kind.as_str(), it.number.as_str());
        if (self.kind, self.number) != (requested.kind, requested.number) {
            clash("type", typed(self), typed(requested))
        } else if self.unit != requested.unit {
            clash("unit", quoted(&self.unit), quoted(&requested.unit))
        } else if *description != requested.description {
            clash("description", quoted(description), quoted(&requested.description))
        } else if self.attributes != requested.attributes {
            let attributes = |it: &Self| format!("{:?}", Pairs(&it.attributes));
            clash("attributes", attributes(self), attributes(requested))
        } else if self.buckets != requested.buckets {
            let buckets = |it: &Self| format!("{:?}", it.buckets);
            clash("buckets", buckets(self), buckets(requested))
        } else {
            Ok(())
        }
    }
}

/// Shows attributes as `{"tier": "gold"}`.
struct Pairs<'a>(&'a [(Cow<'static, str>, AttributeValue)]);

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.iter().map(|(key, value)| (key, value.to_string()));
        f.debug_map().entries(pairs).finish()
    }
}
