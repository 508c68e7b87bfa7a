//! What becomes of the metrics that a view selects.

use std::borrow::Cow;
use std::sync::Arc;

use meterkit_core::{Data, Descriptor, HistogramPoint, Kind, Metric, NumberPoint, Value};

use super::pattern::KeyFilter;

/// How a metric goes on once a view has selected it. What is not given stays as the instrument has it.
///
/// By OpenTelemetry's metrics SDK, section Stream configuration.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "OpenTelemetry has these")]
pub struct ViewStream {
    /// Its new name.
    pub name: Option<String>,
    /// Its new description.
    pub description: Option<String>,
    /// Its new unit. Values stay as they are recorded: this corrects a unit, and determines the suffix in Prometheus.
    pub unit: Option<String>,
    /// How its values are put together.
    pub aggregation: Option<Aggregation>,
    /// How many series it may have. For the registry, when the instrument is made: nothing that a snapshot can tell.
    pub cardinality_limit: Option<usize>,
    /// Which attributes its series keep. Series that do not differ any more are merged.
    pub attribute_keys: Option<KeyFilter>,
}

/// How values become points.
///
/// By OpenTelemetry's metrics SDK, section Aggregation.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Aggregation {
    /// By the kind of the instrument.
    Default,
    /// Not at all: the metric is gone.
    Drop,
    /// Values are added up. Of a histogram its sum remains.
    Sum,
    /// The last value stands.
    LastValue,
    /// A histogram over these buckets.
    ExplicitBuckets {
        /// Upper bounds, rising; `None` for the specification's default.
        boundaries: Option<Vec<f64>>,
        /// Whether the smallest and largest value are exported.
        record_min_max: bool,
    },
    /// A histogram over buckets that grow by powers of two.
    ExponentialBuckets {
        /// How fine they are at best, -10 to 20.
        max_scale: i8,
        /// How many of them there are at most, for positive and for negative values each.
        max_size: u32,
        /// Whether the smallest and largest value are exported.
        record_min_max: bool,
    },
}

impl ViewStream {
    /// Returns the kind of the metric that this stream makes of an instrument.
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

    /// Returns what the metric of an instrument is called in this stream.
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

    /// Returns the values of an instrument as this stream puts them together; `None` when it is dropped.
    pub(super) fn aggregate<'a>(&self, metric: &'a Metric) -> Option<Cow<'a, Data>> {
        let (mut data, kind) = (Cow::Borrowed(&metric.data), metric.descriptor.kind);
        match &self.aggregation {
            Some(Aggregation::Drop) => return None,
            Some(Aggregation::Sum) => sum(&mut data),
            // What callbacks report is the last value already.
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
    // The specification has the sums of histograms rise, whatever is recorded.
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

/// For each bucket, which one of the coarser ones it goes into. `None` when one of those would have to be cut in two.
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
