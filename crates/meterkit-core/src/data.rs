//! What is read from the store: scopes, metrics and their points. Exporters see nothing else.

mod addition;
mod collections;
mod exemplar;
mod exponential;
mod interval;
mod numbers;
mod reading;
mod series_id;
mod stored_series;

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::InstrumentationScope;

pub(crate) use self::addition::plus;
pub use self::collections::{AbsentSeries, Collections};
pub use self::exemplar::{Exemplar, ExemplarFilter, Exemplars, SpanIds};
pub use self::exponential::{ExponentialBuckets, ExponentialHistogramPoint};
pub use self::interval::{Interval, Intervals, SignedBuckets};
pub use self::numbers::NumberPoints;
pub use self::reading::{HistogramReading, Reading, SummaryReading};
pub use self::series_id::SeriesId;
pub(crate) use self::stored_series::{AHEAD, AttributesByPlace, Life, Lives, PLACES, StoredSeries};
use crate::Kind;
use crate::attributes::Attributes;
use crate::number::Value;
use crate::order;

/// The metrics of one scope, ordered by name.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct ScopeMetrics {
    /// Name, version, schema URL and attributes of the scope.
    pub scope: Arc<InstrumentationScope>,
    /// Its metrics. None of them is without points.
    pub metrics: Vec<Metric>,
}

impl ScopeMetrics {
    /// Puts scopes into the order in which snapshots have them: by name, version, schema URL and attributes.
    pub fn sort(scopes: &mut [Self]) {
        order::sort_by(scopes, Self::cmp_scopes);
    }

    /// Compares two scopes by name, version, schema URL and attributes.
    pub fn cmp_scopes(&self, other: &Self) -> Ordering {
        let (a, b) = (&self.scope, &other.scope);
        a.name()
            .cmp(b.name())
            .then_with(|| a.version().cmp(&b.version()))
            .then_with(|| a.schema_url().cmp(&b.schema_url()))
            .then_with(|| {
                let attributes = Attributes::from_key_values(a.attributes());
                attributes.cmp(&Attributes::from_key_values(b.attributes()))
            })
    }
}

/// One metric: what it is, and the points that its series have now.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct Metric {
    /// Name, unit and description.
    pub descriptor: Arc<Descriptor>,
    /// Its points, by kind.
    pub data: Data,
}

/// What a metric is called and what it measures, as exporters show it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct Descriptor {
    /// The full name, `backstage.plugin.catalog.queue.length`.
    pub name: String,
    /// The unit by UCUM, empty for none.
    pub unit: String,
    /// What it counts or measures, empty for none.
    pub description: String,
    /// The kind of its instrument; of a metric that a view makes, the kind that has such points.
    pub kind: Kind,
}

impl Descriptor {
    /// Returns whether both have one name, unit and description, whatever their kinds.
    pub fn is_same_text(&self, other: &Self) -> bool {
        (&self.name, &self.unit, &self.description)
            == (&other.name, &other.unit, &other.description)
    }
}

/// The points of one metric, by kind. Points are ordered by their attributes; the overflow series comes last.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Data {
    /// Values that stand for themselves: the last one counts.
    Gauge(NumberPoints),
    /// Values that add up.
    Sum {
        /// Whether the value can only rise.
        monotonic: bool,
        /// Since when the values count.
        temporality: Temporality,
        /// One point per series.
        points: NumberPoints,
    },
    /// Distributions over fixed buckets.
    Histogram {
        /// Since when the counts count.
        temporality: Temporality,
        /// Upper bounds of all buckets but the last, which is open. A value on a bound belongs below it.
        bounds: Arc<[f64]>,
        /// One point per series.
        points: Vec<HistogramPoint>,
    },
    /// Distributions over buckets whose bounds are powers of a base, which each series has for itself.
    ExponentialHistogram {
        /// Since when the counts count.
        temporality: Temporality,
        /// One point per series.
        points: Vec<ExponentialHistogramPoint>,
    },
    /// Quantiles that another library has computed, since its series began.
    Summary(Vec<SummaryPoint>),
}

/// Does the same with points of any kind: `$numbers` with numbers, `$work` with others.
macro_rules! with_points {
    ($data:expr, $points:ident => $numbers:expr, $work:expr) => {
        match $data {
            Self::Gauge($points) | Self::Sum { points: $points, .. } => $numbers,
            Self::Histogram { points: $points, .. } => $work,
            Self::ExponentialHistogram { points: $points, .. } => $work,
            Self::Summary($points) => $work,
        }
    };
}

impl Data {
    /// Returns the kind of synchronous instruments that have such points.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Gauge(_) => Kind::Gauge,
            Self::Sum { monotonic: true, .. } => Kind::Counter,
            Self::Sum { .. } => Kind::UpDownCounter,
            Self::Histogram { .. } | Self::ExponentialHistogram { .. } => Kind::Histogram,
            Self::Summary(_) => Kind::Summary,
        }
    }

    /// Returns the cumulative points of instruments of this kind.
    pub(crate) fn of_numbers(kind: Kind, points: NumberPoints) -> Self {
        let temporality = Temporality::Cumulative;
        match kind {
            Kind::Counter | Kind::ObservableCounter => {
                Self::Sum { monotonic: true, temporality, points }
            }
            Kind::UpDownCounter | Kind::ObservableUpDownCounter => {
                Self::Sum { monotonic: false, temporality, points }
            }
            _ => Self::Gauge(points),
        }
    }

    /// Returns how many points there are.
    pub fn len(&self) -> usize {
        with_points!(self, points => points.len(), points.len())
    }

    /// Returns whether there is no point.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns which series the points are of, in their order.
    pub fn series(&self) -> impl Iterator<Item = SeriesId> {
        (0..self.len()).filter_map(|at| self.series_at(at))
    }

    /// Returns whether both have points of the same series in the same order.
    pub(crate) fn has_series_of(&self, other: &Self) -> bool {
        match (self, other) {
            // The most common kinds, without a look at the kind for each point.
            (
                Self::Gauge(points) | Self::Sum { points, .. },
                Self::Gauge(others) | Self::Sum { points: others, .. },
            ) => points.has_series_of(others),
            _ => self.series().eq(other.series()),
        }
    }

    /// Returns its series, without those that `other` is seen to have without a search. Both are of one metric, in two
    /// collections.
    pub(crate) fn series_beside(
        &self,
        other: Option<&Self>,
    ) -> Box<dyn Iterator<Item = SeriesId> + '_> {
        match (self, other) {
            (
                Self::Gauge(points) | Self::Sum { points, .. },
                Some(Self::Gauge(other) | Self::Sum { points: other, .. }),
            ) => points.series_beside(other),
            _ => Box::new(self.series()),
        }
    }

    /// Returns which series the point at this place is of.
    pub fn series_at(&self, at: usize) -> Option<SeriesId> {
        with_points!(
            self,
            points => points.series_at(at),
            points.get(at).map(|point| point.series)
        )
    }

    /// Returns the attributes of the point at this place.
    pub fn attributes_at(&self, at: usize) -> Option<Cow<'_, Attributes>> {
        with_points!(
            self,
            points => points.attributes_at(at),
            points.get(at).map(|point| Cow::Borrowed(&point.attributes))
        )
    }

    /// Returns since when the point at this place counts.
    pub fn start_at(&self, at: usize) -> Option<SystemTime> {
        with_points!(
            self,
            points => points.at(at).map(|point| point.start),
            points.get(at).map(|point| point.start)
        )
    }

    /// Returns attributes with every combination of keys and types of values that those of the points have: those of all
    /// points, or of one for each combination. Empty texts and what is no number count as types.
    pub fn shapes(&self) -> Box<dyn Iterator<Item = &Attributes> + '_> {
        with_points!(
            self,
            points => Box::new(points.shapes()),
            Box::new(points.iter().map(|point| &point.attributes))
        )
    }

    /// Returns the same metric with only the points of the series for which `is_kept` says so.
    #[must_use]
    pub fn only(&self, is_kept: impl Fn(SeriesId) -> bool) -> Self {
        let mut kept = self.empty();
        for at in (0..self.len()).filter(|at| self.series_at(*at).is_some_and(&is_kept)) {
            kept.push(self, at);
        }
        kept
    }

    /// Returns the same metric with only the point at this place.
    #[must_use]
    pub fn only_at(&self, at: usize) -> Self {
        let mut kept = self.empty();
        kept.push(self, at);
        kept
    }

    /// Returns the same metric without points.
    #[must_use]
    pub fn empty(&self) -> Self {
        match *self {
            Self::Gauge(_) => Self::Gauge(NumberPoints::default()),
            Self::Sum { monotonic, temporality, .. } => {
                Self::Sum { monotonic, temporality, points: NumberPoints::default() }
            }
            Self::Histogram { temporality, ref bounds, .. } => {
                Self::Histogram { temporality, bounds: bounds.clone(), points: Vec::new() }
            }
            Self::ExponentialHistogram { temporality, .. } => {
                Self::ExponentialHistogram { temporality, points: Vec::new() }
            }
            Self::Summary(_) => Self::Summary(Vec::new()),
        }
    }

    /// Adds what a point of another metric of this kind counted to the first point of this one.
    pub fn add(&mut self, other: &Self, at: usize) {
        macro_rules! add {
            ($sums:expr, $points:expr) => {
                if let (Some(sum), Some(point)) = ($sums.first_mut(), $points.get(at)) {
                    sum.add(point);
                }
            };
        }
        match (self, other) {
            (Self::Sum { points: sums, .. }, Self::Sum { points, .. }) => {
                if let (Some(sum), Some(point)) = (sums.to_mut().first_mut(), points.at(at)) {
                    sum.add(&point);
                }
            }
            (Self::Histogram { points: sums, .. }, Self::Histogram { points, .. }) => {
                add!(sums, points);
            }
            (
                Self::ExponentialHistogram { points: sums, .. },
                Self::ExponentialHistogram { points, .. },
            ) => add!(sums, points),
            (Self::Summary(sums), Self::Summary(points)) => add!(sums, points),
            _ => {}
        }
    }

    fn push(&mut self, other: &Self, at: usize) {
        macro_rules! push {
            ($all:expr, $points:expr) => {
                $all.extend($points.get(at).cloned())
            };
        }
        match (self, other) {
            (Self::Gauge(all), Self::Gauge(points))
            | (Self::Sum { points: all, .. }, Self::Sum { points, .. }) => {
                all.to_mut().extend(points.at(at).map(Cow::into_owned));
            }
            (Self::Histogram { points: all, .. }, Self::Histogram { points, .. }) => {
                push!(all, points);
            }
            (
                Self::ExponentialHistogram { points: all, .. },
                Self::ExponentialHistogram { points, .. },
            ) => push!(all, points),
            (Self::Summary(all), Self::Summary(points)) => push!(all, points),
            _ => {}
        }
    }
}

/// Since when the values of a sum or histogram count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "OpenTelemetry has these two")]
pub enum Temporality {
    /// Since the series began.
    #[default]
    Cumulative,
    /// Since the last batch that the target acknowledged.
    Delta,
}

/// The value of one series of a gauge or sum.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct NumberPoint {
    /// Which series this is.
    pub series: SeriesId,
    /// The labels of the series.
    pub attributes: Attributes,
    /// Since when the value counts.
    pub start: SystemTime,
    /// The value.
    pub value: Value,
}

/// The distribution of one series of a histogram.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct HistogramPoint {
    /// Which series this is.
    pub series: SeriesId,
    /// The labels of the series.
    pub attributes: Attributes,
    /// Since when the counts count.
    pub start: SystemTime,
    /// How many values were recorded: the sum of `buckets`.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// The smallest, of the values that count here. In deltas it may be unknown.
    pub min: Option<f64>,
    /// The largest, of the values that count here. In deltas it may be unknown.
    pub max: Option<f64>,
    /// How many fell into each bucket, one more than there are bounds. Not cumulative.
    pub buckets: Box<[u64]>,
}

/// The quantiles of one series of a summary.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct SummaryPoint {
    /// Which series this is.
    pub series: SeriesId,
    /// The labels of the series.
    pub attributes: Attributes,
    /// Since when `count` and `sum` count.
    pub start: SystemTime,
    /// How many values were recorded.
    pub count: u64,
    /// Their sum.
    pub sum: f64,
    /// Quantiles between 0 and 1, rising, each with its value: over whatever time the other library computes them.
    pub quantiles: Arc<[(f64, f64)]>,
}
