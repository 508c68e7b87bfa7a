//! Idle series are removed, and no value is lost with them.

use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use meterkit_core::{Gauge, InstrumentError};
use meterkit_fakes::catalog_with_clock;
use meterkit_fakes::label_sets::{Id, Light, Success, Tenant};
use meterkit_fakes::readings::{Rise, histogram, metric, points, points_of, series, total};

const REQUESTS: &str = "backstage.plugin.catalog.requests";
const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_series_is_removed_after_the_timeout_and_one_in_use_stays() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Tenant<'static>, u64>("requests");
    let requests = requests.idle_timeout(MINUTE).build()?;
    requests.with(Tenant("idle")).add(5);
    requests.with(Tenant("used")).add(5);
    assert_eq!(total(&registry, REQUESTS), 10.0);
    clock.advance(MINUTE - Duration::from_nanos(1));
    assert_eq!(total(&registry, REQUESTS), 10.0, "not yet");
    requests.with(Tenant("used")).increment();
    clock.advance(Duration::from_nanos(1));
    assert_eq!(series(&registry, REQUESTS), [("tenant=used".to_owned(), 6.0)]);
    clock.advance(MINUTE);
    assert!(metric(&registry, REQUESTS).is_none(), "finally it is removed, too");
    Ok(())
}

#[test]
fn without_a_timeout_series_stay() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Success, u64>("requests").build()?;
    requests.with(Success(true)).increment();
    for _ in 0..10 {
        clock.advance(MINUTE * 1_000_000);
        assert_eq!(total(&registry, REQUESTS), 1.0);
    }
    Ok(())
}

#[test]
fn unread_values_are_read_once_however_old_they_are() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Success, u64>("requests").idle_timeout(MINUTE).build()?;
    requests.with(Success(true)).add(3);
    clock.advance(MINUTE * 10);
    assert_eq!(total(&registry, REQUESTS), 3.0);
    requests.with(Success(true)).add(3);
    clock.advance(MINUTE * 10);
    assert_eq!(total(&registry, REQUESTS), 6.0, "later values are read, too");
    clock.advance(MINUTE);
    assert!(metric(&registry, REQUESTS).is_none());
    Ok(())
}

#[test]
fn a_timeout_of_zero_still_exports_recorded_values() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let none = Duration::ZERO;
    let requests = meter.counter_group::<Success, u64>("requests").idle_timeout(none).build()?;
    let mut rise = Rise::default();
    for _ in 0..5 {
        requests.with(Success(true)).add(2);
        rise.read(&registry, REQUESTS);
    }
    assert_eq!(rise.total, 10.0);
    Ok(())
}

#[test]
fn setting_a_gauge_to_the_same_value_counts_as_use() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let queues =
        meter.gauge_group::<Tenant<'static>, i64>("requests").idle_timeout(MINUTE).build()?;
    type Call = fn(&Gauge<i64>);
    let calls: [(&str, Call); 4] = [
        ("set", |gauge| gauge.set(7)),
        ("add", |gauge| gauge.add(0)),
        ("sub", |gauge| gauge.sub(0)),
        ("set_max", |gauge| gauge.set_max(3)),
    ];
    for (name, _) in calls {
        queues.with(Tenant(name)).set(7);
    }
    queues.with(Tenant("idle")).set(7);
    for round in 0..5 {
        assert_eq!(points(&registry, REQUESTS).len(), if round == 0 { 5 } else { 4 });
        clock.advance(MINUTE);
        for (name, call) in calls {
            call(&queues.with(Tenant(name)));
        }
    }
    assert_eq!(total(&registry, REQUESTS), 28.0);
    clock.advance(MINUTE);
    assert!(metric(&registry, REQUESTS).is_none());
    Ok(())
}

#[test]
fn a_histogram_is_removed_and_starts_anew() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let sizes = meter.histogram_group::<Success, f64>("sizes").idle_timeout(MINUTE).build()?;
    let kept = sizes.with(Success(true)).clone();
    let name = "backstage.plugin.catalog.sizes";
    kept.record(100.0);
    let before = histogram(&registry, name).1;
    assert_eq!(before[0].count, 1);
    clock.advance(MINUTE);
    assert!(metric(&registry, name).is_none());
    clock.advance(MINUTE);
    kept.record(0.0);
    let after = histogram(&registry, name).1;
    assert_eq!((after[0].count, after[0].sum, after[0].max), (1, 0.0, Some(0.0)));
    assert!(after[0].start > before[0].start);
    clock.advance(MINUTE / 2);
    kept.record(0.0);
    let _ = registry.read();
    clock.advance(MINUTE / 2);
    assert_eq!(histogram(&registry, name).1[0].count, 2, "a value of zero counts as recorded");
    Ok(())
}

#[test]
fn a_kept_handle_brings_its_series_back_from_nothing() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Light, u64>("requests").idle_timeout(MINUTE).build()?;
    let later = meter.counter_group::<Id, u64>("later");
    let later = later.cardinality_limit(1).idle_timeout(MINUTE).build()?;
    let name = "backstage.plugin.catalog.later";
    later.with(Id(0)).increment();
    later.remove(Id(0));
    let kept = [requests.with(Light::all()[3]).clone(), later.with(Id(1)).clone()];
    kept.iter().for_each(|kept| kept.add(5));
    let before = [REQUESTS, name].map(|name| points(&registry, name)[0].start);
    clock.advance(MINUTE);
    assert!(metric(&registry, REQUESTS).is_none() && metric(&registry, name).is_none());
    assert_eq!(kept[0].value(), 0);
    clock.advance(MINUTE);
    kept.iter().for_each(|kept| kept.add(2));
    for (name, before) in [REQUESTS, name].into_iter().zip(before) {
        assert_eq!(total(&registry, name), 2.0);
        assert!(points(&registry, name)[0].start > before);
    }
    clock.advance(MINUTE);
    assert!(metric(&registry, REQUESTS).is_none(), "the series is removed again");
    Ok(())
}

#[test]
fn room_of_removed_idle_series_is_used_again() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Id, u64>("requests");
    let requests = requests.cardinality_limit(10).idle_timeout(MINUTE).build()?;
    let mut rise = Rise::default();
    for round in 0..200 {
        for id in 0..10 {
            requests.with(Id(round * 10 + id)).increment();
        }
        rise.read(&registry, REQUESTS);
        assert_eq!(
            points(&registry, REQUESTS).len(),
            10,
            "no further series, and none in the place of another"
        );
        clock.advance(MINUTE);
        assert!(metric(&registry, REQUESTS).is_none());
    }
    assert_eq!(rise.total, 2000.0);
    Ok(())
}

#[test]
fn a_removed_series_that_comes_back_to_the_value_it_had_is_not_idle() -> Result<(), InstrumentError>
{
    let (clock, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Success, u64>("requests").idle_timeout(MINUTE).build()?;
    requests.with(Success(true)).add(5);
    assert_eq!(total(&registry, REQUESTS), 5.0);
    clock.advance(MINUTE - Duration::from_secs(1));
    requests.remove(Success(true));
    requests.with(Success(true)).add(5);
    clock.advance(Duration::from_secs(1));
    assert_eq!(total(&registry, REQUESTS), 5.0, "recorded a second ago");
    Ok(())
}

#[test]
fn an_up_down_counter_above_zero_is_not_idle() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let open = meter.up_down_counter_group::<Success, i64>("requests").idle_timeout(MINUTE);
    let open = open.build()?;
    let guard = open.with(Success(true)).guard();
    open.with(Success(false)).increment();
    for _ in 0..3 {
        assert_eq!(total(&registry, REQUESTS), 2.0);
        clock.advance(MINUTE);
    }
    drop(guard);
    open.with(Success(false)).decrement();
    assert_eq!(total(&registry, REQUESTS), 0.0);
    clock.advance(MINUTE);
    assert!(metric(&registry, REQUESTS).is_none());
    Ok(())
}

#[test]
fn a_guard_outlives_the_removal_of_its_series() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let open = meter.up_down_counter_group::<Success, i64>("requests").build()?;
    let (one, other) = (open.with(Success(true)).guard(), open.with(Success(true)).guard());
    assert!(open.remove(Success(true)));
    assert_eq!(total(&registry, REQUESTS), 2.0, "guards count even after their series was removed");
    drop(one);
    open.clear();
    assert_eq!(total(&registry, REQUESTS), 1.0);
    drop(other);
    assert_eq!(total(&registry, REQUESTS), 0.0);
    Ok(())
}

#[test]
fn guards_that_race_with_removal_leave_nothing_behind() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let open = meter.up_down_counter_group::<Success, i64>("requests").build()?;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..20_000).for_each(|_| drop(open.with(Success(true)).guard())));
        }
        scope.spawn(|| (0..5_000).filter(|_| open.remove(Success(true))).count());
    });
    assert_eq!(open.with(Success(true)).value(), 0);
    assert_eq!(total(&registry, REQUESTS), 0.0);
    Ok(())
}

/// Returns the next number of a pseudo-random generator.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

#[test]
fn eight_threads_lose_no_count_while_series_go_at_every_read() {
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 30_000;
    let (clock, registry, meter) = catalog_with_clock();
    let open = meter.counter_group::<Id, u64>("requests");
    let open = open.cardinality_limit(20).idle_timeout(MINUTE).build().expect("a good name");
    let closed = meter.counter_group::<Light, f64>("lights");
    let closed = closed.idle_timeout(MINUTE).build().expect("a good name");
    let lights = "backstage.plugin.catalog.lights";
    let running = AtomicUsize::new(THREADS as usize);
    let start = Barrier::new(THREADS as usize + 1);
    let (by_id, by_light) = thread::scope(|scope| {
        for thread in 0..THREADS {
            let (open, closed, start, running) = (&open, &closed, &start, &running);
            scope.spawn(move || {
                let mut state = thread;
                let kept: Vec<_> = (0..4).map(|id| open.with(Id(id)).clone()).collect();
                let lights = Light::all();
                start.wait();
                for round in 0..ROUNDS {
                    match next(&mut state) % 3 {
                        0 => kept[next(&mut state) as usize % 4].increment(),
                        _ => open.with(Id(round / 100 % 400 + next(&mut state) % 8)).increment(),
                    }
                    closed.with(lights[next(&mut state) as usize % Light::SETS]).increment();
                    if round % 64 == 0 {
                        thread::yield_now();
                    }
                }
                running.fetch_sub(1, SeqCst);
            });
        }
        let reader = scope.spawn(|| {
            let (mut by_id, mut by_light) = (Rise::default(), Rise::default());
            start.wait();
            loop {
                let is_last = running.load(SeqCst) == 0;
                clock.advance(MINUTE);
                let [ids, lights] = points_of(&registry, [REQUESTS, lights]);
                by_id.add(ids);
                by_light.add(lights);
                if is_last {
                    return (by_id, by_light);
                }
            }
        });
        reader.join().expect("no panic")
    });
    assert_eq!(by_id.total, (THREADS * ROUNDS) as f64);
    assert_eq!(by_light.total, (THREADS * ROUNDS) as f64);
    assert!(by_id.restarts > 0, "some series returned");
    clock.advance(MINUTE);
    assert!(metric(&registry, lights).is_none(), "finally all series are idle");
}
