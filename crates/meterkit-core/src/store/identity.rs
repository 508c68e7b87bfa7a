//! The properties in which two requests for one name must agree.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::Kind;
use crate::attributes::AttributeValue;
use crate::buckets::HistogramBuckets;
use crate::data::Descriptor;
use crate::number::NumberType;

/// The properties in which two requests for one name must agree.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    /// The name, unit and description as requested. Exporters see this descriptor until the instrument is renamed or
    /// gets a longer description.
    descriptor: Arc<Descriptor>,
    /// The offset at which the instrument's own name begins in the full name.
    own_name: u32,
    pub(crate) kind: Kind,
    pub(crate) number: NumberType,
    /// Properties that most instruments do not have.
    rare: Option<Box<Rare>>,
}

#[derive(Clone, Debug)]
struct Rare {
    /// Attributes that every series has, sorted by key, without duplicate keys.
    attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    /// Empty except for histograms.
    buckets: HistogramBuckets,
    /// Whether the code chose the buckets. Otherwise, they depend on the unit.
    chooses_buckets: bool,
}

impl Identity {
    /// Returns an identity without attributes and buckets.
    pub(crate) fn new(descriptor: Descriptor, number: NumberType) -> Self {
        Self {
            kind: descriptor.kind,
            descriptor: Arc::new(descriptor),
            own_name: 0,
            number,
            rare: None,
        }
    }

    /// Returns an identity with only a name.
    pub(crate) fn bare(name: String, kind: Kind, number: NumberType) -> Self {
        let (unit, description) = (String::new(), String::new());
        Self::new(Descriptor { name, unit, description, kind }, number)
    }

    /// Sets the attributes that every series has. They must be sorted by key, without duplicate keys.
    pub(crate) fn set_attributes(&mut self, attributes: Vec<(Cow<'static, str>, AttributeValue)>) {
        if !attributes.is_empty() {
            self.rare().attributes = attributes;
        }
    }

    /// Sets the buckets of a histogram. `are_chosen` says whether the code chose them; otherwise, they depend on the
    /// unit.
    pub(crate) fn set_buckets(&mut self, buckets: HistogramBuckets, are_chosen: bool) {
        let rare = self.rare();
        (rare.buckets, rare.chooses_buckets) = (buckets, are_chosen);
    }

    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(|| {
            let buckets = HistogramBuckets::none().clone();
            Box::new(Rare { attributes: Vec::new(), buckets, chooses_buckets: false })
        })
    }

    /// Returns the attributes that every series has, sorted by key, without duplicate keys.
    pub(crate) fn attributes(&self) -> &[(Cow<'static, str>, AttributeValue)] {
        self.rare.as_ref().map_or(&[], |rare| &rare.attributes)
    }

    /// Returns the buckets, which are empty except for histograms.
    pub(crate) fn buckets(&self) -> &HistogramBuckets {
        self.rare.as_ref().map_or_else(|| HistogramBuckets::none(), |rare| &rare.buckets)
    }

    /// Returns whether the code chose the buckets. Otherwise, they depend on the unit.
    pub(crate) fn chooses_buckets(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.chooses_buckets)
    }

    /// Sets the instrument's name within its scope, and the full name, which must end with it.
    pub(crate) fn set_names(&mut self, own: &str, full: String) {
        self.own_name = u32::try_from(full.len().saturating_sub(own.len())).unwrap_or(u32::MAX);
        Arc::make_mut(&mut self.descriptor).name = full;
    }

    /// Returns the instrument's name within its scope.
    pub(crate) fn name(&self) -> &str {
        self.descriptor.name.get(self.own_name as usize..).unwrap_or_default()
    }

    pub(crate) fn unit(&self) -> &str {
        &self.descriptor.unit
    }

    pub(crate) fn description(&self) -> &str {
        &self.descriptor.description
    }

    /// Returns the descriptor that exporters see initially.
    pub(crate) fn descriptor(&self) -> &Arc<Descriptor> {
        &self.descriptor
    }

    /// Returns whether OpenTelemetry considers both names equal. It ignores case.
    pub(crate) fn has_name_of(&self, other: &Self) -> bool {
        self.name().eq_ignore_ascii_case(other.name())
    }

    /// Returns whether OpenTelemetry considers both the same instrument, apart from their descriptions. Follows its
    /// Metrics SDK, section Duplicate instrument registration.
    pub(crate) fn is_duplicate_of(&self, other: &Self) -> bool {
        (self.kind, self.number, self.unit()) == (other.kind, other.number, other.unit())
    }

    /// Returns whether the facade considers both the same instrument, apart from their descriptions.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.is_duplicate_of(other)
            && (self.buckets(), self.attributes()) == (other.buckets(), other.attributes())
    }

    /// Returns the first aspect in which `requested` differs. `description` is the current description of `self`.
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
        } else if self.unit() != requested.unit() {
            differs("unit", quoted(self.unit()), quoted(requested.unit()))
        } else if description != requested.description() {
            differs("description", quoted(description), quoted(requested.description()))
        } else if self.attributes() != requested.attributes() {
            let attributes = |it: &Self| format!("{:?}", Pairs(it.attributes()));
            differs("attributes", attributes(self), attributes(requested))
        } else if self.buckets() != requested.buckets() {
            let buckets = |it: &Self| format!("{:?}", it.buckets());
            differs("buckets", buckets(self), buckets(requested))
        } else {
            None
        }
    }
}

/// The difference between two requests for one name.
pub(crate) struct Difference {
    pub(crate) aspect: &'static str,
    pub(crate) existing: String,
    pub(crate) requested: String,
}

/// Formats attributes as `{"tier": "gold"}`.
struct Pairs<'a>(&'a [(Cow<'static, str>, AttributeValue)]);

impl fmt::Debug for Pairs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs = self.0.iter().map(|(key, value)| (key, value.to_string()));
        f.debug_map().entries(pairs).finish()
    }
}
