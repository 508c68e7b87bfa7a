//! Groups whose label keys are only known at run time, and iteration over the series of a group.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use meterkit_core::{
    Attributes, CounterGroup, DynamicLabels, GaugeGroup, InstrumentError, LabelKey, LabelRef,
    LabelValue, LabelVisitor, Labels, Registry,
};
use meterkit_fakes::readings::{points, series};
use meterkit_fakes::{catalog, catalog_with_clock};

const ITEMS: &str = "backstage.plugin.catalog.items";

fn items() -> Result<(Registry, CounterGroup<DynamicLabels>), InstrumentError> {
    let (registry, meter) = catalog();
    let items = meter.counter_group("items").build()?;
    Ok((registry, items))
}

fn text(labels: &Attributes) -> String {
    let pairs = labels.iter().map(|(key, value)| format!("{key}={value}"));
    pairs.collect::<Vec<_>>().join(",")
}

#[derive(Clone, Copy)]
struct Stage(&'static str);

impl Labels for Stage {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("stage")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Static(self.0));
    }
}

#[test]
fn label_sets_of_one_group_may_differ_in_their_keys() -> Result<(), InstrumentError> {
    let (registry, items) = items()?;
    assert_eq!(points(&registry, ITEMS).len(), 0, "no series before there are labels");
    let key = String::from("stage");
    items.with(&[(key, String::from("parse"))]).add(2);
    items.with(&[("stage", "parse")]).increment();
    items.with(&[("stage", "parse"), ("tenant", "a")]).increment();
    items.with(&[("tenant", 7_u32)]).increment();
    items.with(&[("client-name", true)]).increment();
    items.with(&[("", ""); 0]).add(5);
    assert_eq!(
        series(&registry, ITEMS),
        [
            ("".to_owned(), 5.0),
            ("client-name=true".to_owned(), 1.0),
            ("stage=parse".to_owned(), 3.0),
            ("stage=parse,tenant=a".to_owned(), 1.0),
            ("tenant=7".to_owned(), 1.0),
        ]
    );
    Ok(())
}

#[test]
fn order_does_not_matter_and_the_last_value_of_a_key_wins() -> Result<(), InstrumentError> {
    let (registry, items) = items()?;
    items.with(&[("stage", "parse"), ("tenant", "a")]).increment();
    items.with(&[("tenant", "a"), ("stage", "parse")]).increment();
    items.with(&[("tenant", "b"), ("stage", "parse"), ("tenant", "a")]).increment();
    assert_eq!(series(&registry, ITEMS), [("stage=parse,tenant=a".to_owned(), 3.0)]);
    Ok(())
}

#[test]
fn values_may_be_of_different_types_and_absent_ones_are_left_out() -> Result<(), InstrumentError> {
    let (registry, items) = items()?;
    let tenant: Option<&str> = None;
    items
        .with(&[
            ("stage", LabelRef::from("parse")),
            ("hit", true.into()),
            ("tenant", tenant.label()),
        ])
        .increment();
    items.with(&[("stage", Some("parse")), ("tenant", None)]).increment();
    assert_eq!(
        series(&registry, ITEMS),
        [("hit=true,stage=parse".to_owned(), 1.0), ("stage=parse".to_owned(), 1.0)]
    );
    Ok(())
}

#[test]
fn a_set_may_have_many_labels() -> Result<(), InstrumentError> {
    let (registry, items) = items()?;
    let labels: Vec<(String, usize)> = (0..20).map(|n| (format!("key{n}"), n)).collect();
    items.with(&labels).increment();
    let reversed: Vec<_> = labels.iter().rev().cloned().collect();
    items.with(&reversed).increment();
    let points = points(&registry, ITEMS);
    assert_eq!((points.len(), points[0].attributes.iter().count()), (1, 20));
    Ok(())
}

#[test]
fn a_series_is_the_same_however_its_labels_are_passed() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let dynamic: CounterGroup<DynamicLabels> = meter.counter_group("items").build()?;
    dynamic.with(&[("stage", "parse")]).increment();
    let typed = meter.counter_group::<Stage, u64>("items").build()?;
    typed.with(Stage("parse")).increment();
    dynamic.with(&[("stage", "parse")]).increment();
    dynamic.with(&[("stage", "emit"), ("tenant", "a")]).increment();
    assert_eq!(
        series(&registry, ITEMS),
        [("stage=emit,tenant=a".to_owned(), 1.0), ("stage=parse".to_owned(), 3.0)]
    );
    assert!(dynamic.remove(&[("stage", "parse")]));
    assert_eq!(series(&registry, ITEMS), [("stage=emit,tenant=a".to_owned(), 1.0)]);
    Ok(())
}

#[test]
fn past_the_limit_totals_stay_right_in_the_overflow_series() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let items = meter.counter_group::<DynamicLabels, u64>("items").cardinality_limit(2).build()?;
    (0..5_u32).for_each(|id| items.with(&[("id", id)]).increment());
    assert_eq!(
        series(&registry, ITEMS),
        [
            ("id=0".to_owned(), 1.0),
            ("id=1".to_owned(), 1.0),
            ("otel.metric.overflow=true".to_owned(), 3.0),
        ]
    );
    let listed: Vec<_> = items.series().map(|(labels, _)| text(&labels)).collect();
    assert_eq!(listed.len(), 2, "without the overflow series: {listed:?}");
    Ok(())
}

#[test]
fn series_are_removed_in_any_order_of_labels_and_return() -> Result<(), InstrumentError> {
    let (registry, items) = items()?;
    let kept = items.with(&[("stage", "parse"), ("tenant", "a")]).clone();
    kept.add(7);
    items.with(&[("stage", "emit")]).increment();
    assert!(!items.remove(&[("stage", "parse")]));
    assert!(!items.remove(&[("never", "seen")]));
    let keys: Vec<_> =
        registry.catalog().entries[0].labels.iter().map(|it| it.key.clone()).collect();
    assert_eq!(keys, ["stage", "tenant"], "removing declares nothing");
    assert!(items.remove(&[("tenant", "a"), ("stage", "parse")]));
    assert!(!items.remove(&[("tenant", "a"), ("stage", "parse")]));
    assert_eq!(series(&registry, ITEMS), [("stage=emit".to_owned(), 1.0)]);
    kept.increment();
    assert_eq!(points(&registry, ITEMS).len(), 2);
    items.clear();
    assert_eq!(points(&registry, ITEMS).len(), 0);
    Ok(())
}

#[test]
fn idle_series_are_removed() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let minute = Duration::from_secs(60);
    let items = meter.counter_group::<DynamicLabels, u64>("items").idle_timeout(minute).build()?;
    items.with(&[("stage", "parse")]).increment();
    assert_eq!(points(&registry, ITEMS).len(), 1);
    clock.advance(minute * 2);
    items.with(&[("stage", "emit")]).increment();
    assert_eq!(series(&registry, ITEMS), [("stage=emit".to_owned(), 1.0)]);
    Ok(())
}

#[test]
fn a_timer_takes_dynamic_labels_when_it_ends() -> Result<(), InstrumentError> {
    let (clock, registry, meter) = catalog_with_clock();
    let durations = meter.histogram_group::<DynamicLabels, f64>("items").duration().build()?;
    let timer = durations.start_timer();
    clock.advance(Duration::from_millis(250));
    timer.observe(&[("stage", "parse")]);
    let found = &meterkit_fakes::readings::histogram(&registry, ITEMS).1[0];
    assert_eq!((found.sum, text(&found.attributes)), (0.25, "stage=parse".to_owned()));
    Ok(())
}

#[test]
fn a_group_that_cannot_be_created_records_nothing() {
    let (registry, meter) = catalog();
    let _items = meter.gauge::<i64>("items").build().expect("a good name");
    let items: CounterGroup<DynamicLabels> = meter.counter_group("items").register();
    items.with(&[("stage", "parse")]).increment();
    assert!(!items.remove(&[("stage", "parse")]));
    assert_eq!(points(&registry, ITEMS).len(), 0);
    assert_eq!(meterkit_fakes::readings::dropped(&registry, "not_made"), 1);
}

#[test]
fn the_series_of_a_group_are_listed_with_their_own_labels_and_handles()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let lengths: GaugeGroup<Stage> =
        meter.attribute("tier", "gold").gauge_group("items").attribute("zone", "a").build()?;
    assert_eq!(lengths.series().len(), 0);
    lengths.with(Stage("parse")).set(3);
    lengths.with(Stage("emit")).set(4);
    lengths.with(Stage("gone")).set(5);
    lengths.remove(Stage("gone"));
    let mut listed: Vec<_> =
        lengths.series().map(|(labels, length)| (text(&labels), length.value())).collect();
    listed.sort();
    assert_eq!(listed, [("stage=emit".to_owned(), 4), ("stage=parse".to_owned(), 3)]);
    for (_, length) in lengths.series() {
        length.set(0);
    }
    assert!(series(&registry, ITEMS).iter().all(|(_, value)| *value == 0.0));
    Ok(())
}

#[test]
fn series_are_listed_whole_while_others_come_and_go() -> Result<(), InstrumentError> {
    let (_registry, items) = items()?;
    let ids = 0..50_u32;
    ids.clone().for_each(|id| items.with(&[("stays", id)]).increment());
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut id = 0_u32;
            while !ends.load(Relaxed) {
                items.with(&[("passes", id)]).increment();
                items.remove(&[("passes", id)]);
                id += 1;
            }
        });
        for _ in 0..200 {
            let listed: Vec<_> = items.series().collect();
            let stay = listed.iter().filter(|(labels, _)| labels.get("stays").is_some());
            assert_eq!(stay.clone().count(), ids.len());
            stay.for_each(|(_, counter)| counter.increment());
        }
        ends.store(true, Relaxed);
    });
    let totals = items.series().filter(|(labels, _)| labels.get("stays").is_some());
    assert!(totals.into_iter().all(|(_, counter)| counter.value() == 201));
    Ok(())
}
