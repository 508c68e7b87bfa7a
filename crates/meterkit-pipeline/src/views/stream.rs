//! The changes that a view makes to the metrics that it selects.

use std::borrow::Cow;
use std::sync::Arc;

use meterkit_core::{Data, Descriptor, HistogramPoint, Kind, Metric, NumberPoint, Value};

use super::pattern::KeyFilter;

/// The changes that a view makes to a metric. Fields that are `None` leave the metric as the instrument declares it.
///
/// See section Stream configuration in the specification of OpenTelemetry's metrics SDK.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "OpenTelemetry defines exactly these")]
pub struct ViewStream {
    /// The new name of the metric.
    pub name: Option<String>,
    /// The new description of the metric.
    pub description: Option<String>,
    /// The new unit of the metric. Values are not converted: this corrects a wrong unit, and determines the suffix in
    /// Prometheus.
    pub unit: Option<String>,
    /// The new aggregation of the metric.
    pub aggregation: Option<Aggregation>,
    /// The maximum number of series. Applied by the registry when the instrument is created, not to snapshots.
    pub cardinality_limit: Option<usize>,
    /// The attributes that its series keep. Series that no longer differ are merged.
    pub attribute_keys: Option<KeyFilter>,
}

/// How values are aggregated into points.
///
/// See section Aggregation in the specification of OpenTelemetry's metrics SDK.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Aggregation {
    /// The default aggregation of the instrument's kind.
    Default,
    /// No aggregation: the metric is dropped.
    Drop,
    /// The sum of all values. A histogram is reduced to its sum.
    Sum,
    /// The last value.
    LastValue,
    /// A histogram with explicit bucket boundaries.
    ExplicitBuckets {
        /// The upper bucket boundaries in ascending order. `None` for the default of the specification.
        boundaries: Option<Vec<f64>>,
        /// Whether minimum and maximum are exported.
        record_min_max: bool,
    },
    /// A histogram with exponential buckets.
    ExponentialBuckets {
        /// The maximum scale, and thereby the best resolution, from -10 to 20.
        max_scale: i8,
        /// The maximum number of buckets for positive values, and for negative values.
        max_size: u32,
        /// Whether minimum and maximum are exported.
        record_min_max: bool,
    },
}

impl ViewStream {
    /// Returns the kind of the metric that this stream produces from an instrument of `kind`.
    pub(super) fn kind(&self, kind: Kind) -> Kind {
        match (&self.aggregation, kind) {
            (Some(Aggregation::Sum), Kind::Histogram) => Kind::Counter,
            (
                Some(Aggregation::LastValue),
                Kind::ObservableCounter | Kind::ObservableUpDownCounter,
            ) => Kind::ObservableGauge,
            (_, kind) => kind,
        }
    }

    /// Returns the descriptor of an instrument's metric in this stream.
    pub(super) fn describe(&self, instrument: &Arc<Descriptor>) -> Arc<Descriptor> {
        let mut descriptor = instrument.clone();
        let kind = self.kind(instrument.kind);
        let texts = [&self.name, &self.description, &self.unit];
        if texts.iter().any(|text| text.is_some()) || kind != instrument.kind {
            let descriptor = Arc::make_mut(&mut descriptor);
            descriptor.kind = kind;
            if let Some(name) = &self.name {
                descriptor.name.clone_from(name);
            }
            if let Some(description) = &self.description {
                descriptor.description.clone_from(description);
            }
            if let Some(unit) = &self.unit {
                descriptor.unit.clone_from(unit);
            }
        }
        descriptor
    }

    /// Returns the data of `metric` as this stream aggregates it, or `None` if the stream drops the metric.
    pub(super) fn aggregate<'a>(&self, metric: &'a Metric) -> Option<Cow<'a, Data>> {
        let (mut data, kind) = (Cow::Borrowed(&metric.data), metric.descriptor.kind);
        match &self.aggregation {
            Some(Aggregation::Drop) => return None,
            Some(Aggregation::Sum) => sum(&mut data),
            // Callbacks report totals, so the value of the sum is already the last value.
            Some(Aggregation::LastValue) if self.kind(kind) != kind => last_value(data.to_mut()),
            Some(Aggregation::ExplicitBuckets { boundaries, record_min_max }) => {
                explicit_buckets(data.to_mut(), boundaries.as_deref(), *record_min_max);
            }
            Some(Aggregation::ExponentialBuckets { record_min_max: false, .. }) => {
                if let Data::ExponentialHistogram { points, .. } = data.to_mut() {
                    points.iter_mut().for_each(|point| (point.min, point.max) = (None, None));
                }
            }
            _ => {}
        }
        Some(data)
    }
}

fn sum(data: &mut Cow<'_, Data>) {
    macro_rules! sums {
        ($points:expr) => {
            $points.iter().map(|point| NumberPoint {
                series: point.series,
                attributes: point.attributes.clone(),
                start: point.start,
                value: Value::F64(point.sum),
            })
        };
    }
    let (temporality, points) = match &**data {
        Data::Histogram { temporality, points, .. } => (*temporality, sums!(points).collect()),
        Data::ExponentialHistogram { temporality, points } => {
            (*temporality, sums!(points).collect())
        }
        _ => return,
    };
    // The specification treats the sum of a histogram as monotonic, whatever is recorded.
    *data = Cow::Owned(Data::Sum { monotonic: true, temporality, points });
}

fn last_value(data: &mut Data) {
    if let Data::Sum { points, .. } = data {
        *data = Data::Gauge(std::mem::take(points));
    }
}

fn explicit_buckets(data: &mut Data, boundaries: Option<&[f64]>, record_min_max: bool) {
    let Data::Histogram { bounds, points, .. } = data else {
        return;
    };
    if let Some(coarser) = boundaries {
        if let Some(places) = places(bounds, coarser) {
            points.iter_mut().for_each(|point| coarsen(point, &places, coarser.len() + 1));
            *bounds = coarser.into();
        }
    }
    if !record_min_max {
        for point in points {
            (point.min, point.max) = (None, None);
        }
    }
}

/// Returns, for each bucket, the index of the coarser bucket that contains it. `None` if `coarser` does not ascend or
/// has a boundary that `bounds` lack, because a bucket would then have to be divided.
pub(super) fn places(bounds: &[f64], coarser: &[f64]) -> Option<Vec<usize>> {
    let is_rising = coarser.windows(2).all(|pair| pair[0] < pair[1]);
    if !is_rising || !coarser.iter().all(|bound| bounds.contains(bound)) {
        return None;
    }
    let place = |bound: &f64| coarser.partition_point(|upper| upper < bound);
    Some(bounds.iter().map(place).chain([coarser.len()]).collect())
}

fn coarsen(point: &mut HistogramPoint, places: &[usize], buckets: usize) {
    let mut counts = vec![0_u64; buckets];
    for (count, place) in point.buckets.iter().zip(places) {
        counts[*place] += count;
    }
    point.buckets = counts.into();
}
