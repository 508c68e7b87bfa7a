//! One SDK meter provider and its twins.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use meterkit_core::{MirroredInstrument, Registry, Unpoisoned};
use meterkit_pipeline::{Start, Views};
use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, MeterProviderBuilder, SdkMeterProvider, Stream,
};

use super::histograms::HistogramTwin;

/// One SDK meter provider, which contains only twins.
pub(crate) struct Output {
    pub(crate) provider: SdkMeterProvider,
    registry: Registry,
    /// The views that apply to this provider.
    views: Views,
    meters: Mutex<HashMap<InstrumentationScope, Meter>>,
    /// The stream of the twin that is being created, for the view that the SDK calls meanwhile.
    making: Arc<Mutex<Option<TwinStream>>>,
}

/// The settings of a twin that only an SDK view can set.
#[derive(Clone)]
pub(crate) struct TwinStream {
    pub(crate) limit: usize,
    /// The aggregation of a histogram. `None` selects the SDK's default, which all other instruments use.
    pub(crate) aggregation: Option<Aggregation>,
}

impl Output {
    pub(crate) fn new(builder: MeterProviderBuilder, start: &Start<'_>, views: Views) -> Self {
        let resource = start.resource.to_key_values();
        let resource = Resource::builder_empty().with_attributes(resource);
        let making: Arc<Mutex<Option<TwinStream>>> = Arc::default();
        let asked = making.clone();
        let view = move |_: &Instrument| {
            let making = asked.lock().unpoisoned().clone();
            making.and_then(TwinStream::build)
        };
        let provider = builder.with_view(view).with_resource(resource.build()).build();
        let registry = start.registry.clone();
        Self { provider, registry, views, meters: Mutex::default(), making }
    }

    /// Returns the cardinality limit of each metric, by scope and name: the sum of the limits of all instruments that
    /// become part of the metric.
    pub(crate) fn limits(&self) -> HashMap<(InstrumentationScope, String), usize> {
        let mut limits = HashMap::new();
        for instrument in self.registry.instruments() {
            let (scope, descriptor) = (instrument.scope(), instrument.descriptor());
            let streams = self.views.streams(scope, descriptor);
            let mut names: Vec<_> = streams.filter_map(|stream| stream.name.clone()).collect();
            names.push(descriptor.name.clone());
            for name in names {
                let limit: &mut usize = limits.entry((scope.clone(), name)).or_default();
                *limit = limit.saturating_add(instrument.limit());
            }
        }
        limits
    }

    /// Calls `make` with the meter of `scope`. The twin that `make` creates has the settings in `stream`.
    pub(crate) fn make<R>(
        &self,
        scope: &InstrumentationScope,
        stream: TwinStream,
        make: impl FnOnce(&Meter) -> R,
    ) -> R {
        // The lock is held throughout, so that one twin is created at a time.
        let mut meters = self.meters.lock().unpoisoned();
        let new = || self.provider.meter_with_scope(scope.clone());
        let meter = meters.entry(scope.clone()).or_insert_with(new);
        *self.making.lock().unpoisoned() = Some(stream);
        let made = make(meter);
        *self.making.lock().unpoisoned() = None;
        made
    }

    /// Creates the twins of a histogram: one for each view that selects it and keeps it a histogram, or a single twin
    /// if no view selects it.
    pub(crate) fn histogram_twins(&self, instrument: &MirroredInstrument) -> Vec<HistogramTwin> {
        let (scope, descriptor) = (instrument.scope(), instrument.descriptor());
        let selected: Vec<_> = self.views.streams(scope, descriptor).cloned().collect();
        if selected.is_empty() {
            return HistogramTwin::make(self, instrument, None).into_iter().collect();
        }
        let mut names: Vec<String> = Vec::new();
        let mut twins = Vec::new();
        for stream in selected {
            let name = stream.name.clone().unwrap_or_else(|| descriptor.name.clone());
            // If two views produce metrics of the same name, the first one counts.
            if !names.contains(&name) {
                twins.extend(HistogramTwin::make(self, instrument, Some(stream)));
                names.push(name);
            }
        }
        twins
    }
}

impl TwinStream {
    /// Creates a stream with room for `limit` series and the overflow series.
    pub(crate) fn new(limit: usize, aggregation: Option<Aggregation>) -> Self {
        Self { limit, aggregation }
    }

    /// Returns the SDK's cardinality limit for this stream: at least the SDK's own default, at most the store's
    /// default.
    pub(crate) fn room(&self) -> usize {
        self.limit.saturating_add(1).clamp(2000, 1_000_000)
    }

    fn build(self) -> Option<Stream> {
        let stream = Stream::builder().with_cardinality_limit(self.room());
        match self.aggregation {
            Some(aggregation) => stream.with_aggregation(aggregation).build().ok(),
            None => stream.build().ok(),
        }
    }
}
