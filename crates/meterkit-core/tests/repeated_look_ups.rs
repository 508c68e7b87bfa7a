//! Labels that a thread looks up again: the memory of the last look-up never decides which series they belong to.

use std::cell::RefCell;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use meterkit_core::{
    Counter, CounterGroup, InstrumentError, LabelKey, LabelValue, LabelVisitor, Labels,
};
use meterkit_fakes::catalog;
use meterkit_fakes::label_sets::{Id, Tenant};
use meterkit_fakes::readings::{OVERFLOW, series, total};
use opentelemetry::KeyValue;

const REQUESTS: &str = "backstage.plugin.catalog.requests";

fn expected<const N: usize>(counts: [(&str, f64); N]) -> Vec<(String, f64)> {
    counts.map(|(labels, count)| (labels.to_owned(), count)).into()
}

/// Overwrites a buffer in place, without moving it.
fn overwrite(buffer: &mut String, text: &str) {
    buffer.clear();
    buffer.push_str(text);
}

#[test]
fn a_series_that_a_thread_found_lately_is_found_without_hashing() {
    struct Counted<'a>(&'a str, &'a AtomicUsize);

    impl Labels for Counted<'_> {
        type Set = Tenant<'static>;
        const KEYS: &'static [LabelKey] = <Tenant<'_> as Labels>::KEYS;

        fn visit(&self, visitor: &mut impl LabelVisitor) {
            self.1.fetch_add(1, SeqCst);
            visitor.visit(self.0.label());
        }
    }

    let (_, meter) = catalog();
    let requests: CounterGroup<Tenant<'static>> =
        meter.counter_group("requests").build().expect("a name");
    let tenant = String::from("acme");
    requests.with(Tenant(&tenant)).increment();
    let visits = || {
        let visits = AtomicUsize::new(0);
        requests.with(Counted(&tenant, &visits)).increment();
        visits.into_inner()
    };
    let first = visits();
    assert!(
        (0..3).all(|_| visits() == 2),
        "one visit for the addresses, and one to compare the labels"
    );
    let elsewhere = thread::scope(|scope| scope.spawn(visits).join().expect("no panic"));
    assert_eq!(elsewhere, first, "each thread finds a series by its hash first");
    assert!(first > 2, "{first}");
}

#[test]
fn a_text_that_is_overwritten_in_place_is_another_label() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Tenant<'static>, u64>("requests").build()?;
    let mut buffer = String::with_capacity(100);
    let address = buffer.as_ptr();
    for _ in 0..3 {
        // Texts of equal and of different lengths; some have the same start or end.
        for tenant in ["a", "b", "north-europe", "north-africa", "south-europe", "north"] {
            overwrite(&mut buffer, tenant);
            requests.with(Tenant(&buffer)).increment();
            requests.with(Tenant(&buffer)).increment();
        }
    }
    assert_eq!(buffer.as_ptr(), address);
    let counts = [
        ("tenant=a", 6.0),
        ("tenant=b", 6.0),
        ("tenant=north", 6.0),
        ("tenant=north-africa", 6.0),
        ("tenant=north-europe", 6.0),
        ("tenant=south-europe", 6.0),
    ];
    assert_eq!(series(&registry, REQUESTS), expected(counts));
    Ok(())
}

#[test]
fn values_of_attributes_that_are_overwritten_in_place_are_others() {
    let (registry, meter) = catalog();
    let requests = meter.by_attributes::<Counter<u64>>("requests").register();
    let mut attributes = [KeyValue::new("method", "GET"), KeyValue::new("status", 200)];
    for _ in 0..3 {
        for (method, status) in [("GET", 200), ("PUT", 200), ("GET", 404)] {
            attributes[0].value = method.into();
            attributes[1].value = status.into();
            requests.with_attributes(&attributes).increment();
            requests.with_attributes(&attributes).increment();
        }
        // The same values at the same addresses, with other keys.
        attributes[0] = KeyValue::new("verb", "GET");
        requests.with_attributes(&attributes).increment();
        attributes[0] = KeyValue::new("method", "GET");
    }
    let counts = [
        ("method=GET,status=200", 6.0),
        ("method=GET,status=404", 6.0),
        ("method=PUT,status=200", 6.0),
        ("status=404,verb=GET", 3.0),
    ];
    assert_eq!(series(&registry, REQUESTS), expected(counts));
}

#[test]
fn groups_with_the_same_label_texts_have_separate_series() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let names: Vec<String> = (0..20).map(|at| format!("requests.{at}")).collect();
    let groups: Vec<CounterGroup<Tenant<'static>>> = names
        .iter()
        .map(|name| meter.counter_group(name.clone()).build())
        .collect::<Result<_, _>>()?;
    let tenants = ["acme", "initech", "umbrella"];
    for _ in 0..5 {
        for (at, group) in groups.iter().enumerate() {
            // Each group numbers the tenants in another order.
            for n in 0..tenants.len() {
                group.with(Tenant(tenants[(n + at) % tenants.len()])).add(at as u64);
            }
        }
    }
    for (at, name) in names.iter().enumerate() {
        let count = 5.0 * at as f64;
        let counts =
            [("tenant=acme", count), ("tenant=initech", count), ("tenant=umbrella", count)];
        let name = format!("backstage.plugin.catalog.{name}");
        assert_eq!(series(&registry, &name), expected(counts), "{name}");
    }
    Ok(())
}

#[test]
fn groups_whose_memory_was_reused_find_their_own_series() -> Result<(), InstrumentError> {
    for round in 0..200_u64 {
        let (registry, meter) = catalog();
        let requests = meter.counter_group::<Tenant<'static>, u64>("requests").build()?;
        let tenants = ["acme", "initech", "umbrella"];
        for n in 0..6 {
            requests.with(Tenant(tenants[(round as usize + n) % 3])).increment();
        }
        let counts = [("tenant=acme", 2.0), ("tenant=initech", 2.0), ("tenant=umbrella", 2.0)];
        assert_eq!(series(&registry, REQUESTS), expected(counts), "round {round}");
    }
    Ok(())
}

#[test]
fn more_label_sets_than_a_thread_remembers_are_counted_apart() -> Result<(), InstrumentError> {
    const SETS: usize = 5_000;
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Tenant<'static>, u64>("requests");
    let requests = requests.cardinality_limit(SETS).build()?;
    let tenants: Vec<String> = (0..SETS).map(|n| format!("tenant-{n}")).collect();
    for round in 1..=3_u64 {
        tenants.iter().for_each(|tenant| requests.with(Tenant(tenant)).add(round));
    }
    let counts = series(&registry, REQUESTS);
    assert_eq!(counts.len(), SETS);
    assert!(counts.iter().all(|(_, count)| *count == 6.0));
    Ok(())
}

#[test]
fn a_removed_series_returns_from_zero() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Tenant<'static>, u64>("requests").build()?;
    for round in 0..3 {
        for _ in 0..4 {
            requests.with(Tenant("acme")).increment();
        }
        assert_eq!(series(&registry, REQUESTS), expected([("tenant=acme", 4.0)]), "round {round}");
        assert!(requests.remove(Tenant("acme")));
        assert_eq!(series(&registry, REQUESTS), [], "round {round}");
    }
    Ok(())
}

#[test]
fn labels_past_the_limit_stay_in_the_overflow_series_until_there_is_room()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Id, u64>("requests").cardinality_limit(1).build()?;
    requests.with(Id(1)).increment();
    for _ in 0..3 {
        requests.with(Id(2)).increment();
    }
    assert_eq!(series(&registry, REQUESTS), expected([("id=1", 1.0), (OVERFLOW, 3.0)]));
    assert!(requests.remove(Id(1)));
    for _ in 0..3 {
        requests.with(Id(2)).increment();
        requests.with(Id(1)).increment();
    }
    assert_eq!(series(&registry, REQUESTS), expected([("id=2", 3.0), (OVERFLOW, 6.0)]));
    Ok(())
}

#[test]
fn a_capped_label_that_is_overwritten_in_place_becomes_other_when_it_is_one_too_many()
-> Result<(), InstrumentError> {
    struct Capped<'a>(&'a str);

    impl Labels for Capped<'_> {
        type Set = Capped<'static>;
        const KEYS: &'static [LabelKey] = &[LabelKey::new("tenant").max_values(2)];

        fn visit(&self, visitor: &mut impl LabelVisitor) {
            visitor.visit(self.0.label());
        }
    }

    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Capped<'static>, u64>("requests").build()?;
    let mut buffer = String::with_capacity(100);
    for _ in 0..3 {
        for tenant in ["one", "two", "six", "ten"] {
            overwrite(&mut buffer, tenant);
            requests.with(Capped(&buffer)).increment();
            requests.with(Capped(&buffer)).increment();
        }
    }
    let counts = [("tenant=one", 6.0), ("tenant=other", 12.0), ("tenant=two", 6.0)];
    assert_eq!(series(&registry, REQUESTS), expected(counts));
    Ok(())
}

#[test]
fn a_thread_that_ends_can_still_look_labels_up() -> Result<(), InstrumentError> {
    struct OnExit(CounterGroup<Tenant<'static>>);

    impl Drop for OnExit {
        fn drop(&mut self) {
            self.0.with(Tenant("acme")).increment();
            self.0.with(Tenant("late")).increment();
        }
    }

    thread_local! {
        static ON_EXIT: RefCell<Option<OnExit>> = const { RefCell::new(None) };
    }

    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Tenant<'static>, u64>("requests").build()?;
    for _ in 0..20 {
        let requests = requests.clone();
        let thread = thread::spawn(move || {
            ON_EXIT.set(Some(OnExit(requests.clone())));
            requests.with(Tenant("acme")).increment();
        });
        thread.join().expect("no panic");
    }
    assert_eq!(total(&registry, REQUESTS), 60.0);
    let counts = [("tenant=acme", 40.0), ("tenant=late", 20.0)];
    assert_eq!(series(&registry, REQUESTS), expected(counts));
    Ok(())
}
