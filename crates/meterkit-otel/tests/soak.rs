//! Many threads record through meterkit's and OpenTelemetry's APIs while targets export and fail. The totals of every
//! target are exact.
//!
//! `METERKIT_SOAK` sets the number of recordings: 400,000 by default, ten million in `.ci/long`.
#![cfg(feature = "sdk")]

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use meterkit_core::{
    Attributes, Counter, CounterGroup, Data, Histogram, HistogramGroup, Naming, NamingPolicy,
    Registry, Temporality, UpDownCounter,
};
use meterkit_fakes::label_sets::Id;
use meterkit_otel::sdk::Mirror;
use meterkit_otel::{MeterProvider, OtelMeter};
use meterkit_pipeline::{ExportError, ExportFuture, Pipeline, Schedule, Snapshot, Target};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{self as api, MeterProvider as _};
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality as SdkTemporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;

use crate::user_reader::{Reading, UserReader, readings};

const SCOPE: &str = "backstage.plugin.catalog";
const THREADS: u64 = 8;
const SERIES: u64 = 16;
const PATIENCE: Duration = Duration::from_secs(60);

/// Exports as often as the machine can.
const OFTEN: Schedule = Schedule { interval: Duration::from_millis(5), timeout: PATIENCE };

#[test]
fn every_recording_is_counted_once_at_every_target() {
    let recordings: u64 = match std::env::var("METERKIT_SOAK") {
        Ok(recordings) => recordings.parse().expect("METERKIT_SOAK is a number of recordings"),
        Err(_) => 400_000,
    };
    let registry = Registry::new();
    let naming = Naming::new("backstage", NamingPolicy::ScopeOnly).expect("a good namespace");
    registry.set_naming(naming).expect("nothing is named yet");
    let doors = Doors::new(&registry);

    let reader = UserReader::new(SdkTemporality::Cumulative);
    let mut mirror = Mirror::new();
    mirror.reader(reader.clone());
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    let mut builder = builder.snapshot_max_age(Duration::ZERO);
    let mut targets = Vec::new();
    for temporality in [Temporality::Cumulative, Temporality::Delta] {
        for fails in [false, true] {
            let of_target = Received::new(temporality, fails);
            builder = builder.target(of_target.clone(), OFTEN);
            let of_exporter = Received::new(temporality, fails);
            builder = builder.target(mirror.exporter(of_exporter.clone()), OFTEN);
            targets.extend([("target", of_target), ("exporter", of_exporter)]);
        }
    }
    let pipeline = mirror.attach(builder).start().expect("a thread");

    let expected = record(&doors, recordings, &pipeline, &reader);
    // The third flush at the latest exports what has failed so far; the next three export what came after it.
    for _ in 0..6 {
        let _ = pipeline.flush_blocking(PATIENCE);
    }
    let mut exports = 0;
    for (name, received) in &targets {
        let Received { temporality, fails, state } = received;
        let state = state.lock().unwrap();
        assert_eq!(state.totals, expected, "{name}, {temporality:?}, fails: {fails}");
        assert_eq!(*fails, state.failures > 0);
        exports += state.attempts;
    }
    let snapshot = pipeline.source().snapshot_blocking();
    assert_eq!(Totals::of(&snapshot), expected, "a scrape");
    assert_eq!(Totals::of_readings(&reader.read()), expected, "a reader");
    println!("{recordings} recordings, {exports} exports");
}

/// The instruments to record with. Each pair of a facade's and an API's instrument is one instrument.
struct Doors {
    total: Counter<u64>,
    requests: CounterGroup<Id, u64>,
    sizes: HistogramGroup<Id, u64>,
    waits: Histogram<f64>,
    open: UpDownCounter<i64>,
    by_attributes: api::Counter<u64>,
    sizes_by_attributes: api::Histogram<u64>,
    open_by_attributes: api::UpDownCounter<i64>,
    /// One handle per series.
    bound: Vec<api::BoundCounter<u64>>,
    bound_sizes: Vec<api::BoundHistogram<u64>>,
}

impl Doors {
    fn new(registry: &Registry) -> Self {
        let meter = registry.scoped("plugin", "catalog");
        let requests = meter.counter_group("requests").build().expect("a good name");
        let sizes = meter.histogram_group("sizes").build().expect("a good name");
        let otel = MeterProvider::new(registry.clone()).meter(SCOPE);
        let by_attributes = otel.u64_counter("requests").build();
        let sizes_by_attributes = otel.u64_histogram("sizes").build();
        let ids = || (0..SERIES).map(|id| [KeyValue::new("id", id as i64)]);
        Self {
            total: meter.counter("total").build().expect("a good name"),
            waits: meter.histogram("waits").build().expect("a good name"),
            open: meter.up_down_counter("open").build().expect("a good name"),
            open_by_attributes: meter.otel().i64_up_down_counter("open").build(),
            bound: ids().map(|id| by_attributes.bind(&id)).collect(),
            bound_sizes: ids().map(|id| sizes_by_attributes.bind(&id)).collect(),
            requests,
            sizes,
            by_attributes,
            sizes_by_attributes,
        }
    }

    /// Makes one recording, and adds it to `noted`.
    fn record(&self, number: u64, noted: &mut Noted) {
        let (id, value) = (number / 10 % SERIES, number % 7 + 1);
        let attributes = || [KeyValue::new("id", id as i64)];
        let series = id as usize;
        match number % 10 {
            0 => self.requests.with(Id(id)).add(value),
            1 => self.by_attributes.add(value, &attributes()),
            2 => self.bound[series].add(value),
            3 => self.sizes.with(Id(id)).record(value),
            4 => self.sizes_by_attributes.record(value, &attributes()),
            5 => self.bound_sizes[series].record(value),
            6 => self.total.add(value),
            7 => self.waits.record(value as f64),
            8 => self.open.add(value as i64),
            _ => self.open_by_attributes.add(-(value as i64) / 2, &[]),
        }
        let float = value as f64;
        match number % 10 {
            0..=2 => noted.requests[series] += float,
            3..=5 => noted.sizes[series].add(float),
            6 => noted.total += float,
            7 => noted.waits.add(float),
            8 => noted.open += float,
            _ => noted.open -= (value / 2) as f64,
        }
    }
}

/// What one thread recorded: integers, whose sums are exact as floats too.
#[derive(Default)]
struct Noted {
    requests: [f64; SERIES as usize],
    sizes: [Distribution; SERIES as usize],
    total: f64,
    waits: Distribution,
    open: f64,
}

#[derive(Clone, Copy, Default)]
struct Distribution {
    sum: f64,
    count: u64,
}

impl Distribution {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }
}

/// Records from several threads while another thread scrapes. Returns the recorded totals.
fn record(doors: &Doors, recordings: u64, pipeline: &Pipeline, reader: &UserReader) -> Totals {
    let (start, is_done) = (Barrier::new(THREADS as usize), AtomicBool::new(false));
    let noted = thread::scope(|scope| {
        let scrapes = scope.spawn(|| {
            let mut last = 0.0;
            while !is_done.load(SeqCst) {
                let total = Totals::of(&pipeline.source().snapshot_blocking()).sum("requests");
                assert!(total >= last, "a scrape fell from {last} to {total}");
                last = total;
                reader.read();
            }
        });
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let start = &start;
                scope.spawn(move || {
                    let mut noted = Noted::default();
                    start.wait();
                    (thread..recordings).step_by(THREADS as usize).for_each(|number| {
                        doors.record(number, &mut noted);
                    });
                    noted
                })
            })
            .collect();
        let noted: Vec<_> = threads.into_iter().map(|it| it.join().expect("no panic")).collect();
        is_done.store(true, SeqCst);
        scrapes.join().expect("no scrape fell");
        noted
    });
    let mut totals = Totals::default();
    for Noted { requests, sizes, total, waits, open } in noted {
        for (id, (requests, sizes)) in requests.into_iter().zip(sizes).enumerate() {
            totals.add("requests", format!("id={id}"), requests, 0);
            totals.add("sizes", format!("id={id}"), sizes.sum, sizes.count);
        }
        totals.add("total", String::new(), total, 0);
        totals.add("waits", String::new(), waits.sum, waits.count);
        totals.add("open", String::new(), open, 0);
    }
    totals
}

/// Values, and for histograms also their counts, by name and labels.
#[derive(Clone, Debug, Default, PartialEq)]
struct Totals(BTreeMap<(String, String), (f64, u64)>);

impl Totals {
    fn add(&mut self, name: &str, labels: String, value: f64, count: u64) {
        let total = self.0.entry((name.to_owned(), labels)).or_default();
        *total = (total.0 + value, total.1 + count);
    }

    fn of(snapshot: &Snapshot) -> Self {
        let mut totals = Self::default();
        let scopes = snapshot.scopes.iter().filter(|it| it.scope.name() == SCOPE);
        for metric in scopes.flat_map(|scope| &scope.metrics) {
            let name = &metric.descriptor.name;
            match &metric.data {
                Data::Gauge(points) | Data::Sum { points, .. } => points.iter().for_each(|it| {
                    totals.add(name, labels(&it.attributes), it.value.as_f64(), 0);
                }),
                Data::Histogram { points, .. } => points.iter().for_each(|it| {
                    assert_eq!(it.buckets.iter().sum::<u64>(), it.count);
                    totals.add(name, labels(&it.attributes), it.sum, it.count);
                }),
                other => panic!("nobody asked for {other:?}"),
            }
        }
        totals
    }

    fn of_readings(readings: &[Reading]) -> Self {
        let mut totals = Self::default();
        for Reading { name, labels, value, count, kind, .. } in
            readings.iter().filter(|it| it.scope == SCOPE)
        {
            let count = if *kind == "histogram" { *count } else { 0 };
            totals.add(name, labels.clone(), *value, count);
        }
        totals
    }

    fn sum(&self, name: &str) -> f64 {
        self.0.iter().filter(|((it, _), _)| it == name).map(|(_, (value, _))| value).sum()
    }
}

fn labels(attributes: &Attributes) -> String {
    let labels: Vec<_> = attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    labels.join(",")
}

/// A target, and also an OpenTelemetry exporter, that adds up the values that it accepts.
#[derive(Clone, Debug)]
struct Received {
    temporality: Temporality,
    /// Whether the target refuses two out of three exports.
    fails: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    totals: Totals,
    attempts: usize,
    failures: usize,
}

impl Received {
    fn new(temporality: Temporality, fails: bool) -> Self {
        Self { temporality, fails, state: Arc::default() }
    }

    /// Adds up the export's values, or refuses the export. Returns whether it was accepted.
    fn take(&self, received: Totals) -> bool {
        let mut state = self.state.lock().unwrap();
        state.attempts += 1;
        if self.fails && state.attempts % 3 != 0 {
            state.failures += 1;
            return false;
        }
        for ((name, labels), (value, count)) in received.0 {
            // Up-down counters are cumulative for every target.
            if self.temporality == Temporality::Delta && name != "open" {
                state.totals.add(&name, labels, value, count);
            } else {
                state.totals.0.insert((name, labels), (value, count));
            }
        }
        true
    }
}

impl Target for Received {
    fn name(&self) -> &str {
        "received"
    }

    fn endpoint(&self) -> String {
        "a test".to_owned()
    }

    fn temporality(&self) -> Temporality {
        self.temporality
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        let accepted = self.take(Totals::of(snapshot));
        let outcome = if accepted { Ok(()) } else { Err(ExportError::permanent("refused")) };
        Box::pin(std::future::ready(outcome))
    }
}

impl PushMetricExporter for Received {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        match self.take(Totals::of_readings(&readings(metrics))) {
            true => Ok(()),
            false => Err(OTelSdkError::InternalFailure("refused".to_owned())),
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> SdkTemporality {
        match self.temporality {
            Temporality::Cumulative => SdkTemporality::Cumulative,
            Temporality::Delta => SdkTemporality::Delta,
        }
    }
}
