//! Removed series: they disappear from exports, start again from zero when they are used again, and never block others.

use std::sync::Barrier;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use meterkit_core::{InstrumentError, Registry, Value};
use meterkit_fakes::catalog_with_clock;
use meterkit_fakes::label_sets::{Id, Light, Success, Tenant};
use meterkit_fakes::readings::{OVERFLOW, histogram, labels, live, metric, points, series, total};

const REQUESTS: &str = "backstage.plugin.catalog.requests";

/// Returns the number of series that the store reports for an instrument.
fn usage(registry: &Registry, name: &str) -> Option<f64> {
    registry.refresh();
    let points = points(registry, "meterkit.series");
    let is_it = |point: &&_| labels(point) == format!("instrument={name}");
    points.iter().find(is_it).map(|point| point.value.as_f64())
}

#[test]
fn a_removed_series_is_gone_from_the_next_read_and_the_others_stay() -> Result<(), InstrumentError>
{
    let (_, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Tenant<'static>, u64>("requests").build()?;
    for tenant in ["a", "b", "c"] {
        requests.with(Tenant(tenant)).add(2);
    }
    assert!(requests.remove(Tenant("b")));
    assert!(!requests.remove(Tenant("b")), "the series is removed already");
    assert!(!requests.remove(Tenant("d")), "the series never existed");
    let expected = [("tenant=a".to_owned(), 2.0), ("tenant=c".to_owned(), 2.0)];
    assert_eq!(series(&registry, REQUESTS), expected);
    assert_eq!(series(&registry, REQUESTS), expected, "the series stays removed");
    Ok(())
}

#[test]
fn a_removed_series_that_is_looked_up_again_starts_from_zero_at_a_later_time()
-> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let open = meter.counter_group::<Tenant<'static>, u64>("requests").build()?;
    let closed = meter.counter_group::<Success, u64>("closed").build()?;
    let name = "backstage.plugin.catalog.closed";
    open.with(Tenant("a")).add(5);
    closed.with(Success(true)).add(5);
    let before = [REQUESTS, name].map(|name| points(&registry, name)[0].start);
    clock.advance(Duration::from_secs(60));
    assert!(open.remove(Tenant("a")) && closed.remove(Success(true)));
    assert!(metric(&registry, REQUESTS).is_none() && metric(&registry, name).is_none());

    clock.advance(Duration::from_secs(60));
    open.with(Tenant("a")).increment();
    closed.with(Success(true)).increment();
    for (name, before) in [REQUESTS, name].into_iter().zip(before) {
        let points = points(&registry, name);
        assert_eq!(points.len(), 1);
        assert_eq!(points[0].value, Value::U64(1));
        assert!(points[0].start > before, "{:?} is not after {before:?}", points[0].start);
        assert!(points[0].start <= clock.now());
    }
    Ok(())
}

#[test]
fn a_new_start_is_later_even_when_the_clock_stands_still() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Tenant<'static>, u64>("requests").build()?;
    requests.with(Tenant("a")).add(5);
    let before = points(&registry, REQUESTS)[0].start;
    requests.remove(Tenant("a"));
    requests.with(Tenant("a")).add(7);
    let after = &points(&registry, REQUESTS)[0];
    assert!(after.start > before, "a target cannot tell 7 from 5 and 2 more");
    Ok(())
}

#[test]
fn recorded_with_a_kept_handle_it_is_back_with_what_was_recorded() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let counters = meter.counter_group::<Tenant<'static>, u64>("requests").build()?;
    let gauges = meter.gauge_group::<Tenant<'static>, i64>("gauges").build()?;
    let sizes = meter.histogram_group::<Success, f64>("sizes").buckets([1.0]).build()?;
    let counter = counters.with(Tenant("a")).clone();
    let gauge = gauges.with(Tenant("a")).clone();
    let size = sizes.with(Success(true)).clone();
    counter.add(5);
    gauge.set(5);
    size.record(5.0);
    assert!(counters.remove(Tenant("a")));
    assert!(gauges.remove(Tenant("a")));
    assert!(sizes.remove(Success(true)));
    assert!(registry.read().is_empty());
    assert_eq!((counter.value(), gauge.value()), (0, 0));

    counter.add(3);
    gauge.add(4);
    size.record(0.5);
    for _ in 0..2 {
        assert_eq!(total(&registry, REQUESTS), 3.0);
        assert_eq!(total(&registry, "backstage.plugin.catalog.gauges"), 4.0);
        let (_, points) = histogram(&registry, "backstage.plugin.catalog.sizes");
        assert_eq!((points[0].count, points[0].sum), (1, 0.5));
        assert_eq!((points[0].min, points[0].max), (Some(0.5), Some(0.5)));
        assert_eq!(*points[0].buckets, [1, 0]);
    }
    assert_eq!(counters.with(Tenant("a")).value(), 3, "it is the same series");
    Ok(())
}

#[test]
fn a_gauge_that_returns_has_no_value_until_it_is_set() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let gauges = meter.gauge_group::<Tenant<'static>, i64>("gauges").build()?;
    gauges.with(Tenant("a")).set(100);
    gauges.remove(Tenant("a"));
    let gauge = gauges.with(Tenant("a"));
    assert!(registry.read().is_empty());
    gauge.set_max(3);
    assert_eq!(gauge.value(), 3, "the earlier maximum is forgotten");
    gauges.remove(Tenant("a"));
    gauge.sub(2);
    assert_eq!(gauge.value(), -2, "from zero");
    gauges.clear();
    gauge.set(i64::MIN);
    gauge.set_max(i64::MIN);
    assert_eq!(total(&registry, "backstage.plugin.catalog.gauges"), i64::MIN as f64);
    Ok(())
}

#[test]
fn clear_removes_everything_including_the_overflow_series() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Id, u64>("requests").cardinality_limit(3).build()?;
    let kept = requests.with(Id(1)).clone();
    let all: Vec<_> = (0..5).map(|id| requests.with(Id(id)).clone()).collect();
    let overflow = &all[4];
    overflow.add(9);
    assert_eq!(live(&registry, REQUESTS), 3);
    requests.clear();
    assert!(metric(&registry, REQUESTS).is_none());
    assert_eq!(usage(&registry, REQUESTS), Some(0.0));

    kept.add(2);
    overflow.add(4);
    let expected = [("id=1".to_owned(), 2.0), (OVERFLOW.to_owned(), 4.0)];
    assert_eq!(series(&registry, REQUESTS), expected);
    assert_eq!(series(&registry, REQUESTS), expected);
    Ok(())
}

#[test]
fn clear_of_a_closed_set_removes_all_series() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let lights = meter.counter_group::<Light, u64>("requests").zero_initialized().build()?;
    lights.clear();
    assert!(metric(&registry, REQUESTS).is_none());
    lights.with(Light::all()[9]).increment();
    assert_eq!(series(&registry, REQUESTS), [(Light::all()[9].text(), 1.0)]);
    Ok(())
}

#[test]
fn zero_initialized_histograms_return_without_values() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let sizes = meter.histogram_group::<Success, f64>("sizes").zero_initialized().build()?;
    sizes.with(Success(true)).record(3.0);
    assert!(sizes.remove(Success(true)));
    let (_, points) = histogram(&registry, "backstage.plugin.catalog.sizes");
    assert_eq!(points.len(), 1);
    let _looked_up = sizes.with(Success(true));
    let (_, points) = histogram(&registry, "backstage.plugin.catalog.sizes");
    assert_eq!(
        points.iter().map(|point| (point.count, point.max)).collect::<Vec<_>>(),
        [(0, None), (0, None)]
    );
    Ok(())
}

#[test]
fn the_only_series_of_an_instrument_without_label_keys_cannot_be_removed()
-> Result<(), InstrumentError> {
    use meterkit_core::{LabelKey, LabelVisitor, Labels};
    struct None;
    impl Labels for None {
        type Set = Self;
        const KEYS: &'static [LabelKey] = &[];
        fn visit(&self, _: &mut impl LabelVisitor) {}
    }
    let (_, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<None, u64>("requests").build()?;
    requests.with(None).add(2);
    assert!(!requests.remove(None));
    requests.clear();
    assert_eq!(total(&registry, REQUESTS), 2.0);
    Ok(())
}

#[test]
fn ten_thousand_label_sets_one_after_the_other_never_overflow() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Id, u64>("requests").cardinality_limit(10).build()?;
    for id in 0..10_000 {
        requests.with(Id(id)).increment();
        if id % 7 == 0 {
            assert_eq!(series(&registry, REQUESTS), [(format!("id={id}"), 1.0)]);
        }
        clock.advance(Duration::from_millis(1));
        assert!(requests.remove(Id(id)), "id {id}");
    }
    assert!(metric(&registry, REQUESTS).is_none());
    assert_eq!(usage(&registry, REQUESTS), Some(0.0));
    assert!(metric(&registry, "meterkit.overflow").is_none(), "nothing overflowed");
    Ok(())
}

#[test]
fn after_many_removals_the_limit_is_unchanged() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Id, u64>("requests").cardinality_limit(10).build()?;
    for id in 0..500 {
        requests.with(Id(id)).increment();
        assert!(requests.remove(Id(id)));
        let _ = registry.read();
    }
    for id in 1000..1025 {
        requests.with(Id(id)).increment();
    }
    assert_eq!(live(&registry, REQUESTS), 10);
    assert_eq!(usage(&registry, REQUESTS), Some(10.0));
    assert_eq!(total(&registry, REQUESTS), 25.0);
    requests.clear();
    let _ = registry.read();
    for id in 0..25 {
        requests.with(Id(id)).increment();
    }
    assert_eq!(live(&registry, REQUESTS), 10, "series that return count, too");
    assert_eq!(total(&registry, REQUESTS), 25.0);
    Ok(())
}

#[test]
fn several_series_at_a_time_come_and_go_within_the_limit() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let requests = meter.gauge_group::<Id, u64>("requests").cardinality_limit(10).build()?;
    for id in 0..3000_u64 {
        requests.with(Id(id)).set(id);
        if let Some(oldest) = id.checked_sub(9) {
            let ids: Vec<f64> = series(&registry, REQUESTS).iter().map(|(_, id)| *id).collect();
            let expected: Vec<f64> = (oldest..=id).map(|id| id as f64).collect();
            assert_eq!(ids, expected, "all ten, in order");
            assert!(requests.remove(Id(oldest)));
        }
    }
    Ok(())
}

#[test]
fn entries_that_are_held_across_removals_stay_valid() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Id, u64>("requests").cardinality_limit(2).build()?;
    // The first two series stay in the table; the others are temporary.
    let held: Vec<_> = (0..40)
        .map(|id| {
            let entry = requests.with(Id(id));
            entry.increment();
            assert!(requests.remove(Id(id)));
            let _ = registry.read();
            entry
        })
        .collect();
    let cloned: Vec<_> = held.iter().map(|entry| (**entry).clone()).collect();
    assert!(metric(&registry, REQUESTS).is_none());
    for (id, entry) in held.iter().enumerate() {
        assert_eq!(entry.value(), 0);
        entry.add(id as u64 + 1);
    }
    let expected: f64 = (1..=40).sum::<u64>() as f64;
    assert_eq!(total(&registry, REQUESTS), expected);
    drop(held);
    requests.clear();
    let _ = registry.read();
    for (id, handle) in cloned.iter().enumerate() {
        handle.add(id as u64 + 1);
    }
    drop(cloned);
    for _ in 0..2 {
        assert_eq!(total(&registry, REQUESTS), expected, "although no entry is held any more");
    }
    assert_eq!(requests.with(Id(39)).value(), 40, "the series is found again");
    Ok(())
}

#[test]
fn a_held_entry_blocks_nobody() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Id, u64>("requests").cardinality_limit(2).build()?;
    let sizes = meter.histogram_group::<Id, u64>("sizes").cardinality_limit(2).build()?;
    let mut entries = Vec::new();
    for id in 0..4 {
        // Series in the table, series after it, and the overflow series.
        entries.push((requests.with(Id(id)), sizes.with(Id(id))));
        requests.remove(Id(id));
    }
    let _timer = sizes.start_timer();
    let _running = sizes.with(Id(0)).start_timer();
    let use_all = |offset: u64| {
        for id in offset..offset + 10 {
            requests.with(Id(id)).increment();
            sizes.with(Id(id)).record(id);
            requests.remove(Id(id));
            let _ = registry.read();
            registry.refresh();
        }
        requests.clear();
        sizes.clear();
        let _ = registry.set_attributes([("tier".into(), "gold".into())]);
        registry.scoped("plugin", "other").unload()
    };
    assert!(!use_all(0), "on this thread");
    let elsewhere = thread::scope(|scope| {
        let threads: Vec<_> = (0..2).map(|at| scope.spawn(move || use_all(at * 5))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<Vec<_>>()
    });
    assert_eq!(elsewhere, [false, false]);
    for (counter, size) in &entries {
        counter.increment();
        size.record(1);
    }
    assert_eq!(total(&registry, REQUESTS), 4.0);
    Ok(())
}

#[test]
fn values_recorded_after_a_removal_are_kept_while_threads_record() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 20_000;
    let (_, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Id, u64>("requests").cardinality_limit(4).build();
    let requests = requests.expect("a good name");
    let is_done = AtomicBool::new(false);
    let start = Barrier::new(THREADS as usize + 1);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (requests, start) = (&requests, &start);
                scope.spawn(move || {
                    let kept = requests.with(Id(thread)).clone();
                    start.wait();
                    for round in 0..ROUNDS {
                        kept.increment();
                        requests.with(Id((thread + round) % 8)).increment();
                    }
                })
            })
            .collect();
        scope.spawn(|| {
            start.wait();
            let mut round = 0;
            while !is_done.load(SeqCst) {
                requests.remove(Id(round % 8));
                let most = total(&registry, REQUESTS);
                assert!(most <= (2 * THREADS * ROUNDS) as f64, "{most} is more than was recorded");
                round += 1;
            }
        });
        for writer in writers {
            writer.join().expect("no writer panics");
        }
        is_done.store(true, SeqCst);
    });
    requests.clear();
    let _ = registry.read();
    assert!(metric(&registry, REQUESTS).is_none());
    for id in 0..8 {
        requests.with(Id(id)).increment();
    }
    assert_eq!(live(&registry, REQUESTS), 4);
    assert_eq!(total(&registry, REQUESTS), 8.0);
    assert_eq!(usage(&registry, REQUESTS), Some(4.0));
}
