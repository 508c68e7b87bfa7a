//! The data model that exporters read: scopes, metrics and their points.

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
    /// The name, version, schema URL and attributes of the scope.
    pub scope: Arc<InstrumentationScope>,
    /// The metrics of the scope. Each has at least one point.
    pub metrics: Vec<Metric>,
}

impl ScopeMetrics {
    /// Sorts scopes in the order of snapshots: by name, version, schema URL and attributes.
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

/// One metric: its description and the current points of its series.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct Metric {
    /// The name, unit, description and kind.
    pub descriptor: Arc<Descriptor>,
    /// The points, in the form of the metric's kind.
    pub data: Data,
}

/// The name, unit, description and kind of a metric, as exporters show them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct Descriptor {
    /// The full name, for example `backstage.plugin.catalog.queue.length`.
    pub name: String,
    /// The unit in UCUM notation, or empty if the metric has none.
    pub unit: String,
    /// What the metric counts or measures, or empty if it has no description.
    pub description: String,
    /// The kind of the instrument. For a metric that a view creates, the kind whose points have this form.
    pub kind: Kind,
}

impl Descriptor {
    /// Returns whether both have the same name, unit and description, regardless of their kinds.
    pub fn is_same_text(&self, other: &Self) -> bool {
        (&self.name, &self.unit, &self.description)
            == (&other.name, &other.unit, &other.description)
    }
}

/// The points of one metric, in the form of its kind. Points are ordered by their attributes; the overflow series comes
/// last.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Data {
    /// The last value of each series.
    Gauge(NumberPoints),
    /// Values that add up over time.
    Sum {
        /// Whether the value can only rise.
        monotonic: bool,
        /// Whether the values are cumulative or deltas.
        temporality: Temporality,
        /// One point per series.
        points: NumberPoints,
    },
    /// Distributions over buckets with fixed bounds.
    Histogram {
        /// Whether the counts are cumulative or deltas.
        temporality: Temporality,
        /// The upper bounds of the buckets, without the last bucket, which has none. A bucket includes its upper bound.
        bounds: Arc<[f64]>,
        /// One point per series.
        points: Vec<HistogramPoint>,
    },
    /// Distributions over buckets whose bounds are powers of a base. Each series has a base of its own.
    ExponentialHistogram {
        /// Whether the counts are cumulative or deltas.
        temporality: Temporality,
        /// One point per series.
        points: Vec<ExponentialHistogramPoint>,
    },
    /// Quantiles computed by another library, cumulative since the series began.
    Summary(Vec<SummaryPoint>),
}

/// Evaluates the same expression for points of any kind: `$numbers` for numbers, `$work` for the others.
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
    /// Returns the kind of the synchronous instruments whose points have this form.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Gauge(_) => Kind::Gauge,
            Self::Sum { monotonic: true, .. } => Kind::Counter,
            Self::Sum { .. } => Kind::UpDownCounter,
            Self::Histogram { .. } | Self::ExponentialHistogram { .. } => Kind::Histogram,
            Self::Summary(_) => Kind::Summary,
        }
    }

    /// Wraps the points of an instrument of this kind, as cumulative points if they are sums.
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

    /// Returns the number of points.
    pub fn len(&self) -> usize {
        with_points!(self, points => points.len(), points.len())
    }

    /// Returns whether there are no points.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the series of each point, in the order of the points.
    pub fn series(&self) -> impl Iterator<Item = SeriesId> {
        (0..self.len()).filter_map(|at| self.series_at(at))
    }

    /// Returns whether both have points of the same series, in the same order.
    pub(crate) fn has_series_of(&self, other: &Self) -> bool {
        match (self, other) {
            // Handles the most common kinds first, so that the kind is not matched again for each point.
            (
                Self::Gauge(points) | Self::Sum { points, .. },
                Self::Gauge(others) | Self::Sum { points: others, .. },
            ) => points.has_series_of(others),
            _ => self.series().eq(other.series()),
        }
    }

    /// Returns the series, except for those that `other` can be seen to have without a search. Both must belong to the
    /// same metric, in two collections.
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

    /// Returns the series of the point at index `at`.
    pub fn series_at(&self, at: usize) -> Option<SeriesId> {
        with_points!(
            self,
            points => points.series_at(at),
            points.get(at).map(|point| point.series)
        )
    }

    /// Returns the attributes of the point at index `at`.
    pub fn attributes_at(&self, at: usize) -> Option<Cow<'_, Attributes>> {
        with_points!(
            self,
            points => points.attributes_at(at),
            points.get(at).map(|point| Cow::Borrowed(&point.attributes))
        )
    }

    /// Returns the start time of the point at index `at`.
    pub fn start_at(&self, at: usize) -> Option<SystemTime> {
        with_points!(
            self,
            points => points.at(at).map(|point| point.start),
            points.get(at).map(|point| point.start)
        )
    }

    /// Returns attributes that cover every combination of keys and value types among the points: the attributes of all
    /// points, or of one point per combination. The empty text and NaN count as types of their own.
    pub fn shapes(&self) -> Box<dyn Iterator<Item = &Attributes> + '_> {
        with_points!(
            self,
            points => Box::new(points.shapes()),
            Box::new(points.iter().map(|point| &point.attributes))
        )
    }

    /// Returns a copy with only the points of the series for which `is_kept` returns true.
    #[must_use]
    pub fn only(&self, is_kept: impl Fn(SeriesId) -> bool) -> Self {
        let mut kept = self.empty();
        for at in (0..self.len()).filter(|at| self.series_at(*at).is_some_and(&is_kept)) {
            kept.push(self, at);
        }
        kept
    }

    /// Returns a copy with only the point at index `at`.
    #[must_use]
    pub fn only_at(&self, at: usize) -> Self {
        let mut kept = self.empty();
        kept.push(self, at);
        kept
    }

    /// Returns a copy without points.
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

    /// Adds the point at index `at` of `other`, a metric of the same kind, to the first point of this metric.
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

/// Whether the values of a sum or histogram are cumulative or deltas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "OpenTelemetry has these two")]
pub enum Temporality {
    /// Values cover the time since the series began.
    #[default]
    Cumulative,
    /// Values cover the time since the last batch that the target acknowledged.
    Delta,
}

/// The value of one series of a gauge or sum.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct NumberPoint {
    /// The identity of the series.
    pub series: SeriesId,
    /// The attributes of the series.
    pub attributes: Attributes,
    /// The start of the time that the value covers.
    pub start: SystemTime,
    /// The value.
    pub value: Value,
}

/// The distribution of one series of a histogram.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct HistogramPoint {
    /// The identity of the series.
    pub series: SeriesId,
    /// The attributes of the series.
    pub attributes: Attributes,
    /// The start of the time that the counts cover.
    pub start: SystemTime,
    /// The number of recorded values: the sum of `buckets`.
    pub count: u64,
    /// The sum of the recorded values.
    pub sum: f64,
    /// The smallest of the counted values. It may be unknown in deltas.
    pub min: Option<f64>,
    /// The largest of the counted values. It may be unknown in deltas.
    pub max: Option<f64>,
    /// The number of values in each bucket, not accumulated over buckets. There is one more bucket than bounds.
    pub buckets: Box<[u64]>,
}

/// The quantiles of one series of a summary.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "exporters build them in their tests")]
pub struct SummaryPoint {
    /// The identity of the series.
    pub series: SeriesId,
    /// The attributes of the series.
    pub attributes: Attributes,
    /// The start of the time that `count` and `sum` cover.
    pub start: SystemTime,
    /// The number of recorded values.
    pub count: u64,
    /// The sum of the recorded values.
    pub sum: f64,
    /// Quantiles between 0 and 1, in rising order, each with its value. The other library decides which time they
    /// cover.
    pub quantiles: Arc<[(f64, f64)]>,
}
