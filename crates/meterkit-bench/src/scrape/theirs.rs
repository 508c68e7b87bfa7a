//! Scrapes by `opentelemetry-prometheus`.

use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry_sdk::metrics::{Instrument, SdkMeterProvider, Stream};
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, TextEncoder};

use super::Holding;
use crate::api::attributes;
use crate::labels::{BOUNDS, durations, for_each_series, request, tenants};

/// A provider with `opentelemetry-prometheus` as its reader and many series in one instrument.
pub struct Theirs {
    _provider: SdkMeterProvider,
    registry: prometheus::Registry,
}

impl Theirs {
    /// Creates the provider with `series` series.
    pub fn new(holding: Holding, series: usize) -> Self {
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone());
        let limit = series + 1;
        let provider = SdkMeterProvider::builder()
            .with_reader(exporter.build().expect("an exporter"))
            .with_view(move |_: &Instrument| {
                Stream::builder().with_cardinality_limit(limit).build().ok()
            })
            .build();
        let meter = provider.meter("bench");
        match holding {
            Holding::Counters => fill_their_counters(&meter, series),
            Holding::Histograms => fill_their_histograms(&meter, series),
            Holding::Gauges => fill_their_gauges(&meter, series),
            Holding::Observed | Holding::ObservedToAndFro => observe_theirs(&meter, series),
            Holding::Instruments => fill_their_instruments(&meter, series),
        }
        Self { _provider: provider, registry }
    }

    /// Collects from the SDK and returns metric families.
    pub fn read(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// Writes the collected families.
    pub fn write(&self, families: &[MetricFamily]) -> Vec<u8> {
        let mut text = Vec::new();
        TextEncoder::new().encode(families, &mut text).expect("text");
        text
    }

    /// Performs a whole scrape.
    pub fn scrape(&self) -> Vec<u8> {
        self.write(&self.read())
    }
}

impl fmt::Debug for Theirs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Theirs").finish_non_exhaustive()
    }
}

fn fill_their_counters(meter: &Meter, series: usize) {
    let counter = meter.u64_counter("requests").build();
    let mut n = 0;
    for_each_series(series, |request| {
        n += 1;
        counter.add(n, &attributes(request));
    });
}

fn fill_their_histograms(meter: &Meter, series: usize) {
    let histogram = meter.f64_histogram("requests.duration").with_unit("s");
    let histogram = histogram.with_boundaries(BOUNDS.to_vec()).build();
    let mut next = durations();
    for_each_series(series, |request| {
        let attributes = attributes(request);
        (0..10).for_each(|_| histogram.record(next(), &attributes));
    });
}

fn fill_their_gauges(meter: &Meter, series: usize) {
    let gauge = meter.u64_gauge("requests").build();
    let mut n = 0;
    for_each_series(series, |request| {
        n += 1;
        gauge.record(n, &attributes(request));
    });
}

fn fill_their_instruments(meter: &Meter, instruments: usize) {
    for at in 0..instruments {
        let counter = meter.u64_counter(format!("requests.of_{at}")).with_unit("By");
        counter.build().add(at as u64, &[]);
    }
}

fn observe_theirs(meter: &Meter, series: usize) {
    let tenants = tenants(series);
    let runs = AtomicU64::new(0);
    let gauge = meter.u64_observable_gauge("requests").with_callback(move |observer| {
        let run = runs.fetch_add(1, Relaxed);
        for (n, tenant) in tenants.iter().enumerate() {
            observer.observe(run + n as u64, &attributes(request(n, tenant)));
        }
    });
    gauge.build();
}
