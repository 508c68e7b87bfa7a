//! Callbacks that panic or return errors: the effect on exported values, and what is reported.

use std::fmt;
use std::panic::{panic_any, resume_unwind};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use meterkit_core::{InstrumentError, LabelKey, LabelValue, LabelVisitor, Labels, Value};
use meterkit_fakes::gate::{counted, failures, in_time, told};
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::readings::{series, total, value};
use meterkit_fakes::{catalog, catalog_with_clock};

const ROWS: &str = "backstage.plugin.catalog.rows";

/// The longest pause after a panic, however often the callback has panicked.
const LATER: Duration = Duration::from_secs(15 * 60);

#[test]
fn an_error_leaves_the_last_value_for_one_period_and_then_none() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let next = Arc::new(Mutex::new(Ok::<u64, &str>(5)));
    let read = next.clone();
    let _rows =
        meter.observable_gauge::<u64>("rows").observe_result(move || *read.lock().unwrap())?;
    let read = |result| {
        *next.lock().unwrap() = result;
        registry.refresh();
        value(&registry, ROWS).map(Value::as_f64)
    };
    assert_eq!(read(Err("not yet")), None, "there is no last value");
    assert_eq!(read(Ok(5)), Some(5.0));
    assert_eq!(read(Err("gone")), Some(5.0));
    assert_eq!(read(Err("gone")), None);
    assert_eq!(read(Err("gone")), None);
    assert_eq!(read(Ok(6)), Some(6.0));
    assert_eq!(read(Err("gone")), Some(6.0), "one more period after each success");
    assert_eq!(read(Ok(7)), Some(7.0));
    assert_eq!(failures(&registry, ROWS, "error"), 5.0);
    assert_eq!(failures(&registry, ROWS, "panic"), 0.0);
    Ok(())
}

#[test]
fn an_error_discards_the_values_reported_before_it() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let runs = AtomicU64::new(0);
    let rows = meter.observable_gauge_group::<Id, u64>("rows").cardinality_limit(3);
    let _rows = rows.observe_with(move |observer| {
        let run = runs.fetch_add(1, SeqCst);
        observer.observe(Id(1), run);
        match run {
            0 => Ok(()),
            _ => {
                observer.observe(Id(run + 1), run);
                Err("in the middle")
            }
        }
    })?;
    registry.refresh();
    for run in 1..10 {
        registry.refresh();
        let shown = series(&registry, ROWS);
        let expected: &[_] = if run == 1 { &[("id=1".to_owned(), 0.0)] } else { &[] };
        assert_eq!(shown, expected);
        assert_eq!(
            counted(&registry, ROWS),
            Some(1.0),
            "a discarded series counts toward no limit"
        );
    }
    assert_eq!(total(&registry, "meterkit.overflow"), 0.0);
    Ok(())
}

#[test]
fn a_panic_leaves_no_value_even_for_one_period() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let runs = AtomicU64::new(0);
    let _rows = meter.observable_gauge::<u64>("rows").observe_result(move || {
        match runs.fetch_add(1, SeqCst) {
            1 => panic!("a panic"),
            2 => Err("then an error"),
            run => Ok(run),
        }
    })?;
    for expected in [Some(0.0), None, None, Some(3.0)] {
        registry.refresh();
        assert_eq!(value(&registry, ROWS).map(Value::as_f64), expected);
        clock.advance(LATER);
    }
    assert_eq!(failures(&registry, ROWS, "panic"), 1.0);
    assert_eq!(failures(&registry, ROWS, "error"), 1.0);
    Ok(())
}

/// A panic payload that panics when it is dropped.
struct Bomb(u64);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 > 0 && !std::thread::panicking() {
            panic_any(Self(self.0 - 1));
        }
    }
}

#[test]
fn any_panic_payload_is_caught() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let runs = AtomicU64::new(0);
    let _rows =
        meter.observable_gauge::<u64>("rows").observe(move || match runs.fetch_add(1, SeqCst) {
            0 => panic!("a text"),
            1 => panic_any(7),
            2 => resume_unwind(Box::new("quietly")),
            3 => panic_any(Bomb(1)),
            4 => panic_any(Bomb(3)),
            run => run,
        })?;
    let _other = meter.observable_gauge::<u64>("other").observe(|| 1)?;
    for run in 0..5 {
        in_time({
            let registry = registry.clone();
            move || registry.refresh()
        });
        assert_eq!(value(&registry, ROWS), None, "run {run}");
        assert_eq!(value(&registry, "backstage.plugin.catalog.other"), Some(Value::U64(1)));
        clock.advance(LATER);
    }
    registry.refresh();
    assert_eq!(value(&registry, ROWS), Some(Value::U64(5)));
    assert_eq!(failures(&registry, ROWS, "panic"), 5.0);
    Ok(())
}

/// An error that panics when it is formatted.
struct Shy;

impl fmt::Display for Shy {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("not to be shown")
    }
}

#[test]
fn an_error_that_panics_when_it_is_formatted_is_a_panic() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let plain = meter.observable_gauge::<u64>("rows").observe_result(|| Err(Shy))?;
    let rows = meter.observable_gauge_group::<Id, u64>("groups");
    let group = rows.observe_with(|_| Err(Shy))?;
    registry.refresh();
    clock.advance(LATER);
    registry.refresh();
    for name in [ROWS, "backstage.plugin.catalog.groups"] {
        assert_eq!(failures(&registry, name, "panic"), 2.0);
    }
    drop((plain, group));
    Ok(())
}

/// Labels that panic at visit number `last`, counted over all visits.
struct Touchy {
    id: u64,
    visits: Arc<AtomicU64>,
    last: u64,
}

impl Labels for Touchy {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("id")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        assert!(self.visits.fetch_add(1, SeqCst) != self.last, "once too often");
        visitor.visit(self.id.label());
    }
}

#[test]
fn labels_that_panic_at_any_visit_leak_no_room() -> Result<(), InstrumentError> {
    for last in 0..12 {
        let (clock, registry, meter) = catalog_with_clock();
        let visits = Arc::new(AtomicU64::new(0));
        let counted_visits = visits.clone();
        let rows = meter.observable_gauge_group::<Touchy, u64>("rows").cardinality_limit(3);
        let guard = rows.observe_with(move |observer| {
            for id in 0..3 {
                observer.observe(Touchy { id, visits: visits.clone(), last }, id);
            }
        })?;
        registry.refresh();
        let has_panicked = counted_visits.load(SeqCst) == last + 1;
        let room = if has_panicked { 0.0 } else { 3.0 };
        assert_eq!(counted(&registry, ROWS), Some(room), "at visit {last}");
        clock.advance(LATER);
        registry.refresh();
        assert_eq!(total(&registry, "meterkit.overflow"), 0.0, "at visit {last}");
        drop(guard);
        registry.refresh();
        assert_eq!(counted(&registry, ROWS), Some(0.0), "at visit {last}");
    }
    Ok(())
}

/// Labels with another value at each visit.
struct Fickle(AtomicU64);

impl Labels for Fickle {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("id")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit((self.0.fetch_add(1, SeqCst) % 3).label());
    }
}

#[test]
fn labels_that_change_at_each_visit_create_each_series_once() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let rows = meter.observable_gauge_group::<Fickle, u64>("rows");
    let guard = rows.observe_with(|observer| {
        (0..20).for_each(|from| observer.observe(Fickle(AtomicU64::new(from)), from));
    })?;
    for _ in 0..3 {
        registry.refresh();
        let labels: Vec<_> = series(&registry, ROWS).into_iter().map(|it| it.0).collect();
        assert_eq!(labels, ["id=0", "id=1", "id=2"]);
        assert_eq!(counted(&registry, ROWS), Some(3.0));
    }
    drop(guard);
    registry.refresh();
    assert_eq!(counted(&registry, ROWS), Some(0.0));
    Ok(())
}

/// Panics when it is dropped.
struct Clingy;

impl Drop for Clingy {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("not yet");
        }
    }
}

#[test]
fn a_value_that_a_callback_drops_may_panic() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let _rows = meter.observable_gauge::<u64>("rows").observe(|| {
        let _clingy = Clingy;
        1
    })?;
    registry.refresh();
    assert_eq!(value(&registry, ROWS), None);
    assert_eq!(failures(&registry, ROWS, "panic"), 1.0);
    Ok(())
}

#[test]
fn captures_that_panic_when_their_callback_is_dropped_end_no_thread() -> Result<(), InstrumentError>
{
    let (registry, meter) = catalog();
    let own = Arc::new(Mutex::new(None));
    let (kept, clingy) = (own.clone(), Clingy);
    let guard = meter.observable_gauge::<u64>("rows").observe(move || {
        let _ = &clingy;
        drop(kept.lock().unwrap().take());
        1
    })?;
    *own.lock().unwrap() = Some(guard);
    let _other = meter.observable_gauge::<u64>("other").observe(|| 1)?;
    for _ in 0..3 {
        // The collection may hold the last reference to the callback. Its panic is not under test here.
        let registry = registry.clone();
        let _ = std::thread::spawn(move || registry.refresh()).join();
    }
    registry.refresh();
    assert_eq!(value(&registry, ROWS), None);
    assert_eq!(value(&registry, "backstage.plugin.catalog.other"), Some(Value::U64(1)));
    Ok(())
}

#[test]
fn failure_counts_are_removed_with_their_scope() -> Result<(), InstrumentError> {
    for unloads_first in [false, true] {
        let (registry, meter) = catalog();
        let guard = meter.observable_gauge::<u64>("rows").observe_result(|| Err::<u64, _>("no"))?;
        registry.refresh();
        assert_eq!(failures(&registry, ROWS, "error"), 1.0);
        let told_of = || {
            let metrics = registry.read().into_iter().flat_map(|scope| scope.metrics);
            let metrics = metrics.filter(|it| it.descriptor.name.starts_with("meterkit.callback"));
            metrics.map(|it| it.descriptor.name.clone()).collect::<Vec<_>>()
        };
        assert!(!told_of().is_empty());
        if unloads_first {
            meter.clone().unload();
            assert_eq!(told_of(), <[&str; 0]>::default());
            // Loads the plugin again before the guards of the old callbacks are dropped.
            let again =
                meter.observable_gauge::<u64>("rows").observe_result(|| Err::<u64, _>("no"))?;
            registry.refresh();
            drop(guard);
            assert_eq!(failures(&registry, ROWS, "error"), 1.0, "the failure of the new callback");
            drop(again);
        } else {
            drop(guard);
            assert_eq!(failures(&registry, ROWS, "error"), 1.0, "the instrument still exists");
            meter.clone().unload();
        }
        registry.refresh();
        if !unloads_first {
            assert_eq!(told_of(), <[&str; 0]>::default());
        }
    }
    Ok(())
}

#[test]
fn failures_are_counted_under_the_new_name_after_renaming() -> Result<(), Box<dyn std::error::Error>>
{
    let (registry, meter) = catalog();
    let _rows = meter.observable_gauge::<u64>("rows").observe_result(|| Err::<u64, _>("no"))?;
    registry.refresh();
    registry
        .set_naming(meterkit_core::Naming::new("acme", meterkit_core::NamingPolicy::Prefixed)?)?;
    assert_eq!(failures(&registry, ROWS, "error"), 0.0);
    registry.refresh();
    assert_eq!(failures(&registry, "acme.plugin.catalog.rows", "error"), 1.0);
    assert_eq!(told(&registry, "background", ROWS), None);
    Ok(())
}
