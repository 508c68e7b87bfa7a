//! Threads that record at the same time.

use std::sync::Barrier;
use std::thread;

use meterkit_core::Registry;
use meterkit_fakes::readings::{histogram, live, series, total};
use meterkit_metrics::MetricsRecorder;
use metrics::{counter, gauge, with_local_recorder};

const THREADS: u64 = 8;
const ROUNDS: u64 = 2_000;

/// Runs `work` on several threads at once, each with its number.
fn on_threads(registry: &Registry, work: impl Fn(u64) + Sync) {
    let recorder = &MetricsRecorder::new(registry);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let work = &work;
            scope.spawn(move || with_local_recorder(recorder, || work(number)));
        }
    });
}

#[test]
fn threads_lose_nothing_and_share_each_series() {
    let registry = Registry::new();
    on_threads(&registry, |number| {
        let (kept, open) = (counter!("kept"), gauge!("open"));
        for round in 0..ROUNDS {
            kept.increment(1);
            // More label sets than a thread caches.
            counter!("looked.up", "id" => (round % 700).to_string()).increment(2);
            open.increment(number as f64);
            open.decrement(number as f64);
            metrics::histogram!("took").record(1.0);
        }
    });
    let all = (THREADS * ROUNDS) as f64;
    assert_eq!(series(&registry, "kept"), [(String::new(), all)]);
    assert_eq!((total(&registry, "looked.up"), total(&registry, "open")), (2.0 * all, 0.0));
    assert_eq!(series(&registry, "looked.up").len(), 700);
    assert_eq!(histogram(&registry, "took").1[0].count, THREADS * ROUNDS);
}

#[test]
fn threads_that_raise_a_counter_to_one_total_count_it_once() {
    let registry = Registry::new();
    on_threads(&registry, |number| {
        let kept = counter!("raised");
        for round in 1..=ROUNDS {
            // All threads raise the counter to the same totals, some of them later than others.
            kept.absolute(round * 3);
            counter!("raised").absolute((round * 3).saturating_sub(number));
            counter!("raised", "side" => "other").absolute(round);
        }
    });
    let expected = [("", (3 * ROUNDS) as f64), ("side=other", ROUNDS as f64)];
    assert_eq!(series(&registry, "raised"), expected.map(|(labels, it)| (labels.to_owned(), it)));
}

#[test]
fn threads_that_raise_a_counter_to_different_totals_raise_it_to_the_highest() {
    let registry = Registry::new();
    let barrier = Barrier::new(THREADS as usize);
    on_threads(&registry, |number| {
        for round in 0..ROUNDS {
            let raised = counter!("raised", "round" => (round / 2).to_string());
            barrier.wait();
            raised.absolute(10 + number + round % 2 * THREADS);
        }
    });
    let values = series(&registry, "raised").into_iter().map(|(_, value)| value);
    let expected = (10 + 2 * THREADS - 1) as f64;
    assert!(values.clone().all(|value| value == expected), "{:?}", values.collect::<Vec<_>>());
    assert_eq!(live(&registry, "raised"), ROUNDS as usize / 2);
}

#[test]
fn names_that_threads_register_at_once_are_one_metric_each() {
    let registry = Registry::new();
    on_threads(&registry, |number| {
        for name in 0..200 {
            let name = format!("name{name}");
            metrics::describe_counter!(name.clone(), metrics::Unit::Bytes, "Read.");
            match number % 2 {
                0 => counter!(target: "even::half", name).increment(1),
                _ => counter!(target: "odd::half", name).increment(1),
            }
        }
    });
    let metrics = registry.read().into_iter().flat_map(|scope| scope.metrics);
    let metrics: Vec<_> =
        metrics.filter(|metric| metric.descriptor.name.starts_with("name")).collect();
    assert_eq!(metrics.len(), 200);
    assert!(metrics.iter().all(|metric| metric.descriptor.unit == "By"));
    assert!((0..200).all(|name| total(&registry, &format!("name{name}")) == THREADS as f64));
}
