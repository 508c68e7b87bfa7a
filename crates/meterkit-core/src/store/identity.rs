//! Everything in which two requests for one name must agree.

use std::borrow::Cow;
use std::fmt;

use crate::Kind;
use crate::attributes::AttributeValue;
use crate::buckets::HistogramBuckets;
use crate::data::Descriptor;
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
    pub(crate) buckets: HistogramBuckets,
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
            buckets: HistogramBuckets::none(),
            chooses_buckets: false,
        }
    }

    /// Returns what exporters show of the instrument, under this name.
    pub(crate) fn descriptor(&self, full_name: String) -> Descriptor {
        Descriptor {
            name: full_name,
            unit: self.unit.clone(),
            description: self.description.clone(),
            kind: self.kind,
        }
    }

    /// Returns whether this is the name to OpenTelemetry, which does not distinguish case.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
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

    /// Returns in what `requested` differs first. `description` is the description that counts for `self`.
    pub(crate) fn difference(&self, description: &str, requested: &Self) -> Option<Difference> {
        let differs = |aspect, existing: String, requested: String| {
            Some(Difference { aspect, existing, requested })
        };
        let quoted = |text: &str| match text {
            "" => "(none)".to_owned(),
            text => format!("`{text}`"),
        };
        let typed = |it: &Self| format!("`{} of {}`", it.kind.as_str(), it.number.as_str());
        if (self.kind, self.number) != (requested.kind, requested.number) {
            differs("type", typed(self), typed(requested))
        } else if self.unit != requested.unit {
            differs("unit", quoted(&self.unit), quoted(&requested.unit))
        } else if *description != requested.description {
            differs("description", quoted(description), quoted(&requested.description))
        } else if self.attributes != requested.attributes {
            let attributes = |it: &Self| format!("{:?}", Pairs(&it.attributes));
            differs("attributes", attributes(self), attributes(requested))
        } else if self.buckets != requested.buckets {
            let buckets = |it: &Self| format!("{:?}", it.buckets);
            differs("buckets", buckets(self), buckets(requested))
        } else {
            None
        }
    }
}

/// What two requests for one name differ in.
pub(crate) struct Difference {
    pub(crate) aspect: &'static str,
    pub(crate) existing: String,
    pub(crate) requested: String,
}

/// Shows attributes as `{"tier": "gold"}`.
struct Pairs<'a>(&'a [(Cow<'static, str>, AttributeValue)]);

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.iter().map(|(key, value)| (key, value.to_string()));
        f.debug_map().entries(pairs).finish()
    }
}
