//! The catalog: what a program can be asked about, before it has counted anything.

mod list;
mod markdown;

use std::collections::BTreeMap;

use crate::buckets::ExponentialLimits;

/// Every instrument of a registry: what operators find in their back ends, and what a rename breaks for them.
///
/// From [`Registry::catalog`](crate::Registry::catalog). Check in its [Markdown](Self::to_markdown), or
/// its JSON (`to_json`, with feature `catalog-json`): the same instruments make the same text, in whichever order they
/// were created.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "catalog-json", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Catalog {
    /// The instruments, by scope, then by name.
    pub entries: Vec<CatalogEntry>,
}

/// One instrument.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "catalog-json", derive(serde::Serialize, serde::Deserialize))]
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
    #[cfg_attr(
        feature = "catalog-json",
        serde(default, skip_serializing_if = "std::ops::Not::not")
    )]
    pub foreign: bool,
    /// The keys of its labels, in the order in which they were declared. Keys that were not declared follow by name, as
    /// far as something was recorded with them.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub labels: Vec<CatalogLabel>,
    /// What all of its series have, as text: attributes of the instrument, not those of the scope or of all metrics.
    #[cfg_attr(
        feature = "catalog-json",
        serde(default, skip_serializing_if = "BTreeMap::is_empty")
    )]
    pub attributes: BTreeMap<String, String>,
    /// Upper bounds of a histogram's buckets, without the last one, which is open. Empty for other kinds, and for a
    /// histogram that is exponential.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub buckets: Vec<f64>,
    /// Of an exponential histogram: how fine its buckets may be, and how many there may be.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub exponential: Option<ExponentialLimits>,
}

/// The scope of an instrument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "catalog-json", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CatalogScope {
    /// The full name, `backstage.plugin.catalog`.
    pub name: String,
    /// Its version.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub version: Option<String>,
    /// The schema that its names follow.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub schema_url: Option<String>,
    /// Its attributes, as text.
    #[cfg_attr(
        feature = "catalog-json",
        serde(default, skip_serializing_if = "BTreeMap::is_empty")
    )]
    pub attributes: BTreeMap<String, String>,
}

/// A label of an instrument.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "catalog-json", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CatalogLabel {
    /// The key.
    pub key: String,
    /// All values that it can have, as text, when they are known at compile time.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub values: Option<Vec<String>>,
    /// Whether a series can lack the label.
    #[cfg_attr(
        feature = "catalog-json",
        serde(default, skip_serializing_if = "std::ops::Not::not")
    )]
    pub optional: bool,
    /// How many different values are let through, if there is a limit: every further one becomes `other`.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub max_values: Option<usize>,
}

impl Catalog {
    /// Returns the catalog as Markdown: a table per scope, with a row per instrument.
    pub fn to_markdown(&self) -> String {
        markdown::write(&self.entries)
    }
}

#[cfg(feature = "catalog-json")]
impl Catalog {
    /// Returns the catalog as JSON, indented, with a line feed at its end. Needs the feature `catalog-json`.
    ///
    /// Fields that are empty are left out: `null`s, and lists of labels, attributes and buckets without an entry.
    pub fn to_json(&self) -> String {
        // Cannot fail: all keys are text, and no type here serializes itself.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Returns the catalog that [`to_json`](Self::to_json) wrote. Needs the feature `catalog-json`.
    ///
    /// # Errors
    ///
    /// The text is not JSON, or the JSON is not a catalog.
    pub fn from_json(json: &str) -> Result<Self, CatalogError> {
        serde_json::from_str(json).map_err(CatalogError)
    }
}

/// Why a text is not a catalog. With feature `catalog-json`.
#[cfg(feature = "catalog-json")]
#[derive(thiserror::Error)]
#[error("not a catalog of metrics as JSON: {0}")]
pub struct CatalogError(#[source] serde_json::Error);

#[cfg(feature = "catalog-json")]
meterkit_rules::debug_as_text!(CatalogError);
