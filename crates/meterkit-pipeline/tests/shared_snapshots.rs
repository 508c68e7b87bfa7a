//! Concurrent requests share one collection, and requests shortly afterwards reuse its snapshot.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use meterkit_core::{CallbackGuard, Meter};
use meterkit_fakes::catalog_pipeline;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget};
use meterkit_fakes::snapshots::{metrics, value};
use meterkit_pipeline::{Pipeline, Schedule};

const LONG: Duration = Duration::from_secs(24 * 3600);
const RUNS: &str = "backstage.plugin.catalog.runs";

/// Registers a callback that counts its runs.
fn count_runs(meter: &Meter) -> (Arc<AtomicU64>, CallbackGuard) {
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let guard =
        meter.observable_gauge::<u64>("runs").observe(move || counted.fetch_add(1, SeqCst) + 1);
    (runs, guard.expect("a good name"))
}

/// A callback that signals when it runs, and blocks until it is released.
struct Gate {
    entered: Receiver<()>,
    leave: Sender<()>,
    runs: Arc<AtomicU64>,
    _guard: CallbackGuard,
}

impl Gate {
    fn new(meter: &Meter) -> Self {
        let (enter, entered) = channel();
        let (leave, may_leave) = channel();
        let may_leave = Mutex::new(may_leave);
        let runs = Arc::new(AtomicU64::new(0));
        let counted = runs.clone();
        let guard = meter.observable_gauge::<u64>("runs").observe(move || {
            let run = counted.fetch_add(1, SeqCst) + 1;
            let _ = enter.send(());
            let _ = may_leave.lock().unwrap().recv();
            run
        });
        Self { entered, leave, runs, _guard: guard.expect("a good name") }
    }
}

#[tokio::test(flavor = "current_thread")]
async fn concurrent_snapshots_share_one_collection() {
    let (meter, builder) = catalog_pipeline();
    let gate = Gate::new(&meter);
    let pipeline = builder.start().unwrap();
    let source = pipeline.source();
    // All requests are made before the last line lets the collection end.
    let (a, b, c, d, ()) = tokio::join!(
        source.snapshot(),
        source.snapshot(),
        source.snapshot(),
        source.snapshot(),
        async {
            gate.entered.recv_timeout(PATIENCE).unwrap();
            gate.leave.send(()).unwrap();
        }
    );
    let first = a.unwrap();
    assert_eq!(value(&first, RUNS), Some(1.0));
    for other in [b, c, d] {
        assert!(Arc::ptr_eq(&first, &other.unwrap()));
    }
    assert_eq!(gate.runs.load(SeqCst), 1);
    drop(gate.leave);
}

#[tokio::test(flavor = "current_thread")]
async fn who_asks_after_a_collection_ended_gets_a_new_one_when_none_may_be_old() {
    let (meter, builder) = catalog_pipeline();
    let (runs, _guard) = count_runs(&meter);
    let pipeline = builder.start().unwrap();
    let source = pipeline.source();
    for run in 1..=3 {
        let snapshot = source.snapshot().await.unwrap();
        assert_eq!(value(&snapshot, RUNS), Some(f64::from(run)));
    }
    assert_eq!(value(&source.snapshot_blocking(), RUNS), Some(4.0));
    assert_eq!(runs.load(SeqCst), 4);
}

#[test]
fn threads_that_ask_at_once_share_one_collection() {
    let (meter, builder) = catalog_pipeline();
    let builder = builder.snapshot_max_age(LONG);
    let (runs, _guard) = count_runs(&meter);
    let pipeline = builder.start().unwrap();
    let start = std::sync::Barrier::new(8);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                start.wait();
                pipeline.source().snapshot_blocking()
            });
        }
    });
    assert_eq!(runs.load(SeqCst), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_snapshot_that_is_young_enough_is_used_again() {
    let (meter, builder) = catalog_pipeline();
    let builder = builder.snapshot_max_age(LONG);
    let (runs, _guard) = count_runs(&meter);
    let pipeline = builder.start().unwrap();
    let first = pipeline.source().snapshot().await.unwrap();
    meter.counter::<u64>("requests").build().unwrap().increment();
    let second = pipeline.source().snapshot().await.unwrap();
    let third = pipeline.source().snapshot_blocking();
    assert!(Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&first, &third));
    assert_eq!(runs.load(SeqCst), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn a_flush_always_takes_a_new_snapshot_which_others_then_use() {
    let (meter, builder) = catalog_pipeline();
    let builder = builder.snapshot_max_age(LONG);
    let (runs, _guard) = count_runs(&meter);
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    for round in 1..=3 {
        let before = pipeline.source().snapshot().await.unwrap();
        assert_eq!(value(&before, RUNS), Some(f64::from(round)), "the snapshot of the last flush");
        requests.increment();
        pipeline.flush(PATIENCE).await.unwrap();
        let export = seen.exports().pop().unwrap();
        assert_eq!(value(&export, "backstage.plugin.catalog.requests"), Some(f64::from(round)));
    }
    let after = pipeline.source().snapshot().await.unwrap();
    assert_eq!(value(&after, "backstage.plugin.catalog.requests"), Some(3.0));
    assert_eq!(runs.load(SeqCst), 4);
}

#[test]
fn a_flush_needs_a_collection_that_started_after_it() {
    let (meter, builder) = catalog_pipeline();
    let builder = builder.snapshot_max_age(LONG);
    let gate = Gate::new(&meter);
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    std::thread::scope(|scope| {
        let scrape = scope.spawn(|| pipeline.source().snapshot_blocking());
        gate.entered.recv_timeout(PATIENCE).unwrap();
        requests.add(5);
        let flush = scope.spawn(|| pipeline.flush_blocking(PATIENCE));
        gate.leave.send(()).unwrap();
        scrape.join().unwrap();
        gate.entered.recv_timeout(PATIENCE).unwrap();
        gate.leave.send(()).unwrap();
        flush.join().unwrap().unwrap();
    });
    let export = seen.exports().pop().unwrap();
    assert_eq!(value(&export, "backstage.plugin.catalog.requests"), Some(5.0));
    assert_eq!(value(&export, RUNS), Some(2.0));
    drop(gate.leave);
}

#[test]
fn targets_that_are_due_together_share_collections_and_get_none_twice() {
    let (meter, builder) = catalog_pipeline();
    let builder = builder.snapshot_max_age(LONG);
    let (runs, _guard) = count_runs(&meter);
    let schedule = Schedule { interval: Duration::from_millis(10), ..Schedule::default() };
    let (one, seen_by_one) = ScriptedTarget::new("one", []);
    let (other, seen_by_other) = ScriptedTarget::new("other", []);
    let pipeline = builder.target(one, schedule).target(other, schedule).start().unwrap();
    seen_by_one.wait_for(5);
    seen_by_other.wait_for(5);
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    let mut exports = 0;
    for seen in [seen_by_one, seen_by_other] {
        let numbers: Vec<_> = seen.exports().iter().map(|export| export.number).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        exports += numbers.len() as u64;
    }
    assert!(runs.load(SeqCst) < exports, "{runs:?} collections for {exports} exports");
}

#[test]
fn flushes_at_the_same_time_export_no_snapshot_twice() {
    let (_meter, builder) = catalog_pipeline();
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder.target(target, ONLY_WHEN_ASKED).start().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| pipeline.flush_blocking(PATIENCE).unwrap());
        }
    });
    let numbers: Vec<_> = seen.exports().iter().map(|export| export.number).collect();
    assert!(numbers.len() == 8 && numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
}

/// The default maximum age of a snapshot.
const DEFAULT_AGE: Duration = Duration::from_millis(100);

#[test]
fn a_scrape_each_second_sees_what_came_in_that_second() {
    let (registry, meter) = meterkit_fakes::catalog();
    let requests = meter.counter::<u64>("requests").build().unwrap();
    let pipeline = Pipeline::builder(registry).unwrap().start().unwrap();
    for second in 1..=5 {
        requests.add(10);
        let scraped = pipeline.source().snapshot_blocking();
        let expected = Some(f64::from(10 * second));
        assert_eq!(value(&scraped, "backstage.plugin.catalog.requests"), expected);
        // A fifth of a second is enough.
        std::thread::sleep(DEFAULT_AGE * 2);
    }
}

#[test]
fn a_storm_of_scrapes_does_not_become_one_of_callbacks() {
    let (registry, meter) = meterkit_fakes::catalog();
    let (runs, _guard) = count_runs(&meter);
    let pipeline = Pipeline::builder(registry).unwrap().start().unwrap();
    let (start, mut scrapes) = (Instant::now(), 0_u64);
    while scrapes < 1000 || start.elapsed() < DEFAULT_AGE * 3 {
        pipeline.source().snapshot_blocking();
        scrapes += 1;
    }
    let most = start.elapsed().as_millis() / DEFAULT_AGE.as_millis() + 1;
    assert!(u128::from(runs.load(SeqCst)) <= most, "{runs:?} of {most} for {scrapes} scrapes");
}

#[test]
fn a_callback_that_panics_leaves_the_rest_of_the_snapshot() {
    let (meter, builder) = catalog_pipeline();
    let (_, _guard) = count_runs(&meter);
    let _bad = meter.observable_gauge::<u64>("bad").observe(|| panic!("no database")).unwrap();
    let pipeline = builder.start().unwrap();
    for run in 1..=2 {
        let snapshot = pipeline.source().snapshot_blocking();
        assert_eq!(value(&snapshot, RUNS), Some(f64::from(run)));
        assert!(metrics(&snapshot, "backstage.plugin.catalog.bad").is_empty());
    }
}

#[tokio::test(flavor = "current_thread")]
async fn an_abandoned_collection_serves_the_next_request() {
    let (meter, builder) = catalog_pipeline();
    let builder = builder.snapshot_max_age(LONG);
    let gate = Gate::new(&meter);
    let pipeline = builder.start().unwrap();
    let source = pipeline.source();
    tokio::select! {
        biased;
        _ = source.snapshot() => unreachable!("its callback waits"),
        () = std::future::ready(()) => {}
    }
    gate.entered.recv_timeout(PATIENCE).unwrap();
    gate.leave.send(()).unwrap();
    let snapshot = source.snapshot().await.unwrap();
    assert_eq!(value(&snapshot, RUNS), Some(1.0));
    drop(gate.leave);
}

#[test]
fn a_callback_that_asks_for_a_snapshot_does_not_wait_for_itself() {
    let (meter, builder) = catalog_pipeline();
    let source = Arc::new(Mutex::new(None::<meterkit_pipeline::Source>));
    let asked = source.clone();
    let _guard = meter
        .observable_gauge::<u64>("points")
        .observe(move || {
            let source = asked.lock().unwrap().clone();
            source.map_or(0, |source| source.snapshot_blocking().len() as u64)
        })
        .unwrap();
    meter.counter::<u64>("requests").build().unwrap().increment();
    let pipeline = builder.start().unwrap();
    *source.lock().unwrap() = Some(pipeline.source());
    assert!(pipeline.source().snapshot_blocking().len() >= 2);
}

#[tokio::test(flavor = "current_thread")]
async fn all_targets_of_a_flush_and_of_the_shutdown_share_one_collection() {
    let (meter, builder) = catalog_pipeline();
    let mut builder = builder.snapshot_max_age(LONG);
    let (runs, _guard) = count_runs(&meter);
    for _ in 0..8 {
        builder = builder.target(ScriptedTarget::new("scripted", []).0, ONLY_WHEN_ASKED);
    }
    let pipeline = builder.start().unwrap();
    // Without sharing, targets would take separate collections, but perhaps only after some rounds.
    for round in 1..=50 {
        pipeline.flush(PATIENCE).await.unwrap();
        assert_eq!(runs.load(SeqCst), round);
    }
    pipeline.shutdown(PATIENCE).await.unwrap();
    assert_eq!(runs.load(SeqCst), 51);
}
