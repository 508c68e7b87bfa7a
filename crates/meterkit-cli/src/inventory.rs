//! The metrics that a program exports, without their values.

mod catalog;
mod exposition;

use std::collections::{BTreeMap, BTreeSet};

use meterkit_core::Catalog;
use meterkit_prometheus_model::exposition::Line;

/// The metrics of an exposition or a catalog: their names, types, units, labels and bucket bounds.
#[derive(Clone, Debug, PartialEq)]
pub struct Inventory {
    pub(crate) format: Format,
    /// Metrics by the name that queries use: a counter's name with `_total`, a histogram's without `_bucket`.
    pub(crate) families: BTreeMap<String, Family>,
}

/// The kind of input that an inventory was read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Text,
    OpenMetrics,
    Catalog,
}

/// A metric as queries see it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Family {
    /// The type, as OpenMetrics spells it in `# TYPE`.
    pub(crate) family_type: String,
    /// The unit as the input spells it; empty if there is none. The text format has no units.
    pub(crate) unit: String,
    /// The OpenTelemetry name, which only catalogs have.
    pub(crate) instrument: Option<String>,
    /// Labels by key, without `le` of histograms and `quantile` of summaries.
    pub(crate) labels: BTreeMap<String, LabelValues>,
    /// The finite bucket bounds, or the quantiles of a summary, in ascending order.
    pub(crate) bounds: Vec<f64>,
    /// Whether the metric has `_created` samples.
    pub(crate) has_start_times: bool,
}

/// The values of a label.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct LabelValues {
    pub(crate) values: BTreeSet<String>,
    /// Whether the label has no further values, which only a catalog knows, for enums.
    pub(crate) are_all: bool,
}

/// The reason why a text is neither an exposition nor a catalog.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A line violates the exposition format.
    #[error("line {number} is not valid in an exposition: `{line}`")]
    Line {
        /// The number of the line; the first line is 1.
        number: usize,
        /// The line, truncated.
        line: String,
    },
    /// The text is JSON, but not that of a catalog.
    #[error("{0}")]
    Catalog(String),
    /// The input contains no metrics.
    #[error("the input contains no metrics")]
    Empty,
}

impl Inventory {
    /// Reads an exposition, in Prometheus' text format or OpenMetrics, or the JSON of a catalog (`Catalog::to_json`).
    ///
    /// # Errors
    ///
    /// Returns an error if the text is neither, or contains no metrics.
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
