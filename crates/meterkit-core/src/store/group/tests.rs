//! Tests of the memory that removed series take, which is not visible from outside.

use opentelemetry::InstrumentationScope;

use super::*;
use crate::instrument::{Counter, Gauge, Histogram, UpDownCounter};
use crate::labels::{LabelValue, LabelVisitor};
use crate::scope::Spelling;
use crate::store::clock::Clock;
use crate::store::feed::Sink;
use crate::store::identity::Identity;
use crate::store::points::points;
use crate::store::scope_shared::ScopeShared;
use crate::store::settings::Settings;
use crate::store::shared::Door;

struct Id(u64);

impl Labels for Id {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("id")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

/// Returns a group that may have this many series.
fn group_of<H: Handle>(limit: usize) -> (SeriesGroup<H>, Arc<Shared>) {
    let settings = Arc::new(Settings::new(Clock::system()));
    let identity = Identity::bare("requests".to_owned(), H::KIND, H::NUMBER);
    let scope = Arc::new(ScopeShared::new(
        InstrumentationScope::default(),
        Spelling::Translated,
        Arc::default(),
        &settings,
    ));
    let shared = Arc::new(Shared::new(identity, scope, settings.clone(), Door::Facade));
    let options = GroupOptions { limit: Some(limit), ..GroupOptions::default() };
    let group = SeriesGroup::new(settings, OnceLock::new());
    group.room().declare(options);
    group.declare(Id::KEYS, &shared).expect("the first keys");
    (group, shared)
}

#[test]
fn series_that_are_removed_take_no_memory() {
    let (group, shared) = group_of::<Counter>(10);
    let kept = || group.open().table.len() + group.open().later.len();
    let with = |id| {
        let declared = group.declared().expect("an open label set");
        group.with(declared, &Id(id), group.addresses(&Id(id)), &shared)
    };
    let remove = |id| group.remove(&Id(id), &shared);
    for id in 0..1000 {
        with(id).increment();
        assert!(remove(id));
        assert!(kept() <= 10, "nobody reads, and {} series are kept", kept());
    }
    for id in 1000..2000 {
        with(id).increment();
        if id % 5 == 4 {
            group.untyped().clear();
            assert!(kept() <= 10, "nobody reads, and {} series are kept", kept());
        }
    }
    let held = with(5000);
    assert!(remove(5000));
    assert_eq!(kept(), 11, "a series stays while a handle can record in it");
    held.increment();
    assert_eq!(with(5000).value(), 1);
}

#[test]
fn attributes_that_someone_keeps_do_not_keep_a_removed_series() {
    let (group, shared) = group_of::<Counter>(1);
    let with = |id| {
        let declared = group.declared().expect("an open label set");
        group.with(declared, &Id(id), group.addresses(&Id(id)), &shared)
    };
    with(0).increment();
    assert!(group.remove(&Id(0), &shared));
    with(1).increment();
    let mut snapshot = None;
    group.untyped().in_order(&shared, &mut |series| snapshot = Some(points(&shared, series)));
    let snapshot = snapshot.expect("data");
    let attributes = snapshot.attributes_at(0).expect("the series that has no place");
    assert_eq!(group.open().later.len(), 1);
    assert!(group.remove(&Id(1), &shared));
    assert_eq!(group.open().later.len(), 0);
    assert_eq!(attributes.get("id"), Some(1.into()));
}

#[test]
fn a_sink_that_keeps_attributes_does_not_keep_its_series() {
    let (group, shared) = group_of::<Histogram>(10);
    shared.feed.start(Arc::new(|attributes| -> Sink {
        let attributes = attributes.clone();
        Arc::new(move |_| assert!(!attributes.is_empty()))
    }));
    let declared = group.declared().expect("an open label set");
    group.with(declared, &Id(0), group.addresses(&Id(0)), &shared).record(1.0);
    drop(group);
    assert_eq!(Arc::strong_count(&shared), 1);
}

#[test]
fn groups_of_all_handle_types_are_available_without_their_type() {
    fn is_known<H: Handle>() -> bool {
        group_of::<H>(1).0.members().is_some()
    }
    assert!(is_known::<Counter<u64>>() && is_known::<Counter<f64>>());
    assert!(is_known::<UpDownCounter<i64>>() && is_known::<UpDownCounter<f64>>());
    assert!(is_known::<Gauge<i64>>() && is_known::<Gauge<u64>>() && is_known::<Gauge<f64>>());
    assert!(is_known::<Histogram<f64>>() && is_known::<Histogram<u64>>());
}
