//! Values that a pipeline sends to the intake add up exactly, whatever the intake does in between.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use meterkit_core::{
    Counter, CounterGroup, Histogram, HistogramGroup, LabelKey, LabelValue, LabelVisitor, Labels,
    Meter, Registry, Temporality,
};
use meterkit_datadog::{Compression, DatadogTarget, Format, Transport};
use meterkit_fakes::Dice;
use meterkit_fakes::datadog::{Answer, Intake};
use meterkit_pipeline::{ExportError, ExportFuture, Pipeline, Schedule, Snapshot, Target};

use crate::snapshots::config;

/// An interval that never elapses: only a flush exports.
const NEVER: Duration = Duration::from_secs(24 * 3600);
const PATIENCE: Duration = Duration::from_secs(120);

/// Returns a size from nearly zero to thousands.
fn any_size(dice: &mut Dice) -> f64 {
    10_f64.powi(dice.below(9) as i32 - 5) * (1.0 + dice.below(1000) as f64 / 7.0)
}

struct Route(String);

impl Labels for Route {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("route")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

/// The sum of the recorded values by metric and tags, and for a histogram also their number.
type Totals = BTreeMap<(String, Vec<String>), (f64, u64)>;

/// The instruments of a service, and the values that were recorded.
struct Service {
    counters: Vec<Counter<u64>>,
    bytes: Counter<f64>,
    requests: CounterGroup<Route, u64>,
    explicit: Histogram<f64>,
    exponential: Histogram<f64>,
    durations: HistogramGroup<Route, f64>,
    recorded: Totals,
}

const COUNTERS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

impl Service {
    fn new(meter: &Meter) -> Self {
        let counters = COUNTERS.map(|name| meter.counter::<u64>(name).build().expect("a name"));
        let explicit = meter.histogram::<f64>("explicit").buckets([0.01, 1.0, 100.0]);
        Self {
            counters: counters.into(),
            bytes: meter.counter::<f64>("bytes").build().expect("a name"),
            requests: meter.counter_group("requests").build().expect("a name"),
            explicit: explicit.build().expect("a name"),
            exponential: meter.histogram("exponential").exponential().build().expect("a name"),
            durations: meter.histogram_group("durations").exponential().build().expect("a name"),
            recorded: Totals::new(),
        }
    }

    /// Records the values of one interval. Some series do not change, and some are new.
    fn record(&mut self, random: &mut Dice, interval: u64) {
        for (name, counter) in COUNTERS.into_iter().zip(self.counters.clone()) {
            let count = random.below(4) * random.below(1000);
            counter.add(count);
            self.note(name, None, count as f64, 0);
        }
        let size = any_size(random);
        self.bytes.add(size);
        self.note("bytes", None, size, 0);
        for _ in 0..20 {
            let route = format!("/r{}", random.below(15 + 5 * interval));
            self.requests.with(Route(route.clone())).add(3);
            self.note("requests", Some(&route), 3.0, 0);
            let size = any_size(random);
            self.durations.with(Route(route.clone())).record(size);
            self.note("durations", Some(&route), size, 1);
        }
        for _ in 0..random.below(30) {
            let (one, other) = (any_size(random), any_size(random));
            self.explicit.record(one);
            self.note("explicit", None, one, 1);
            self.exponential.record(one);
            self.exponential.record(other);
            self.note("exponential", None, one + other, 2);
        }
    }

    fn note(&mut self, name: &str, route: Option<&str>, sum: f64, count: u64) {
        if sum == 0.0 && count == 0 {
            return;
        }
        let tags = route.map(|route| format!("route:{route}")).into_iter().collect();
        let key = (format!("backstage.plugin.catalog.{name}"), tags);
        let total = self.recorded.entry(key).or_default();
        *total = (total.0 + sum, total.1 + count);
    }
}

/// The condition of an intake.
const WELL: u8 = 0;
const BADLY: u8 = 1;
const REFUSING: u8 = 2;

/// Returns a random response: about two of three payloads are accepted, and many responses are lost.
fn anything(random: &mut Dice) -> Answer {
    // A pause that is longer than the timeout of the export.
    let refuse = |status| Answer::Refuse(status, vec![("x-ratelimit-reset", "1000000")], "");
    match random.below(36) {
        0 => Answer::TakeAndCut,
        1 => Answer::TakeAndHang,
        2 => Answer::TakeAndSay(504),
        3 => Answer::Cut,
        4 => Answer::CutUnread,
        5 => Answer::Silence,
        6 => Answer::Refuse(413, Vec::new(), ""),
        7 => Answer::Garbage,
        8..=10 => refuse(429),
        11 => refuse(500),
        12 => refuse(503),
        13 => refuse(408),
        14..=16 => refuse(403),
        _ => Answer::Accept,
    }
}

/// A target whose failures are all permanent, so that the pipeline does not retry before the next flush.
#[derive(Debug)]
struct Hasty(DatadogTarget);

impl Target for Hasty {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn endpoint(&self) -> String {
        self.0.endpoint()
    }

    fn temporality(&self) -> Temporality {
        self.0.temporality()
    }

    fn rejected(&self) -> u64 {
        self.0.rejected()
    }

    fn is_partway(&self) -> bool {
        self.0.is_partway()
    }

    fn export<'a>(&'a mut self, snapshot: &'a Snapshot) -> ExportFuture<'a> {
        let export = self.0.export(snapshot);
        Box::pin(async {
            match export.await {
                Err(error) if error.retry_after().is_some() => {
                    Err(ExportError::permanent(error.to_string()))
                }
                outcome => outcome,
            }
        })
    }
}

/// Runs twelve exports while the intake fails, and a last one after it has recovered.
fn two_minutes(seed: u64, compression: Compression, format: Format) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let state = Arc::new(AtomicU8::new(WELL));
    let (shared, mut answers) = (state.clone(), Dice(seed + 100));
    let intake =
        runtime.block_on(Intake::start_with(move || match shared.load(Ordering::SeqCst) {
            WELL => Answer::Accept,
            BADLY => anything(&mut answers),
            _ => Answer::Refuse(400, Vec::new(), r#"{"errors":["bad"]}"#),
        }));
    intake.limit(if compression == Compression::None { 6000 } else { 1500 });

    let registry = Registry::new();
    let mut service = Service::new(&registry.scoped("plugin", "catalog"));
    let config = config(&intake.url()).with_format(format);
    // If there is no response, either the target ends the request, or the pipeline cuts the export off.
    let (short, long) = (Duration::from_millis(300), Duration::from_secs(30));
    let (request, export) = if seed % 2 == 0 { (short, long) } else { (long, short) };
    let transport = Transport::default().with_compression(compression).with_timeout(request);
    let target = DatadogTarget::new(config.with_transport(transport).with_instance_tag(false))
        .expect("a target");
    let schedule = Schedule { interval: NEVER, timeout: export };
    let pipeline = Pipeline::builder(registry).expect("a registry of its own");
    let pipeline = pipeline.target(Hasty(target), schedule).start();
    let pipeline = pipeline.expect("a thread");
    let (mut random, mut failures, mut is_clean) = (Dice(seed), 0, true);
    for interval in 0..12 {
        service.record(&mut random, interval);
        // If no export is partway, a permanently refused payload does not affect the others.
        let is_refusing = is_clean && random.below(3) == 0;
        state.store(if is_refusing { REFUSING } else { BADLY }, Ordering::SeqCst);
        is_clean = pipeline.flush_blocking(PATIENCE).is_ok();
        assert!(!(is_refusing && is_clean), "nothing was taken");
        is_clean |= is_refusing;
        failures += u32::from(!is_clean || is_refusing);
    }
    service.record(&mut random, 12);
    state.store(WELL, Ordering::SeqCst);
    pipeline.flush_blocking(PATIENCE).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    let health = pipeline.health();
    assert_eq!(health.targets[0].rejected_points, 0, "{health}");
    pipeline.shutdown_blocking(PATIENCE).expect("the intake is well");

    let stored = intake.totals().into_iter();
    let stored = stored.filter(|(key, _)| key.metric.starts_with("backstage.plugin.catalog."));
    let stored: Totals = stored.map(|(key, total)| ((key.metric, key.tags), total)).collect();
    assert!(stored.keys().eq(service.recorded.keys()), "seed {seed}: {stored:#?}");
    for (series, (sum, count)) in &service.recorded {
        let (stored, counted) = stored[series];
        let error = (stored - sum).abs() / sum;
        assert!(error <= 1e-9, "seed {seed}: {series:?} is {stored} and not {sum}");
        assert_eq!(counted, *count, "seed {seed}: {series:?}");
    }
    let arrivals = intake.arrivals();
    let refused = arrivals.iter().filter(|arrival| !arrival.was_taken).count();
    assert!(failures > 0 && refused > 3, "seed {seed}: {failures} failures, {refused} refused");
    assert!(arrivals.len() > 15, "seed {seed}: {} payloads are no split", arrivals.len());
}

#[test]
fn what_is_stored_is_what_was_recorded() {
    thread::scope(|scope| {
        for (seed, compression, format) in [
            (1, Compression::None, Format::Protobuf),
            (2, Compression::Gzip, Format::Json),
            (3, Compression::Gzip, Format::Protobuf),
            #[cfg(feature = "zstd")]
            (4, Compression::Zstd, Format::Protobuf),
            #[cfg(feature = "zstd")]
            (5, Compression::Zstd, Format::Json),
            (6, Compression::None, Format::Protobuf),
        ] {
            scope.spawn(move || two_minutes(seed, compression, format));
        }
    });
}
