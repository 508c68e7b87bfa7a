//! Unloaded scopes: everything is removed at once, later recordings are counted as dropped, and the scope can start
//! afresh.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Barrier, Weak};
use std::thread;
use std::time::Duration;

use meterkit_core::{InstrumentError, Registry, Value};
use meterkit_fakes::catalog_with_clock;
use meterkit_fakes::label_sets::{Id, Light};
use meterkit_fakes::readings::{self, dropped, metric, points, series, total, value};

const REQUESTS: &str = "backstage.plugin.catalog.requests";

#[test]
fn everything_of_the_scope_is_gone_and_the_others_are_untouched() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let meter = meter.version("1");
    let mut guards = Vec::new();
    let other = registry.scoped("plugin", "other");
    let newer = meter.clone().version("2");
    for meter in [&meter, &other, &newer] {
        meter.counter::<u64>("requests").build()?.increment();
        let _lights = meter.counter_group::<Light, u64>("lights").zero_initialized().build()?;
        meter.histogram_group::<Id, f64>("sizes").build()?.with(Id(1)).record(1.0);
        guards.push(meter.observable_gauge::<u64>("rows").observe(|| 7)?);
    }
    registry.refresh();
    let own = |registry: &Registry| {
        let scopes = registry.read().into_iter().map(|scope| scope.scope);
        let own = scopes.filter(|scope| scope.name() != "meterkit");
        own.map(|scope| (scope.name().to_owned(), scope.version().map(str::to_owned)))
            .collect::<Vec<_>>()
    };
    assert_eq!(own(&registry).len(), 3);
    assert!(meter.clone().unload());
    let left = [
        ("backstage.plugin.catalog".to_owned(), Some("2".to_owned())),
        ("backstage.plugin.other".to_owned(), None),
    ];
    assert_eq!(own(&registry), left);
    registry.refresh();
    assert_eq!(own(&registry), left);
    assert!(registry.read().iter().filter(|scope| scope.metrics.len() == 4).count() == 2);
    assert!(!meter.unload(), "it is unloaded already");
    drop(guards);
    Ok(())
}

#[test]
fn a_meter_with_fewer_properties_unloads_all_scopes_that_match() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let made = || {
        for meter in [
            meter.clone(),
            meter.clone().version("1"),
            meter.clone().version("1").attribute("team", "ingest"),
            meter.clone().schema_url("https://example.org/1").attribute("team", "search"),
        ] {
            meter.counter::<u64>("requests").build().expect("a good name").increment();
        }
        registry.read().len()
    };
    assert_eq!(made(), 4);
    assert!(meter.clone().attribute("team", "ingest").unload());
    assert_eq!(registry.read().len(), 3);
    assert!(meter.clone().version("1").unload());
    assert_eq!(registry.read().len(), 2);
    assert!(!meter.clone().version("1").unload());
    assert!(meter.clone().unload());
    assert!(registry.read().is_empty());
    assert_eq!(made(), 4);
    assert_eq!(total(&registry, REQUESTS), 1.0, "each starts afresh");
    Ok(())
}

#[test]
fn an_unknown_scope_is_not_unloaded() {
    let (_, registry, meter) = catalog_with_clock();
    assert!(!meter.clone().unload());
    assert!(!registry.scoped("Bad Kind", "catalog").unload());
    assert!(!meter.version("3").unload());
}

#[test]
fn a_scope_is_the_same_however_its_name_is_written() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    for name in ["mcp-actions", "mcp_actions", "backstage.plugin.mcp_actions"] {
        registry.scoped("plugin", "mcp-actions").counter::<u64>("requests").build()?.increment();
        assert!(registry.scoped("plugin", name).prefixed("anything").unload(), "{name}");
        assert!(registry.read().is_empty());
    }
    Ok(())
}

#[test]
fn instruments_that_are_created_again_start_afresh() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let old = meter.counter::<u64>("requests").build()?;
    let old_group = meter.gauge_group::<Id, u64>("gauges").build()?;
    old.add(5);
    old_group.with(Id(1)).set(5);
    let before = points(&registry, REQUESTS)[0].start;
    clock.advance(Duration::from_secs(5));
    assert!(meter.clone().unload());
    let new = meter.counter::<u64>("requests").build()?;
    let point = &points(&registry, REQUESTS)[0];
    assert_eq!(point.value, Value::U64(0));
    assert!(point.start > before);
    assert!(metric(&registry, "backstage.plugin.catalog.gauges").is_none());
    new.add(2);
    old.add(100);
    old_group.with(Id(1)).set(100);
    let new_group = meter.gauge_group::<Id, u64>("gauges").build()?;
    new_group.with(Id(2)).set(1);
    assert_eq!(value(&registry, REQUESTS), Some(Value::U64(2)));
    let gauges = series(&registry, "backstage.plugin.catalog.gauges");
    assert_eq!(gauges, [("id=2".to_owned(), 1.0)]);
    assert!(meter.clone().unload());
    let other_type = meter.gauge::<i64>("requests").build();
    assert!(other_type.is_ok(), "nothing is left to clash with");
    Ok(())
}

#[test]
fn values_recorded_with_kept_handles_are_dropped_and_counted() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let counter = meter.counter::<u64>("requests").build()?;
    let gauge = meter.gauge::<i64>("queue").build()?;
    let sizes = meter.histogram::<f64>("sizes").build()?;
    let group = meter.counter_group::<Id, u64>("by_id").build()?;
    let series = group.with(Id(1)).clone();
    let open = meter.up_down_counter::<i64>("open").build()?;
    assert!(meter.unload());
    assert_eq!(dropped(&registry, "unloaded"), 0);
    counter.increment();
    counter.add(5);
    gauge.set(1);
    gauge.set_max(1);
    sizes.record(1.0);
    sizes.time(|| ());
    series.increment();
    group.with(Id(1)).increment();
    group.with(Id(2)).increment();
    open.add(-1);
    assert_eq!(dropped(&registry, "unloaded"), 10);
    assert!(!group.remove(Id(1)));
    group.clear();
    assert_eq!(registry.read().len(), 1, "`meterkit` alone");
    Ok(())
}

#[test]
fn callbacks_are_dropped_with_their_captures() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let (runs, held) = (Arc::new(AtomicU64::new(0)), Arc::new(()));
    let (counted, weak): (_, Weak<()>) = (runs.clone(), Arc::downgrade(&held));
    let rows = meter.observable_gauge::<u64>("rows").observe(move || {
        let _held = &held;
        counted.fetch_add(1, SeqCst)
    })?;
    rows.forget();
    registry.refresh();
    assert!(meter.clone().unload());
    registry.refresh();
    assert_eq!(runs.load(SeqCst), 1);
    assert!(weak.upgrade().is_none(), "values captured by the callback are dropped");
    let again = meter.observable_gauge::<u64>("rows").observe(|| 9)?;
    registry.refresh();
    assert_eq!(total(&registry, "backstage.plugin.catalog.rows"), 9.0);
    drop(again);
    assert!(metric(&registry, "backstage.plugin.catalog.rows").is_none());
    Ok(())
}

#[test]
fn a_scope_can_be_unloaded_from_its_own_callback() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let own = meter.clone();
    let _rows = meter.observable_gauge::<u64>("rows").observe(move || {
        own.clone().unload();
        1
    })?;
    registry.refresh();
    assert!(registry.read().is_empty());
    registry.refresh();
    Ok(())
}

#[test]
fn an_old_guard_leaves_a_new_callback_alone() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let old = meter.observable_gauge::<u64>("rows").observe(|| 1)?;
    assert!(meter.clone().unload());
    let _new = meter.observable_gauge::<u64>("rows").observe(|| 2)?;
    registry.refresh();
    drop(old);
    assert_eq!(total(&registry, "backstage.plugin.catalog.rows"), 2.0);
    Ok(())
}

#[test]
fn an_instrument_is_mirrored_as_long_as_it_exists() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    meter.counter::<u64>("requests").build()?.increment();
    let instruments = registry.instruments();
    let names: Vec<_> = instruments.iter().map(|it| &*it.descriptor().name).collect();
    assert_eq!(names, [REQUESTS]);
    assert!(instruments[0].is_there() && instruments[0].read().is_some());
    assert!(meter.unload());
    assert!(registry.instruments().is_empty());
    assert!(!instruments[0].is_there() && instruments[0].read().is_none());
    Ok(())
}

#[test]
fn an_unloaded_scope_stays_unloaded_when_scopes_are_enabled() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let counter = meter.counter::<u64>("requests").build()?;
    assert!(meter.unload());
    for patterns in ["*", ""] {
        registry.set_disabled_scopes(patterns.parse().expect("good patterns"));
    }
    counter.increment();
    assert_eq!(counter.value(), 0);
    assert_eq!(dropped(&registry, "unloaded"), 1);
    Ok(())
}

#[test]
fn the_stores_own_scope_stays() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let floats = meter.counter::<f64>("floats").build()?;
    let group = meter.counter_group::<Id, u64>("requests").cardinality_limit(1).build()?;
    (0..3).for_each(|id| group.with(Id(id)).increment());
    for dropped_so_far in [2, 4] {
        floats.add(f64::NAN);
        registry.refresh();
        assert!(!registry.semconv("meterkit").unload());
        floats.add(f64::NAN);
        registry.refresh();
        assert_eq!(dropped(&registry, "not_finite"), dropped_so_far);
        assert_eq!(total(&registry, "meterkit.series"), 1.0);
        assert_eq!(total(&registry, "meterkit.overflow"), 2.0);
    }
    assert!(!meter.version("2").unload());
    Ok(())
}

#[test]
fn an_instrument_that_cannot_be_created_records_nothing_and_logs_it() -> Result<(), InstrumentError>
{
    let (_, registry, meter) = catalog_with_clock();
    let first = meter.counter::<u64>("requests").register();
    let clash = meter.gauge::<i64>("requests").register();
    let bad = meter.counter::<u64>("Bad Name").register();
    let group = meter.counter_group::<Light, u64>("requests").zero_initialized().register();
    let sizes = meter.histogram_group::<Id, f64>("requests").buckets([2.0, 1.0]).register();
    let of_bad_scope = registry.scoped("", "x").histogram::<u64>("sizes").register();
    first.increment();
    clash.set(5);
    clash.add(5);
    bad.increment();
    group.with(Light::all()[0]).increment();
    sizes.with(Id(1)).record(1.0);
    of_bad_scope.record(3);
    let timed = of_bad_scope.start_timer();
    assert!(!group.remove(Light::all()[0]));
    group.clear();
    sizes.start_timer().observe(Id(2));
    drop(timed);
    assert_eq!((clash.value(), bad.value(), first.value()), (0, 0, 1));
    assert_eq!(dropped(&registry, "not_made"), 8);
    assert_eq!(series(&registry, REQUESTS), [(String::new(), 1.0)]);
    assert_eq!(
        meter.counter::<u64>("requests").register().value(),
        1,
        "the first instrument keeps working"
    );
    Ok(())
}

#[test]
fn unloading_while_four_threads_record_and_register() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 1_000;
    let (_, registry, meter) = catalog_with_clock();
    registry.set_series_limit(60);
    let start = Barrier::new(THREADS as usize + 1);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (meter, start) = (meter.clone(), &start);
                scope.spawn(move || -> Result<(), InstrumentError> {
                    start.wait();
                    for round in 0..ROUNDS {
                        let counter = meter.counter::<u64>("requests").build()?;
                        let group = meter.counter_group::<Id, u64>("by_id").build()?;
                        let lights = meter.gauge_group::<Light, i64>("lights");
                        let lights = lights.zero_initialized().build()?;
                        let _rows = meter.observable_gauge::<u64>("rows").observe(|| 1)?;
                        for id in 0..5 {
                            counter.increment();
                            group.with(Id(id + thread)).increment();
                            lights.with(Light::all()[(round + id) as usize % 18]).add(1);
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        scope.spawn(|| {
            start.wait();
            for _ in 0..ROUNDS {
                let _ = meter.clone().unload();
                registry.refresh();
                let _ = registry.read();
            }
        });
        for writer in writers {
            writer.join().expect("no panic").expect("no clash");
        }
    });
    let _ = meter.clone().unload();
    assert!(metric(&registry, REQUESTS).is_none());
    // All room has been released.
    let group = meter.counter_group::<Id, u64>("by_id").build().expect("a good name");
    for id in 0..70 {
        group.with(Id(id)).increment();
    }
    let by_id = "backstage.plugin.catalog.by_id";
    assert_eq!(readings::live(&registry, by_id), 60);
    assert_eq!(total(&registry, by_id), 70.0);
}
