//! One callback for several instruments of a scope.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::task::{Context, Waker};
use std::time::Duration;

use meterkit_core::{
    AnyObservable, BackgroundTask, InstrumentError, ManualClock, Meter, ObservableGauge, Observer,
    Registry, Value,
};
use meterkit_fakes::catalog;
use meterkit_fakes::gate::{failures, told, until};
use meterkit_fakes::label_sets::{Id, Tenant};
use meterkit_fakes::readings::{self, dropped, series, value};

fn gauge(meter: &Meter, name: &'static str) -> Result<ObservableGauge<u64>, InstrumentError> {
    meter.observable_gauge::<u64>(name).build()
}

fn read(registry: &Registry, name: &str) -> Option<Value> {
    value(registry, &format!("backstage.plugin.catalog.{name}"))
}

#[test]
fn one_reading_of_the_source_reports_all_instruments() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let idle = gauge(&meter, "idle")?;
    let total = meter.observable_counter_group::<Tenant<'static>, f64>("total").build()?;
    let change = meter.observable_up_down_counter::<i64>("change").build()?;
    let runs = Arc::new(AtomicU64::new(0));
    let guard = meter.register_callback([&idle, &total, &change], {
        let (idle, total, change) = (idle.clone(), total.clone(), change.clone());
        let runs = runs.clone();
        move |observer| {
            let run = runs.fetch_add(1, SeqCst) + 1;
            observer.observe(&idle, run);
            let tenant = run.to_string();
            observer.observe_series(&total, Tenant(&tenant), run as f64);
            observer.observe_series(&total, Tenant("all"), run as f64);
            observer.observe(&change, -(run as i64));
        }
    })?;
    for run in 1..=3 {
        registry.refresh();
        assert_eq!(read(&registry, "idle"), Some(Value::U64(run)));
        assert_eq!(read(&registry, "change"), Some(Value::I64(-(run as i64))));
        let expected =
            [(format!("tenant={run}"), run as f64), ("tenant=all".to_owned(), run as f64)];
        assert_eq!(series(&registry, "backstage.plugin.catalog.total"), expected);
    }
    assert_eq!(runs.load(SeqCst), 3, "once per refresh, not once per instrument");
    drop(guard);
    assert!(registry.read().iter().all(|scope| scope.scope.name() == "meterkit"));
    Ok(())
}

#[test]
fn an_instrument_that_the_callback_leaves_out_has_no_value() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let (even, odd) = (gauge(&meter, "even")?, gauge(&meter, "odd")?);
    let runs = AtomicU64::new(0);
    let both = [even.clone(), odd.clone()];
    let _guard = meter.register_callback([&even, &odd], move |observer| {
        let run = runs.fetch_add(1, SeqCst);
        observer.observe(&both[run as usize % 2], run);
    })?;
    for run in 0..4 {
        registry.refresh();
        let expected = [Some(Value::U64(run)), None];
        let (seen, other) = if run % 2 == 0 { ("even", "odd") } else { ("odd", "even") };
        assert_eq!([read(&registry, seen), read(&registry, other)], expected);
    }
    Ok(())
}

#[test]
fn instruments_of_another_scope_are_an_error_that_names_both() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let own = gauge(&meter, "own")?;
    let elsewhere = Registry::new().scoped("plugin", "catalog");
    let others = [
        gauge(&registry.scoped("plugin", "other"), "foreign")?,
        gauge(&registry.scoped("core", "catalog"), "foreign")?,
        gauge(&registry.scoped("plugin", "catalog").version("2"), "foreign")?,
        gauge(&registry.scoped("plugin", "catalog").attribute("team", "a"), "foreign")?,
        gauge(&elsewhere, "foreign")?,
    ];
    for other in &others {
        let refused = meter.register_callback([&own, other], |_| {});
        let error = refused.expect_err("an instrument of another scope");
        assert!(matches!(error, InstrumentError::OtherScope { .. }), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("foreign") && text.contains("backstage.plugin.catalog"), "{text}");
        let refused = meter.callback([other, &own]);
        assert!(matches!(refused, Err(InstrumentError::OtherScope { .. })));
    }
    registry.refresh();
    assert_eq!(told(&registry, "duration", "any"), None, "nothing was registered");

    meter.clone().unload();
    let refused = meter.register_callback([&own], |_| {});
    assert!(matches!(refused, Err(InstrumentError::Unloaded { .. })), "{refused:?}");
    let again = gauge(&meter, "own")?;
    assert!(
        meter.register_callback([&own, &again], |_| {}).is_err(),
        "the old instrument was unloaded"
    );
    assert!(meter.register_callback([&again], |_| {}).is_ok());
    Ok(())
}

#[test]
fn prefixed_meters_and_equal_meters_have_the_same_scope() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let cache = gauge(&meter.prefixed("cache"), "entries")?;
    let rows = gauge(&registry.scoped("plugin", "backstage.plugin.catalog"), "rows")?;
    let (entries, counted) = (cache.clone(), rows.clone());
    let _guard = meter.register_callback([&cache, &rows], move |observer| {
        observer.observe(&entries, 1);
        observer.observe(&counted, 2);
    })?;
    registry.refresh();
    assert_eq!(read(&registry, "cache.entries"), Some(Value::U64(1)));
    assert_eq!(read(&registry, "rows"), Some(Value::U64(2)));
    Ok(())
}

#[test]
fn no_instrument_and_a_bad_scope_are_errors() {
    let (registry, meter) = catalog();
    let none = meter.register_callback([], |_| {});
    let error = none.expect_err("no instrument");
    assert!(matches!(error, InstrumentError::NoInstrument { .. }), "{error:?}");
    assert!(error.to_string().contains("backstage.plugin.catalog"), "{error}");
    let bad = registry.scoped("plugin", "My Catalog").register_callback([], |_| {});
    assert!(matches!(bad, Err(InstrumentError::Scope(_))), "{bad:?}");
}

#[test]
fn an_instrument_that_is_listed_twice_is_one() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let rows = gauge(&meter, "rows")?;
    let _guard = meter.register_callback([&rows, &rows.clone(), &rows], {
        let rows = rows.clone();
        move |observer| {
            observer.observe(&rows, 1);
            observer.observe(&rows, 2);
        }
    })?;
    registry.refresh();
    assert_eq!(read(&registry, "rows"), Some(Value::U64(2)));
    Ok(())
}

#[test]
fn a_value_of_an_unlisted_instrument_is_dropped_and_counted() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let (named, unnamed) = (gauge(&meter, "named")?, gauge(&meter, "unnamed")?);
    let _guard = meter.register_callback([&named], {
        let (named, unnamed) = (named.clone(), unnamed);
        move |observer| {
            observer.observe(&unnamed, 1);
            observer.observe(&named, 2);
        }
    })?;
    registry.refresh();
    registry.refresh();
    assert_eq!([read(&registry, "named"), read(&registry, "unnamed")], [Some(Value::U64(2)), None]);
    assert_eq!(dropped(&registry, "not_registered"), 2);
    Ok(())
}

#[test]
fn an_instrument_that_could_not_be_created_does_not_affect_the_others()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let rows = gauge(&meter, "rows")?;
    let bad = meter.observable_gauge::<u64>("Bad Name").register();
    let guard = meter.register_callback([&bad, &rows], {
        let (bad, rows) = (bad.clone(), rows.clone());
        move |observer| {
            observer.observe(&bad, 1);
            observer.observe(&rows, 2);
        }
    })?;
    registry.refresh();
    assert_eq!(read(&registry, "rows"), Some(Value::U64(2)));
    drop(guard);
    let never = bad.observe(|| panic!("never runs"));
    assert!(format!("{never:?}").contains("Bad Name"));
    registry.refresh();
    Ok(())
}

#[test]
fn a_failure_affects_all_instruments_of_the_callback_and_no_others() -> Result<(), InstrumentError>
{
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    registry.set_callback_budget(Duration::from_secs(60));
    let meter = registry.scoped("plugin", "catalog");
    let (a, b) = (gauge(&meter, "a")?, gauge(&meter, "b")?);
    let groups = meter.observable_gauge_group::<Id, u64>("groups").build()?;
    let _other = a.observe(|| 1);
    let runs = AtomicU64::new(0);
    let _guard = meter.register_callback([&a, &b, &groups], {
        let (a, b, groups) = (a.clone(), b.clone(), groups.clone());
        move |observer| {
            observer.observe(&a, 2);
            observer.observe_series(&groups, Id(runs.load(SeqCst)), 3);
            let run = runs.fetch_add(1, SeqCst);
            assert!(run != 1, "halfway");
            observer.observe(&b, 2);
        }
    })?;
    let groups = "backstage.plugin.catalog.groups";
    registry.refresh();
    assert_eq!(
        (read(&registry, "a"), read(&registry, "b")),
        (Some(Value::U64(2)), Some(Value::U64(2)))
    );
    registry.refresh();
    assert_eq!((read(&registry, "a"), read(&registry, "b")), (Some(Value::U64(1)), None));
    assert!(series(&registry, groups).is_empty());
    assert_eq!(failures(&registry, "backstage.plugin.catalog.a", "panic"), 1.0);
    clock.advance(Duration::from_secs(30));
    registry.refresh();
    assert_eq!(
        (read(&registry, "a"), read(&registry, "b")),
        (Some(Value::U64(2)), Some(Value::U64(2)))
    );
    assert_eq!(
        series(&registry, groups),
        [("id=2".to_owned(), 3.0)],
        "and no series of the run that failed"
    );
    Ok(())
}

#[test]
fn several_instruments_may_be_cached_together() -> Result<(), InstrumentError> {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    registry.set_callback_durations(true);
    let meter = registry.scoped("plugin", "catalog");
    let (a, b) = (gauge(&meter, "a")?, gauge(&meter, "b")?);
    let runs = AtomicU64::new(0);
    let builder = meter.callback([&a, &b])?.cached(Duration::from_secs(30));
    let inside = (a, b);
    let _guard = builder.observe_with(move |observer| {
        let run = runs.fetch_add(1, SeqCst) + 1;
        observer.observe(&inside.0, run);
        observer.observe(&inside.1, run);
    });
    for (seconds, run) in [(0, 1), (29, 1), (1, 2), (29, 2), (2, 3)] {
        clock.advance(Duration::from_secs(seconds));
        registry.refresh();
        let expected = [Some(Value::U64(run)); 2];
        // A collection does not wait for long if it has older values.
        until("that run", || [read(&registry, "a"), read(&registry, "b")] == expected);
        until("its end", || {
            let points = readings::histogram(&registry, "meterkit.callback.duration").1;
            points.iter().map(|point| point.count).sum::<u64>() == run
        });
    }
    Ok(())
}

#[test]
fn any_number_of_instruments_may_be_in_a_list_of_any_kind() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let shards: Vec<_> =
        ["s0", "s1", "s2", "s3"].map(|name| gauge(&meter, name)).into_iter().collect();
    let shards = shards.into_iter().collect::<Result<Vec<_>, _>>()?;
    let total = meter.observable_counter::<f64>("total").build()?;
    let mut mixed: Vec<&dyn AnyObservable> = vec![&total];
    mixed.extend(shards.iter().map(|shard| shard as &dyn AnyObservable));
    let count = shards.len() as u64;
    for (round, builder) in [
        meter.callback_for(&shards)?,
        meter.callback_for(&shards[..])?,
        meter.callback_for(shards.iter().rev())?,
        meter.callback_for(mixed)?,
    ]
    .into_iter()
    .enumerate()
    {
        let (shards, total, has_total) = (shards.clone(), total.clone(), round == 3);
        let guard = builder.observe_with(move |observer| {
            (1..).zip(&shards).for_each(|(value, shard)| observer.observe(shard, value));
            if has_total {
                observer.observe(&total, 10.0);
            }
        });
        registry.refresh();
        for value in 1..=count {
            assert_eq!(read(&registry, &format!("s{}", value - 1)), Some(Value::U64(value)));
        }
        assert_eq!(read(&registry, "total"), has_total.then_some(Value::F64(10.0)));
        drop(guard);
    }
    let none = meter.callback_for(Vec::<&ObservableGauge<u64>>::new());
    assert!(matches!(none, Err(InstrumentError::NoInstrument { .. })));
    Ok(())
}

fn run_due(registry: &Registry) -> usize {
    let run = |mut task: BackgroundTask| {
        assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    };
    registry.due_refreshes().0.into_iter().map(run).count()
}

#[test]
fn several_instruments_may_be_refreshed_together() -> Result<(), InstrumentError> {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    let meter = registry.scoped("plugin", "catalog");
    let a = gauge(&meter, "a")?;
    let groups = meter.observable_counter_group::<Tenant<'static>, f64>("groups").build()?;
    let (runs, period) = (Arc::new(AtomicU64::new(0)), Duration::from_secs(10));
    let guard = meter.callback([&a, &groups])?.refresh_every(period, move || {
        let (a, groups, runs) = (a.clone(), groups.clone(), runs.clone());
        async move {
            let run = runs.fetch_add(1, SeqCst) + 1;
            move |observer: &mut Observer<'_>| {
                observer.observe(&a, run);
                observer.observe_series(&groups, Tenant("all"), run as f64);
            }
        }
    });
    for run in 1..=2 {
        assert_eq!(run_due(&registry), 1);
        registry.refresh();
        assert_eq!(read(&registry, "a"), Some(Value::U64(run)));
        let expected = [("tenant=all".to_owned(), run as f64)];
        assert_eq!(series(&registry, "backstage.plugin.catalog.groups"), expected);
        clock.advance(period);
    }
    drop(guard);
    assert_eq!(run_due(&registry), 0);
    assert_eq!(read(&registry, "a"), None);
    Ok(())
}

#[test]
fn a_refresh_of_several_instruments_can_fail_and_panic() -> Result<(), InstrumentError> {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    let meter = registry.scoped("plugin", "catalog");
    let (a, b) = (gauge(&meter, "a")?, gauge(&meter, "b")?);
    let (runs, period) = (Arc::new(AtomicU64::new(0)), Duration::from_secs(60));
    let inside = [a.clone(), b.clone()];
    let _guard = meter.callback([&a, &b])?.refresh_every_result(period, move || {
        let (inside, run) = (inside.clone(), runs.fetch_add(1, SeqCst));
        async move {
            if run == 1 {
                return Err("no connection");
            }
            Ok(move |observer: &mut Observer<'_>| {
                observer.observe(&inside[0], run);
                assert!(run != 2, "halfway");
                observer.observe(&inside[1], run);
            })
        }
    });
    let values = [Some(Value::U64(0)), Some(Value::U64(0)), None, Some(Value::U64(3))];
    for (run, expected) in values.into_iter().enumerate() {
        assert_eq!(run_due(&registry), 1);
        assert_eq!([read(&registry, "a"), read(&registry, "b")], [expected; 2], "run {run}");
        clock.advance(period);
    }
    let name = "backstage.plugin.catalog.a";
    assert_eq!(failures(&registry, name, "error"), 1.0);
    assert_eq!(failures(&registry, name, "panic"), 1.0);
    Ok(())
}
