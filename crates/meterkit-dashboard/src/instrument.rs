//! The properties of an instrument that dashboards and rules need.

use meterkit_core::{CatalogEntry, Kind};
use meterkit_rules::prometheus_name;

/// An instrument with its names in Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instrument {
    pub(crate) scope: String,
    pub(crate) scope_version: Option<String>,
    /// The full name in the program.
    pub(crate) name: String,
    /// The name of the metric family in Prometheus.
    pub(crate) family: String,
    pub(crate) shape: Shape,
    pub(crate) unit: String,
    pub(crate) description: String,
    pub(crate) labels: Vec<Label>,
    /// The bucket boundaries, as text so that instruments can be ordered.
    pub(crate) bounds: Vec<String>,
}

/// The shape of an instrument's series, which determines the queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// A value that only rises, shown as a rate.
    Counter,
    /// A value that rises and falls. The values of several instances add up.
    Total,
    /// A value that rises and falls. The values of several instances do not add up.
    Level,
    /// A distribution.
    Histogram(Buckets),
}

/// The buckets of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Buckets {
    /// Buckets with explicit boundaries.
    Bounds,
    /// Exponential buckets.
    Exponential,
    /// No buckets, only a count and a sum.
    None,
}

/// A label with its name in Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Label {
    pub(crate) name: String,
    /// All values of the label, if they are known.
    pub(crate) values: Option<Vec<String>>,
}

impl Instrument {
    pub(crate) fn of(entry: &CatalogEntry) -> Self {
        let shape = Shape::of(entry);
        let labels = entry.labels.iter();
        let labels = labels.map(|label| Label::new(&label.key, shape, label.values.clone()));
        Self {
            scope: entry.scope.name.clone(),
            scope_version: entry.scope.version.clone(),
            name: entry.name.clone(),
            family: entry.prometheus_name.clone(),
            shape,
            unit: entry.unit.clone(),
            description: entry.description.clone(),
            labels: labels.collect(),
            bounds: entry.buckets.iter().map(ToString::to_string).collect(),
        }
    }

    /// Returns the name without the prefix of the scope, which the row's title already shows.
    pub(crate) fn short_name(&self) -> &str {
        let rest = self.name.strip_prefix(&self.scope).and_then(|rest| rest.strip_prefix('.'));
        rest.filter(|rest| !rest.is_empty()).unwrap_or(&self.name)
    }

    /// Returns the labels whose values are known.
    pub(crate) fn closed_labels(&self) -> impl Iterator<Item = &Label> {
        self.labels.iter().filter(|label| label.values.is_some())
    }

    pub(crate) fn has_open_labels(&self) -> bool {
        self.labels.iter().any(|label| label.values.is_none())
    }
}

impl Shape {
    fn of(entry: &CatalogEntry) -> Self {
        let is = |kinds: &[Kind]| kinds.iter().any(|kind| kind.as_str() == entry.kind);
        if is(&[Kind::Counter, Kind::ObservableCounter]) {
            Self::Counter
        } else if is(&[Kind::UpDownCounter, Kind::ObservableUpDownCounter]) {
            Self::Total
        } else if !is(&[Kind::Histogram]) {
            Self::Level
        } else if entry.exponential.is_some() {
            Self::Histogram(Buckets::Exponential)
        } else if entry.buckets.is_empty() {
            Self::Histogram(Buckets::None)
        } else {
            Self::Histogram(Buckets::Bounds)
        }
    }

    /// Returns the kind of synchronous instruments of this shape.
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::Counter => Kind::Counter,
            Self::Total => Kind::UpDownCounter,
            Self::Level => Kind::Gauge,
            Self::Histogram(_) => Kind::Histogram,
        }
    }
}

impl Buckets {
    /// Returns whether quantiles can be computed. Exponential buckets are lost if histograms are stored as classic
    /// series.
    pub(crate) fn have_quantiles(self, is_native: bool) -> bool {
        match self {
            Self::Bounds => true,
            Self::Exponential => is_native,
            Self::None => false,
        }
    }
}

impl Label {
    /// Creates the label for an attribute key of an instrument with this shape.
    pub(crate) fn new(key: &str, shape: Shape, values: Option<Vec<String>>) -> Self {
        let name = prometheus_name::stored_label(key, shape.kind().into());
        Self { name: name.into_owned(), values }
    }
}
