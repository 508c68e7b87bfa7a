//! Exports by `opentelemetry-otlp`.

use std::fmt;

use opentelemetry::metrics::{Counter, Histogram, MeterProvider};
use opentelemetry_otlp::{MetricExporter, WithExportConfig};
use opentelemetry_sdk::metrics::{Instrument, PeriodicReader, SdkMeterProvider, Stream};

use super::{BOUNDS, COUNTERS, HISTOGRAMS, NEVER, PATIENCE, TOUCHED};
use crate::api::attributes;
use crate::labels::{durations, for_each_series, request, tenants};
use crate::sink::Sink;

/// A provider with a periodic reader and the exporter of `opentelemetry-otlp`, with its default HTTP client.
pub struct Theirs {
    provider: SdkMeterProvider,
    counter: Counter<u64>,
    histogram: Histogram<f64>,
    tenants: Vec<String>,
    sink: Sink,
}

impl Default for Theirs {
    fn default() -> Self {
        Self::new()
    }
}

impl Theirs {
    /// Creates the provider with all series filled, and an open connection.
    pub fn new() -> Self {
        let sink = Sink::start();
        let exporter = MetricExporter::builder().with_http().with_endpoint(sink.url());
        let exporter = exporter.with_timeout(PATIENCE).build().expect("an exporter");
        let provider = SdkMeterProvider::builder()
            .with_reader(PeriodicReader::builder(exporter).with_interval(NEVER).build())
            .with_view(|_: &Instrument| {
                Stream::builder().with_cardinality_limit(COUNTERS + 1).build().ok()
            })
            .build();
        let meter = provider.meter("bench");
        let counter = meter.u64_counter("requests").build();
        let histogram = meter.f64_histogram("requests.duration").with_unit("s");
        let histogram = histogram.with_boundaries(BOUNDS.to_vec()).build();
        let mut n = 0;
        for_each_series(COUNTERS, |request| {
            n += 1;
            counter.add(n, &attributes(request));
        });
        let mut next = durations();
        for_each_series(HISTOGRAMS, |request| {
            let attributes = attributes(request);
            (0..10).for_each(|_| histogram.record(next(), &attributes));
        });
        let tenants = tenants(TOUCHED);
        let theirs = Self { provider, counter, histogram, tenants, sink };
        theirs.export();
        theirs
    }

    /// Records a few values, collects, and sends everything.
    pub fn export(&self) {
        for (n, tenant) in self.tenants.iter().enumerate() {
            let attributes = attributes(request(n, tenant));
            self.counter.add(1, &attributes);
            self.histogram.record(0.03, &attributes);
        }
        self.provider.force_flush().expect("the sink accepts everything");
    }

    /// Returns the sink that receives the exports.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }
}

impl fmt::Debug for Theirs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Theirs").field("sink", &self.sink).finish_non_exhaustive()
    }
}
