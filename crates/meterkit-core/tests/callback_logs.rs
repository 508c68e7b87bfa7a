//! Log lines about callbacks: each troubled callback is named, unless there are too many.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::{InstrumentError, ManualClock, Meter, Registry, Value};
use meterkit_fakes::catalog_with_clock;
use meterkit_fakes::gate::{Gate, failures, in_time, until};
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::value;

const NOTHING: [&str; 0] = [];

const ROWS: &str = "backstage.plugin.catalog.rows";

/// So long that only a callback held at the gate overruns it.
const LONG: Duration = Duration::from_secs(50);

fn catalog_with_budget(budget: Duration) -> (ManualClock, Registry, Meter) {
    let (clock, registry, meter) = catalog_with_clock();
    registry.set_callback_budget(budget);
    (clock, registry, meter)
}

/// Returns the lines that the next collection logs about callbacks.
fn lines(registry: &Registry) -> Vec<String> {
    let registry = registry.clone();
    let ((), lines) = in_time(move || log_lines::of(|| registry.refresh()));
    lines.into_iter().filter(|line| line.contains(" callback ")).collect()
}

/// Registers `count` callbacks, each for its own instrument; the first `stuck` of them wait at the gate.
fn register(meter: &Meter, gate: &Arc<Gate>, stuck: usize, count: usize) -> BTreeSet<String> {
    for at in 0..count {
        let gate = (at < stuck).then(|| gate.clone());
        let rows = meter.observable_gauge::<u64>(format!("rows.n{at}"));
        let guard = rows.observe(move || {
            if let Some(gate) = &gate {
                gate.pass();
            }
            1
        });
        guard.expect("a good name").forget();
    }
    (0..stuck).map(|at| format!("backstage.plugin.catalog.rows.n{at}")).collect()
}

/// Collects until all callbacks are known to be too slow. Returns the lines that each collection logged.
fn until_in_background(registry: &Registry, stuck: &BTreeSet<String>) -> Vec<Vec<String>> {
    let mut logged = Vec::new();
    until("all in the background", || {
        logged.push(lines(registry));
        let known = registry.store_health().callbacks_in_background;
        known.into_iter().collect::<BTreeSet<_>>() == *stuck
    });
    logged
}

/// Returns the instruments that are named in the lines that contain `text`.
fn named<'a>(lines: impl IntoIterator<Item = &'a String>, text: &str) -> BTreeSet<String> {
    let lines = lines.into_iter().filter(|line| line.contains(text));
    let name = |line: &String| line.split_once("instruments=").expect("a field").1.to_owned();
    lines.map(|line| name(line).split(' ').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn each_of_twenty_stuck_callbacks_is_named() {
    let (_, registry, meter) = catalog_with_budget(Duration::from_secs(2));
    let gate = Gate::closed();
    let stuck = register(&meter, &gate, 20, 21);
    let logged = until_in_background(&registry, &stuck);
    assert_eq!(value(&registry, "backstage.plugin.catalog.rows.n20"), Some(Value::U64(1)));
    let all = logged.concat();
    assert_eq!(named(&logged[0], "WARN callback did not finish in time"), stuck, "{all:#?}");
    assert!(!all.iter().any(|line| line.contains("others")), "{all:#?}");
    assert_eq!(named(&all, "three times in a row"), stuck);
    assert_eq!(all.len(), 40, "once for each step: {all:#?}");
    gate.set_closed(false);
}

#[test]
fn two_hundred_stuck_callbacks_of_ten_thousand_share_a_few_lines() {
    let (_, registry, meter) = catalog_with_budget(Duration::from_secs(2));
    let gate = Gate::closed();
    let stuck = register(&meter, &gate, 200, 10_000);
    let logged = until_in_background(&registry, &stuck);
    // On a busy machine, not all callbacks are late in the same collection; the remaining ones are named individually.
    assert!(logged.iter().all(|lines| lines.len() <= 21), "{logged:#?}");
    let all = logged.concat();
    assert!(all.iter().any(|line| line.contains(" and those of ")), "{all:#?}");
    gate.set_closed(false);
}

#[test]
fn more_than_twenty_failures_share_a_line_that_names_three() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_budget(LONG);
    let fails = Arc::new(AtomicBool::new(true));
    for at in 0..30 {
        let fails = fails.clone();
        let rows = meter.observable_gauge::<u64>(format!("rows.n{at}"));
        let rows = rows.observe_result(move || match fails.load(SeqCst) {
            true => Err(format!("no disk {at}")),
            false => Ok(1),
        });
        rows?.forget();
    }
    let names = "instruments=backstage.plugin.catalog.rows.n0, backstage.plugin.catalog.rows.n1, \
                 backstage.plugin.catalog.rows.n2 and those of 27 more callbacks";
    let failed =
        "WARN callback failed; exporting its last values once more, then none until it works again";
    assert_eq!(lines(&registry), [format!("{failed} {names} detail=no disk 0")]);
    assert_eq!(lines(&registry), <[&str; 0]>::default());
    fails.store(false, SeqCst);
    (0..2).for_each(|_| assert_eq!(lines(&registry), NOTHING, "one good run is not a recovery"));
    assert_eq!(lines(&registry), [format!("INFO callback works again {names}")]);
    Ok(())
}

#[test]
fn a_callback_that_panics_in_each_run_runs_seldom_and_is_logged_once() -> Result<(), InstrumentError>
{
    let (clock, registry, meter) = catalog_with_budget(LONG);
    let (runs, panics) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(true)));
    let (counted, panicking) = (runs.clone(), panics.clone());
    let observed_in_line = line!() + 1;
    let _rows = meter.observable_gauge::<u64>("rows").observe(move || {
        let run = counted.fetch_add(1, SeqCst) + 1;
        assert!(!panicking.load(SeqCst), "no database");
        run
    })?;
    let [line] = &lines(&registry)[..] else { panic!("one line") };
    assert!(line.starts_with("ERROR callback panicked; exporting none of its values"), "{line}");
    assert!(line.ends_with(&format!("instruments={ROWS} detail=no database")), "{line}");
    let place = format!(" registered_at={}:{observed_in_line}:", file!());
    assert!(line.contains(&place), "{line}");

    // A collection every 15 s, for an hour and a half.
    let mut logged = Vec::new();
    for _ in 0..4 * 90 {
        clock.advance(Duration::from_secs(15));
        logged.extend(lines(&registry));
        assert_eq!(value(&registry, ROWS), None);
    }
    assert_eq!(logged, <[&str; 0]>::default());
    // The number of runs, and so of backtraces from Rust's panic hook: after 30 s, 1, 2, 4, 8 and 15 min, then four an
    // hour.
    assert_eq!(runs.load(SeqCst), 10);
    assert_eq!(failures(&registry, ROWS, "panic"), 10.0);

    panics.store(false, SeqCst);
    clock.advance(Duration::from_secs(15 * 60));
    assert_eq!(lines(&registry), NOTHING);
    assert_eq!(value(&registry, ROWS), Some(Value::U64(11)));
    assert_eq!(lines(&registry), NOTHING);
    assert_eq!(lines(&registry), [format!("INFO callback works again instruments={ROWS}")]);
    panics.store(true, SeqCst);
    assert_eq!(lines(&registry).len(), 1, "this is a new panic");
    clock.advance(Duration::from_secs(30));
    assert_eq!(lines(&registry), <[&str; 0]>::default());
    assert_eq!(runs.load(SeqCst), 15, "the first pause is short again");
    Ok(())
}

#[test]
fn a_callback_that_was_switched_off_after_a_panic_runs_at_once() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_budget(LONG);
    let runs = Arc::new(AtomicU64::new(0));
    let counted = runs.clone();
    let _rows = meter.observable_gauge::<u64>("rows").observe(move || {
        let run = counted.fetch_add(1, SeqCst) + 1;
        assert!(run > 1, "no database");
        run
    })?;
    registry.refresh();
    registry.refresh();
    assert_eq!(runs.load(SeqCst), 1);
    for scopes in ["plugin.catalog", ""] {
        registry.set_disabled_scopes(scopes.parse().expect("good patterns"));
    }
    registry.refresh();
    assert_eq!(value(&registry, ROWS), Some(Value::U64(2)));
    Ok(())
}

#[test]
fn the_outcome_of_a_refresh_is_logged_when_due_refreshes_are_next_requested()
-> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_budget(LONG);
    let results = Mutex::new(vec![Ok(5), Ok(4), Ok(3), Err("no disk"), Ok(1)]);
    let period = Duration::from_secs(30);
    let rows = meter.observable_gauge::<u64>("rows").refresh_every_result(period, move || {
        std::future::ready(results.lock().unwrap().pop().expect("five runs"))
    });
    let _rows = rows?;
    let run = || {
        let (tasks, _) = registry.due_refreshes();
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        tasks.into_iter().for_each(|mut task| assert!(task.as_mut().poll(&mut context).is_ready()));
        clock.advance(period);
    };
    let ((), logged) = log_lines::of(|| (0..5).for_each(|_| run()));
    let [failed] = &logged[..] else { panic!("{logged:?}") };
    assert!(failed.ends_with(&format!("instruments={ROWS} detail=no disk")), "{failed}");
    assert_eq!(lines(&registry), [format!("INFO callback works again instruments={ROWS}")]);
    Ok(())
}
