//! One provider of the SDK, and the twins that it has.

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

/// One provider of the SDK, which nobody else makes instruments with.
pub(crate) struct Output {
    pub(crate) provider: SdkMeterProvider,
    registry: Registry,
    /// What changes on the way to it.
    views: Views,
    meters: Mutex<HashMap<InstrumentationScope, Meter>>,
    /// The twin that is being made, for the view that the SDK asks meanwhile.
    making: Arc<Mutex<Option<TwinStream>>>,
}

/// What the SDK must know of a twin, and its API cannot say.
#[derive(Clone)]
pub(crate) struct TwinStream {
    pub(crate) limit: usize,
    /// The SDK's own for other instruments than histograms.
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

    /// Returns how many series each metric may have, by scope and name: as many as all instruments that become part of it.
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

    /// Calls `make` with the meter of `scope`, to make a twin that is kept as `stream` says.
    pub(crate) fn make<R>(
        &self,
        scope: &InstrumentationScope,
        stream: TwinStream,
        make: impl FnOnce(&Meter) -> R,
    ) -> R {
        // Held throughout: one twin is made at a time.
        let mut meters = self.meters.lock().unpoisoned();
        let new = || self.provider.meter_with_scope(scope.clone());
        let meter = meters.entry(scope.clone()).or_insert_with(new);
        *self.making.lock().unpoisoned() = Some(stream);
        let made = make(meter);
        *self.making.lock().unpoisoned() = None;
        made
    }

    /// Makes the twins of a histogram: one, or one for each view that selects it and keeps it a histogram.
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
            // Of two views that make metrics of one name, the first one counts.
            if !names.contains(&name) {
                twins.extend(HistogramTwin::make(self, instrument, Some(stream)));
                names.push(name);
            }
        }
        twins
    }
}

impl TwinStream {
    /// Returns a stream of as many series as the store may have, and the overflow series.
    pub(crate) fn new(limit: usize, aggregation: Option<Aggregation>) -> Self {
        Self { limit, aggregation }
    }

    /// Returns how many series the SDK makes room for: no fewer than it does by itself, no more than a store has by
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
