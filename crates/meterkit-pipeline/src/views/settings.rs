//! How values are kept, as views and targets ask for it: what must be known before they are recorded.

use meterkit_core::{
    ExponentialLimits, HistogramBuckets, Kind, Registry, StreamRequest, StreamSettings,
};
use opentelemetry_sdk::metrics::{
    Aggregation as SdkAggregation, Instrument, InstrumentKind, Stream, StreamBuilder,
};

use super::{Aggregation, Views};

/// How values are kept of which no view says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamDefaults {
    histogram: Option<HistogramBuckets>,
    limit: Option<usize>,
    limits: Vec<(Kind, usize)>,
}

impl StreamDefaults {
    /// As the code says.
    pub fn new() -> Self {
        Self::default()
    }

    /// The buckets of all histograms, whatever the code says:
    /// `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`. Values are recorded once for all targets, so that it
    /// holds for all of them.
    #[must_use]
    pub fn histogram(mut self, buckets: HistogramBuckets) -> Self {
        self.histogram = Some(buckets);
        self
    }

    /// How many series groups may have whose code does not say.
    #[must_use]
    pub fn cardinality_limit(mut self, series: usize) -> Self {
        self.limit = Some(series);
        self
    }

    /// The same for those of one kind.
    #[must_use]
    pub fn cardinality_limit_of(mut self, kind: Kind, series: usize) -> Self {
        self.limits.retain(|(known, _)| *known != kind);
        self.limits.push((kind, series));
        self
    }

    fn limit_of(&self, kind: Kind) -> Option<usize> {
        let own = self.limits.iter().find(|(known, _)| *known == kind);
        own.map(|(_, series)| *series).or(self.limit)
    }
}

/// Has the instruments of `registry` keep their values as `views` and `defaults` ask for.
pub(crate) fn set_streams(registry: &Registry, views: &Views, defaults: &StreamDefaults) {
    let (views, defaults) = (views.clone(), defaults.clone());
    registry.set_streams(move |instrument| settings(&views, &defaults, instrument));
}

fn settings(
    views: &Views,
    defaults: &StreamDefaults,
    instrument: &StreamRequest<'_>,
) -> StreamSettings {
    let StreamRequest { scope, descriptor, kind, names_limit, .. } = *instrument;
    let streams = || views.streams(scope, descriptor, kind);
    let asked = streams().find_map(|stream| buckets(stream.aggregation.as_ref()?));
    let limit = streams().find_map(|stream| stream.cardinality_limit);
    StreamSettings {
        buckets: asked.or_else(|| defaults.histogram.clone()),
        cardinality_limit: limit.or_else(|| defaults.limit_of(kind).filter(|_| !names_limit)),
    }
}

fn buckets(aggregation: &Aggregation) -> Option<HistogramBuckets> {
    match aggregation {
        Aggregation::ExplicitBuckets { boundaries, .. } => {
            let bounds = boundaries.clone().unwrap_or_else(|| DEFAULT_BOUNDARIES.to_vec());
            Some(HistogramBuckets::Explicit(bounds))
        }
        Aggregation::ExponentialBuckets { max_scale, max_size, .. } => {
            let (max_size, max_scale) = (*max_size, i32::from(*max_scale));
            Some(HistogramBuckets::Exponential(ExponentialLimits { max_size, max_scale }))
        }
        _ => None,
    }
}

/// By OpenTelemetry's metrics SDK, section Explicit Bucket Histogram Aggregation.
const DEFAULT_BOUNDARIES: [f64; 15] = [
    0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0,
    10000.0,
];

/// The same for an instrument of another library, which the SDK keeps: its buckets and its limit. Names and attributes
/// change later, in snapshots. A twin of ours is made with its buckets, and needs no limit.
pub(crate) fn sdk_stream(
    registry: &Registry,
    views: &Views,
    defaults: &StreamDefaults,
    instrument: &Instrument,
) -> Option<Stream> {
    if let Some(limit) = registry.limit_of(instrument.scope(), instrument.name()) {
        return twin(limit).build().ok();
    }
    let descriptor = meterkit_core::Descriptor {
        name: instrument.name().to_owned(),
        unit: instrument.unit().to_owned(),
        description: String::new(),
    };
    let request = StreamRequest::new(instrument.scope(), &descriptor, kind_of(instrument.kind())?);
    let StreamSettings { buckets, cardinality_limit } = settings(views, defaults, &request);
    if buckets.is_none() && cardinality_limit.is_none() {
        return None;
    }
    let mut stream = Stream::builder();
    if let Some(limit) = cardinality_limit {
        stream = stream.with_cardinality_limit(limit);
    }
    if let Some(buckets) = buckets.filter(|_| instrument.kind() == InstrumentKind::Histogram) {
        stream = stream.with_aggregation(sdk_aggregation(buckets)?);
    }
    stream.build().ok()
}

/// The stream of a twin of ours: as many series as the store may have, and the overflow series.
pub(crate) fn twin(limit: usize) -> StreamBuilder {
    /// The SDK makes room for as many as are allowed: no fewer than it has by itself, no more than a store has by
    /// default.
    const ROOM: std::ops::RangeInclusive<usize> = 2000..=1_000_000;
    let limit = limit.saturating_add(1).clamp(*ROOM.start(), *ROOM.end());
    Stream::builder().with_cardinality_limit(limit)
}

fn sdk_aggregation(buckets: HistogramBuckets) -> Option<SdkAggregation> {
    Some(match buckets {
        HistogramBuckets::Explicit(boundaries) => {
            SdkAggregation::ExplicitBucketHistogram { boundaries, record_min_max: true }
        }
        HistogramBuckets::Exponential(limits) => SdkAggregation::Base2ExponentialHistogram {
            max_size: limits.max_size,
            max_scale: i8::try_from(limits.max_scale).ok()?,
            record_min_max: true,
        },
    })
}

fn kind_of(kind: InstrumentKind) -> Option<Kind> {
    Some(match kind {
        InstrumentKind::Counter => Kind::Counter,
        InstrumentKind::UpDownCounter => Kind::UpDownCounter,
        InstrumentKind::Gauge => Kind::Gauge,
        InstrumentKind::Histogram => Kind::Histogram,
        InstrumentKind::ObservableCounter => Kind::ObservableCounter,
        InstrumentKind::ObservableUpDownCounter => Kind::ObservableUpDownCounter,
        InstrumentKind::ObservableGauge => Kind::ObservableGauge,
    })
}
