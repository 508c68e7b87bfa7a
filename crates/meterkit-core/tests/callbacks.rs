//! Callbacks of observable gauges: when they run, the effect of a panic, and how they end.

use std::collections::HashSet;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::thread::ThreadId;
use std::time::Duration;

use meterkit_core::{CallbackGuard, InstrumentError, ManualClock, Registry, Value};
use meterkit_fakes::catalog;
use meterkit_fakes::readings::{dropped, value};

const ROWS: &str = "backstage.plugin.catalog.rows";

#[test]
fn a_callback_runs_once_per_refresh_and_never_for_a_read() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let _rows =
        meter.observable_gauge::<u64>("rows").observe(move || counted.fetch_add(1, SeqCst) + 1)?;

    assert_eq!(value(&registry, ROWS), None, "no value before the first refresh");
    for run in 1..=3 {
        registry.refresh();
        assert_eq!(value(&registry, ROWS), Some(Value::U64(run)));
        assert_eq!(value(&registry, ROWS), Some(Value::U64(run)));
    }
    assert_eq!(runs.load(SeqCst), 3);
    Ok(())
}

#[test]
fn a_panic_costs_the_value_of_that_callback_only_and_until_it_works_again()
-> Result<(), InstrumentError> {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    registry.set_callback_budget(Duration::from_secs(60));
    let meter = registry.scoped("plugin", "catalog");
    let fails = Arc::new(AtomicBool::new(false));
    let failing = fails.clone();
    let _before = meter.observable_gauge::<i64>("before").observe(|| -1)?;
    let _rows = meter.observable_gauge::<i64>("rows").observe(move || {
        assert!(!failing.load(SeqCst), "the database is gone");
        7
    })?;
    let _after = meter.observable_gauge::<i64>("after").observe(|| 1)?;
    let read = || {
        clock.advance(Duration::from_secs(60));
        registry.refresh();
        ["before", "rows", "after"]
            .map(|name| value(&registry, &format!("backstage.plugin.catalog.{name}")))
    };
    let (before, after) = (Some(Value::I64(-1)), Some(Value::I64(1)));

    assert_eq!(read(), [before, Some(Value::I64(7)), after]);
    fails.store(true, SeqCst);
    assert_eq!(read(), [before, None, after]);
    assert_eq!(read(), [before, None, after]);
    fails.store(false, SeqCst);
    assert_eq!(read(), [before, Some(Value::I64(7)), after]);
    Ok(())
}

#[test]
fn a_value_that_is_not_a_number_is_left_out_and_counted() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let ratio = Arc::new(Mutex::new(0.5));
    let shared = ratio.clone();
    let _rows =
        meter.observable_gauge::<f64>("rows").observe(move || shared.lock().map_or(0.0, |r| *r))?;
    registry.refresh();
    assert_eq!(value(&registry, ROWS), Some(Value::F64(0.5)));
    for bad in [f64::NAN, f64::INFINITY] {
        *ratio.lock().unwrap() = bad;
        registry.refresh();
        assert_eq!(value(&registry, ROWS), None);
    }
    assert_eq!(dropped(&registry, "not_finite"), 2);
    Ok(())
}

#[test]
fn dropping_the_guard_ends_the_callback_and_removes_its_value() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let guard = meter.observable_gauge::<u64>("rows").observe(move || {
        counted.fetch_add(1, SeqCst);
        5
    })?;
    registry.refresh();
    assert_eq!(value(&registry, ROWS), Some(Value::U64(5)));
    assert!(format!("{guard:?}").contains(ROWS));

    drop(guard);
    assert_eq!(
        value(&registry, ROWS),
        None,
        "the value is removed at once, not with the next refresh"
    );
    registry.refresh();
    assert_eq!(value(&registry, ROWS), None);
    assert_eq!(runs.load(SeqCst), 1);
    assert_eq!(Arc::strong_count(&runs), 1, "values captured by the callback are dropped");
    Ok(())
}

#[test]
fn a_callback_may_drop_its_own_guard() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let guard: Arc<Mutex<Option<CallbackGuard>>> = Arc::default();
    let runs = Arc::new(AtomicU64::new(0));
    let (own, counted) = (guard.clone(), runs.clone());
    let made = meter.observable_gauge::<u64>("rows").observe(move || {
        counted.fetch_add(1, SeqCst);
        let taken = own.lock().unwrap().take();
        drop(taken);
        9
    })?;
    *guard.lock().unwrap() = Some(made);

    registry.refresh();
    assert_eq!(
        value(&registry, ROWS),
        None,
        "a value returned after its guard is dropped does not count"
    );
    registry.refresh();
    assert_eq!(runs.load(SeqCst), 1);
    Ok(())
}

#[test]
fn a_guard_dropped_while_its_callback_runs_elsewhere_leaves_no_value() -> Result<(), InstrumentError>
{
    let (registry, meter) = catalog();
    let (entered, is_in) = std::sync::mpsc::channel();
    let (leave, may_leave) = std::sync::mpsc::channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let guard = meter.observable_gauge::<u64>("rows").observe(move || {
        let _ = entered.send(());
        let _ = may_leave.lock().unwrap().recv();
        9
    })?;
    std::thread::scope(|scope| {
        let refresh = scope.spawn(|| registry.refresh());
        is_in.recv().unwrap();
        drop(guard);
        leave.send(()).unwrap();
        refresh.join().unwrap();
    });
    assert_eq!(value(&registry, ROWS), None);
    Ok(())
}

#[test]
fn a_reader_sees_a_value_or_none_while_callbacks_come_and_go() {
    let (registry, meter) = catalog();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..20_000 {
                let guard = meter.observable_gauge::<i64>("rows").observe(|| 5);
                registry.refresh();
                drop(guard);
            }
            is_done.store(true, SeqCst);
        });
        scope.spawn(|| {
            while !is_done.load(SeqCst) {
                let read = value(&registry, ROWS);
                assert!(matches!(read, None | Some(Value::I64(5))), "{read:?}");
            }
        });
    });
}

#[test]
fn a_forgotten_guard_keeps_its_callback() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    meter.observable_gauge::<u64>("rows").observe(|| 3)?.forget();
    registry.refresh();
    registry.refresh();
    assert_eq!(value(&registry, ROWS), Some(Value::U64(3)));
    Ok(())
}

#[test]
fn a_callback_may_record_and_create_instruments_and_callbacks() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let inner = meter.clone();
    let kept: Mutex<Vec<CallbackGuard>> = Mutex::default();
    let _rows = meter.observable_gauge::<u64>("rows").observe(move || {
        let build = inner.counter::<u64>("scans").build();
        build.expect("a good name").increment();
        let made = inner.observable_gauge::<u64>("made_inside").observe(|| 2);
        kept.lock().unwrap().push(made.expect("a good name"));
        1
    })?;
    registry.refresh();
    assert_eq!(value(&registry, ROWS), Some(Value::U64(1)));
    assert_eq!(value(&registry, "backstage.plugin.catalog.scans"), Some(Value::U64(1)));
    registry.refresh();
    assert_eq!(value(&registry, "backstage.plugin.catalog.scans"), Some(Value::U64(2)));
    assert_eq!(value(&registry, "backstage.plugin.catalog.made_inside"), Some(Value::U64(2)));
    Ok(())
}

#[test]
fn a_callback_can_be_registered_again_after_its_guard_is_gone() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    drop(meter.observable_gauge::<u64>("rows").observe(|| 1)?);
    let _again = meter.observable_gauge::<u64>("rows").observe(|| 2)?;
    registry.refresh();
    assert_eq!(value(&registry, ROWS), Some(Value::U64(2)));
    Ok(())
}

#[test]
fn a_guard_outlives_its_registry() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let guard = meter.observable_gauge::<u64>("rows").observe(|| 1)?;
    drop((registry, meter));
    drop(guard);
    Ok(())
}

#[test]
fn quick_callbacks_share_a_thread_from_collection_to_collection() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let threads: Arc<Mutex<HashSet<ThreadId>>> = Arc::default();
    let mut guards = Vec::new();
    for name in ["a", "b", "c"] {
        let threads = threads.clone();
        guards.push(meter.observable_gauge::<u64>(name).observe(move || {
            threads.lock().unwrap().insert(std::thread::current().id());
            1
        })?);
    }
    (0..2_000).for_each(|_| registry.refresh());
    let count = threads.lock().unwrap().len();
    // On a busy machine, another thread may have helped now and then.
    assert!(count <= 3, "{count} threads");
    Ok(())
}
