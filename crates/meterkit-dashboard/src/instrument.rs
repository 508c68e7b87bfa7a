//! What a dashboard has to know of an instrument.

use meterkit_core::{CatalogEntry, Kind};
use meterkit_rules::prometheus_name;

/// An instrument as Prometheus has it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instrument {
    pub(crate) scope: String,
    pub(crate) scope_version: Option<String>,
    /// The full name, as the program has it.
    pub(crate) name: String,
    /// The family's name in Prometheus.
    pub(crate) family: String,
    pub(crate) shape: Shape,
    pub(crate) unit: String,
    pub(crate) description: String,
    pub(crate) labels: Vec<Label>,
    /// Upper bounds of buckets, as texts, which can be compared.
    pub(crate) bounds: Vec<String>,
}

/// What can be asked of an instrument's series.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Shape {
    /// Only rises: its rate says something.
    Counter,
    /// Rises and falls, and those of several instances add up.
    Total,
    /// Rises and falls, and stands for itself.
    Level,
    /// A distribution.
    Histogram(Buckets),
}

/// The buckets of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Buckets {
    /// With the bounds that the program chose.
    Bounds,
    /// That follow the values.
    Exponential,
    /// None: there are a count and a sum only.
    None,
}

/// A label by its name in Prometheus.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Label {
    pub(crate) name: String,
    /// All its values, when they are known.
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

    /// Returns the name without that of the scope, which stands above it.
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
    /// Returns whether quantiles can be told. Exponential ones are lost where histograms are series per bucket.
    pub(crate) fn have_quantiles(self, is_native: bool) -> bool {
        match self {
            Self::Bounds => true,
            Self::Exponential => is_native,
            Self::None => false,
        }
    }
}

impl Label {
    /// Creates the label that an attribute key of instruments of this shape becomes.
    pub(crate) fn new(key: &str, shape: Shape, values: Option<Vec<String>>) -> Self {
        let name = prometheus_name::stored_label(key, shape.kind().into());
        Self { name: name.into_owned(), values }
    }
}
