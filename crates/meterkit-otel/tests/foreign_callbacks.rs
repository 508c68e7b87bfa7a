//! Callbacks of other libraries that hang, are slow or panic affect only their own metrics.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::thread;
use std::time::Duration;

use meterkit_core::{ManualClock, Registry};
use meterkit_fakes::gate::{Gate, failures, in_time, told, until};
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::{histogram, labels, series};
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget, Seen};
use meterkit_fakes::snapshots::{self, value};
use meterkit_otel::MeterProvider;
use meterkit_pipeline::Pipeline;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};

const REQUESTS: &str = "backstage.plugin.catalog.requests";

/// A budget that a hanging callback is certain to exceed.
const SHORT: Duration = Duration::from_millis(20);

/// A time longer than any wait in these tests.
const ENDLESS: Duration = Duration::from_secs(3600);

/// The time after which a callback that panicked is retried, however often it has panicked.
const LATER: Duration = Duration::from_secs(15 * 60);

fn library(budget: Duration) -> (ManualClock, Registry, Meter) {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    registry.set_callback_budget(budget);
    let meter = MeterProvider::new(registry.clone()).meter("other");
    (clock, registry, meter)
}

/// Starts a pipeline that collects only when asked, with a target that receives deltas.
fn start(registry: &Registry) -> (Pipeline, Seen) {
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let builder = Pipeline::builder(registry.clone()).expect("a registry of its own");
    let builder = builder.snapshot_max_age(Duration::ZERO);
    let started = builder.target(target.delta(), ONLY_WHEN_ASKED).start();
    (started.expect("a thread"), seen)
}

/// Creates a gauge whose callback never returns. Returns the number of its calls.
fn hang(meter: &Meter, name: &'static str) -> Arc<AtomicU64> {
    let calls = Arc::new(AtomicU64::new(0));
    let called = calls.clone();
    let hangs = meter.u64_observable_gauge(name).with_callback(move |_| {
        called.fetch_add(1, SeqCst);
        loop {
            thread::park();
        }
    });
    let _hangs = hangs.build();
    calls
}

/// Creates a gauge whose callback waits at the gate and then reports the number of its calls.
fn held(meter: &Meter, name: &'static str, gate: &Arc<Gate>) {
    let (gate, runs) = (gate.clone(), AtomicU64::new(0));
    let held = meter.u64_observable_gauge(name).with_callback(move |observer| {
        let run = runs.fetch_add(1, SeqCst) + 1;
        gate.pass();
        observer.observe(run, &[]);
    });
    let _held = held.build();
}

#[test]
fn a_callback_that_never_returns_stops_neither_scrapes_nor_exports_of_deltas() {
    let (_, registry, meter) = library(SHORT);
    let requests = registry.scoped("plugin", "catalog").counter::<u64>("requests").build();
    let requests = requests.expect("a good name");
    let calls = meter.u64_counter("calls").build();
    let hung = hang(&meter, "hangs");
    in_time(move || {
        let (pipeline, seen) = start(&registry);
        let rounds: u32 = 5;
        for round in 1..=rounds {
            requests.add(1);
            calls.add(10, &[]);
            let snapshot = pipeline.source().snapshot_blocking();
            assert_eq!(value(&snapshot, REQUESTS), Some(f64::from(round)));
            assert_eq!(value(&snapshot, "calls"), Some(10.0 * f64::from(round)));
            assert_eq!(value(&snapshot, "hangs"), None);
            pipeline.flush_blocking(PATIENCE).expect("the target works");
        }
        assert_eq!(hung.load(SeqCst), 1, "a hanging callback is not started again");
        until("the callback is known to be too slow", || {
            registry.refresh();
            !pipeline.health().store.callbacks_in_background.is_empty()
        });
        let health = pipeline.health();
        assert_eq!(health.store.callbacks_in_background, ["hangs"]);
        assert!(health.to_string().contains("\ncallbacks too slow: hangs"), "{health}");

        // The last recorded values still arrive.
        requests.add(100);
        calls.add(1000, &[]);
        pipeline.shutdown_blocking(PATIENCE).expect("the target works");
        let exports = seen.exports();
        assert_eq!(exports.len(), rounds as usize + 1);
        let rises = |name: &str| -> Vec<f64> {
            exports.iter().filter_map(|export| value(export, name)).collect()
        };
        assert_eq!(rises(REQUESTS), [1.0, 1.0, 1.0, 1.0, 1.0, 100.0]);
        assert_eq!(rises("calls"), [10.0, 10.0, 10.0, 10.0, 10.0, 1000.0]);
    });
}

#[test]
fn a_callback_that_never_returns_is_named_in_the_log_and_in_metrics() {
    let (_, registry, meter) = library(SHORT);
    let _hung = hang(&meter, "hangs");
    let logged = |registry: &Registry| {
        let registry = registry.clone();
        let ((), lines) = in_time(move || log_lines::of(|| registry.refresh()));
        lines
    };
    let first = logged(&registry);
    let [line] = &first[..] else { panic!("{first:#?}") };
    let begin = "WARN callback did not finish in time";
    assert!(line.starts_with(begin) && line.contains("instruments=hangs"), "{line}");
    let later: Vec<_> = (0..5).flat_map(|_| logged(&registry)).collect();
    let [line] = &later[..] else { panic!("{later:#?}") };
    let parts = ["WARN", "three times in a row", "instruments=hangs"];
    assert!(parts.iter().all(|part| line.contains(part)), "{line}");
    assert_eq!(told(&registry, "overruns", "hangs"), Some(3.0));
    assert_eq!(told(&registry, "background", "hangs"), Some(1.0));
}

#[test]
fn a_slow_callback_does_not_make_scrapes_slow_and_its_last_values_are_served() {
    let (_, registry, meter) = library(ENDLESS);
    let gate = Gate::open();
    held(&meter, "slow", &gate);
    in_time(move || {
        let (pipeline, _seen) = start(&registry);
        let read = || value(&pipeline.source().snapshot_blocking(), "slow");
        assert_eq!(read(), Some(1.0));
        gate.set_closed(true);
        registry.set_callback_budget(SHORT);
        until("the callback is in the background", || {
            assert_eq!(read(), Some(1.0));
            told(&registry, "background", "slow") == Some(1.0)
        });
        // A scrape that waited for the callback would see its next value: the gate opens by itself within the budget.
        registry.set_callback_budget(ENDLESS);
        assert_eq!(read(), Some(1.0));
        assert_eq!(gate.arrived(), 2);
        gate.set_closed(false);
        until("the value of the run that was late", || read() >= Some(2.0));
        until("the callback is back", || {
            read();
            told(&registry, "background", "slow") == Some(0.0)
        });
    });
}

#[test]
fn a_working_callback_beside_two_hanging_ones_still_reports() {
    let (_, registry, meter) = library(SHORT);
    let provider = MeterProvider::new(registry.clone());
    let _hung = [hang(&meter, "hangs.a"), hang(&provider.meter("third"), "hangs.b")];
    let fourth = provider.meter("fourth");
    let good = fourth.u64_observable_counter("good");
    let _good = good.with_callback(|good| good.observe(7, &[])).build();
    // On a busy machine the working callback may be late once: its values arrive with a later collection.
    in_time({
        let registry = registry.clone();
        move || {
            until("the good one has reported", || {
                registry.refresh();
                series(&registry, "good") == [(String::new(), 7.0)]
            });
        }
    });
    assert!(told(&registry, "overruns", "hangs.a") >= Some(1.0));
    assert!(told(&registry, "overruns", "hangs.b") >= Some(1.0));
}

#[test]
fn a_callback_that_panics_loses_its_own_values_only_and_comes_back() {
    let (clock, registry, meter) = library(ENDLESS);
    let panics = Arc::new(AtomicBool::new(false));
    let reads = panics.clone();
    let jobs = meter.u64_observable_counter("jobs");
    let (done, runs) = (AtomicU64::new(0), Arc::new(AtomicU64::new(0)));
    let counted = runs.clone();
    let jobs = jobs.with_callback(move |jobs| {
        counted.fetch_add(1, SeqCst);
        jobs.observe(done.fetch_add(10, SeqCst) + 10, &[KeyValue::new("from", "bad")]);
        assert!(!reads.load(SeqCst), "a bug of another library");
    });
    let jobs = jobs.with_callback(|jobs| jobs.observe(5, &[KeyValue::new("from", "good")]));
    let _jobs = jobs.build();
    let rows = meter.u64_observable_gauge("rows").with_callback(|rows| rows.observe(3, &[]));
    let _rows = rows.build();
    let calls = meter.u64_counter("calls").build();
    calls.add(1, &[]);

    let (pipeline, seen) = start(&registry);
    let read = || {
        let snapshot = pipeline.source().snapshot_blocking();
        assert_eq!((value(&snapshot, "rows"), value(&snapshot, "calls")), (Some(3.0), Some(1.0)));
        let points = snapshots::points(&snapshot, "jobs");
        points.iter().map(|it| (labels(it), it.value.as_f64())).collect::<Vec<_>>()
    };
    let good = || ("from=good".to_owned(), 5.0);
    assert_eq!(read(), [("from=bad".to_owned(), 10.0), good()]);
    pipeline.flush_blocking(PATIENCE).expect("the target works");
    panics.store(true, SeqCst);
    assert_eq!(read(), [good()]);
    let before = runs.load(SeqCst);
    assert_eq!(read(), [good()]);
    assert_eq!(runs.load(SeqCst), before, "the callback is not retried for a while");
    assert_eq!(failures(&registry, "jobs", "panic"), 1.0);
    pipeline.flush_blocking(PATIENCE).expect("the target works");
    panics.store(false, SeqCst);
    clock.advance(LATER);
    let back = before as f64 * 10.0 + 10.0;
    assert_eq!(read(), [("from=bad".to_owned(), back), good()]);
    pipeline.flush_blocking(PATIENCE).expect("the target works");

    let exported = seen.exports();
    let rises = exported.iter().flat_map(|export| snapshots::points(export, "jobs"));
    let bad = rises.filter(|point| labels(point) == "from=bad");
    let last = runs.load(SeqCst) as f64 * 10.0;
    assert_eq!(bad.map(|it| it.value.as_f64()).sum::<f64>(), last, "each job once");
}

#[test]
fn callback_durations_are_reported_by_instrument() {
    let (_, registry, meter) = library(ENDLESS);
    registry.set_callback_durations(true);
    for name in ["jobs", "rows"] {
        let rows = meter.i64_observable_up_down_counter(name);
        let _rows = rows.with_callback(|rows| rows.observe(-1, &[])).build();
    }
    (0..3).for_each(|_| registry.refresh());
    let (_, points) = histogram(&registry, "meterkit.callback.duration");
    let told = points.iter().map(|it| (it.attributes.get("instrument"), it.count));
    let told: Vec<_> =
        told.map(|(name, count)| (name.map(|name| name.to_string()), count)).collect();
    assert_eq!(told, [(Some("jobs".to_owned()), 3), (Some("rows".to_owned()), 3)]);
}

#[test]
fn scrapes_and_exports_share_one_run_of_a_callback() {
    let (_, registry, meter) = library(ENDLESS);
    let gate = Gate::open();
    held(&meter, "rows", &gate);
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let builder = Pipeline::builder(registry).expect("a registry of its own");
    let builder = builder.snapshot_max_age(ENDLESS).target(target, ONLY_WHEN_ASKED);
    let pipeline = builder.start().expect("a thread");
    for _ in 0..3 {
        assert_eq!(value(&pipeline.source().snapshot_blocking(), "rows"), Some(1.0));
    }
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| pipeline.source().snapshot_blocking());
        }
    });
    assert_eq!(gate.arrived(), 1);
    pipeline.flush_blocking(PATIENCE).expect("the target works");
    assert_eq!(value(&seen.exports()[0], "rows"), Some(gate.arrived() as f64));
}
