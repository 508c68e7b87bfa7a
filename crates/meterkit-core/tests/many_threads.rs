//! Threads that create instruments and record while others read: nothing is lost, and nothing counts twice.

use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use meterkit_core::{
    Data, InstrumentError, LabelKey, LabelValue, LabelVisitor, Labels, Meter, Registry, Value,
};
use meterkit_fakes::readings::{histogram, points, value};

const WRITERS: u64 = 8;
const READERS: usize = 4;
/// The number of recordings of each writer in each instrument.
const ROUNDS: u64 = 25_000;
const SHARDS: u64 = 40;

struct Shard(u64);

impl Labels for Shard {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("shard")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

/// One writer. Requests the instruments repeatedly by name, like code that keeps no handles.
fn write(meter: &Meter, seed: u64) -> Result<(), InstrumentError> {
    let total = meter.counter::<u64>("total").build()?;
    let energy = meter.counter::<f64>("energy").build()?;
    let sizes = meter.histogram::<u64>("sizes").buckets([10.0, 100.0]).build()?;
    for round in 0..ROUNDS {
        let shard = Shard((round + seed) % SHARDS);
        if round % 100 == 0 {
            meter.counter_group::<Shard, u64>("by_shard").build()?.with(shard).increment();
            meter.counter::<u64>(format!("made.by_{}", round / 100)).build()?.increment();
        } else {
            meter.counter_group::<Shard, u64>("by_shard").build()?.with(&shard).increment();
        }
        total.increment();
        energy.add(0.5);
        sizes.record(round % 200);
        let open = meter.up_down_counter::<i64>("open").build()?;
        let _open = open.guard();
        meter.gauge::<u64>("rounds.max").build()?.set_max(round);
    }
    Ok(())
}

/// One reader. Checks that each reading is consistent, and that totals never fall.
fn read(registry: &Registry, is_done: &AtomicBool) -> u64 {
    let (mut last_total, mut last_count, mut reads) = (0, 0, 0);
    loop {
        let is_last = is_done.load(SeqCst);
        registry.refresh();
        for metric in registry.read().iter().flat_map(|scope| &scope.metrics) {
            match &metric.data {
                Data::Histogram { points, .. } => {
                    for point in points {
                        assert_eq!(point.count, point.buckets.iter().sum::<u64>());
                        assert!(point.count >= last_count);
                        last_count = point.count;
                    }
                }
                Data::Sum { points, .. } if metric.descriptor.name.ends_with(".total") => {
                    let Value::U64(total) = points[0].value else { panic!("{points:?}") };
                    assert!(total >= last_total, "{total} after {last_total}");
                    last_total = total;
                }
                _ => {}
            }
        }
        reads += 1;
        if is_last {
            return reads;
        }
    }
}

#[test]
fn eight_threads_that_create_and_record_while_four_read_lose_nothing() {
    let registry = Registry::new();
    let is_done = AtomicBool::new(false);
    let start = Barrier::new(WRITERS as usize + READERS);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|seed| {
                let meter = registry.scoped("plugin", "catalog");
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    write(&meter, seed)
                })
            })
            .collect();
        let readers: Vec<_> = (0..READERS)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    read(&registry, &is_done)
                })
            })
            .collect();
        for writer in writers {
            writer.join().expect("no writer panics").expect("no instrument is refused");
        }
        is_done.store(true, SeqCst);
        for reader in readers {
            assert!(reader.join().expect("no reader panics") > 0);
        }
    });

    let name = |metric: &str| format!("backstage.plugin.catalog.{metric}");
    let all = WRITERS * ROUNDS;
    assert_eq!(value(&registry, &name("total")), Some(Value::U64(all)));
    assert_eq!(value(&registry, &name("energy")), Some(Value::F64(all as f64 / 2.0)));
    assert_eq!(value(&registry, &name("open")), Some(Value::I64(0)));
    assert_eq!(value(&registry, &name("rounds.max")), Some(Value::U64(ROUNDS - 1)));

    let shards = points(&registry, &name("by_shard"));
    assert_eq!(shards.len(), SHARDS as usize);
    assert!(shards.iter().all(|point| point.value == Value::U64(all / SHARDS)), "{shards:?}");
    for made in 0..ROUNDS / 100 {
        let made = value(&registry, &name(&format!("made.by_{made}")));
        assert_eq!(made, Some(Value::U64(WRITERS)));
    }

    let (_, sizes) = histogram(&registry, &name("sizes"));
    let expected: Vec<u64> = [11, 90, 99].iter().map(|share| all / 200 * share).collect();
    assert_eq!(*sizes[0].buckets, expected[..]);
    assert_eq!(sizes[0].count, all);
    assert_eq!(sizes[0].sum, (all / 200 * (199 * 200 / 2)) as f64);
}

#[test]
fn threads_that_race_past_the_cardinality_limit_keep_the_total() {
    const LIMIT: usize = 100;
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let group = meter.counter_group::<Shard, u64>("by_shard").cardinality_limit(LIMIT).build();
    let group = group.expect("a good name");
    let start = Barrier::new(WRITERS as usize);
    thread::scope(|scope| {
        for _ in 0..WRITERS {
            scope.spawn(|| {
                start.wait();
                for round in 0..ROUNDS {
                    group.with(Shard(round % 1000)).increment();
                }
            });
        }
    });
    let points = points(&registry, "backstage.plugin.catalog.by_shard");
    assert_eq!(points.len(), LIMIT + 1);
    let total: f64 = points.iter().map(|point| point.value.as_f64()).sum();
    assert_eq!(total, (WRITERS * ROUNDS) as f64);
}

#[test]
fn threads_that_race_for_one_name_get_one_instrument_or_the_clash() {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    for round in 0..200 {
        let name = format!("round.number_{round}");
        let start = Barrier::new(4);
        let made: Vec<bool> = thread::scope(|scope| {
            let build = |is_counter: bool| {
                let (meter, name, start) = (&meter, name.clone(), &start);
                scope.spawn(move || {
                    start.wait();
                    match is_counter {
                        true => meter.counter::<u64>(name).build().map(|c| c.increment()).is_ok(),
                        false => meter.gauge::<i64>(name).build().map(|g| g.add(1)).is_ok(),
                    }
                })
            };
            let threads = [true, false, true, false].map(build);
            threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        assert!(made == [true, false, true, false] || made == [false, true, false, true]);
        let read = value(&registry, &format!("backstage.plugin.catalog.{name}"));
        assert_eq!(read.map(Value::as_f64), Some(2.0), "both winners have the same instrument");
    }
}
