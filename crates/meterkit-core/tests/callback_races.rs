//! Callbacks whose guards, scopes, instruments or registries are removed while they run.

use std::cell::RefCell;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use meterkit_core::{
    CallbackGuard, InstrumentError, Meter, Naming, NamingPolicy, Registry, Value, in_callback,
};
use meterkit_fakes::catalog;
use meterkit_fakes::gate::{Gate, counted, in_time, told, until};
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::readings::{live, metric, series, value};

const ROWS: &str = "backstage.plugin.catalog.rows";

/// Registers a callback that reports one more series in each run, and waits at the gate halfway.
fn growing(meter: &Meter, gate: &Arc<Gate>) -> Result<CallbackGuard, InstrumentError> {
    let (gate, runs) = (gate.clone(), AtomicU64::new(0));
    meter.observable_counter_group::<Id, u64>("rows").observe_with(move |observer| {
        let run = runs.fetch_add(1, SeqCst) + 1;
        (0..run).for_each(|id| observer.observe(Id(id), run));
        gate.pass();
        (run..2 * run).for_each(|id| observer.observe(Id(id), run));
    })
}

/// Collects, and calls `meanwhile` while the callback waits at the gate.
fn while_it_runs(registry: &Registry, gate: &Arc<Gate>, meanwhile: impl FnOnce() + Send + 'static) {
    let (registry, gate) = (registry.clone(), gate.clone());
    in_time(move || {
        gate.set_closed(true);
        let arrived = gate.arrived();
        let collecting = registry.clone();
        let refresh = thread::spawn(move || collecting.refresh());
        gate.await_arrivals(arrived + 1);
        meanwhile();
        gate.set_closed(false);
        refresh.join().unwrap();
        registry.refresh();
    });
}

#[test]
fn a_guard_dropped_while_its_callback_runs_leaves_no_values_and_leaks_no_room()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let gate = Gate::open();
    let guard = growing(&meter, &gate)?;
    registry.refresh();
    assert_eq!((live(&registry, ROWS), counted(&registry, ROWS)), (2, Some(2.0)));
    let reading = registry.clone();
    while_it_runs(&registry, &gate, move || {
        assert_eq!(live(&reading, ROWS), 2, "no reader sees half a run");
        drop(guard);
        assert_eq!(live(&reading, ROWS), 0, "the values are removed at once");
    });
    assert_eq!((live(&registry, ROWS), counted(&registry, ROWS)), (0, Some(0.0)));
    Ok(())
}

#[test]
fn a_scope_that_is_unloaded_while_a_callback_runs_leaves_nothing() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    registry.set_series_limit(10);
    let gate = Gate::open();
    growing(&meter, &gate)?.forget();
    registry.refresh();
    let unloaded = meter.clone();
    while_it_runs(&registry, &gate, move || assert!(unloaded.unload()));
    assert!(registry.read().is_empty(), "{:?}", registry.read());

    let again = growing(&meter, &gate)?;
    for run in 1..=5 {
        registry.refresh();
        assert_eq!(live(&registry, ROWS), 2 * run, "all room was released");
    }
    drop(again);
    Ok(())
}

#[test]
fn a_callback_may_unload_its_own_scope() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let (own, held) = (meter.clone(), Arc::new(()));
    let kept = held.clone();
    let rows = meter.observable_gauge_group::<Id, u64>("rows");
    rows.observe_with(move |observer| {
        let _ = &kept;
        observer.observe(Id(1), 1);
        own.clone().unload();
        observer.observe(Id(2), 2);
    })?
    .forget();
    in_time({
        let registry = registry.clone();
        move || registry.refresh()
    });
    assert!(registry.read().is_empty(), "{:?}", registry.read());
    until("what the callback held is freed", || Arc::strong_count(&held) == 1);
    Ok(())
}

#[test]
fn a_callback_that_is_registered_while_its_scope_is_unloaded_does_not_stay() {
    let held = Arc::new(());
    let registry = Registry::new();
    for _ in 0..300 {
        let meter = registry.scoped("plugin", "catalog");
        let rows = meter.observable_gauge::<u64>("rows").register();
        let start = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                let kept = held.clone();
                start.wait();
                rows.observe(move || Arc::strong_count(&kept) as u64).forget();
            });
            start.wait();
            meter.unload();
        });
    }
    registry.refresh();
    assert_eq!(
        Arc::strong_count(&held),
        1,
        "values captured by callbacks are dropped with their scope"
    );
}

#[test]
fn a_scope_that_is_switched_off_while_a_callback_runs_shows_nothing_old()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    registry.set_callback_durations(true);
    let gate = Gate::open();
    let _guard = growing(&meter, &gate)?;
    registry.refresh();
    let switched = registry.clone();
    while_it_runs(&registry, &gate, move || {
        switched.set_disabled_scopes("plugin.*".parse().expect("a good pattern"));
    });
    until("the end of the run", || metric(&registry, "meterkit.callback.duration").is_some());
    assert_eq!(live(&registry, ROWS), 0);
    registry.set_disabled_scopes("".parse().expect("no patterns"));
    assert_eq!(live(&registry, ROWS), 0, "only values from runs since then are exported");
    until("a new run", || {
        registry.refresh();
        live(&registry, ROWS) >= 6
    });
    Ok(())
}

#[test]
fn names_and_attributes_may_change_while_a_callback_runs() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let gate = Gate::open();
    let _guard = growing(&meter, &gate)?;
    let changed = registry.clone();
    while_it_runs(&registry, &gate, move || {
        let naming = Naming::new("acme", NamingPolicy::Prefixed).expect("a good namespace");
        changed.set_naming(naming).expect("short names");
        changed.set_attributes([("zone".into(), "z".into())]).expect("a good key");
    });
    let shown = series(&registry, "acme.plugin.catalog.rows");
    assert_eq!(shown[0], ("id=0,zone=z".to_owned(), 2.0));
    assert_eq!(shown.len(), 4);
    registry.set_attributes([]).expect("no keys");
    assert_eq!(counted(&registry, ROWS), None);
    assert_eq!(counted(&registry, "acme.plugin.catalog.rows"), Some(4.0));
    Ok(())
}

#[test]
fn a_callback_that_is_removed_before_its_turn_does_not_run() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let later: Arc<Mutex<Option<CallbackGuard>>> = Arc::default();
    let ended = later.clone();
    let _first = meter.observable_gauge::<u64>("first").observe(move || {
        drop(ended.lock().unwrap().take());
        1
    })?;
    let has_run = Arc::new(AtomicBool::new(false));
    let ran = has_run.clone();
    let rows = meter.observable_gauge::<u64>("rows").observe(move || {
        ran.store(true, SeqCst);
        2
    })?;
    *later.lock().unwrap() = Some(rows);
    registry.refresh();
    assert!(!has_run.load(SeqCst));
    assert_eq!(value(&registry, ROWS), None);
    assert_eq!(value(&registry, "backstage.plugin.catalog.first"), Some(Value::U64(1)));
    Ok(())
}

#[test]
fn a_guard_may_be_dropped_while_its_owner_holds_a_lock_that_the_callback_waits_for()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let source = Arc::new(Mutex::new(5));
    let (read, gate) = (source.clone(), Gate::open());
    let entered = gate.clone();
    let guard = meter.observable_gauge::<u64>("rows").observe(move || {
        entered.pass();
        *read.lock().unwrap()
    })?;
    in_time(move || {
        let held = source.lock().unwrap();
        let collecting = registry.clone();
        let refresh = thread::spawn(move || collecting.refresh());
        gate.await_arrivals(1);
        drop(guard);
        drop(held);
        refresh.join().unwrap();
        assert_eq!(value(&registry, ROWS), None);
    });
    Ok(())
}

#[test]
fn a_callback_that_collects_does_not_wait_for_itself() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let (own, runs) = (registry.clone(), Arc::new(AtomicU64::new(0)));
    let counted = runs.clone();
    assert!(!in_callback());
    let rows = meter.observable_gauge::<u64>("rows").observe(move || {
        assert!(in_callback());
        own.refresh();
        assert_eq!(own.read().len(), 0, "its values are not exported yet");
        counted.fetch_add(1, SeqCst)
    })?;
    in_time({
        let registry = registry.clone();
        move || registry.refresh()
    });
    assert_eq!(runs.load(SeqCst), 1);
    assert_eq!(value(&registry, ROWS), Some(Value::U64(0)));
    drop(rows);
    Ok(())
}

#[test]
fn a_collection_stops_waiting_for_a_callback_that_waits_for_it() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    registry.set_callback_budget(Duration::from_millis(20));
    let own = registry.clone();
    let rows = meter.observable_gauge::<u64>("rows").observe(move || {
        let own = own.clone();
        thread::spawn(move || own.refresh()).join().map_or(0, |()| 1)
    })?;
    in_time({
        let registry = registry.clone();
        move || registry.refresh()
    });
    until("its value", || value(&registry, ROWS) == Some(Value::U64(1)));
    drop(rows);
    Ok(())
}

#[test]
fn a_registry_may_be_dropped_in_one_of_its_callbacks() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    registry.set_callback_budget(Duration::from_millis(1));
    let last = Arc::new(Mutex::new(Some(registry.clone())));
    let (gate, gone) = (Gate::closed(), Gate::open());
    let (inside, dropped) = (gate.clone(), gone.clone());
    let guard = meter.observable_gauge::<u64>("rows").observe(move || {
        inside.pass();
        drop(last.lock().unwrap().take());
        dropped.pass();
        1
    })?;
    in_time(move || {
        registry.refresh();
        gate.await_arrivals(1);
        drop((registry, meter));
        gate.set_closed(false);
        gone.await_arrivals(1);
        drop(guard);
    });
    Ok(())
}

/// Sends a message when the thread that holds it ends.
struct Farewell(Sender<()>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

thread_local! {
    static FAREWELL: RefCell<Option<Farewell>> = const { RefCell::new(None) };
}

#[test]
fn threads_end_with_their_registry() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let (sender, ended) = channel();
    let sender = Mutex::new(sender);
    let guard = meter.observable_gauge::<u64>("rows").observe(move || {
        let sender = sender.lock().unwrap().clone();
        FAREWELL.set(Some(Farewell(sender)));
        1
    })?;
    registry.refresh();
    FAREWELL.set(None);
    assert!(ended.try_recv().is_err(), "the thread waits for the next collection");
    drop((registry, meter));
    ended.recv_timeout(Duration::from_secs(60)).expect("the end of the thread");
    drop(guard);
    Ok(())
}

#[test]
fn collections_on_many_threads_see_whole_runs_only() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let runs = AtomicU64::new(0);
    let _rows = meter.observable_gauge_group::<Id, u64>("rows").observe_with(move |observer| {
        let run = runs.fetch_add(1, SeqCst);
        // The order varies from run to run, and some runs report more series.
        (0..5).for_each(|id| observer.observe(Id((id + run) % 5), run));
        (5..5 + run % 3).for_each(|id| observer.observe(Id(id), run));
    })?;
    in_time(move || {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut last = 0.0;
                    for _ in 0..300 {
                        registry.refresh();
                        let shown = series(&registry, ROWS);
                        let run = shown[0].1;
                        assert!(shown.iter().all(|(_, value)| *value == run), "{shown:?}");
                        assert_eq!(shown.len(), 5 + run as usize % 3);
                        assert!(run >= last, "{run} after {last}");
                        last = run;
                    }
                });
            }
        });
    });
    Ok(())
}

#[test]
fn a_callback_that_is_registered_at_any_time_is_in_the_next_collection()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let rows = meter.observable_gauge_group::<Id, u64>("rows").build()?;
    let mut guards = Vec::new();
    for id in 0..5 {
        guards.push(rows.observe_with(move |observer| observer.observe(Id(id), id)));
        registry.refresh();
        assert_eq!(live(&registry, ROWS), guards.len(), "all of them report");
    }
    // Guards are dropped in an arbitrary order.
    for at in [2, 0, 2, 0, 0] {
        drop(guards.remove(at));
        assert_eq!(live(&registry, ROWS), guards.len());
        registry.refresh();
        assert_eq!(live(&registry, ROWS), guards.len());
    }
    Ok(())
}

#[test]
fn two_callbacks_of_one_instrument_are_marked_and_removed_separately() -> Result<(), InstrumentError>
{
    let (registry, meter) = catalog();
    let gate = Gate::closed();
    let inside = gate.clone();
    let rows = meter.observable_gauge_group::<Id, u64>("rows").build()?;
    let _slow = rows.callback().budget(Duration::from_millis(20)).observe_with(move |observer| {
        inside.pass();
        observer.observe(Id(1), 1);
    });
    let good = rows.observe_with(|observer| observer.observe(Id(2), 2));
    until("the mark", || {
        registry.refresh();
        told(&registry, "background", ROWS) == Some(1.0)
    });
    assert_eq!(series(&registry, ROWS), [("id=2".to_owned(), 2.0)]);
    drop(good);
    assert_eq!(told(&registry, "background", ROWS), Some(1.0), "the other callback is still slow");
    gate.set_closed(false);
    until("its value", || series(&registry, ROWS) == [("id=1".to_owned(), 1.0)]);
    Ok(())
}
