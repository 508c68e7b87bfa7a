//! Cardinality limits apply to instruments that other libraries create through OpenTelemetry's API.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use meterkit_core::{ManualClock, Registry, StreamSettings};
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::{self, OVERFLOW, Rise, live, series, total};
use meterkit_otel::MeterProvider;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};

const CALLS: &str = "backstage.plugin.own.calls";

fn library() -> (Registry, Meter) {
    let registry = Registry::new();
    // A budget that no callback exceeds, however busy the machine is.
    registry.set_callback_budget(Duration::from_secs(60));
    let meter = MeterProvider::new(registry.clone()).meter("library");
    (registry, meter)
}

fn id(id: i64) -> [KeyValue; 1] {
    [KeyValue::new("id", id)]
}

/// Returns the value of a self-metric of the store for one instrument.
fn told(registry: &Registry, metric: &str, instrument: &str) -> Option<f64> {
    let told = series(registry, metric).into_iter();
    let labels = format!("instrument={instrument}");
    told.filter(|it| it.0 == labels).map(|(_, value)| value).next()
}

#[test]
fn series_beyond_the_limit_overflow_and_totals_stay_exact() {
    let (registry, meter) = library();
    registry.set_cardinality_limit(3);
    let calls = meter.u64_counter("calls").build();
    let sizes = meter.f64_histogram("sizes").build();
    let ((), lines) = log_lines::of(|| {
        for _ in 0..2 {
            for at in 0..10 {
                calls.add(1 << at, &id(at));
                sizes.record(1.0, &id(at));
            }
        }
    });
    let expected = [("id=0", 2.0), ("id=1", 4.0), ("id=2", 8.0), (OVERFLOW, 2.0 * (1023.0 - 7.0))];
    assert_eq!(series(&registry, "calls"), expected.map(|(labels, it)| (labels.to_owned(), it)));
    let (_, points) = readings::histogram(&registry, "sizes");
    assert_eq!(points.iter().map(|it| it.count).collect::<Vec<_>>(), [2, 2, 2, 14]);

    assert_eq!(lines.len(), 2, "one for each instrument: {lines:#?}");
    for (line, name) in lines.iter().zip(["calls", "sizes"]) {
        for part in ["WARN", "cardinality limit", name, "limit=3", "label=id", "values=3"] {
            assert!(line.contains(part), "`{part}` in {line}");
        }
    }
    registry.refresh();
    assert_eq!(told(&registry, "meterkit.series", "calls"), Some(3.0));
    assert_eq!(told(&registry, "meterkit.overflow", "calls"), Some(14.0));
    assert_eq!(registry.store_health().overflowing, ["calls", "sizes"]);
}

#[test]
fn observed_series_beyond_the_limit_overflow_and_totals_stay_exact() {
    let (registry, meter) = library();
    registry.set_cardinality_limit(3);
    let jobs = meter.u64_observable_counter("jobs").with_callback(|jobs| {
        (0..10).for_each(|at| jobs.observe(1 << at, &id(at)));
    });
    let _jobs = jobs.build();
    for _ in 0..2 {
        registry.refresh();
        assert_eq!(live(&registry, "jobs"), 3);
        assert_eq!(total(&registry, "jobs"), 1023.0);
        assert_eq!(told(&registry, "meterkit.series", "jobs"), Some(3.0));
    }
    assert_eq!(registry.store_health().overflowing, ["jobs"]);
}

#[test]
fn the_limit_of_the_process_counts_series_of_all_libraries() {
    let (registry, meter) = library();
    registry.set_series_limit(5);
    let (calls, sent) = (meter.u64_counter("calls").build(), meter.u64_counter("sent").build());
    for at in 0..4 {
        calls.add(1, &id(at));
        sent.add(1, &id(at));
    }
    assert_eq!(live(&registry, "calls") + live(&registry, "sent"), 5);
    assert_eq!((total(&registry, "calls"), total(&registry, "sent")), (4.0, 4.0));
}

#[test]
fn eight_threads_that_overflow_while_a_target_takes_deltas_lose_nothing() {
    const THREADS: i64 = 8;
    const ROUNDS: i64 = 3000;
    let (registry, meter) = library();
    registry.set_cardinality_limit(100);
    let calls = meter.u64_counter("calls").build();
    let begin = Barrier::new(THREADS as usize + 1);
    let mut rise = Rise::default();
    thread::scope(|scope| {
        let recording: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (calls, begin) = (&calls, &begin);
                scope.spawn(move || {
                    begin.wait();
                    for round in 0..ROUNDS {
                        // Each thread uses a different order.
                        calls.add(1, &id((round * (2 * thread + 1)) % 128));
                    }
                })
            })
            .collect();
        begin.wait();
        while recording.iter().any(|thread| !thread.is_finished()) {
            rise.read(&registry, "calls");
        }
    });
    rise.read(&registry, "calls");
    assert_eq!(live(&registry, "calls"), 100);
    assert_eq!(total(&registry, "calls"), (THREADS * ROUNDS) as f64);
    assert_eq!((rise.total, rise.restarts), ((THREADS * ROUNDS) as f64, 0));
}

#[test]
fn the_limit_that_the_facade_declares_applies_whichever_api_creates_the_instrument_first() {
    for facade_first in [false, true] {
        let (registry, _) = library();
        // The operator's default applies only to instruments that declare no limit.
        registry.set_streams(|stream| StreamSettings {
            cardinality_limit: (!stream.names_limit).then_some(5),
            ..StreamSettings::default()
        });
        let ours = registry.scoped("plugin", "own");
        let theirs = MeterProvider::new(registry.clone()).meter("backstage.plugin.own");
        let make = || {
            let own = ours.counter_group::<Id, u64>("calls").cardinality_limit(2);
            own.build().expect("a good name")
        };
        let early = facade_first.then(make);
        let calls = theirs.u64_counter("calls").build();
        let group = early.unwrap_or_else(make);
        for at in 0..10 {
            calls.add(1, &id(at));
            group.with(Id(at as u64)).add(1);
        }
        assert_eq!(live(&registry, CALLS), 2, "facade first: {facade_first}");
        assert_eq!(total(&registry, CALLS), 20.0);
    }
}

#[test]
fn the_idle_timeout_that_the_facade_declares_applies_whichever_api_creates_the_instrument_first() {
    const TIMEOUT: Duration = Duration::from_secs(10);
    for facade_first in [false, true] {
        let clock = ManualClock::new();
        let registry = Registry::with_clock(&clock);
        let ours = registry.scoped("plugin", "own");
        let theirs = MeterProvider::new(registry.clone()).meter("backstage.plugin.own");
        let make = || {
            let own = ours.counter_group::<Id, u64>("calls").idle_timeout(TIMEOUT);
            own.build().expect("a good name")
        };
        let early = facade_first.then(make);
        let calls = theirs.u64_counter("calls").build();
        calls.add(1, &id(1));
        calls.add(1, &[KeyValue::new("other", 1)]);
        let _group = early.unwrap_or_else(make);
        assert_eq!(live(&registry, CALLS), 2);
        clock.advance(TIMEOUT / 2);
        calls.add(1, &id(1));
        assert_eq!(live(&registry, CALLS), 2);
        clock.advance(TIMEOUT / 2);
        let left = [("id=1".to_owned(), 2.0)];
        assert_eq!(series(&registry, CALLS), left, "facade first: {facade_first}");
    }
}
