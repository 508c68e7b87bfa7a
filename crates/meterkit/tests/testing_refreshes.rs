//! The test kit runs the callbacks of `refresh_every` that are due by its clock, so that no test waits for a period.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use meterkit::testing::{TestKit, assert_metric, assert_no_metric};
use meterkit::{InstrumentError, Labels, ObservableGauge};

const PERIOD: Duration = Duration::from_secs(3600);

#[derive(Labels)]
struct Table {
    table: &'static str,
}

fn rows(kit: &TestKit) -> Result<ObservableGauge<u64>, InstrumentError> {
    kit.semconv("database").observable_gauge("rows").build()
}

#[test]
fn a_refresh_runs_to_its_end_once_per_period_of_the_kits_clock() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let guard = rows(&kit)?.callback().refresh_every(PERIOD, move || {
        let counted = counted.clone();
        async move {
            // Timers are available, and follow the machine's clock.
            tokio::time::sleep(Duration::from_millis(1)).await;
            counted.fetch_add(1, Relaxed) + 1
        }
    });
    assert_eq!(runs.load(Relaxed), 0, "nothing has been collected yet");
    assert_metric!(kit, "rows" == 1);
    assert_metric!(kit, "rows" == 1);
    kit.advance(PERIOD - Duration::from_nanos(1));
    assert_metric!(kit, "rows" == 1);
    kit.advance(Duration::from_nanos(1));
    assert_metric!(kit, "rows" == 2);
    kit.advance(10 * PERIOD);
    assert_metric!(kit, "rows" == 3);

    drop(guard);
    kit.advance(PERIOD);
    assert_no_metric!(kit, "rows");
    assert_eq!(runs.load(Relaxed), 3);
    Ok(())
}

#[tokio::test]
async fn an_async_test_can_collect_too() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let rows = kit.semconv("database").observable_gauge_group::<Table, u64>("rows").build()?;
    let _guard = rows.callback().refresh_every(PERIOD, async || {
        tokio::task::yield_now().await;
        vec![(Table { table: "entity" }, 3), (Table { table: "task" }, 4)]
    });
    assert_metric!(kit, "rows" { table = "entity" } == 3);
    assert_metric!(kit.registry(), "rows" { table = "task" } == 4);
    Ok(())
}

#[test]
fn refreshes_that_wait_for_each_other_run_side_by_side() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.semconv("database");
    let (give, taken) = mpsc::channel();
    let taken = std::sync::Mutex::new(taken);
    let taken = Arc::new(taken);
    let waits = meter.observable_gauge::<u64>("waits");
    let _waits = waits.refresh_every(PERIOD, move || {
        let taken = taken.clone();
        async move { taken.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap() }
    })?;
    let gives = meter.observable_gauge::<u64>("gives");
    let _gives = gives.refresh_every(PERIOD, move || {
        let given = give.send(7);
        async move { u64::from(given.is_ok()) }
    })?;
    let seen = kit.collect();
    assert_metric!(seen, "waits" == 7);
    assert_metric!(seen, "gives" == 1);
    Ok(())
}

#[test]
fn a_refresh_that_fails_or_panics_is_counted_and_the_rest_is_seen() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.semconv("database");
    let fails = meter.observable_gauge::<u64>("fails");
    let _fails = fails.refresh_every_result(PERIOD, async || Err::<u64, _>("no connection"))?;
    let panics = meter.observable_gauge::<u64>("panics");
    let _panics = panics.refresh_every(PERIOD, async || -> u64 { panic!("a bug") })?;
    let works = meter.observable_gauge::<u64>("works");
    let _works = works.refresh_every(PERIOD, async || 1)?;

    let seen = kit.collect();
    assert_metric!(seen, "works" == 1);
    assert_no_metric!(seen, "fails");
    assert_no_metric!(seen, "panics");
    let failures = "meterkit.callback.failures";
    let of = |instrument, reason| {
        let labels = [("instrument", instrument), ("reason", reason)];
        seen.value(failures, labels).map(|it| it.as_f64())
    };
    assert_eq!(of("fails", "error"), Some(1.0));
    assert_eq!(of("panics", "panic"), Some(1.0));
    Ok(())
}

#[test]
fn a_refresh_that_runs_elsewhere_is_started_and_not_waited_for() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let (spawned, tasks) = mpsc::channel();
    let spawn = move |task| spawned.send(task).expect("the test waits for it");
    let _guard = rows(&kit)?.callback().spawn_with(spawn).refresh_every(PERIOD, async || 7);
    assert_no_metric!(kit, "rows");

    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(tasks.try_recv().expect("it was started"));
    assert_metric!(kit, "rows" == 7);
    Ok(())
}
