//! What a program exports, without the values.

mod catalog;
mod exposition;

use std::collections::{BTreeMap, BTreeSet};

use meterkit_core::Catalog;
use meterkit_prometheus_model::exposition::Line;

/// The metrics of an exposition or a catalog: their names, types, units, labels and bucket bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Inventory {
    pub(crate) format: Format,
    /// By the name that queries use: a counter's with `_total`, a histogram's without `_bucket`.
    pub(crate) families: BTreeMap<String, Family>,
}

/// What an inventory was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    OpenMetrics,
    Catalog,
}

/// A metric as queries see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Family {
    /// As `# TYPE` spells it in OpenMetrics.
    pub(crate) family_type: String,
    /// As the input spells it, empty for none. The text format has no units.
    pub(crate) unit: String,
    /// The name in OpenTelemetry, which catalogs have.
    pub(crate) instrument: Option<String>,
    /// By key, without `le` of histograms and `quantile` of summaries.
    pub(crate) labels: BTreeMap<String, LabelValues>,
    /// The finite bounds of buckets, or the quantiles of a summary. They rise.
    pub(crate) bounds: Vec<f64>,
    /// Whether there are samples `_created`.
    pub(crate) has_start_times: bool,
}

/// The values of a label.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LabelValues {
    pub(crate) values: BTreeSet<String>,
    /// Whether the label has no other values: a catalog knows that of enums.
    pub(crate) are_all: bool,
}

/// Why a text is neither an exposition nor a catalog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A line breaks the format.
    #[error("line {number} is not valid in an exposition: `{line}`")]
    Line {
        /// The number of the line, from 1.
        number: usize,
        /// The line, shortened.
        line: String,
    },
    /// The text is JSON, but not that of a catalog.
    #[error("{0}")]
    Catalog(String),
    /// There are no metrics.
    #[error("there are no metrics in it")]
    Empty,
}

impl Inventory {
    /// Reads an exposition, in Prometheus' text format or OpenMetrics, or the JSON of a catalog (`Catalog::to_json`).
    ///
    /// # Errors
    ///
    /// The text is neither, or has no metrics.
    pub fn read(text: &str) -> Result<Self, ReadError> {
        let first = text.trim_start().lines().next().unwrap_or_default();
        let inventory = if first.starts_with(['{', '[']) && Line::parse(first).is_none() {
            let catalog = Catalog::from_json(text);
            let catalog = catalog.map_err(|error| ReadError::Catalog(error.to_string()))?;
            catalog::inventory(&catalog)
        } else {
            exposition::inventory(text)?
        };
        if inventory.families.is_empty() { Err(ReadError::Empty) } else { Ok(inventory) }
    }
}
