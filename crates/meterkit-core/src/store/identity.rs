//! Everything in which two requests for one name must agree.

use std::borrow::Cow;
use std::fmt;

use crate::attributes::AttributeValue;
use crate::buckets::Buckets;
use crate::error::InstrumentError;
use crate::kind::Kind;
use crate::labels::LabelKey;
use crate::number::NumberType;

/// Everything in which two requests for one name must agree.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) number: NumberType,
    pub(crate) unit: String,
    pub(crate) description: String,
    pub(crate) label_keys: &'static [LabelKey],
    /// Attributes of every series, ordered by key, each key once.
    pub(crate) attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    /// None but for histograms.
    pub(crate) buckets: Buckets,
}

impl Identity {
    /// That of `self`, which was first, must be that of `requested`.
    pub(crate) fn check_same(
        &self,
        full_name: &str,
        requested: &Self,
    ) -> Result<(), InstrumentError> {
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
        } else if self.description != requested.description {
            clash("description", quoted(&self.description), quoted(&requested.description))
        } else if self.label_keys != requested.label_keys {
            let keys = |it: &Self| format!("{:?}", it.label_keys);
            clash("label keys", keys(self), keys(requested))
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
