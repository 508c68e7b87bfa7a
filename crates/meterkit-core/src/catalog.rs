//! The catalog: every instrument that a program registered, listed before anything has been recorded.

mod list;
mod markdown;

use std::collections::BTreeMap;

use crate::buckets::ExponentialLimits;

/// Every instrument of a registry: the names that operators see in their back ends, and that a rename would break.
///
/// [`Registry::catalog`](crate::Registry::catalog) returns it. Commit its [Markdown](Self::to_markdown) or its JSON
/// (`to_json`, with feature `catalog-json`) to version control: the same instruments produce the same text, regardless
/// of the order in which they were created.
#[derive(Clone, Debug, Default, PartialEq)]
#[cfg_attr(feature = "catalog-json", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Catalog {
    /// The instruments, by scope, then by name.
    pub entries: Vec<CatalogEntry>,
}

/// One instrument of a catalog.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "catalog-json", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CatalogEntry {
    /// The full name, for example `backstage.plugin.catalog.queue.length`.
    pub name: String,
    /// The name in a Prometheus scrape with default settings: the name of a counter ends in `_total`; the name of a
    /// histogram comes without `_bucket`, `_sum` or `_count`.
    pub prometheus_name: String,
    /// The kind of the instrument in words, for example `counter`, `up-down counter` or `observable gauge`.
    pub kind: String,
    /// The type of the recorded numbers: `u64`, `i64` or `f64`.
    pub number_type: String,
    /// The unit in UCUM notation, or empty if the instrument has none.
    pub unit: String,
    /// What the instrument counts or measures, or empty if it has no description.
    pub description: String,
    /// The scope that the instrument belongs to.
    pub scope: CatalogScope,
    /// Whether another library created the instrument through OpenTelemetry's API.
    #[cfg_attr(
        feature = "catalog-json",
        serde(default, skip_serializing_if = "std::ops::Not::not")
    )]
    pub foreign: bool,
    /// The label keys, in the order of their declaration. Undeclared keys with which something was recorded follow,
    /// ordered by name.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub labels: Vec<CatalogLabel>,
    /// The fixed attributes of the instrument, as text. Attributes of the scope or of all metrics are not included.
    #[cfg_attr(
        feature = "catalog-json",
        serde(default, skip_serializing_if = "BTreeMap::is_empty")
    )]
    pub attributes: BTreeMap<String, String>,
    /// The upper bounds of the buckets of a histogram, without the last bucket, which has no upper bound. Empty for
    /// other kinds and for exponential histograms.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub buckets: Vec<f64>,
    /// The maximum number and resolution of the buckets of an exponential histogram. `None` for other instruments.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub exponential: Option<ExponentialLimits>,
}

/// The scope of an instrument.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "catalog-json", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CatalogScope {
    /// The full name, for example `backstage.plugin.catalog`.
    pub name: String,
    /// The version of the scope.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub version: Option<String>,
    /// The URL of the schema that the names in the scope follow.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub schema_url: Option<String>,
    /// The attributes of the scope, as text.
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
    /// All possible values, as text, if they are known at compile time.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub values: Option<Vec<String>>,
    /// Whether a series may lack the label.
    #[cfg_attr(
        feature = "catalog-json",
        serde(default, skip_serializing_if = "std::ops::Not::not")
    )]
    pub optional: bool,
    /// The maximum number of distinct values, if there is a limit. Any further value is recorded as `other`.
    #[cfg_attr(feature = "catalog-json", serde(default, skip_serializing_if = "Option::is_none"))]
    pub max_values: Option<usize>,
}

impl Catalog {
    /// Returns the catalog as Markdown: one table per scope, one row per instrument.
    pub fn to_markdown(&self) -> String {
        markdown::write(&self.entries)
    }
}

#[cfg(feature = "catalog-json")]
impl Catalog {
    /// Returns the catalog as indented JSON that ends in a line feed. Requires the feature `catalog-json`.
    ///
    /// Empty fields are left out: absent values, and empty lists of labels, attributes and buckets.
    pub fn to_json(&self) -> String {
        // Serialization cannot fail: all keys are text, and no type here has its own serializer.
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        json
    }

    /// Parses a catalog that [`to_json`](Self::to_json) wrote. Requires the feature `catalog-json`.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not valid JSON, or if the JSON does not describe a catalog.
    pub fn from_json(json: &str) -> Result<Self, CatalogError> {
        serde_json::from_str(json).map_err(CatalogError)
    }
}

/// The error for a text that is not a catalog. Requires the feature `catalog-json`.
#[cfg(feature = "catalog-json")]
#[derive(thiserror::Error)]
#[error("not a catalog of metrics as JSON: {0}")]
pub struct CatalogError(#[source] serde_json::Error);

#[cfg(feature = "catalog-json")]
meterkit_rules::debug_as_text!(CatalogError);
