//! Observed values as targets see them: kinds, start times, and which of several values wins.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use meterkit_core::{
    Collections, Data, InstrumentError, Observable, ObservableCounterGroup, Registry, SeriesId,
    Temporality, Value,
};
use meterkit_fakes::catalog_with_clock;
use meterkit_fakes::label_sets::{Id, Tenant};
use meterkit_fakes::readings::{self, dropped, metric, points, series, value};

const ROWS: &str = "backstage.plugin.catalog.rows";

/// The next report of a callback, or `None` for a panic.
type Next = Arc<Mutex<Option<Vec<(u64, u64)>>>>;

fn reports(next: &Next) -> impl Fn(&mut Reporter<'_>) + Send + Sync + use<> {
    let next = next.clone();
    move |observer| {
        let values = next.lock().unwrap().clone().expect("a panic that the test wants");
        values.into_iter().for_each(|(id, value)| observer.observe(Id(id), value));
    }
}

type Reporter<'a> = meterkit_core::SeriesObserver<'a, meterkit_core::CounterKind, u64, Id>;

fn set(next: &Next, values: &[(u64, u64)]) {
    *next.lock().unwrap() = Some(values.to_vec());
}

fn start(registry: &Registry, labels: &str) -> SystemTime {
    let points = points(registry, ROWS);
    let point = points.iter().find(|point| readings::labels(point) == labels);
    point.unwrap_or_else(|| panic!("no {labels} in {points:?}")).start
}

#[test]
fn each_kind_accepts_its_number_types_and_keeps_their_type() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let (low, high) = (i64::MIN, u64::MAX);
    meter.observable_counter::<u64>("counter.u64").observe(move || high)?.forget();
    meter.observable_counter::<f64>("counter.f64").observe(|| 1.5)?.forget();
    meter.observable_up_down_counter::<i64>("sum.i64").observe(move || low)?.forget();
    meter.observable_up_down_counter::<f64>("sum.f64").observe(|| -1.5)?.forget();
    meter.observable_gauge::<u64>("gauge.u64").observe(move || high)?.forget();
    meter.observable_gauge::<i64>("gauge.i64").observe(move || low)?.forget();
    meter.observable_gauge::<f64>("gauge.f64").observe(|| -0.5)?.forget();
    registry.refresh();
    let shown = |name: &str| metric(&registry, &format!("backstage.plugin.catalog.{name}"));
    for (name, monotonic, expected) in [
        ("counter.u64", true, Value::U64(high)),
        ("counter.f64", true, Value::F64(1.5)),
        ("sum.i64", false, Value::I64(low)),
        ("sum.f64", false, Value::F64(-1.5)),
    ] {
        let Data::Sum { monotonic: is, temporality, points } = shown(name).unwrap().data else {
            panic!("{name} is not a sum");
        };
        assert_eq!((is, temporality), (monotonic, Temporality::Cumulative), "{name}");
        assert_eq!(points[0].value, expected, "{name}");
    }
    for (name, expected) in [
        ("gauge.u64", Value::U64(high)),
        ("gauge.i64", Value::I64(low)),
        ("gauge.f64", Value::F64(-0.5)),
    ] {
        let Data::Gauge(points) = shown(name).unwrap().data else {
            panic!("{name} is not a gauge")
        };
        assert_eq!(points[0].value, expected, "{name}");
    }
    Ok(())
}

#[test]
fn groups_of_each_kind_show_their_series_by_attributes() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    macro_rules! group {
        ($make:ident, $type:ty, $value:expr) => {
            meter
                .$make::<Tenant<'static>, $type>(concat!(
                    "rows.",
                    stringify!($make),
                    ".",
                    stringify!($type)
                ))
                .observe_with(|observer| {
                    for (at, tenant) in ["b", "c", "a"].map(String::from).iter().enumerate() {
                        observer.observe(Tenant(tenant), $value + at as $type);
                    }
                })?
                .forget();
        };
    }
    group!(observable_counter_group, u64, 1);
    group!(observable_counter_group, f64, 1.0);
    group!(observable_up_down_counter_group, i64, 1);
    group!(observable_up_down_counter_group, f64, 1.0);
    group!(observable_gauge_group, u64, 1);
    group!(observable_gauge_group, i64, 1);
    group!(observable_gauge_group, f64, 1.0);
    for _ in 0..2 {
        registry.refresh();
        let names = registry.read().into_iter().flat_map(|scope| scope.metrics);
        let names =
            names.map(|it| it.descriptor.name.clone()).filter(|it| it.starts_with("backstage"));
        let names: Vec<_> = names.collect();
        assert_eq!(names.len(), 7);
        for name in names {
            let expected = [("tenant=a", 3.0), ("tenant=b", 1.0), ("tenant=c", 2.0)];
            assert_eq!(
                series(&registry, &name),
                expected.map(|(l, v)| (l.to_owned(), v)),
                "{name}"
            );
        }
    }
    Ok(())
}

#[test]
fn a_counter_that_falls_was_reset_and_others_were_not() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let made = clock.now();
    let next = Next::default();
    set(&next, &[(1, 10), (2, 10)]);
    let rows = meter.observable_counter_group::<Id, u64>("rows");
    let _guard = rows.observe_with(reports(&next))?;
    clock.advance(Duration::from_secs(5));
    registry.refresh();
    assert_eq!(start(&registry, "id=1"), made, "it has counted since the instrument was created");

    clock.advance(Duration::from_secs(5));
    set(&next, &[(1, 4), (2, 10)]);
    registry.refresh();
    assert_eq!(start(&registry, "id=1"), clock.now());
    assert_eq!(start(&registry, "id=2"), made);
    let expected = [("id=1".to_owned(), 4.0), ("id=2".to_owned(), 10.0)];
    assert_eq!(series(&registry, ROWS), expected, "the new total, not the sum of both");

    let fell = start(&registry, "id=1");
    set(&next, &[(1, 3), (2, 11)]);
    registry.refresh();
    assert!(start(&registry, "id=1") > fell, "even when the clock stands still");
    Ok(())
}

#[test]
fn instruments_other_than_counters_may_fall() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let made = clock.now();
    let value = Arc::new(Mutex::new(10));
    let read = value.clone();
    let _guard =
        meter.observable_up_down_counter::<i64>("rows").observe(move || *read.lock().unwrap())?;
    registry.refresh();
    clock.advance(Duration::from_secs(5));
    *value.lock().unwrap() = -10;
    registry.refresh();
    assert_eq!(readings::value(&registry, ROWS), Some(Value::I64(-10)));
    assert_eq!(start(&registry, ""), made);
    Ok(())
}

#[test]
fn a_series_that_is_not_reported_ends_and_starts_anew_when_it_returns_with_less()
-> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let next = Next::default();
    let rows = meter.observable_counter_group::<Id, u64>("rows");
    let _guard = rows.observe_with(reports(&next))?;
    // Even while the clock stands still, because only a new start time shows the reset.
    for step in [0, 1] {
        let step = || clock.advance(Duration::from_secs(step));
        set(&next, &[(1, 10), (2, 20), (3, 30)]);
        registry.refresh();
        let before = [start(&registry, "id=1"), start(&registry, "id=2")];
        step();
        set(&next, &[(3, 31), (1, 11)]);
        registry.refresh();
        let expected = [("id=1".to_owned(), 11.0), ("id=3".to_owned(), 31.0)];
        assert_eq!(series(&registry, ROWS), expected);
        step();
        set(&next, &[(2, 5), (1, 12), (3, 32)]);
        registry.refresh();
        assert_eq!(start(&registry, "id=1"), before[0], "this series was always reported");
        assert!(start(&registry, "id=2") > before[1]);
        set(&next, &[]);
        registry.refresh();
        assert!(series(&registry, ROWS).is_empty());
    }
    Ok(())
}

#[test]
fn a_series_that_is_left_out_continues_when_it_returns_with_at_least_its_old_value()
-> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let next = Next::default();
    let rows = meter.observable_counter_group::<Id, u64>("rows").build()?;
    let _guard = rows.observe_with(reports(&next));
    let refresh = |values: &[(u64, u64)]| {
        clock.advance(Duration::from_secs(5));
        set(&next, values);
        registry.refresh();
        let points = points(&registry, ROWS);
        points.into_iter().map(|it| (it.series, it.start)).collect::<Vec<_>>()
    };
    let both = refresh(&[(1, 1010), (2, 7)]);
    assert_eq!(refresh(&[(2, 7)]), both[1..]);
    assert_eq!(refresh(&[]), []);
    assert_eq!(refresh(&[(2, 7), (1, 1030)]), both, "both series, in any order");
    // Even if another callback reports the series.
    assert_eq!(refresh(&[(2, 7)]), both[1..]);
    let _other = rows.observe_with(|observer| observer.observe(Id(1), 1040));
    assert_eq!(refresh(&[(2, 7)]), both);
    Ok(())
}

/// Returns what collections see of one series. Each round is a time in seconds and the reported value.
fn found(rounds: &[(u64, Option<u64>)]) -> Vec<Option<(SeriesId, SystemTime)>> {
    let (clock, registry, meter) = catalog_with_clock();
    let next = Next::default();
    let rows = meter.observable_counter_group::<Id, u64>("rows").build().expect("a good name");
    let _guard = rows.observe_with(reports(&next));
    let (mut collections, mut before) = (Collections::default(), Vec::new());
    let mut find = |(seconds, total): &(u64, Option<u64>)| {
        // Every other absence is caused by a failure.
        match total {
            None if seconds % 2 == 1 => *next.lock().unwrap() = None,
            _ => set(&next, &total.map(|total| (1, total)).into_iter().collect::<Vec<_>>()),
        }
        registry.refresh();
        next.clear_poison();
        // A callback that panicked is not run again for a while.
        clock.advance(Duration::from_secs(3600));
        let now = registry.read();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(*seconds);
        registry.forget(&collections.add(&before, &now, time));
        before = now;
        points(&registry, ROWS).first().map(|point| (point.series, point.start))
    };
    rounds.iter().map(&mut find).collect()
}

#[test]
fn a_series_that_collections_have_forgotten_is_another_one() {
    for second in [20, 21] {
        let found = found(&[
            (10, Some(5)),
            (second, None),
            (second + 3598, None),
            (second + 3599, Some(6)),
            (5000 + second, None),
            (9000 + second, None),
            (9002 + second, Some(7)),
        ]);
        let [first, None, None, back, None, None, Some((last, start))] = found[..] else {
            panic!("{found:?}")
        };
        assert_eq!(first, back, "the series returned within an hour");
        assert!(first.is_some_and(|(series, began)| series != last && began < start), "{found:?}");
    }
}

#[test]
fn a_series_that_two_callbacks_report_stays_the_same_unless_its_exported_value_falls()
-> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let rows = meter.observable_counter_group::<Id, u64>("rows").build()?;
    let (first, last) = (Next::default(), Next::default());
    let _first = rows.observe_with(reports(&first));
    let last_guard = rows.observe_with(reports(&last));
    let refresh = |totals: [Option<u64>; 2]| {
        for (next, total) in [&first, &last].into_iter().zip(totals) {
            set(next, &total.map(|total| (1, total)).into_iter().collect::<Vec<_>>());
        }
        registry.refresh();
        let point = points(&registry, ROWS).remove(0);
        (point.series, point.value)
    };
    let (one, _) = refresh([Some(10), None]);
    assert_eq!(refresh([Some(10), Some(12)]), (one, Value::U64(12)));
    assert_eq!(refresh([Some(20), Some(13)]), (one, Value::U64(13)));
    assert_eq!(refresh([Some(21), None]), (one, Value::U64(21)), "the value rose");
    let (two, _) = refresh([Some(22), Some(14)]);
    assert_ne!(two, one, "the value fell");
    // A fall that no collection exports goes unnoticed.
    assert_eq!(refresh([None, Some(15)]), (two, Value::U64(15)));
    assert_eq!(refresh([Some(3), Some(16)]), (two, Value::U64(16)));
    drop(last_guard);
    let (three, value) = refresh([Some(4), None]);
    assert_eq!(value, Value::U64(4));
    assert!(three != two && three != one, "the value fell");
    Ok(())
}

#[test]
fn a_series_whose_callback_was_replaced_continues_unless_it_fell() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let rows = meter.observable_counter_group::<Id, u64>("rows").build()?;
    let others = rows.observe_with(|observer| observer.observe(Id(9), 1));
    let mut starts = Vec::new();
    for total in [10, 3, 20] {
        let guard = rows.observe_with(move |observer| observer.observe(Id(1), total));
        registry.refresh();
        starts.push(start(&registry, "id=1"));
        drop(guard);
    }
    assert!(starts[0] < starts[1], "the value fell");
    assert_eq!(starts[1], starts[2], "the value rose");
    drop(others);

    let plain = meter.observable_counter::<u64>("plain").build()?;
    let plain_start = |total| {
        let _guard = plain.observe(move || total);
        registry.refresh();
        points(&registry, "backstage.plugin.catalog.plain")[0].start
    };
    let first = plain_start(10);
    assert_eq!(first, plain_start(11));
    assert!(first < plain_start(3));
    Ok(())
}

#[test]
fn a_series_that_moves_to_another_callback_starts_anew() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let rows = meter.observable_counter_group::<Id, u64>("rows").build()?;
    let (a, b) = (Next::default(), Next::default());
    set(&a, &[(1, 10)]);
    set(&b, &[(2, 20)]);
    let _guards = [rows.observe_with(reports(&a)), rows.observe_with(reports(&b))];
    registry.refresh();
    let before = start(&registry, "id=1");
    set(&a, &[]);
    registry.refresh();
    set(&b, &[(2, 20), (1, 4)]);
    registry.refresh();
    assert!(start(&registry, "id=1") > before);
    Ok(())
}

#[test]
fn a_series_that_is_missing_after_a_panic_continues() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let next = Next::default();
    set(&next, &[(1, 10)]);
    let rows = meter.observable_counter_group::<Id, u64>("rows");
    let _guard = rows.observe_with(reports(&next))?;
    registry.refresh();
    let began = start(&registry, "id=1");
    for (panics, total) in [(1, 12), (5, 13)] {
        for _ in 0..panics {
            *next.lock().unwrap() = None;
            next.clear_poison();
            registry.refresh();
            next.clear_poison();
            assert!(series(&registry, ROWS).is_empty());
            // By then, even a callback that has panicked this often runs again.
            clock.advance(Duration::from_secs(8 * 60));
        }
        set(&next, &[(1, total)]);
        registry.refresh();
        assert_eq!(start(&registry, "id=1"), began);
        assert_eq!(series(&registry, ROWS), [("id=1".to_owned(), total as f64)]);
    }
    Ok(())
}

#[test]
fn invalid_counter_values_are_dropped_and_counted() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let rows = meter.observable_counter_group::<Id, f64>("rows").build()?;
    let _guard = rows.observe_with(|observer| {
        for (id, value) in [1.0, -1.0, f64::NAN, f64::INFINITY, f64::MAX].into_iter().enumerate() {
            observer.observe(Id(id as u64), value);
        }
        observer.observe(Id(0), -7.0);
    });
    registry.refresh();
    let expected = [("id=0".to_owned(), 1.0), ("id=4".to_owned(), f64::MAX)];
    assert_eq!(series(&registry, ROWS), expected);
    assert_eq!((dropped(&registry, "negative"), dropped(&registry, "not_finite")), (2, 2));
    Ok(())
}

#[test]
fn the_last_of_several_values_of_one_series_wins() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let next = Next::default();
    let rows = meter.observable_counter_group::<Id, u64>("rows");
    let _guard = rows.observe_with(reports(&next))?;
    for values in [
        &[(1, 9), (1, 5), (2, 6), (1, 7)],
        &[(2, 8), (2, 9), (1, 9), (2, 7)],
        &[(1, 9), (2, 7), (2, 9), (1, 10)],
    ] {
        set(&next, values);
        registry.refresh();
        let last = |id| values.iter().rev().find(|it| it.0 == id).map_or(0.0, |it| it.1 as f64);
        let expected = [("id=1".to_owned(), last(1)), ("id=2".to_owned(), last(2))];
        assert_eq!(series(&registry, ROWS), expected);
    }
    Ok(())
}

#[test]
fn the_last_registered_of_several_callbacks_with_one_total_wins_until_it_is_removed()
-> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let rows: ObservableCounterGroup<Id> =
        meter.observable_counter_group::<Id, u64>("rows").build()?;
    let (first, last) = (Next::default(), Next::default());
    set(&first, &[(1, 10), (2, 20)]);
    set(&last, &[(3, 33), (2, 22)]);
    let _first = rows.observe_with(reports(&first));
    let last_guard = rows.observe_with(reports(&last));
    let read = || {
        // Long enough for a callback that panicked to run again.
        clock.advance(Duration::from_secs(60));
        registry.refresh();
        first.clear_poison();
        last.clear_poison();
        series(&registry, ROWS).into_iter().map(|(_, value)| value).collect::<Vec<_>>()
    };
    assert_eq!(read(), [10.0, 22.0, 33.0], "each callback reports its own series, in order");
    *last.lock().unwrap() = None;
    assert_eq!(read(), [10.0], "its total is missing, and the other total does not replace it");
    set(&last, &[(2, 23), (3, 34)]);
    *first.lock().unwrap() = None;
    assert_eq!(read(), [23.0, 34.0]);
    set(&first, &[(1, 11), (2, 21)]);
    let before = start(&registry, "id=2");
    drop(last_guard);
    assert_eq!(read(), [11.0, 21.0]);
    assert!(start(&registry, "id=2") > before, "the value fell");
    Ok(())
}

#[test]
fn the_last_registered_of_several_callbacks_with_one_gauge_wins_until_it_fails()
-> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let rows = meter.observable_gauge::<u64>("rows").build()?;
    let fails = Arc::new(AtomicBool::new(false));
    let failing = fails.clone();
    let _first = rows.observe(|| 1);
    let _last = rows.observe(move || {
        assert!(!failing.load(SeqCst), "no database");
        2
    });
    for (is_failing, expected) in [(false, 2), (true, 1), (false, 2)] {
        fails.store(is_failing, SeqCst);
        clock.advance(Duration::from_secs(60));
        registry.refresh();
        assert_eq!(value(&registry, ROWS), Some(Value::U64(expected)));
    }
    Ok(())
}

#[test]
fn an_instrument_that_is_requested_again_is_the_same() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let rows: Observable<_, u64> = meter.observable_gauge::<u64>("rows").build()?;
    let _guard = meter.observable_gauge::<u64>("rows").build()?.observe(|| 4);
    registry.refresh();
    assert_eq!(value(&registry, ROWS), Some(Value::U64(4)));
    assert!(format!("{rows:?}").contains(ROWS));
    let clash = meter.observable_gauge::<i64>("rows").build();
    assert!(matches!(clash, Err(InstrumentError::Clash { .. })), "{clash:?}");
    let clash = meter.gauge::<u64>("rows").build();
    assert!(matches!(clash, Err(InstrumentError::Clash { .. })));
    Ok(())
}
