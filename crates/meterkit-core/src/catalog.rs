//! The catalog: what a program can be asked about, before it has counted anything.

mod list;
mod markdown;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::buckets::ExponentialLimits;

/// Every instrument of a registry: what operators find in their back ends, and what a rename breaks for them.
///
/// From [`Registry::catalog`](crate::Registry::catalog). Check its [JSON](Self::to_json) or
/// [Markdown](Self::to_markdown) in: the same instruments give the same text, in whichever order they were made.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Catalog {
    /// The instruments, by scope, then by name.
    pub entries: Vec<CatalogEntry>,
}

/// One instrument.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CatalogEntry {
    /// The full name, `backstage.plugin.catalog.queue.length`.
    pub name: String,
    /// The name in Prometheus, as its scrapes have it by default: a counter's with `_total`, a histogram's without
    /// `_bucket`, `_sum` or `_count`.
    pub prometheus_name: String,
    /// `counter`, `up-down counter`, `gauge`, `histogram` or `observable gauge`.
    pub kind: String,
    /// What it records: `u64`, `i64` or `f64`.
    pub number_type: String,
    /// The unit by UCUM, empty for none.
    pub unit: String,
    /// What it counts or measures, empty for none.
    pub description: String,
    /// Which part of the program it belongs to.
    pub scope: CatalogScope,
    /// Whether another library made the instrument, through OpenTelemetry's API.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub foreign: bool,
    /// The keys of its labels, in the order in which they were declared. Keys that were not declared follow by name, as
    /// far as something was recorded with them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<CatalogLabel>,
    /// What all of its series have, as text: attributes of the instrument, not those of the scope or of all metrics.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Upper bounds of a histogram's buckets, without the last one, which is open. Empty for other kinds, and for a
    /// histogram that is exponential.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub buckets: Vec<f64>,
    /// Of an exponential histogram: how fine its buckets may be, and how many there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exponential: Option<ExponentialLimits>,
}

/// The scope of an instrument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CatalogScope {
    /// The full name, `backstage.plugin.catalog`.
    pub name: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The schema that its names follow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_url: Option<String>,
    /// Its attributes, as text.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// A label of an instrument.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CatalogLabel {
    /// The key.
    pub key: String,
    /// All values that it can have, as text, when they are known at compile time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<String>>,
    /// Whether a series can lack the label.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub optional: bool,
    /// How many different values are let through, if there is a limit: every further one becomes `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_values: Option<usize>,
}

impl Catalog {
    /// Returns the catalog as JSON, indented, with a line feed at its end.
    ///
    /// Fields that say nothing are left out: `null`s, empty lists of labels, attributes and buckets.
    pub fn to_json(&self) -> String {
        // Cannot fail: all keys are text, and nothing here has an encoding of its own.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Returns the catalog that [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// Text that is no JSON, and JSON that is no catalog.
    pub fn from_json(json: &str) -> Result<Self, CatalogError> {
        serde_json::from_str(json).map_err(CatalogError)
    }

    /// Returns the catalog as Markdown: a table per scope, with a row per instrument.
    pub fn to_markdown(&self) -> String {
        markdown::write(&self.entries)
    }
}

/// Why a text is no catalog.
#[derive(thiserror::Error)]
#[error("not a catalog of metrics as JSON: {0}")]
pub struct CatalogError(#[source] serde_json::Error);

meterkit_rules::debug_as_text!(CatalogError);
