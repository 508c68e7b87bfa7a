//! Tests that instruments without labels take little memory, and still have all features.

use opentelemetry::KeyValue;

use super::*;
use crate::instrument::Counter;
use crate::labels::LabelVisitor;
use crate::{Meter, Registry};

/// The labels of a group without labels.
struct Unlabeled;

impl Labels for Unlabeled {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[];

    fn visit(&self, _: &mut impl LabelVisitor) {}
}

fn meter() -> (Registry, Meter) {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    (registry, meter)
}

/// Returns whether the only instrument has allocated the state that only labels need.
fn is_labeled(registry: &Registry) -> bool {
    registry.inner.scopes.all()[0].instruments()[0].room().is_some()
}

#[test]
fn an_instrument_without_labels_takes_few_bytes() {
    assert_eq!((size_of::<Core<Counter>>(), size_of::<Shared>()), (32, 64));
    let (registry, meter) = meter();
    let counter = meter.counter::<u64>("requests").unit("By").build().expect("a counter");
    counter.increment();
    registry.set_disabled_scopes("*".parse().expect("a pattern"));
    registry.set_disabled_scopes("".parse().expect("no pattern"));
    counter.add(2);
    assert_eq!(registry.read()[0].metrics[0].data.len(), 1);
    assert_eq!(counter.value(), 2);
    assert!(!is_labeled(&registry));
}

#[test]
fn attributes_make_further_series_beside_a_plain_one() {
    let (registry, meter) = meter();
    let plain = meter.counter::<u64>("requests").build().expect("a counter");
    plain.increment();
    let any = meter.by_attributes::<Counter<u64>>("requests").register();
    any.with_attributes(&[]).add(2);
    assert_eq!(plain.value(), 3, "recordings without attributes go to the plain series");
    assert!(!is_labeled(&registry));
    any.with_attributes(&[KeyValue::new("method", "GET")]).add(5);
    assert!(is_labeled(&registry));
    any.with_attributes(&[]).increment();
    assert_eq!(plain.value(), 4);
    assert_eq!(registry.read()[0].metrics[0].data.len(), 2);
}

#[test]
fn zero_initializing_a_group_without_labels_keeps_its_value() {
    let (_registry, meter) = meter();
    let gauge = || meter.gauge_group::<Unlabeled, i64>("temperature").zero_initialized();
    let first = gauge().build().expect("a gauge");
    assert_eq!(first.with(Unlabeled).value(), 0);
    first.with(Unlabeled).set(7);
    let again = gauge().build().expect("the same gauge");
    assert_eq!(again.with(Unlabeled).value(), 7);
}
