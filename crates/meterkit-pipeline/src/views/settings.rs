//! Aggregation settings from views and targets that must be known before values are recorded.

use std::sync::Arc;

use meterkit_core::{
    Descriptor, ExponentialLimits, HistogramBuckets, Kind, Registry, StreamRequest, StreamSettings,
};

use super::{Aggregation, ViewStream, Views};

/// Defaults for instruments whose aggregation no view sets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamDefaults {
    histogram: Option<HistogramBuckets>,
    limit: Option<usize>,
    limits: Vec<(Kind, usize)>,
}

impl StreamDefaults {
    /// Creates defaults that leave every instrument as its code declares it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the buckets of all histograms, whatever their code declares, as
    /// `OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION` does. Applies to all targets, because values are
    /// recorded once for all of them.
    #[must_use]
    pub fn histogram(mut self, buckets: HistogramBuckets) -> Self {
        self.histogram = Some(buckets);
        self
    }

    /// Sets the cardinality limit of groups whose code does not set one.
    #[must_use]
    pub fn cardinality_limit(mut self, series: usize) -> Self {
        self.limit = Some(series);
        self
    }

    /// Sets the cardinality limit for groups of one kind, in place of [`cardinality_limit`](Self::cardinality_limit).
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

/// Makes the instruments of `registry` aggregate their values as `views` and `defaults` ask for.
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
