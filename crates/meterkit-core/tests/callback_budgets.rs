//! Slow callbacks: how long a collection waits, what it exports meanwhile, and what is reported about them.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use meterkit_core::{CallbackGuard, Data, HistogramPoint, InstrumentError, Meter, Registry, Value};
use meterkit_fakes::gate::{Gate, in_time, told, until};
use meterkit_fakes::readings::{metric, value};

const SLOW: &str = "backstage.plugin.catalog.slow";
const GOOD: &str = "backstage.plugin.catalog.good";

/// So short that a callback held at the gate is sure to overrun it.
const SHORT: Duration = Duration::from_millis(20);

/// So long that only a callback held at the gate overruns it.
const LONG: Duration = Duration::from_secs(50);

fn catalog_with_budget(budget: Duration) -> (Registry, Meter) {
    let (registry, meter) = meterkit_fakes::catalog();
    registry.set_callback_budget(budget);
    (registry, meter)
}

/// Registers a callback that passes the gate and then reports how often it has run.
fn held(meter: &Meter, gate: &Arc<Gate>) -> Result<CallbackGuard, InstrumentError> {
    let (gate, runs) = (gate.clone(), AtomicU64::new(0));
    meter.observable_gauge::<u64>("slow").observe(move || {
        let run = runs.fetch_add(1, SeqCst) + 1;
        gate.pass();
        run
    })
}

/// Collects until the metric of the store about the slow callback satisfies `is_so`.
fn refresh_until(registry: &Registry, metric: &str, is_so: impl Fn(f64) -> bool) {
    until(metric, || {
        registry.refresh();
        told(registry, metric, SLOW).is_some_and(&is_so)
    });
}

#[test]
fn a_collection_goes_on_without_a_callback_that_hangs_and_serves_its_last_value()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog_with_budget(SHORT);
    let gate = Gate::open();
    let _slow = held(&meter, &gate)?;
    until("a first value", || {
        registry.refresh();
        value(&registry, SLOW).is_some()
    });
    let last = value(&registry, SLOW);
    gate.set_closed(true);
    let arrived = gate.arrived();
    in_time({
        let registry = registry.clone();
        move || refresh_until(&registry, "overruns", |overruns| overruns >= 1.0)
    });
    assert_eq!(value(&registry, SLOW), last);
    assert!(gate.arrived() <= arrived + 1, "a callback that hangs is not started again");
    gate.set_closed(false);
    until("a value of the run that was late", || value(&registry, SLOW) != last);
    Ok(())
}

#[test]
fn after_three_overruns_a_callback_runs_in_the_background_until_it_is_fast_again()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog_with_budget(SHORT);
    let gate = Gate::closed();
    let _slow = held(&meter, &gate)?;
    refresh_until(&registry, "overruns", |overruns| overruns >= 2.0);
    assert_eq!(told(&registry, "background", SLOW), None, "not after two overruns");
    refresh_until(&registry, "background", |mark| mark == 1.0);
    assert_eq!(told(&registry, "overruns", SLOW), Some(3.0));

    for _ in 0..5 {
        registry.refresh();
    }
    assert_eq!(gate.arrived(), 1, "the callback is still in its first run");
    assert_eq!(told(&registry, "overruns", SLOW), Some(3.0), "no collection waits for it any more");
    assert_eq!(value(&registry, SLOW), None);

    gate.set_closed(false);
    until("a value of the run that was late", || value(&registry, SLOW) == Some(Value::U64(1)));
    assert_eq!(told(&registry, "background", SLOW), Some(1.0), "the run was not fast");
    registry.set_callback_budget(LONG);
    until("the mark to go", || {
        registry.refresh();
        told(&registry, "background", SLOW) == Some(0.0)
    });
    until("the end of the last run", || {
        value(&registry, SLOW) == Some(Value::U64(gate.arrived() as u64))
    });
    let runs = gate.arrived() as u64;
    registry.refresh();
    assert_eq!(value(&registry, SLOW), Some(Value::U64(runs + 1)), "collections wait for it again");
    Ok(())
}

#[test]
fn overruns_that_are_not_in_a_row_do_not_move_a_callback_to_the_background()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog_with_budget(LONG);
    let gate = Gate::open();
    let _slow = held(&meter, &gate)?;
    for round in 1..=4 {
        registry.set_callback_budget(SHORT);
        gate.set_closed(true);
        let before = told(&registry, "overruns", SLOW).unwrap_or_default();
        refresh_until(&registry, "overruns", |overruns| overruns > before);
        let arrived = gate.arrived();
        registry.set_callback_budget(LONG);
        gate.set_closed(false);
        until("the end of the run that was late", || {
            value(&registry, SLOW) == Some(Value::U64(arrived as u64))
        });
        until("a run in time", || {
            registry.refresh();
            gate.arrived() > arrived
        });
        assert_eq!(told(&registry, "background", SLOW), None, "round {round}");
    }
    Ok(())
}

#[test]
fn a_good_callback_behind_ten_that_hang_reports_in_the_same_collection()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog_with_budget(Duration::from_secs(5));
    let gate = Gate::closed();
    let mut guards = Vec::new();
    for at in 0..10 {
        let gate = gate.clone();
        let hangs = meter.observable_gauge::<u64>(format!("hangs.n{at}"));
        guards.push(hangs.observe(move || {
            gate.pass();
            1
        })?);
    }
    guards.push(meter.observable_gauge::<u64>("good").observe(|| 7)?);
    in_time({
        let registry = registry.clone();
        move || registry.refresh()
    });
    assert_eq!(value(&registry, GOOD), Some(Value::U64(7)));
    gate.set_closed(false);
    Ok(())
}

#[test]
fn collections_finally_wait_for_no_callback_that_hangs() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog_with_budget(SHORT);
    let gate = Gate::closed();
    let mut guards = Vec::new();
    let names: Vec<_> = (0..5).map(|at| format!("hangs.n{at}")).collect();
    for name in &names {
        let gate = gate.clone();
        guards.push(meter.observable_gauge::<u64>(name.clone()).observe(move || {
            gate.pass();
            1
        })?);
    }
    in_time({
        move || {
            for name in names {
                let full = format!("backstage.plugin.catalog.{name}");
                until("all in the background", || {
                    registry.refresh();
                    told(&registry, "background", &full) == Some(1.0)
                });
            }
            registry.set_callback_budget(LONG);
            // If the collection waited for any of the callbacks, this would take until the gate times out.
            registry.refresh();
        }
    });
    assert_eq!(gate.arrived(), 5);
    gate.set_closed(false);
    Ok(())
}

#[test]
fn a_callback_can_have_a_budget_of_its_own() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog_with_budget(LONG);
    let gate = Gate::closed();
    let (inside, runs) = (gate.clone(), AtomicU64::new(0));
    let slow = meter.observable_gauge::<u64>("slow").budget(SHORT);
    let _slow = slow.observe(move || {
        inside.pass();
        runs.fetch_add(1, SeqCst)
    })?;
    let _good = meter.observable_gauge::<u64>("good").observe(|| 7)?;
    in_time({
        let registry = registry.clone();
        move || refresh_until(&registry, "background", |mark| mark == 1.0)
    });
    assert_eq!(value(&registry, GOOD), Some(Value::U64(7)));
    assert_eq!(told(&registry, "overruns", GOOD), None);
    gate.set_closed(false);
    Ok(())
}

#[test]
fn a_background_callback_behind_one_that_hangs_is_started_all_the_same()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog_with_budget(SHORT);
    let (first, second) = (Gate::closed(), Gate::closed());
    let mut guards = Vec::new();
    for (name, gate) in [("slow", &first), ("good", &second)] {
        let gate = gate.clone();
        guards.push(meter.observable_gauge::<u64>(name).observe(move || {
            gate.pass();
            gate.arrived() as u64
        })?);
    }
    until("both in the background", || {
        registry.refresh();
        [SLOW, GOOD].iter().all(|name| told(&registry, "background", name) == Some(1.0))
    });
    // The second callback finishes, and is queued again behind the first, which then hangs permanently.
    second.set_closed(false);
    until("a value", || value(&registry, GOOD).is_some());
    first.set_closed(false);
    until("a value of the first", || value(&registry, SLOW).is_some());
    first.set_closed(true);
    let arrived = first.arrived();
    until("the first to hang", || {
        registry.refresh();
        first.arrived() > arrived
    });
    let arrived = second.arrived();
    until("the second to run", || {
        registry.refresh();
        second.arrived() > arrived + 2
    });
    first.set_closed(false);
    Ok(())
}

#[test]
fn a_callback_that_is_removed_is_no_longer_marked_as_background() -> Result<(), InstrumentError> {
    for unloads in [false, true] {
        let (registry, meter) = catalog_with_budget(SHORT);
        let gate = Gate::closed();
        let slow = held(&meter, &gate)?;
        refresh_until(&registry, "background", |mark| mark == 1.0);
        if unloads {
            meter.clone().unload();
        } else {
            drop(slow);
        }
        registry.refresh();
        assert_eq!(told(&registry, "background", SLOW), None);
        assert_eq!(told(&registry, "overruns", SLOW).is_none(), unloads);
        gate.set_closed(false);
    }
    Ok(())
}

#[test]
fn a_collection_waits_for_a_callback_that_another_collection_runs() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog_with_budget(LONG);
    let gate = Gate::closed();
    let _slow = held(&meter, &gate)?;
    in_time(move || {
        std::thread::scope(|scope| {
            scope.spawn(|| registry.refresh());
            gate.await_arrivals(1);
            let second = scope.spawn(|| {
                registry.refresh();
                value(&registry, SLOW)
            });
            gate.set_closed(false);
            let seen = second.join().unwrap();
            assert!(seen.is_some(), "the second collection waits for the run of the first");
        });
    });
    Ok(())
}

#[test]
fn no_collection_starts_a_callback_that_is_running() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog_with_budget(SHORT);
    let gate = Gate::closed();
    let _slow = held(&meter, &gate)?;
    in_time(move || {
        for _ in 0..5 {
            registry.refresh();
            gate.await_arrivals(1);
            assert_eq!(gate.arrived(), 1);
        }
        gate.set_closed(false);
    });
    Ok(())
}

#[test]
fn extreme_budgets_are_accepted() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog_with_budget(Duration::MAX);
    let _good = meter.observable_gauge::<u64>("good").observe(|| 7)?;
    registry.refresh();
    assert_eq!(value(&registry, GOOD), Some(Value::U64(7)));
    registry.set_callback_budget(Duration::ZERO);
    until("its value, which nobody waits for", || {
        registry.refresh();
        told(&registry, "background", GOOD) == Some(1.0)
    });
    assert_eq!(value(&registry, GOOD), Some(Value::U64(7)));
    Ok(())
}

#[test]
fn only_slow_callbacks_are_timed_by_default() -> Result<(), InstrumentError> {
    let timed = |registry: &Registry| {
        let name = "meterkit.callback.duration";
        let Data::Histogram { points, .. } = metric(registry, name)?.data else {
            panic!("{name} is not a histogram");
        };
        let named = |point: &HistogramPoint| {
            let name = point.attributes.get("instrument").expect("an instrument").to_string();
            (name.rsplit('.').next().map(str::to_owned), point.count)
        };
        Some(points.iter().map(named).collect::<Vec<_>>())
    };
    let (registry, meter) = catalog_with_budget(Duration::from_secs(3600));
    let is_slow = Arc::new(AtomicBool::new(true));
    let sleeps = is_slow.clone();
    let _quick = meter.observable_gauge::<u64>("quick").observe(|| 1)?;
    registry.refresh();
    assert_eq!(timed(&registry), None);

    let slow = meter.observable_gauge::<u64>("slow").budget(Duration::from_secs(5));
    let _slow = slow.observe(move || {
        if sleeps.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(500));
        }
        1
    })?;
    let of_slow = |runs| Some(vec![(Some("slow".to_owned()), runs)]);
    registry.refresh();
    assert_eq!(timed(&registry), of_slow(1));
    is_slow.store(false, SeqCst);
    registry.refresh();
    assert_eq!(timed(&registry), of_slow(2), "a callback that was slow stays timed");

    registry.set_callback_durations(true);
    registry.refresh();
    let all = vec![(Some("quick".to_owned()), 1), (Some("slow".to_owned()), 3)];
    assert_eq!(timed(&registry), Some(all));
    Ok(())
}
