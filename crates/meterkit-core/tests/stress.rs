//! Threads that do any operation, each in an order of its own: nothing panics, and nothing waits forever.

use std::collections::HashMap;
use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use meterkit_core::{
    AttributeValue, Data, InstrumentError, LabelKey, LabelValue, LabelVisitor, Labels, ManualClock,
    Meter, Registry, ScopeMetrics,
};
use meterkit_fakes::Dice;
use meterkit_fakes::label_sets::{Id, Light};
use meterkit_fakes::readings::{live, series};

const THREADS: u64 = 4;
const STEPS: u64 = 4_000;
const LIMIT: usize = 12;

/// A label that allows five distinct values.
struct Capped(u64);

impl Labels for Capped {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::of::<u64>("capped").max_values(5)];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

fn step(
    dice: &mut Dice,
    clock: &ManualClock,
    registry: &Registry,
    meter: &Meter,
) -> Result<(), InstrumentError> {
    let timeout = Duration::from_secs(10);
    let counters = meter.counter_group::<Id, u64>("counters").cardinality_limit(LIMIT);
    let counters = counters.idle_timeout(timeout).build()?;
    let gauges = meter.gauge_group::<Capped, f64>("gauges").build()?;
    let lights = meter.up_down_counter_group::<Light, i64>("lights").zero_initialized().build()?;
    let sizes = meter.histogram_group::<Id, f64>("sizes").cardinality_limit(LIMIT).build()?;
    let plain = meter.histogram::<u64>("plain").unit("ms").register();
    let (id, light) = (dice.below(40), Light::all()[dice.below(18) as usize]);
    let held = (counters.with(Id(id)), sizes.with(Id(id)).clone(), lights.with(light).guard());
    match dice.below(16) {
        0 => registry.refresh(),
        1 => check(&registry.read()),
        2 => drop((counters.remove(Id(id)), sizes.remove(Id(id)), lights.remove(light))),
        3 => drop(gauges.remove(Capped(id))),
        4 if dice.below(10) == 0 => drop((counters.clear(), gauges.clear(), lights.clear())),
        5 if dice.below(10) == 0 => drop(meter.clone().unload()),
        6 if dice.below(10) == 0 => {
            let pair = ("zone".into(), AttributeValue::from(dice.below(3) as i64));
            registry.set_attributes([pair]).expect("a good key");
        }
        7 if dice.below(10) == 0 => {
            let patterns = ["", "plugin.zero", "plugin.*", "*"][dice.below(4) as usize];
            registry.set_disabled_scopes(patterns.parse().expect("good patterns"));
        }
        8 => clock.advance(Duration::from_secs(dice.below(8))),
        9 => registry.set_series_limit(20 + dice.below(50) as usize),
        10 => {
            let _rows = meter.observable_gauge::<u64>("rows").observe(|| 1)?;
            registry.refresh();
        }
        11 => drop(format!("{:?} {:?} {registry:?}", *held.0, counters)),
        _ => {}
    }
    held.0.increment();
    held.1.record(if id == 0 { f64::NAN } else { id as f64 });
    gauges.with(Capped(id)).set_max(id as f64);
    plain.time(|| gauges.with(Capped(id)).add(1.0));
    sizes.start_timer().observe(Id(id));
    Ok(())
}

/// Checks that a reading is consistent.
fn check(scopes: &[ScopeMetrics]) {
    for metric in scopes.iter().flat_map(|scope| &scope.metrics) {
        let mut attributes = Vec::new();
        match &metric.data {
            Data::Histogram { points, bounds, .. } => {
                for point in points {
                    assert_eq!(point.count, point.buckets.iter().sum::<u64>());
                    assert_eq!(point.buckets.len(), bounds.len() + 1);
                    assert_eq!(point.min.is_some(), point.count > 0);
                    attributes.push(&point.attributes);
                }
            }
            Data::Gauge(points) | Data::Sum { points, .. } => {
                attributes.extend(points.iter().map(|point| &point.attributes));
            }
            other => panic!("{other:?}"),
        }
        let mut seen: HashMap<String, usize> = HashMap::new();
        for attributes in attributes {
            // Attributes may change from one series to the next.
            let labels = attributes.iter().filter(|(key, _)| *key != "zone");
            *seen.entry(format!("{:?}", labels.collect::<Vec<_>>())).or_default() += 1;
        }
        let twice = seen.iter().find(|(_, times)| **times > 1);
        assert_eq!(twice, None, "in {}", metric.descriptor.name);
    }
}

fn run(seed: u64) {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    let has_failed = AtomicBool::new(false);
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (clock, registry, start, has_failed) = (&clock, &registry, &start, &has_failed);
            scope.spawn(move || {
                let mut dice = Dice(seed * 1000 + thread + 1);
                start.wait();
                for _ in 0..STEPS {
                    let name = ["zero", "one"][dice.below(2) as usize];
                    let meter = registry.scoped("plugin", name);
                    let done = step(&mut dice, clock, registry, &meter);
                    has_failed.fetch_or(done.is_err(), SeqCst);
                }
            });
        }
    });
    assert!(!has_failed.into_inner(), "each request returns the same instrument");
    finish(&registry);
}

/// Checks that all limits are what they were, and that every count is complete.
fn finish(registry: &Registry) {
    registry.set_disabled_scopes("".parse().expect("no patterns"));
    registry.set_attributes([]).expect("no keys");
    for name in ["zero", "one"] {
        registry.scoped("plugin", name).unload();
    }
    registry.set_series_limit(2 * LIMIT - 5);
    for name in ["zero", "one"] {
        let meter = registry.scoped("plugin", name);
        let counters = meter.counter_group::<Id, u64>("counters").cardinality_limit(LIMIT);
        let counters = counters.build().expect("a good name");
        for id in 0..40 {
            counters.with(Id(id)).increment();
        }
        registry.refresh();
        check(&registry.read());
    }
    let names = ["zero", "one"].map(|name| format!("backstage.plugin.{name}.counters"));
    assert_eq!(live(registry, &names[0]), LIMIT);
    assert_eq!(live(registry, &names[1]), LIMIT - 5, "room that was released can be used again");
    for name in names {
        let total: f64 = series(registry, &name).iter().map(|(_, value)| value).sum();
        assert_eq!(total, 40.0, "{name}");
    }
}

#[test]
fn anything_at_once_neither_panics_nor_hangs() {
    for seed in 1..=3 {
        let (sender, done) = channel();
        thread::spawn(move || {
            run(seed);
            let _ = sender.send(seed);
        });
        // Far longer than needed on any machine: a deadlock should fail the test, not hang it.
        let finished = done.recv_timeout(Duration::from_secs(300));
        assert_eq!(finished, Ok(seed), "a panic above, or a deadlock");
    }
}
