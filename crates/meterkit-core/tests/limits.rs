//! Limits on series, per instrument and per process. Everything beyond a limit goes to one marked series.

use std::sync::Barrier;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use meterkit_core::{InstrumentError, ManualClock, Registry};
use meterkit_fakes::catalog;
use meterkit_fakes::label_sets::{Id, Light, Success};
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::{OVERFLOW, live, metric, series, total};

const THREADS: u64 = 8;

fn name(metric: &str) -> String {
    format!("backstage.plugin.catalog.{metric}")
}

/// Returns the value of a metric of the store about an instrument, given by its short name.
fn told(registry: &Registry, metric: &str, instrument: &str) -> Option<f64> {
    registry.refresh();
    let series = series(registry, metric);
    let is_it =
        |(labels, _): &&(String, f64)| *labels == format!("instrument={}", name(instrument));
    series.iter().find(is_it).map(|(_, value)| *value)
}

#[test]
fn threads_that_race_for_the_last_places_never_make_one_too_many() {
    for round in 0..40 {
        let (registry, meter) = catalog();
        let open = meter.counter_group::<Id, u64>("open").cardinality_limit(5).build();
        let closed = meter.counter_group::<Light, u64>("closed").cardinality_limit(5).build();
        let (open, closed) = (open.expect("a good name"), closed.expect("a good name"));
        let start = Barrier::new(THREADS as usize);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (open, closed, start) = (&open, &closed, &start);
                scope.spawn(move || {
                    start.wait();
                    for id in 0..20 {
                        open.with(Id((thread * 7 + id + round) % 20)).increment();
                        let at = (thread * 5 + id + round) as usize % Light::SETS;
                        closed.with(Light::all()[at]).increment();
                    }
                });
            }
        });
        for group in ["open", "closed"] {
            assert_eq!(live(&registry, &name(group)), 5, "{group}");
            assert_eq!(total(&registry, &name(group)), (THREADS * 20) as f64, "{group}");
            assert_eq!(told(&registry, "meterkit.series", group), Some(5.0), "{group}");
        }
    }
}

#[test]
fn threads_that_remove_and_look_up_again_stay_within_the_limit() {
    const LIMIT: usize = 3;
    let (registry, meter) = catalog();
    let group = meter.counter_group::<Id, u64>("requests").cardinality_limit(LIMIT).build();
    let group = group.expect("a good name");
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (group, registry, start) = (&group, &registry, &start);
            scope.spawn(move || {
                start.wait();
                for round in 0..2_000 {
                    group.with(Id((thread + round) % 12)).increment();
                    if round % 3 == 0 {
                        group.remove(Id((thread * 5 + round) % 12));
                    }
                    if round % 16 == thread {
                        let _ = registry.read();
                    }
                }
            });
        }
    });
    // Recording in a series while it was being removed may have brought the series back despite the limit. All threads
    // are done now.
    group.clear();
    let _ = registry.read();
    for id in 0..12 {
        group.with(Id(id)).increment();
    }
    assert_eq!(live(&registry, &name("requests")), LIMIT);
    assert_eq!(told(&registry, "meterkit.series", "requests"), Some(LIMIT as f64));
    assert_eq!(total(&registry, &name("requests")), 12.0);
}

#[test]
fn looking_up_and_removing_while_others_read_leaks_no_room() {
    const ROUNDS: u64 = 30_000;
    let (registry, meter) = catalog();
    let group = meter.gauge_group::<Id, i64>("requests").cardinality_limit(4).build();
    let group = group.expect("a good name");
    // These series take the only permanent places, so all later series are temporary.
    (0..4).for_each(|id| drop((group.with(Id(id)), group.remove(Id(id)))));
    let running = AtomicUsize::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for round in 0..ROUNDS {
                    let _looked_up = group.with(Id(10 + round % 2));
                    group.remove(Id(10 + round / 2 % 2));
                }
                running.fetch_sub(1, SeqCst);
            });
        }
        scope.spawn(|| {
            while running.load(SeqCst) > 0 {
                let _ = registry.read();
            }
        });
    });
    group.clear();
    let _ = registry.read();
    assert_eq!(told(&registry, "meterkit.series", "requests"), Some(0.0));
    assert_eq!(
        told(&registry, "meterkit.overflow", "requests"),
        None,
        "the limit was never reached"
    );
}

#[test]
fn a_removed_series_comes_back_only_where_there_is_room() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let group = meter.counter_group::<Id, u64>("requests").cardinality_limit(2).build()?;
    for id in [1, 2] {
        group.with(Id(id)).increment();
    }
    assert!(group.remove(Id(1)));
    group.with(Id(3)).increment();
    group.with(Id(1)).increment();
    let expected = [("id=2".to_owned(), 1.0), ("id=3".to_owned(), 1.0), (OVERFLOW.to_owned(), 1.0)];
    assert_eq!(series(&registry, &name("requests")), expected);
    assert!(group.remove(Id(2)));
    group.with(Id(1)).increment();
    let expected = [("id=1".to_owned(), 1.0), ("id=3".to_owned(), 1.0), (OVERFLOW.to_owned(), 1.0)];
    assert_eq!(series(&registry, &name("requests")), expected);
    Ok(())
}

#[test]
fn the_limit_of_the_process_holds_for_all_groups_together() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    registry.set_series_limit(7);
    let one = meter.counter_group::<Id, u64>("one").build()?;
    let two = meter.counter_group::<Light, u64>("two").build()?;
    let three = meter.counter_group::<Id, u64>("three").build()?;
    for id in 0..4 {
        one.with(Id(id)).increment();
        two.with(Light::all()[id as usize]).increment();
        three.with(Id(id)).increment();
    }
    let names = ["one", "two", "three"].map(name);
    assert_eq!(names.iter().map(|name| live(&registry, name)).sum::<usize>(), 7);
    assert_eq!(names.iter().map(|name| total(&registry, name)).collect::<Vec<_>>(), [4.0; 3]);

    // Room that one group releases is available to the other.
    assert!(one.remove(Id(0)));
    three.with(Id(90)).increment();
    three.with(Id(91)).increment();
    assert_eq!(names.iter().map(|name| live(&registry, name)).sum::<usize>(), 7);
    assert!(series(&registry, &names[2]).contains(&("id=90".to_owned(), 1.0)));
    one.with(Id(0)).increment();
    assert_eq!(
        names.iter().map(|name| live(&registry, name)).sum::<usize>(),
        7,
        "no room for the series"
    );
    two.clear();
    one.with(Id(0)).increment();
    assert!(series(&registry, &names[0]).contains(&("id=0".to_owned(), 1.0)));
    registry.set_series_limit(1000);
    three.with(Id(92)).increment();
    assert!(series(&registry, &names[2]).contains(&("id=92".to_owned(), 1.0)));
    Ok(())
}

#[test]
fn threads_that_race_for_the_last_places_of_the_process_never_make_one_too_many() {
    for _ in 0..40 {
        let (registry, meter) = catalog();
        registry.set_series_limit(10);
        let groups: Vec<_> = (0..THREADS)
            .map(|at| meter.counter_group::<Id, u64>(format!("group_{at}")).build())
            .collect::<Result<_, _>>()
            .expect("good names");
        let start = Barrier::new(THREADS as usize);
        thread::scope(|scope| {
            for group in &groups {
                scope.spawn(|| {
                    start.wait();
                    (0..10).for_each(|id| group.with(Id(id)).increment());
                });
            }
        });
        let names: Vec<_> = (0..THREADS).map(|at| name(&format!("group_{at}"))).collect();
        assert_eq!(names.iter().map(|name| live(&registry, name)).sum::<usize>(), 10);
        assert!(names.iter().all(|name| total(&registry, name) == 10.0));
    }
}

#[test]
fn unloaded_scopes_and_idle_series_release_their_room() -> Result<(), InstrumentError> {
    let clock = ManualClock::new();
    let registry = Registry::with_clock(&clock);
    registry.set_series_limit(3);
    let other = registry.scoped("plugin", "other");
    for _ in 0..5 {
        let unloaded = other.counter_group::<Id, u64>("requests").build()?;
        for id in 0..4 {
            unloaded.with(Id(id)).increment();
        }
        assert_eq!(live(&registry, "backstage.plugin.other.requests"), 3);
        assert!(other.clone().unload());
    }
    let meter = registry.scoped("plugin", "catalog");
    let timeout = Duration::from_secs(1);
    let idle = meter.counter_group::<Id, u64>("idle").idle_timeout(timeout).build()?;
    for round in 0..5 {
        for id in 0..4 {
            idle.with(Id(round * 10 + id)).increment();
        }
        assert_eq!(live(&registry, &name("idle")), 3);
        clock.advance(timeout);
        assert_eq!(live(&registry, &name("idle")), 0);
    }
    let groups: Vec<_> = (0..3)
        .map(|at| meter.counter_group::<Success, u64>(format!("group_{at}")).build())
        .collect::<Result<_, _>>()?;
    groups.iter().for_each(|group| group.with(Success(true)).increment());
    for at in 0..3 {
        let all = series(&registry, &name(&format!("group_{at}")));
        assert_eq!(all, [("success=true".to_owned(), 1.0)]);
    }
    Ok(())
}

#[test]
fn the_store_tells_how_many_series_there_are_and_what_went_elsewhere() -> Result<(), InstrumentError>
{
    let (registry, meter) = catalog();
    let full = meter.counter_group::<Id, u64>("full").cardinality_limit(2).build()?;
    let fine = meter.counter_group::<Success, u64>("fine").build()?;
    let _plain = meter.counter::<u64>("plain").build()?;
    for id in 0..6 {
        full.with(Id(id)).increment();
    }
    fine.with(Success(true)).increment();
    assert!(metric(&registry, "meterkit.series").is_none(), "not before a refresh");
    assert_eq!(told(&registry, "meterkit.series", "full"), Some(2.0));
    assert_eq!(told(&registry, "meterkit.series", "fine"), Some(1.0));
    assert_eq!(told(&registry, "meterkit.series", "plain"), None, "it has no labels");
    assert_eq!(told(&registry, "meterkit.overflow", "full"), Some(4.0));
    assert_eq!(told(&registry, "meterkit.overflow", "fine"), None);
    full.with(Id(5)).increment();
    full.remove(Id(0));
    assert_eq!(told(&registry, "meterkit.overflow", "full"), Some(5.0));
    assert_eq!(told(&registry, "meterkit.series", "full"), Some(1.0));
    let all = series(&registry, "meterkit.series");
    assert!(all.iter().all(|(labels, _)| !labels.contains("meterkit.")), "not of itself: {all:?}");
    Ok(())
}

#[test]
fn the_store_reports_when_the_process_limit_is_reached() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    registry.set_series_limit(2);
    let one = meter.counter_group::<Id, u64>("one").build()?;
    let two = meter.counter_group::<Id, u64>("two").build()?;
    for id in 0..6 {
        one.with(Id(id)).increment();
        two.with(Id(id)).increment();
    }
    meter.counter::<f64>("plain").build()?.add(f64::NAN);
    for _ in 0..2 {
        assert_eq!(told(&registry, "meterkit.series", "one"), Some(1.0));
        assert_eq!(told(&registry, "meterkit.series", "two"), Some(1.0));
        assert_eq!(told(&registry, "meterkit.overflow", "one"), Some(5.0));
        assert_eq!(told(&registry, "meterkit.overflow", "two"), Some(5.0));
    }
    let dropped = [("reason=not_finite".to_owned(), 1.0)];
    assert_eq!(series(&registry, "meterkit.dropped"), dropped);
    Ok(())
}

#[test]
fn store_metrics_about_an_unloaded_scope_are_removed_with_it() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let other = registry.scoped("plugin", "other");
    let kept = meter.counter_group::<Id, u64>("requests").cardinality_limit(1).build()?;
    let unloaded = other.counter_group::<Id, u64>("requests").cardinality_limit(1).build()?;
    for id in 0..3 {
        kept.with(Id(id)).increment();
        unloaded.with(Id(id)).increment();
    }
    registry.refresh();
    for metric in ["meterkit.series", "meterkit.overflow"] {
        assert_eq!(series(&registry, metric).len(), 2, "{metric}");
    }
    assert!(other.unload());
    for _ in 0..2 {
        for metric in ["meterkit.series", "meterkit.overflow"] {
            let all = series(&registry, metric);
            assert_eq!(all.len(), 1, "{metric}");
            assert_eq!(all[0].0, format!("instrument={}", name("requests")));
        }
        registry.refresh();
    }
    Ok(())
}

#[test]
fn two_instruments_with_one_name_are_reported_together() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    for (version, sets) in [("1", 5), ("2", 3)] {
        let meter = registry.scoped("plugin", "catalog").version(version);
        let group = meter.counter_group::<Id, u64>("requests").cardinality_limit(2).build()?;
        (0..sets).for_each(|id| group.with(Id(id)).increment());
    }
    for _ in 0..3 {
        assert_eq!(told(&registry, "meterkit.series", "requests"), Some(4.0));
        assert_eq!(told(&registry, "meterkit.overflow", "requests"), Some(4.0));
    }
    Ok(())
}

#[test]
fn a_full_group_warns_once_and_names_the_label_to_blame() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let group = meter.counter_group::<Id, u64>("requests").cardinality_limit(3).build()?;
    let ((), lines) = log_lines::of(|| {
        for round in 0..3 {
            for id in 0..9 {
                group.with(Id(id)).increment();
            }
            if round == 1 {
                group.clear();
            }
        }
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    for part in ["WARN", "cardinality limit", &name("requests"), "limit=3", "label=id", "values=3"]
    {
        assert!(lines[0].contains(part), "`{part}` in {lines:?}");
    }
    Ok(())
}

#[test]
fn a_full_process_warns_once_per_group() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    registry.set_series_limit(3);
    let groups = [
        meter.counter_group::<Id, u64>("one").build()?,
        meter.counter_group::<Id, u64>("two").build()?,
    ];
    let ((), lines) = log_lines::of(|| {
        for id in 0..9 {
            groups.iter().for_each(|group| group.with(Id(id)).increment());
        }
    });
    assert_eq!(lines.len(), 2, "{lines:?}");
    for line in &lines {
        assert!(line.contains("METERKIT_SERIES_LIMIT") && line.contains("limit=3"), "{line}");
    }
    Ok(())
}

#[test]
fn a_limit_of_zero_is_an_error() {
    let (registry, meter) = catalog();
    let none = meter.counter_group::<Id, u64>("requests").cardinality_limit(0).build();
    let text = none.expect_err("no series at all").to_string();
    assert!(text.contains("`requests`") && text.contains("at least 1"), "{text}");
    registry.set_series_limit(0);
    let group = meter.counter_group::<Id, u64>("requests").build().expect("a good name");
    group.with(Id(1)).increment();
    assert_eq!(total(&registry, &name("requests")), 1.0);
}

#[test]
fn a_group_that_starts_with_fewer_series_than_sets_logs_a_warning() {
    let registry = Registry::new();
    registry.set_cardinality_limit(3);
    let meter = registry.scoped("plugin", "catalog");
    let (built, lines) = log_lines::of(|| {
        meter.counter_group::<Light, u64>("lights").zero_initialized().build().map(drop)
    });
    assert_eq!(built, Ok(()));
    let [line] = &*lines else { panic!("{lines:?}") };
    for part in ["WARN", "fewer series", "lights", "limit=3", "sets=18", "METERKIT_CARDINALITY"] {
        assert!(line.contains(part), "{line}");
    }
}
