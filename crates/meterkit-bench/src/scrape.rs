//! Scrapes of many series: by meterkit, and by `opentelemetry-prometheus`.

#[cfg(feature = "others")]
mod theirs;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use meterkit_core::{Meter, Registry};
use meterkit_pipeline::{Pipeline, Snapshot};
use meterkit_prometheus::{Exposition, Format, Names};

#[cfg(feature = "others")]
pub use self::theirs::Theirs;
use crate::labels::{BOUNDS, Request, durations, for_each_series, request, tenants};

/// The content of the series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "chosen by the benchmarks alone")]
pub enum Holding {
    /// One number per series.
    Counters,
    /// Twelve buckets per series.
    Histograms,
    /// One number per series, which is set.
    Gauges,
    /// One number per series, all reported by one callback.
    Observed,
    /// The same, by a callback that reverses its order each time.
    ObservedToAndFro,
    /// One number per series, without labels: each series has its own instrument.
    Instruments,
}

/// A registry of meterkit with many series in one instrument.
#[derive(Debug)]
pub struct Ours {
    pipeline: Pipeline,
}

impl Ours {
    /// Creates the registry with `series` series.
    pub fn new(holding: Holding, series: usize) -> Self {
        let registry = Registry::new();
        let builder =
            Pipeline::builder(registry.clone()).expect("no other pipeline uses the registry");
        let pipeline = builder.snapshot_max_age(Duration::ZERO).start().expect("a thread");
        let meter = registry.scoped("core", "bench");
        match holding {
            Holding::Counters => fill_counters(&meter, series),
            Holding::Histograms => fill_histograms(&meter, series),
            Holding::Gauges => fill_gauges(&meter, series),
            Holding::Observed => observe(&meter, series, false),
            Holding::ObservedToAndFro => observe(&meter, series, true),
            Holding::Instruments => fill_instruments(&meter, series),
        }
        Self { pipeline }
    }

    /// Collects: runs callbacks, and reads the SDK and the store.
    pub fn read(&self) -> Arc<Snapshot> {
        self.pipeline.source().snapshot_blocking()
    }

    /// Writes a snapshot as the scrape endpoint does: in pieces, each dropped before the next one is written. Returns
    /// the number of bytes.
    pub fn write(&self, snapshot: &Arc<Snapshot>, format: Format) -> usize {
        let pieces = Exposition::new(snapshot.clone(), format, Names::default());
        pieces.map(|piece| piece.len()).sum()
    }

    /// Performs a whole scrape as text.
    pub fn scrape(&self) -> usize {
        self.write(&self.read(), Format::Text)
    }
}

fn fill_counters(meter: &Meter, series: usize) {
    let group = meter.counter_group::<Request<'static>, u64>("requests").cardinality_limit(series);
    let group = group.build().expect("a counter group");
    let mut n = 0;
    for_each_series(series, |request| {
        n += 1;
        group.with(request).add(n);
    });
}

fn fill_histograms(meter: &Meter, series: usize) {
    let group = meter.histogram_group::<Request<'static>, f64>("requests.duration").unit("s");
    let group = group.buckets(BOUNDS).cardinality_limit(series).build().expect("a histogram group");
    let mut next = durations();
    for_each_series(series, |request| {
        let histogram = group.with(request);
        (0..10).for_each(|_| histogram.record(next()));
    });
}

fn fill_gauges(meter: &Meter, series: usize) {
    let group = meter.gauge_group::<Request<'static>, u64>("requests").cardinality_limit(series);
    let group = group.build().expect("a gauge group");
    let mut n = 0;
    for_each_series(series, |request| {
        n += 1;
        group.with(request).set(n);
    });
}

fn fill_instruments(meter: &Meter, instruments: usize) {
    for at in 0..instruments {
        let counter = meter.counter::<u64>(format!("requests.of_{at}")).unit("By");
        counter.build().expect("a counter").add(at as u64);
    }
}

fn observe(meter: &Meter, series: usize, turns: bool) {
    let tenants = tenants(series);
    let runs = AtomicU64::new(0);
    let gauge = meter.observable_gauge_group::<Request<'static>, u64>("requests");
    let guard = gauge.cardinality_limit(series).observe_with(move |observer| {
        let run = runs.fetch_add(1, Relaxed);
        let mut report = |(n, tenant): (usize, &String)| {
            observer.observe(request(n, tenant), run + n as u64);
        };
        let tenants = tenants.iter().enumerate();
        if turns && run % 2 == 1 {
            tenants.rev().for_each(&mut report);
        } else {
            tenants.for_each(&mut report);
        }
    });
    guard.expect("an observable gauge").forget();
}

#[cfg(all(test, feature = "others"))]
mod tests {
    use super::*;

    fn samples(text: &str, name: &str) -> usize {
        let is_sample = |line: &&str| !line.starts_with('#') && !line.starts_with("meterkit_");
        text.lines().filter(is_sample).filter(|line| line.contains(name)).count()
    }

    #[test]
    fn both_sides_write_the_same_number_of_samples() {
        for (holding, name, each) in [
            (Holding::Counters, "requests_total", 1),
            (Holding::Histograms, "duration", 14),
            (Holding::Gauges, "requests", 1),
            (Holding::Observed, "requests", 1),
            (Holding::ObservedToAndFro, "requests", 1),
        ] {
            let ours = meterkit_prometheus::render(&Ours::new(holding, 3000).read());
            let theirs = String::from_utf8(Theirs::new(holding, 3000).scrape()).unwrap();
            assert_eq!(samples(&ours, name), 3000 * each);
            assert_eq!(samples(&theirs, name), 3000 * each);
            assert!(!ours.contains("overflow") && !theirs.contains("overflow"));
        }
    }
}
