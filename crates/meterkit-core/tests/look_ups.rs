//! Looking up an existing series: without a lock, and without hashing if the series has an index.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;

use meterkit_core::{Counter, CounterGroup, InstrumentError, LabelKey, LabelVisitor, Labels};
use meterkit_fakes::catalog;
use meterkit_fakes::gate::in_time;
use meterkit_fakes::label_sets::{Id, Light};
use meterkit_fakes::readings::total;

const REQUESTS: &str = "backstage.plugin.catalog.requests";

/// Labels that count their visits, and call `work` at one of them.
struct Watched<L, F> {
    labels: L,
    visits: AtomicUsize,
    at: usize,
    work: F,
}

impl<L: Labels, F: Fn()> Labels for Watched<L, F> {
    type Set = L::Set;
    const KEYS: &'static [LabelKey] = L::KEYS;

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        if self.visits.fetch_add(1, SeqCst) == self.at {
            (self.work)();
        }
        self.labels.visit(visitor);
    }

    fn index(&self) -> Option<usize> {
        self.labels.index()
    }
}

fn watched<L: Labels, F: Fn()>(labels: L, at: usize, work: F) -> Watched<L, F> {
    Watched { labels, visits: AtomicUsize::new(0), at, work }
}

#[test]
fn a_look_up_that_is_held_up_holds_up_nobody() {
    // If a look-up held a lock while it hashes or compares labels, this would deadlock.
    let visits = in_time(|| {
        let (registry, meter) = catalog();
        let requests: CounterGroup<Id> = meter.counter_group("requests").build().expect("a name");
        requests.with(Id(0)).increment();
        for at in 0.. {
            let others = || {
                let new = Id(at as u64 + 1);
                requests.with(Id(0)).increment();
                requests.with(new).increment();
                assert!(requests.remove(new));
                assert!(total(&registry, REQUESTS) >= 1.0);
            };
            let elsewhere = || {
                std::thread::scope(|scope| scope.spawn(others).join().expect("no panic"));
            };
            let held_up = watched(Id(0), at, elsewhere);
            requests.with(&held_up).increment();
            if held_up.visits.into_inner() <= at {
                return at;
            }
        }
        0
    });
    assert!(visits >= 2, "labels are hashed, and compared with those of the series");
}

#[test]
fn a_series_of_enums_and_booleans_is_found_without_its_values() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let lights = meter.counter_group::<Light, u64>("lights").build()?;
    let found: Vec<Counter> = Light::all().iter().map(|light| lights.with(light).clone()).collect();
    for (at, light) in Light::all().into_iter().enumerate() {
        let watched = watched(light, usize::MAX, || ());
        lights.with(&watched).add(at as u64);
        assert_eq!(watched.visits.into_inner(), 0, "{light:?}");
        assert_eq!(found[at].value(), at as u64, "{light:?}");
    }
    Ok(())
}
