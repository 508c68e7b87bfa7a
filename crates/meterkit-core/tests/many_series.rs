//! Instruments with many series: collections share the series and keep one number for each.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use meterkit_core::{
    Collections, Counter, Data, InstrumentError, NumberPoint, NumberPoints, Registry, ScopeMetrics,
    SeriesId, Value,
};
use meterkit_fakes::label_sets::Id;
use meterkit_fakes::readings::{OVERFLOW, labels, metric};
use meterkit_fakes::{Dice, catalog_with_clock};
use opentelemetry::KeyValue;

const REQUESTS: &str = "backstage.plugin.catalog.requests";

/// More series than are listed individually.
const MANY: u64 = 150;

fn numbers(registry: &Registry) -> NumberPoints {
    match metric(registry, REQUESTS).map(|metric| metric.data) {
        Some(Data::Sum { points, .. } | Data::Gauge(points)) => points,
        other => panic!("not numbers: {other:?}"),
    }
}

fn each(points: &NumberPoints) -> Vec<NumberPoint> {
    points.each().map(|point| point.into_owned()).collect()
}

#[test]
fn a_collection_does_not_change_when_its_series_do() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Id, u64>("requests").build()?;
    (0..MANY).for_each(|id| requests.with(Id(id)).add(id + 1));
    let read = numbers(&registry);
    let before = each(&read);
    assert_eq!(before.len() as u64, MANY);

    clock.advance(Duration::from_secs(60));
    (0..MANY).step_by(2).for_each(|id| assert!(requests.remove(Id(id))));
    (0..MANY).step_by(3).for_each(|id| requests.with(Id(id)).add(1000));
    assert_eq!(each(&read), before, "after removals and recordings");
    let later = numbers(&registry);
    assert_ne!(each(&later), before);
    requests.clear();
    assert_eq!(each(&read), before, "after all series were removed");
    drop((requests, meter, registry));
    assert_eq!(each(&read), before, "after the registry was dropped");
    assert_eq!(*read, before[..], "read as a slice");
    Ok(())
}

#[test]
fn points_are_ordered_by_attributes_and_the_overflow_comes_last() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let requests = meter.up_down_counter_group::<Id, f64>("requests");
    let requests = requests.cardinality_limit(MANY as usize).build()?;
    // Some series exist at the first reading, and the others sort between them.
    for rest in [0, 2, 1] {
        (0..MANY).rev().filter(|id| id % 3 == rest).for_each(|id| requests.with(Id(id)).add(-0.5));
        let read = numbers(&registry);
        assert!(read.each().is_sorted_by(|a, b| a.attributes < b.attributes), "{read:?}");
    }
    requests.with(Id(MANY)).add(7.0);
    let read = numbers(&registry);
    assert_eq!((read.len() as u64, read.at(read.len())), (MANY + 1, None));
    let last = read.at(read.len() - 1).unwrap();
    assert_eq!((labels(&last), last.value), (OVERFLOW.to_owned(), Value::F64(7.0)));
    assert!(read.each().take(MANY as usize).all(|point| point.value == Value::F64(-0.5)));
    assert_eq!(each(&read), read.to_vec());
    Ok(())
}

#[test]
fn a_gauge_without_a_value_has_no_point() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let gauges = meter.gauge_group::<Id, i64>("requests").build()?;
    let held: Vec<_> = (0..MANY).map(|id| gauges.with(Id(id)).clone()).collect();
    held.iter().step_by(2).for_each(|gauge| gauge.set(-3));
    let read = numbers(&registry);
    assert_eq!(read.len() as u64, MANY / 2);
    assert!(read.each().all(|point| point.value == Value::I64(-3)));
    Ok(())
}

#[test]
fn changing_the_list_of_points_does_not_change_the_collection() -> Result<(), InstrumentError> {
    let (_, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Id, u64>("requests").build()?;
    (0..MANY).for_each(|id| requests.with(Id(id)).add(id));
    let read = numbers(&registry);
    let mut changed = read.clone();
    changed.to_mut().retain(|point| point.value == Value::U64(7));
    changed.to_mut()[0].value = Value::U64(8);
    assert_eq!((changed.len(), changed.at(0).unwrap().value), (1, Value::U64(8)));
    assert_eq!(each(&read).len() as u64, MANY);
    Ok(())
}

#[test]
fn each_shape_of_attributes_is_shown() {
    let (_, registry, meter) = catalog_with_clock();
    let requests = meter.by_attributes::<Counter<u64>>("requests").register();
    for id in 0..MANY as i64 {
        requests.with_attributes(&[KeyValue::new("id", id)]).increment();
        requests.with_attributes(&[KeyValue::new("id", id.to_string())]).increment();
    }
    let odd = [KeyValue::new("id", ""), KeyValue::new("id", f64::NAN), KeyValue::new("id", 0.5)];
    odd.into_iter().for_each(|odd| requests.with_attributes(&[odd]).increment());
    requests.with_attributes(&[KeyValue::new("id", 1), KeyValue::new("other", true)]).increment();
    requests.with_attributes(&[]).increment();
    let data = metric(&registry, REQUESTS).unwrap().data;
    let mut shapes: Vec<String> = data.shapes().map(|it| format!("{it:?}")).collect();
    shapes.sort();
    let expected = [
        r#"{"id": F64(0.5)}"#,
        r#"{"id": F64(NaN)}"#,
        r#"{"id": I64(0)}"#,
        r#"{"id": I64(1), "other": Bool(true)}"#,
        r#"{"id": Str("")}"#,
        r#"{"id": Str("0")}"#,
        "{}",
    ];
    assert_eq!(shapes, expected);
    assert_eq!(data.len(), 2 * MANY as usize + 5);
}

/// Compares collections with a simple model of a few lines.
#[test]
fn collections_contain_all_current_series_and_list_those_that_are_gone()
-> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let requests = meter.counter_group::<Id, u64>("requests").build()?;
    let mut dice = Dice(7);
    let mut expected: BTreeMap<u64, u64> = BTreeMap::new();
    let mut collections = Collections::default();
    let mut before: Vec<ScopeMetrics> = Vec::new();
    let mut known: HashSet<SeriesId> = HashSet::new();
    let mut absent: HashSet<SeriesId> = HashSet::new();
    for round in 0..200 {
        clock.advance(Duration::from_secs(1));
        for _ in 0..dice.below(60) {
            let id = dice.below(2 * MANY);
            if dice.is_one_in(4) {
                assert_eq!(requests.remove(Id(id)), expected.remove(&id).is_some());
            } else {
                requests.with(Id(id)).add(id + 1);
                *expected.entry(id).or_default() += id + 1;
            }
        }
        if dice.is_one_in(50) {
            requests.clear();
            expected.clear();
        }
        let mut now = registry.read();
        now.retain(|scope| scope.metrics.iter().any(|it| it.descriptor.name == REQUESTS));
        let metrics = now.iter().flat_map(|scope| &scope.metrics);
        let ids: HashSet<SeriesId> = metrics.clone().flat_map(|it| it.data.series()).collect();
        let mut counted = BTreeMap::new();
        for metric in metrics {
            let Data::Sum { points, .. } = &metric.data else { panic!("{metric:?}") };
            counted.extend(points.each().map(|point| (labels(&point), point.value)));
        }
        let expected = expected.iter().map(|(id, sum)| (format!("id={id}"), Value::U64(*sum)));
        assert_eq!(counted, expected.collect(), "round {round}");

        collections.add(&before, &now, clock.now());
        absent.extend(known.difference(&ids));
        absent.retain(|series| !ids.contains(series));
        let listed = collections.absent().iter().flat_map(|absent| absent.series());
        assert_eq!(listed.collect::<HashSet<_>>(), absent, "round {round}");
        (before, known) = (now, ids);
    }
    assert!(absent.len() > 500, "{} went", absent.len());
    Ok(())
}
