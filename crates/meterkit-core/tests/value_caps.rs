//! Labels that allow a limited number of distinct values: all further values become `other`.

use std::collections::HashSet;
use std::sync::Barrier;
use std::thread;

use meterkit_core::{InstrumentError, LabelKey, LabelRef, LabelValue, LabelVisitor, Labels};
use meterkit_fakes::catalog;
use meterkit_fakes::readings::{series, total};

const REQUESTS: &str = "backstage.plugin.catalog.requests";

/// Labels with up to three tenants and any number of shards.
struct Request<'a> {
    tenant: Option<&'a str>,
    shard: u64,
}

impl Labels for Request<'_> {
    type Set = Request<'static>;
    const KEYS: &'static [LabelKey] =
        &[LabelKey::of::<Option<&'static str>>("tenant").max_values(3), LabelKey::new("shard")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.tenant.label());
        visitor.visit(self.shard.label());
    }
}

struct Port(u16);

impl Labels for Port {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::of::<u16>("port").max_values(2)];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

#[test]
fn further_values_become_other_and_totals_stay_right() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Request<'static>, u64>("requests").build()?;
    for _ in 0..2 {
        for tenant in ["a", "b", "c", "d", "e"] {
            requests.with(Request { tenant: Some(tenant), shard: 1 }).increment();
        }
    }
    let expected = [
        ("shard=1,tenant=a", 2.0),
        ("shard=1,tenant=b", 2.0),
        ("shard=1,tenant=c", 2.0),
        ("shard=1,tenant=other", 4.0),
    ];
    assert_eq!(series(&registry, REQUESTS), expected.map(|(text, value)| (text.to_owned(), value)));
    Ok(())
}

#[test]
fn absent_values_do_not_count_and_other_keys_have_no_cap() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Request<'static>, u64>("requests").build()?;
    for shard in 0..50 {
        requests.with(Request { tenant: None, shard }).increment();
    }
    for tenant in ["a", "b", "c"] {
        requests.with(Request { tenant: Some(tenant), shard: 0 }).increment();
    }
    requests.with(Request { tenant: Some("d"), shard: 0 }).increment();
    requests.with(Request { tenant: None, shard: 0 }).increment();
    let series = series(&registry, REQUESTS);
    assert_eq!(series.len(), 54);
    for expected in [("shard=0,tenant=c", 1.0), ("shard=0,tenant=other", 1.0), ("shard=0", 2.0)] {
        assert!(series.contains(&(expected.0.to_owned(), expected.1)), "{expected:?}: {series:?}");
    }
    Ok(())
}

#[test]
fn numbers_become_other_too() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Port, u64>("requests").build()?;
    for port in [80, 443, 8080, 80, 9090] {
        requests.with(Port(port)).increment();
    }
    let all: HashSet<_> = series(&registry, REQUESTS)
        .into_iter()
        .map(|(labels, value)| (labels, value as u64))
        .collect();
    let expected = [("port=80", 2), ("port=443", 1), ("port=other", 2)];
    assert_eq!(all, expected.map(|(labels, value)| (labels.to_owned(), value)).into());
    Ok(())
}

struct Flag(bool);

impl Labels for Flag {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::of::<bool>("flag").max_values(1)];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }

    fn index(&self) -> Option<usize> {
        Some(self.0.index())
    }
}

struct NoValues(&'static str);

impl Labels for NoValues {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("text").max_values(0)];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.0));
    }
}

#[test]
fn closed_labels_have_caps_too_and_a_cap_may_be_zero() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let flags = meter.counter_group::<Flag, u64>("requests").build()?;
    for flag in [true, false, true, false] {
        flags.with(Flag(flag)).increment();
    }
    let expected = [("flag=other".to_owned(), 2.0), ("flag=true".to_owned(), 2.0)];
    assert_eq!(series(&registry, REQUESTS), expected);
    let none = meter.counter_group::<NoValues, u64>("none").build()?;
    none.with(NoValues("x")).increment();
    none.with(NoValues("y")).increment();
    let read = series(&registry, "backstage.plugin.catalog.none");
    assert_eq!(read, [("text=other".to_owned(), 2.0)]);
    Ok(())
}

#[test]
fn removing_an_unknown_value_uses_no_room() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Port, u64>("requests").build()?;
    for port in 0..10 {
        assert!(!requests.remove(Port(port)));
    }
    requests.with(Port(80)).increment();
    requests.with(Port(443)).increment();
    let expected = [("port=80".to_owned(), 1.0), ("port=443".to_owned(), 1.0)];
    assert_eq!(series(&registry, REQUESTS), expected);
    Ok(())
}

#[test]
fn a_removed_value_keeps_its_place_and_is_found_again() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Port, u64>("requests").build()?;
    for port in [80, 443, 8080] {
        requests.with(Port(port)).increment();
    }
    assert!(requests.remove(Port(80)));
    requests.with(Port(80)).add(5);
    let all = series(&registry, REQUESTS);
    assert!(all.contains(&("port=80".to_owned(), 5.0)), "{all:?}");
    assert_eq!(total(&registry, REQUESTS), 7.0);
    Ok(())
}

#[test]
fn threads_that_race_for_the_last_values_let_no_further_one_through() {
    const THREADS: u64 = 8;
    for round in 0..40 {
        let (registry, meter) = catalog();
        let requests = meter.counter_group::<Request<'static>, u64>("requests").build();
        let requests = requests.expect("a good name");
        let start = Barrier::new(THREADS as usize);
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (requests, start) = (&requests, &start);
                scope.spawn(move || {
                    let tenants: Vec<_> = (0..10).map(|at| format!("tenant_{at}")).collect();
                    start.wait();
                    for at in 0..30 {
                        let tenant = &tenants[(at + thread + round) as usize % tenants.len()];
                        requests.with(Request { tenant: Some(tenant), shard: 0 }).increment();
                    }
                });
            }
        });
        let series = series(&registry, REQUESTS);
        assert_eq!(series.len(), 4, "three tenants and `other`: {series:?}");
        assert_eq!(series[0].0, "shard=0,tenant=other");
        for (tenant, value) in &series[1..] {
            assert_eq!(*value, (THREADS * 3) as f64, "{tenant} is complete: {series:?}");
        }
        assert_eq!(total(&registry, REQUESTS), (THREADS * 30) as f64);
    }
}
