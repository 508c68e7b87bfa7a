//! Exports of many series over OTLP: by meterkit, and by `opentelemetry-otlp`.
//!
//! Both sides hold the same series with the same values, record the same values between two exports, and post
//! uncompressed protobuf to a [`Sink`] of their own.

#[cfg(feature = "others")]
mod theirs;

use std::time::Duration;

use meterkit_core::{CounterGroup, HistogramGroup, Registry};
use meterkit_otlp::{OtlpConfig, OtlpTarget, Protocol};
use meterkit_pipeline::{Pipeline, Schedule};

#[cfg(feature = "others")]
pub use self::theirs::Theirs;
use crate::labels::{Request, durations, for_each_series, request, tenants};
use crate::sink::Sink;

/// The number of series of the counter, with three labels.
pub const COUNTERS: usize = 10_000;

/// The number of series of the histogram, with the same labels.
pub const HISTOGRAMS: usize = 1_000;

/// The number of points in an export, without those about the export itself.
pub const POINTS: usize = COUNTERS + HISTOGRAMS;

/// The bounds of fifteen buckets.
const BOUNDS: [f64; 14] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The number of series per instrument that change between two exports: enough to make every export different, and few
/// enough that the cost of recording is negligible.
const TOUCHED: usize = 16;

/// Longer than any benchmark, so that only requested exports happen.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// The time limit of an export.
const PATIENCE: Duration = Duration::from_secs(60);

/// A registry with a pipeline and an OTLP target.
#[derive(Debug)]
pub struct Ours {
    pipeline: Pipeline,
    counters: CounterGroup<Request<'static>>,
    histograms: HistogramGroup<Request<'static>>,
    tenants: Vec<String>,
    sink: Sink,
}

impl Default for Ours {
    fn default() -> Self {
        Self::new()
    }
}

impl Ours {
    /// Creates the registry with all series filled, and an open connection.
    pub fn new() -> Self {
        let (registry, sink) = (Registry::new(), Sink::start());
        let config = OtlpConfig::new(Protocol::HttpProtobuf, &sink.url()).expect("a URL");
        let target = OtlpTarget::new(config).expect("no TLS, no compression");
        let schedule = Schedule { interval: NEVER, timeout: PATIENCE };
        let builder =
            Pipeline::builder(registry.clone()).expect("no other pipeline uses the registry");
        let pipeline = builder.target(target, schedule).start().expect("a thread");

        let meter = registry.scoped("core", "bench");
        let counters = meter.counter_group::<Request<'static>, u64>("requests");
        let counters = counters.cardinality_limit(COUNTERS).build().expect("a counter group");
        let histograms = meter.histogram_group::<Request<'static>, f64>("requests.duration");
        let histograms = histograms.unit("s").buckets(BOUNDS).cardinality_limit(HISTOGRAMS);
        let histograms = histograms.build().expect("a histogram group");
        let mut n = 0;
        for_each_series(COUNTERS, |request| {
            n += 1;
            counters.with(request).add(n);
        });
        let mut next = durations();
        for_each_series(HISTOGRAMS, |request| {
            let histogram = histograms.with(request);
            (0..10).for_each(|_| histogram.record(next()));
        });
        let tenants = tenants(TOUCHED);
        let ours = Self { pipeline, counters, histograms, tenants, sink };
        ours.export();
        ours
    }

    /// Records a few values, collects, and sends everything.
    pub fn export(&self) {
        for (n, tenant) in self.tenants.iter().enumerate() {
            self.counters.with(request(n, tenant)).increment();
            self.histograms.with(request(n, tenant)).record(0.03);
        }
        self.pipeline.flush_blocking(PATIENCE).expect("the sink accepts everything");
    }

    /// Returns the sink that receives the exports.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }
}

/// Returns the bytes in the body of the single request of an export.
///
/// # Panics
///
/// Panics if the export took another number of requests.
pub fn bytes_per_export(sink: &Sink, export: impl FnOnce()) -> u64 {
    let (requests, bytes) = (sink.requests(), sink.bytes());
    export();
    assert_eq!(sink.requests() - requests, 1, "an export is one request");
    sink.bytes() - bytes
}

#[cfg(all(test, feature = "others"))]
mod tests {
    use super::*;

    #[test]
    fn both_sides_send_about_as_many_bytes_each_time() {
        let (ours, theirs) = (Ours::new(), Theirs::new());
        // The second export is the first one to contain metrics about an export.
        ours.export();
        for _ in 0..2 {
            let of_ours = bytes_per_export(ours.sink(), || ours.export()) as f64;
            let of_theirs = bytes_per_export(theirs.sink(), || theirs.export()) as f64;
            let ratio = of_ours / of_theirs;
            assert!((0.95..1.05).contains(&ratio), "{of_ours} against {of_theirs}");
        }
    }
}
