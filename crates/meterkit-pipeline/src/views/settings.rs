//! How values are kept, as views and targets ask for it: what must be known before they are recorded.

use std::sync::Arc;

use meterkit_core::{
    Descriptor, ExponentialLimits, HistogramBuckets, Kind, Registry, StreamRequest, StreamSettings,
};

use super::{Aggregation, ViewStream, Views};

/// How values are kept where no view says so.
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

    /// Sets how many series a group may have if its code does not say.
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

/// Makes the instruments of `registry` keep their values as `views` and `defaults` ask for.
pub(crate) fn set_streams(registry: &Registry, views: &Views, defaults: &StreamDefaults) {
    let (views, defaults) = (views.clone(), defaults.clone());
    registry.set_streams(move |instrument| settings(&views, &defaults, instrument));
}

fn settings(
    views: &Views,
    defaults: &StreamDefaults,
    instrument: &StreamRequest<'_>,
) -> StreamSettings {
    let StreamRequest { scope, descriptor, names_limit, .. } = *instrument;
    let streams = || views.streams(scope, descriptor);
    let asked = streams().find_map(|stream| buckets(stream.aggregation.as_ref()?));
    let limit = streams().find_map(|stream| stream.cardinality_limit);
    StreamSettings {
        buckets: asked.or_else(|| defaults.histogram.clone()),
        cardinality_limit: limit
            .or_else(|| defaults.limit_of(descriptor.kind).filter(|_| !names_limit)),
        metrics: streams().next().is_some().then(|| {
            let is_seen = |it: &&ViewStream| it.aggregation != Some(Aggregation::Drop);
            let descriptor = Arc::new(Descriptor::clone(descriptor));
            streams().filter(is_seen).map(|stream| stream.describe(&descriptor)).collect()
        }),
    }
}

fn buckets(aggregation: &Aggregation) -> Option<HistogramBuckets> {
    match aggregation {
        Aggregation::ExplicitBuckets { boundaries, .. } => {
            let bounds = boundaries.as_deref().map(|it| HistogramBuckets::Explicit(it.into()));
            Some(bounds.unwrap_or_default())
        }
        Aggregation::ExponentialBuckets { max_scale, max_size, .. } => {
            let (max_size, max_scale) = (*max_size, i32::from(*max_scale));
            Some(HistogramBuckets::Exponential(ExponentialLimits { max_size, max_scale }))
        }
        _ => None,
    }
}
