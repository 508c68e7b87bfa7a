//! Threads that record through OpenTelemetry's API while the facade declares the same instrument.

use std::sync::{Barrier, Mutex};
use std::thread;

use meterkit_core::{InstrumentError, Meter, Registry};
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::readings::{Rise, series, total};
use meterkit_otel::MeterProvider;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, MeterProvider as _};

const THINGS: &str = "backstage.plugin.own.things";

/// Creates a registry, and a facade meter and an OpenTelemetry counter of the same scope.
fn own() -> (Registry, Meter, Counter<u64>) {
    let registry = Registry::new();
    let ours = registry.scoped("plugin", "own");
    let theirs = MeterProvider::new(registry.clone()).meter("backstage.plugin.own");
    let counter = theirs.u64_counter("things").build();
    (registry, ours, counter)
}

#[test]
fn a_first_recording_and_a_declaration_at_once_make_one_series() {
    const ROUNDS: usize = 5000;
    let (begin, end) = (Barrier::new(2), Barrier::new(2));
    let round = Mutex::new(own());
    thread::scope(|scope| {
        scope.spawn(|| {
            for at in 0..ROUNDS {
                let counter = round.lock().unwrap().2.clone();
                begin.wait();
                // Start a little later each time, because the declaration takes a while.
                (0..at % 1000).for_each(|_| std::hint::spin_loop());
                counter.add(1, &[KeyValue::new("id", 1)]);
                end.wait();
                end.wait();
            }
        });
        let mut duplicates = 0;
        for _ in 0..ROUNDS {
            let (registry, ours, _) = round.lock().unwrap().clone();
            begin.wait();
            let made = ours.counter_group::<Id, u64>("things").build();
            made.iter().for_each(|group| group.with(Id(1)).add(10));
            end.wait();
            duplicates += usize::from(series(&registry, THINGS) != [("id=1".to_owned(), 11.0)]);
            *round.lock().unwrap() = own();
            end.wait();
        }
        assert_eq!(duplicates, 0, "of {ROUNDS}");
    });
}

#[test]
fn eight_threads_lose_nothing_while_the_facade_declares_the_labels() -> Result<(), InstrumentError>
{
    const THREADS: u64 = 8;
    const ROUNDS: u64 = 200;
    for _ in 0..20 {
        let (registry, ours, counter) = own();
        let begin = Barrier::new(THREADS as usize + 2);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    begin.wait();
                    for round in 0..ROUNDS {
                        counter.add(1, &[KeyValue::new("id", (round % 16) as i64)]);
                        counter.add(1, &[KeyValue::new("other", (round % 3) as i64)]);
                    }
                });
            }
            let declaring = scope.spawn(|| {
                begin.wait();
                let group = ours.counter_group::<Id, u64>("things").build()?;
                (0..ROUNDS).for_each(|round| group.with(Id(round % 16)).add(1));
                Ok::<_, InstrumentError>(())
            });
            begin.wait();
            // As for a delta reader: no series may appear twice, fall, or restart.
            let mut rise = Rise::default();
            while !declaring.is_finished() {
                rise.read(&registry, THINGS);
            }
            declaring.join().expect("no panic")?;
            assert_eq!(rise.restarts, 0);
            Ok::<_, InstrumentError>(())
        })?;
        let all = series(&registry, THINGS);
        assert_eq!(all.len(), 16 + 3, "{all:?}");
        assert_eq!(total(&registry, THINGS), (2 * THREADS * ROUNDS + ROUNDS) as f64);
    }
    Ok(())
}
