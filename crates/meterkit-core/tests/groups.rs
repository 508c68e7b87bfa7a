//! Groups: one series per label set, which is found again, limited in number, and read in order.

use std::borrow::Cow;

use meterkit_core::{
    AttributeRef, InstrumentError, LabelKey, LabelRef, LabelValue, LabelVisitor, Labels, Registry,
    Value,
};
use meterkit_fakes::catalog;
use meterkit_fakes::readings::{histogram, labels, points};

/// The keys are deliberately not sorted.
#[derive(Clone)]
struct Request<'a> {
    route: Cow<'a, str>,
    method: &'static str,
    status: Option<u16>,
    is_cached: bool,
}

impl Labels for Request<'_> {
    type Set = Request<'static>;
    const KEYS: &'static [LabelKey] = &[
        LabelKey::new("http.route"),
        LabelKey::new("method"),
        LabelKey::new("status"),
        LabelKey::new("is_cached"),
    ];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.route.label());
        visitor.visit(LabelRef::Static(self.method));
        visitor.visit(self.status.label());
        visitor.visit(self.is_cached.label());
    }
}

struct Id(u32);

impl Labels for Id {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("id")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

const REQUESTS: &str = "backstage.plugin.catalog.requests";

fn get(route: &str) -> Request<'_> {
    Request { route: route.into(), method: "GET", status: Some(200), is_cached: false }
}

#[test]
fn a_series_is_found_again_by_value_by_reference_owned_and_borrowed() -> Result<(), InstrumentError>
{
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Request<'static>, u64>("requests").build()?;
    let kept = requests.with(get("/entities")).clone();
    requests.with(&get("/entities")).increment();
    let borrowed = String::from("/entities");
    requests.with(get(&borrowed)).increment();
    requests.with(Request { route: borrowed.into(), ..get("") }).increment();
    kept.increment();

    assert_eq!(kept.value(), 4);
    let points = points(&registry, REQUESTS);
    assert_eq!(points.len(), 1);
    let attributes = "http.route=/entities,is_cached=false,method=GET,status=200";
    assert_eq!(labels(&points[0]), attributes, "attributes are ordered by key");
    assert_eq!(points[0].attributes.get("status"), Some(AttributeRef::I64(200)));
    assert_eq!(points[0].attributes.get("is_cached"), Some(AttributeRef::Bool(false)));
    Ok(())
}

#[test]
fn label_sets_that_differ_in_any_way_are_different_series() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Request<'static>, u64>("requests").build()?;
    let all = [
        get("/entities"),
        get("/tasks"),
        get(""),
        Request { method: "PUT", ..get("/entities") },
        Request { status: Some(404), ..get("/entities") },
        Request { status: None, ..get("/entities") },
        Request { is_cached: true, ..get("/entities") },
    ];
    for (at, request) in all.iter().enumerate() {
        requests.with(request).add(at as u64 + 1);
    }
    for (at, request) in all.iter().enumerate() {
        assert_eq!(requests.with(request).value(), at as u64 + 1);
    }
    assert_eq!(points(&registry, REQUESTS).len(), all.len());
    Ok(())
}

#[test]
fn an_absent_label_is_not_among_the_attributes() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Request<'static>, u64>("requests").build()?;
    requests.with(Request { status: None, ..get("/entities") }).increment();
    let points = points(&registry, REQUESTS);
    assert_eq!(labels(&points[0]), "http.route=/entities,is_cached=false,method=GET");
    assert_eq!(points[0].attributes.get("status"), None);
    assert_eq!(points[0].attributes.to_key_values().len(), 3);
    Ok(())
}

#[test]
fn points_are_sorted_whatever_the_order_of_creation() -> Result<(), InstrumentError> {
    const IDS: u32 = 200;
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Id, u64>("requests").build()?;
    let read = || -> Vec<i64> {
        let points = points(&registry, REQUESTS);
        let ids = points.iter().map(|point| match point.attributes.get("id") {
            Some(AttributeRef::I64(id)) => id,
            other => panic!("{other:?}"),
        });
        ids.collect()
    };
    for step in 0..IDS {
        requests.with(Id(step * 77 % IDS)).increment();
        if step % 50 == 7 {
            let ids = read();
            assert_eq!(ids.len(), step as usize + 1);
            assert!(ids.is_sorted(), "{ids:?}");
        }
    }
    assert!(read().into_iter().eq(0..i64::from(IDS)));
    Ok(())
}

#[test]
fn metrics_and_scopes_are_sorted_too() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    for scope in ["zoo", "ant", "mid"] {
        for name in ["z", "a.b", "m"] {
            registry.scoped("plugin", scope).counter::<u64>(name).build()?.increment();
        }
    }
    let names: Vec<String> = registry
        .read()
        .iter()
        .flat_map(|scope| &scope.metrics)
        .map(|metric| metric.descriptor.name.clone())
        .collect();
    assert_eq!(names.len(), 9);
    assert!(names.is_sorted(), "{names:?}");
    Ok(())
}

#[test]
fn past_the_limit_totals_stay_right_in_one_marked_series() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Id, u64>("requests").cardinality_limit(10).build()?;
    for _ in 0..3 {
        for id in 0..25 {
            requests.with(Id(id)).increment();
        }
    }
    let points = points(&registry, REQUESTS);
    assert_eq!(points.len(), 11, "the limit, and the series of all others");
    let total: f64 = points.iter().map(|point| point.value.as_f64()).sum();
    assert_eq!(total, 75.0);
    let overflow: Vec<_> =
        points.iter().filter(|point| labels(point) == "otel.metric.overflow=true").collect();
    assert_eq!(overflow.len(), 1);
    assert_eq!(overflow[0].value, Value::U64(45));
    assert_eq!(requests.with(Id(3)).value(), 3, "series from before the limit keep counting");
    assert_eq!(requests.with(Id(20)).value(), 45, "the others share the overflow series");
    Ok(())
}

#[test]
fn histograms_overflow_in_the_same_way() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let sizes = meter.histogram_group::<Id, u64>("sizes").cardinality_limit(2).build()?;
    for id in 0..5 {
        sizes.with(Id(id)).record(u64::from(id));
    }
    let (_, points) = histogram(&registry, "backstage.plugin.catalog.sizes");
    assert_eq!(points.iter().map(|point| point.count).collect::<Vec<_>>(), [1, 1, 3]);
    assert_eq!(points.iter().map(|point| point.sum).sum::<f64>(), 10.0);
    Ok(())
}

#[test]
fn the_default_limit_is_2000_and_can_be_changed_for_all_but_those_that_have_their_own()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let by_default = meter.counter_group::<Id, u64>("by_default").build()?;
    let own = meter.counter_group::<Id, u64>("own").cardinality_limit(3).build()?;
    for id in 0..2100 {
        by_default.with(Id(id)).increment();
    }
    assert_eq!(points(&registry, "backstage.plugin.catalog.by_default").len(), 2001);

    registry.set_cardinality_limit(1);
    let later = meter.counter_group::<Id, u64>("later").build()?;
    for id in 0..10 {
        own.with(Id(id)).increment();
        later.with(Id(id)).increment();
    }
    assert_eq!(points(&registry, "backstage.plugin.catalog.own").len(), 4);
    assert_eq!(points(&registry, "backstage.plugin.catalog.later").len(), 2);
    let kept = points(&registry, "backstage.plugin.catalog.by_default").len();
    assert_eq!(kept, 2001, "existing series stay");
    Ok(())
}

#[test]
fn gauges_without_a_value_are_left_out_series_by_series() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let loads = meter.gauge_group::<Id, f64>("load").build()?;
    let _unset = loads.with(Id(1));
    loads.with(Id(2)).set(0.5);
    let points = points(&registry, "backstage.plugin.catalog.load");
    assert_eq!(points.iter().map(labels).collect::<Vec<_>>(), ["id=2"]);
    Ok(())
}

/// Implemented by hand: passes more or fewer values than it has keys.
struct Careless(&'static [&'static str]);

impl Labels for Careless {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("a"), LabelKey::new("b")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        for value in self.0 {
            visitor.visit(LabelRef::Static(value));
        }
    }
}

#[test]
fn values_beyond_the_last_key_are_ignored_and_missing_ones_absent() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Careless, u64>("requests").build()?;
    for values in [&["x", "y"][..], &["x", "y", "z"], &["x", "y", "w"], &["x"], &[], &["x"]] {
        requests.with(Careless(values)).increment();
    }
    let points = points(&registry, REQUESTS);
    let series: Vec<_> = points.iter().map(|point| (labels(point), point.value.as_f64())).collect();
    let expected = [(String::new(), 1.0), ("a=x".into(), 2.0), ("a=x,b=y".into(), 3.0)];
    assert_eq!(series, expected);
    Ok(())
}
