//! No recording is lost or counted twice during concurrent scrapes and reads.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::thread;

use crate::checker::{Exposition, Labels as LabelMap};
use crate::client::{Connection, scrape};
use crate::served;
use crate::served::Served;
use meterkit_core::{
    Counter, CounterGroup, Data, Histogram, HistogramGroup, LabelKey, LabelRef, LabelVisitor,
    Labels, Registry, UpDownCounter, UpDownCounterGroup, Value,
};

const THREADS: u64 = 8;
const READERS: usize = 4;
/// Number of recordings per thread, over all instruments.
const TIMES: u64 = 1_000_000;

struct Kind {
    kind: &'static str,
    slot: u64,
}

const KINDS: [&str; 3] = ["create", "update", "delete"];

impl Labels for Kind {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("kind"), LabelKey::new("slot")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.kind));
        visitor.visit(LabelRef::I64(self.slot as i64));
    }
}

#[derive(Clone)]
struct Instruments {
    counter: Counter<u64>,
    float: Counter<f64>,
    group: CounterGroup<Kind, u64>,
    up_down: UpDownCounter<i64>,
    up_down_group: UpDownCounterGroup<Kind, i64>,
    histogram: Histogram<u64>,
    histogram_group: HistogramGroup<Kind, f64>,
}

impl Instruments {
    fn new(registry: &Registry) -> Self {
        let meter = registry.semconv("s");
        Self {
            counter: meter.counter("counter").build().unwrap(),
            float: meter.counter("float").build().unwrap(),
            group: meter.counter_group("group").build().unwrap(),
            up_down: meter.up_down_counter("up.down").build().unwrap(),
            up_down_group: meter.up_down_counter_group("up.down.group").build().unwrap(),
            histogram: meter.histogram("histogram").buckets([0.0, 1.0, 2.0]).build().unwrap(),
            histogram_group: meter.histogram_group("histogram.group").build().unwrap(),
        }
    }

    /// Records once into the instrument that is next in turn.
    fn record(&self, at: u64) {
        let kind = || Kind { kind: KINDS[(at / 7 % 3) as usize], slot: at / 21 % 4 };
        match at % 7 {
            0 => self.counter.increment(),
            1 => self.float.add(0.5),
            2 => self.group.with(kind()).add(2),
            3 => self.up_down.add(if at % 2 == 0 { 3 } else { -2 }),
            4 => self.up_down_group.with(kind()).decrement(),
            5 => self.histogram.record(at / 7 % 4),
            _ => self.histogram_group.with(kind()).record((at / 7 % 20) as f64),
        }
    }
}

/// The expected values of the samples after all recordings.
#[derive(Default)]
struct Expected(HashMap<(&'static str, String), f64>);

impl Expected {
    fn new() -> Self {
        let mut expected = Self::default();
        for at in 0..TIMES {
            let kind = format!("{}{}", KINDS[(at / 7 % 3) as usize], at / 21 % 4);
            let plain = String::new;
            match at % 7 {
                0 => expected.add("counter_total", plain(), 1.0),
                1 => expected.add("float_total", plain(), 0.5),
                2 => expected.add("group_total", kind, 2.0),
                3 => expected.add("up_down", plain(), if at % 2 == 0 { 3.0 } else { -2.0 }),
                4 => expected.add("up_down_group", kind, -1.0),
                5 => {
                    expected.add("histogram_count", plain(), 1.0);
                    expected.add("histogram_sum", plain(), (at / 7 % 4) as f64);
                }
                _ => {
                    expected.add("histogram_group_count", kind.clone(), 1.0);
                    expected.add("histogram_group_sum", kind, (at / 7 % 20) as f64);
                }
            }
        }
        expected
    }

    fn add(&mut self, name: &'static str, kind: String, value: f64) {
        *self.0.entry((name, kind)).or_default() += value * THREADS as f64;
    }

    #[track_caller]
    fn check(&self, text: &Exposition) {
        let label = |labels: &LabelMap, key| labels.get(key).cloned().unwrap_or_default();
        let mut found = 0;
        for ((name, labels), value) in &text.samples {
            let kind = label(labels, "kind") + &label(labels, "slot");
            if name.ends_with("_bucket") {
                continue;
            }
            let expected = self.0.iter().find(|((known, of), _)| known == name && *of == kind);
            let (_, expected) = expected.unwrap_or_else(|| panic!("{name} {kind}"));
            assert_eq!(value.parse::<f64>().unwrap(), *expected, "{name} {kind}");
            found += 1;
        }
        assert_eq!(found, self.0.len());
    }
}

/// Scrapes and reads until `is_done`, and checks that no total decreases.
async fn read_on(address: SocketAddr, registry: Registry, is_done: &AtomicBool) -> usize {
    let mut connection = Connection::open(address).await;
    let mut before: HashMap<(String, LabelMap), f64> = HashMap::new();
    let mut reads = 0;
    while !is_done.load(Acquire) || reads < 3 {
        let text = connection.request("GET", "/metrics").await.unwrap().exposition();
        for (series, value) in text.rising() {
            let last = before.insert(series.clone(), value).unwrap_or_default();
            assert!(last <= value, "{series:?} fell from {last} to {value}");
        }
        check_read(&registry);
        reads += 1;
    }
    reads
}

/// Checks that values read directly from the store are consistent.
fn check_read(registry: &Registry) {
    for metric in registry.read().iter().flat_map(|scope| &scope.metrics) {
        if let Data::Histogram { points, .. } = &metric.data {
            for point in points {
                assert_eq!(point.buckets.iter().sum::<u64>(), point.count);
                let mean = point.sum / point.count as f64;
                assert!(point.min <= Some(mean) && Some(mean) <= point.max, "{point:?}");
            }
        }
    }
}

#[test]
fn totals_are_exact_to_the_unit_while_others_scrape_and_read() {
    let registry = Registry::new();
    registry.set_disabled_scopes("meterkit".parse().unwrap());
    let instruments = Instruments::new(&registry);
    let served = Served::start(&registry, |server| server);
    let address = served.address;
    let is_done = AtomicBool::new(false);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|_| {
                let instruments = instruments.clone();
                scope.spawn(move || (0..TIMES).for_each(|at| instruments.record(at)))
            })
            .collect();
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                let registry = registry.clone();
                scope.spawn(|| runtime().block_on(read_on(address, registry, &is_done)))
            })
            .collect();
        let written: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_done.store(true, Release);
        for reader in readers {
            assert!(reader.join().unwrap() >= 3);
        }
        assert!(written.iter().all(Result::is_ok));
    });

    let last = runtime().block_on(scrape(address)).unwrap();
    Expected::new().check(&last.exposition());
    served.pipeline.shutdown_blocking(served::LONG).unwrap();
    // The store itself has the same values.
    let scopes = registry.read();
    let counter = scopes[0].metrics.iter().find(|metric| metric.descriptor.name == "counter");
    let Data::Sum { points, .. } = &counter.unwrap().data else { panic!("a sum") };
    assert_eq!(points[0].value, Value::U64(THREADS * TIMES.div_ceil(7)));
    assert_eq!(instruments.counter.value(), THREADS * TIMES.div_ceil(7));
}
