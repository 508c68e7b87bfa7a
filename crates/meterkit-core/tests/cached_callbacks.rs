//! Cached callbacks, which run at most once in their time.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::{CallbackGuard, InstrumentError, Meter, Registry, Value};
use meterkit_fakes::catalog_with_clock;
use meterkit_fakes::gate::{Gate, failures, in_time, told, until};
use meterkit_fakes::readings::{self, value};

const ROWS: &str = "backstage.plugin.catalog.rows";
const TTL: Duration = Duration::from_secs(30);

fn disable(registry: &Registry, scopes: &str) {
    registry.set_disabled_scopes(scopes.parse().expect("good patterns"));
}

/// Reports how often it has run. Fails while `fails` is set.
fn counting(
    meter: &Meter,
    runs: &Arc<AtomicU64>,
    fails: &Arc<Mutex<bool>>,
) -> Result<(), InstrumentError> {
    let (runs, fails) = (runs.clone(), fails.clone());
    let rows = meter.observable_gauge::<u64>("rows").cached(TTL);
    let guard = rows.observe_result(move || {
        let run = runs.fetch_add(1, SeqCst) + 1;
        if *fails.lock().unwrap() { Err("no") } else { Ok(run) }
    })?;
    guard.forget();
    Ok(())
}

/// Returns the number of finished runs.
fn ended(registry: &Registry) -> u64 {
    let points = readings::histogram(registry, "meterkit.callback.duration").1;
    points.iter().map(|point| point.count).sum()
}

/// Registers a callback that passes the gate and then reports how often it has run.
fn held(meter: &Meter, gate: &Arc<Gate>) -> Result<CallbackGuard, InstrumentError> {
    let (gate, runs) = (gate.clone(), AtomicU64::new(0));
    meter.observable_gauge::<u64>("rows").cached(TTL).observe(move || {
        let run = runs.fetch_add(1, SeqCst) + 1;
        gate.pass();
        run
    })
}

#[test]
fn an_expired_value_is_exported_while_a_slow_callback_refreshes_it() -> Result<(), InstrumentError>
{
    let (clock, registry, meter) = catalog_with_clock();
    registry.set_callback_durations(true);
    let gate = Gate::open();
    let _rows = held(&meter, &gate)?;
    registry.refresh();
    for run in 1..=3 {
        gate.set_closed(true);
        clock.advance(TTL);
        // Waiting for the callback would take the 60 s of its budget and of the gate, and yield the next value.
        for _ in 0..3 {
            in_time({
                let registry = registry.clone();
                move || registry.refresh()
            });
            assert_eq!(value(&registry, ROWS), Some(Value::U64(run)));
        }
        gate.await_arrivals(run as usize + 1);
        assert_eq!(gate.arrived() as u64, run + 1, "the callback runs only once");
        gate.set_closed(false);
        until("the new value", || value(&registry, ROWS) == Some(Value::U64(run + 1)));
        registry.refresh();
        assert_eq!(
            gate.arrived() as u64,
            run + 1,
            "the new value counts from when it was asked for"
        );
        until("the end of that run", || ended(&registry) == run + 1);
    }
    assert_eq!(told(&registry, "overruns", ROWS), None, "no collection waited for it");
    Ok(())
}

#[test]
fn the_first_run_of_a_cached_callback_is_waited_for() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let gate = Gate::closed();
    let _rows = held(&meter, &gate)?;
    in_time(move || {
        std::thread::scope(|scope| {
            let refresh = scope.spawn(|| registry.refresh());
            gate.await_arrivals(1);
            // Longer than a collection waits if it has an older value.
            std::thread::sleep(Duration::from_millis(300));
            assert!(!refresh.is_finished());
            gate.set_closed(false);
            refresh.join().unwrap();
        });
        assert_eq!(value(&registry, ROWS), Some(Value::U64(1)));
    });
    Ok(())
}

#[test]
fn a_cached_callback_that_takes_longer_than_its_time_is_an_overrun() -> Result<(), InstrumentError>
{
    let (clock, registry, meter) = catalog_with_clock();
    let gate = Gate::open();
    let (inside, runs) = (gate.clone(), AtomicU64::new(0));
    let rows = meter.observable_gauge::<u64>("rows").cached(TTL).budget(Duration::from_millis(1));
    let _rows = rows.observe(move || {
        let run = runs.fetch_add(1, SeqCst) + 1;
        inside.pass();
        run
    })?;
    until("a first value", || {
        registry.refresh();
        value(&registry, ROWS).is_some()
    });
    gate.set_closed(true);
    clock.advance(TTL);
    until("the background", || {
        registry.refresh();
        told(&registry, "background", ROWS) == Some(1.0)
    });
    assert_eq!(registry.store_health().callbacks_in_background, [ROWS]);
    gate.set_closed(false);
    Ok(())
}

#[test]
fn a_cached_callback_runs_once_in_its_time_and_serves_what_it_reported()
-> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    registry.set_callback_durations(true);
    let (runs, fails) = (Arc::default(), Arc::default());
    counting(&meter, &runs, &fails)?;
    for (seconds, run) in [(0, 1), (0, 1), (29, 1), (1, 2), (29, 2), (1, 3), (300, 4)] {
        clock.advance(Duration::from_secs(seconds));
        registry.refresh();
        // A collection does not wait for long if it has an older value.
        until("the value of that run", || value(&registry, ROWS) == Some(Value::U64(run)));
        until("the end of that run", || ended(&registry) == run);
    }
    assert_eq!(runs.load(SeqCst), 4);
    Ok(())
}

#[test]
fn a_cached_callback_that_fails_does_not_run_more_often() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    registry.set_callback_durations(true);
    let (runs, fails) = (Arc::<AtomicU64>::default(), Arc::default());
    counting(&meter, &runs, &fails)?;
    registry.refresh();
    *fails.lock().unwrap() = true;
    for (period, expected) in [Some(1.0), None, None].into_iter().enumerate() {
        clock.advance(TTL);
        for _ in 0..3 {
            registry.refresh();
            until("the end of the run", || ended(&registry) == period as u64 + 2);
            assert_eq!(value(&registry, ROWS).map(Value::as_f64), expected);
        }
        assert_eq!(runs.load(SeqCst), period as u64 + 2);
        clock.advance(TTL / 2);
        registry.refresh();
        clock.advance(TTL / 2);
    }
    assert_eq!(failures(&registry, ROWS, "error"), 3.0);
    Ok(())
}

#[test]
fn a_cached_callback_runs_at_once_and_not_more_often_after_its_scope_was_off()
-> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let (runs, fails) = (Arc::<AtomicU64>::default(), Arc::default());
    counting(&meter, &runs, &fails)?;
    registry.refresh();
    disable(&registry, "plugin.catalog");
    registry.refresh();
    assert_eq!(runs.load(SeqCst), 1);
    disable(&registry, "");
    assert_eq!(value(&registry, ROWS), None, "its last value is too old");
    registry.refresh();
    registry.refresh();
    assert_eq!(value(&registry, ROWS), Some(Value::U64(2)));

    disable(&registry, "plugin.catalog");
    disable(&registry, "");
    *fails.lock().unwrap() = true;
    for _ in 0..5 {
        registry.refresh();
    }
    assert_eq!(runs.load(SeqCst), 3, "a failure does not cause another run at once");
    Ok(())
}

#[test]
fn a_value_from_before_its_scope_was_off_is_not_exported_after() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    registry.set_callback_durations(true);
    let gate = Gate::closed();
    let (inside, runs) = (gate.clone(), AtomicU64::new(0));
    let _rows = meter.observable_gauge::<u64>("rows").cached(TTL).observe(move || {
        let run = runs.fetch_add(1, SeqCst) + 1;
        inside.pass();
        run
    })?;
    std::thread::scope(|scope| {
        let refresh = scope.spawn(|| registry.refresh());
        gate.await_arrivals(1);
        disable(&registry, "plugin.catalog");
        gate.set_closed(false);
        refresh.join().unwrap();
        // The collection may have stopped waiting for the run, but the end of the run is reported in any case.
        until("its end", || {
            let name = "meterkit.callback.duration";
            readings::metric(&registry, name).is_some()
        });
    });
    disable(&registry, "");
    assert_eq!(value(&registry, ROWS), None);
    until("a value of a run after that", || {
        registry.refresh();
        value(&registry, ROWS) == Some(Value::U64(2))
    });
    Ok(())
}

#[test]
fn callbacks_of_one_instrument_are_cached_separately() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    registry.set_callback_durations(true);
    let rows = meter.observable_gauge::<u64>("rows").build()?;
    let runs: [Arc<AtomicU64>; 3] = Default::default();
    let ttls = [None, Some(10), Some(25)];
    let guards: Vec<_> = ttls
        .iter()
        .zip(&runs)
        .map(|(ttl, runs)| {
            let runs = runs.clone();
            let builder = rows.callback();
            let builder = match ttl {
                Some(seconds) => builder.cached(Duration::from_secs(*seconds)),
                None => builder,
            };
            builder.observe(move || runs.fetch_add(1, SeqCst))
        })
        .collect();
    for round in 0..10 {
        registry.refresh();
        let expected = (round + 1) + (round / 2 + 1) + (round / 5 + 1);
        until("the end of all runs", || ended(&registry) == expected);
        clock.advance(Duration::from_secs(5));
    }
    assert_eq!(runs.map(|it| it.load(SeqCst)), [10, 5, 2]);
    drop(guards);
    Ok(())
}
