//! Async callbacks run in the background while the pipeline runs, and collections do not wait for them.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, mpsc};
use std::thread::sleep;
use std::time::{Duration, Instant};

use meterkit_core::{ManualClock, Meter, ObservableGauge, Registry};
use meterkit_fakes::catalog;
use meterkit_fakes::scripted_target::{ONLY_WHEN_ASKED, PATIENCE, ScriptedTarget};
use meterkit_fakes::snapshots::{points, value};
use meterkit_pipeline::{Pipeline, PipelineBuilder};

const ROWS: &str = "backstage.plugin.catalog.rows";

/// A period that elapses many times during a test.
const OFTEN: Duration = Duration::from_millis(10);
/// A period that does not elapse during a test, so that a callback runs once.
const ONCE: Duration = Duration::from_secs(24 * 3600);

fn builder(registry: &Registry) -> PipelineBuilder {
    let builder = Pipeline::builder(registry.clone()).expect("no other pipeline has it");
    builder.snapshot_max_age(Duration::ZERO)
}

fn rows(meter: &Meter) -> ObservableGauge<u64> {
    meter.observable_gauge("rows").build().expect("a good name")
}

#[track_caller]
fn wait_until(is_so: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up, "waited too long");
        sleep(Duration::from_millis(1));
    }
}

/// Waits until collections report this number of rows.
#[track_caller]
fn wait_for_rows(pipeline: &Pipeline, rows: f64) {
    wait_until(|| value(&pipeline.source().snapshot_blocking(), ROWS) == Some(rows));
}

#[test]
fn nothing_runs_before_the_start_nor_after_the_shutdown() {
    let (registry, meter) = catalog();
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let _guard = rows(&meter).callback().refresh_every(OFTEN, move || {
        let runs = counted.fetch_add(1, SeqCst) + 1;
        async move { runs }
    });
    sleep(5 * OFTEN);
    registry.refresh();
    assert_eq!(runs.load(SeqCst), 0);

    let pipeline = builder(&registry).start().unwrap();
    wait_until(|| runs.load(SeqCst) >= 3);
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    let at_most = runs.load(SeqCst) + 1;
    sleep(10 * OFTEN);
    assert!(runs.load(SeqCst) <= at_most, "only the refresh that had already started");

    let again = builder(&registry).start().unwrap();
    wait_until(|| runs.load(SeqCst) > at_most);
    again.shutdown_blocking(PATIENCE).unwrap();
}

#[test]
fn a_refresh_has_the_timers_and_the_sockets_of_the_pipelines_runtime() {
    let (registry, meter) = catalog();
    let _guard = rows(&meter).callback().refresh_every_result(ONCE, async || {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let (client, server) =
            tokio::join!(tokio::net::TcpStream::connect(listener.local_addr()?), listener.accept());
        let spawned = tokio::spawn(async move { client.is_ok() && server.is_ok() });
        Ok::<_, std::io::Error>(u64::from(spawned.await?))
    });
    let pipeline = builder(&registry).start().unwrap();
    wait_for_rows(&pipeline, 1.0);
}

#[test]
fn a_refresh_that_is_registered_after_the_start_runs() {
    let (registry, meter) = catalog();
    let pipeline = builder(&registry).start().unwrap();
    // The first refresh wakes a pipeline that waits for nothing, the second one a pipeline that waits for the first.
    let first = rows(&meter).callback().refresh_every(ONCE, async || 1);
    wait_for_rows(&pipeline, 1.0);
    let _second = rows(&meter).callback().refresh_every(ONCE, async || 2);
    wait_for_rows(&pipeline, 2.0);
    drop(first);
    wait_for_rows(&pipeline, 2.0);
}

#[test]
fn a_refresh_that_blocks_its_thread_holds_up_neither_scrapes_nor_exports_nor_others() {
    let (registry, meter) = catalog();
    let (begin, begun) = mpsc::channel();
    let (release, held) = mpsc::channel::<()>();
    let held = Arc::new(Mutex::new(held));
    let runs = Arc::new(AtomicU64::new(0));
    let _guard = rows(&meter).callback().refresh_every(OFTEN, move || {
        let (begin, held, runs) = (begin.clone(), held.clone(), runs.clone());
        async move {
            let run = runs.fetch_add(1, SeqCst) + 1;
            if run == 2 {
                let _ = begin.send(());
                let _ = held.lock().unwrap().recv();
            }
            run
        }
    });
    let ticks = Arc::new(AtomicU64::new(0));
    let ticked = ticks.clone();
    let other = meter.observable_gauge::<u64>("ticks");
    let _other = other.refresh_every(OFTEN, move || {
        let ticks = ticked.fetch_add(1, SeqCst) + 1;
        async move { ticks }
    });
    let (target, seen) = ScriptedTarget::new("scripted", []);
    let pipeline = builder(&registry).target(target, ONLY_WHEN_ASKED).start().unwrap();

    begun.recv_timeout(PATIENCE).unwrap();
    for export in 0..3 {
        pipeline.flush_blocking(PATIENCE).unwrap();
        assert_eq!(value(&seen.exports()[export], ROWS), Some(1.0), "the last value is served");
        assert_eq!(value(&pipeline.source().snapshot_blocking(), ROWS), Some(1.0));
    }
    let before = ticks.load(SeqCst);
    wait_until(|| ticks.load(SeqCst) > before + 2);
    drop(release);
    wait_until(|| {
        value(&pipeline.source().snapshot_blocking(), ROWS).is_some_and(|rows| rows > 2.0)
    });
}

#[test]
fn a_shutdown_does_not_wait_for_a_refresh_that_never_ends() {
    let (registry, meter) = catalog();
    let (begin, begun) = mpsc::channel();
    let _guard = rows(&meter).callback().refresh_every(ONCE, move || {
        let _ = begin.send(());
        std::future::pending::<u64>()
    });
    let pipeline = builder(&registry).start().unwrap();
    begun.recv_timeout(PATIENCE).unwrap();
    let asked = Instant::now();
    pipeline.shutdown_blocking(PATIENCE).unwrap();
    assert!(asked.elapsed() < PATIENCE);
}

#[test]
fn periods_go_by_the_clock_of_the_registry() {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    let meter = registry.scoped("plugin", "catalog");
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let _guard = rows(&meter).callback().refresh_every(OFTEN, move || {
        let runs = counted.fetch_add(1, SeqCst) + 1;
        async move { runs }
    });
    let pipeline = builder(&registry).start().unwrap();
    wait_for_rows(&pipeline, 1.0);
    sleep(10 * OFTEN);
    assert_eq!(runs.load(SeqCst), 1, "the clock stands still");
    clock.advance(100 * OFTEN);
    wait_for_rows(&pipeline, 2.0);
    assert_eq!(runs.load(SeqCst), 2, "missed runs are not made up for");
}

#[test]
fn a_refresh_that_a_shutdown_cut_off_begins_again_with_the_next_pipeline() {
    let (registry, meter) = catalog();
    let (begin, begun) = mpsc::channel();
    let is_first = AtomicU64::new(1);
    let _guard = rows(&meter).callback().refresh_every(OFTEN, move || {
        let is_first = is_first.swap(0, SeqCst) == 1;
        let _ = begin.send(());
        async move {
            if is_first {
                tokio::time::sleep(ONCE).await;
            }
            7
        }
    });
    let pipeline = builder(&registry).start().unwrap();
    begun.recv_timeout(PATIENCE).unwrap();
    pipeline.shutdown_blocking(Duration::from_millis(100)).unwrap();

    let pipeline = builder(&registry).start().unwrap();
    wait_for_rows(&pipeline, 7.0);
    let failures = points(&pipeline.source().snapshot_blocking(), "meterkit.callback.failures");
    let reasons = failures.iter().map(|it| it.attributes.get("reason").unwrap().to_string());
    assert!(reasons.eq(["error"]), "being cut off does not count as a panic: {failures:?}");
}
