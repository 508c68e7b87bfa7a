//! Closed label sets: found by index or by values, exported from the start on request, and never a cause of a panic.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use meterkit_core::{
    InstrumentError, LabelKey, LabelRef, LabelValue, LabelVisitor, Labels, Outcome, Value,
};
use meterkit_fakes::catalog;
use meterkit_fakes::label_sets::{Color, Light, Tenant};
use meterkit_fakes::readings::{OVERFLOW, histogram, labels, live, metric, points, series, total};

const LIGHTS: &str = "backstage.plugin.catalog.lights";

/// The same sets as [`Light`], implemented by hand without an index.
struct ByHand(Light);

impl Labels for ByHand {
    type Set = Light;
    const KEYS: &'static [LabelKey] = Light::KEYS;

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        self.0.visit(visitor);
    }
}

/// Returns the given index and values, whether or not they are valid.
struct Liar {
    place: Option<usize>,
    values: Vec<LabelRef<'static>>,
}

impl Labels for Liar {
    type Set = Light;
    const KEYS: &'static [LabelKey] = Light::KEYS;

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        self.values.iter().for_each(|value| visitor.visit(*value));
    }

    fn index(&self) -> Option<usize> {
        self.place
    }
}

#[test]
fn every_set_is_a_series_of_its_own_under_its_own_labels() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let lights = meter.counter_group::<Light, u64>("lights").build()?;
    for (at, light) in Light::all().into_iter().enumerate() {
        lights.with(light).add(at as u64 + 1);
    }
    let mut expected: Vec<_> = Light::all()
        .iter()
        .enumerate()
        .map(|(at, light)| (light.text(), at as f64 + 1.0))
        .collect();
    let mut read = series(&registry, LIGHTS);
    let points = points(&registry, LIGHTS);
    assert!(points.windows(2).all(|pair| pair[0].attributes < pair[1].attributes));
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    read.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(read, expected);
    assert_eq!(read.len(), Light::SETS);
    Ok(())
}

#[test]
fn a_set_is_found_by_value_by_reference_and_by_its_values_alone() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let lights = meter.counter_group::<Light, u64>("lights").build()?;
    for light in Light::all() {
        lights.with(ByHand(light)).increment();
        lights.with(light).increment();
        lights.with(&light).increment();
        lights.with(&&ByHand(light)).increment();
    }
    let series = series(&registry, LIGHTS);
    assert_eq!(series.len(), Light::SETS);
    assert!(series.iter().all(|(_, value)| *value == 4.0), "{series:?}");
    Ok(())
}

#[test]
fn removing_works_by_index_and_by_values_too() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let lights = meter.counter_group::<Light, u64>("lights").build()?;
    let [one, two, three] = [0, 7, 17].map(|at| Light::all()[at]);
    for light in [one, two, three] {
        lights.with(light).increment();
    }
    assert!(lights.remove(ByHand(one)));
    assert!(lights.remove(two));
    assert!(!lights.remove(&two), "the series is removed already");
    assert!(!lights.remove(Light::all()[1]), "the series never existed");
    assert_eq!(series(&registry, LIGHTS), [(three.text(), 1.0)]);
    Ok(())
}

#[test]
fn strings_may_be_passed_as_static_or_borrowed() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let lights = meter.counter_group::<Light, u64>("lights").build()?;
    let text = |value| Liar { place: None, values: vec![value, false.label(), LabelRef::Absent] };
    lights.with(text(LabelRef::Static("green"))).increment();
    lights.with(text(LabelRef::Str("green"))).increment();
    assert_eq!(series(&registry, LIGHTS), [("color=green,is_on=false".to_owned(), 2.0)]);
    Ok(())
}

#[test]
fn impossible_sets_go_to_the_overflow_series() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let lights = meter.counter_group::<Light, u64>("lights").build()?;
    lights.with(Light::all()[3]).add(100);
    let red = LabelRef::Static("red");
    let on = LabelRef::Bool(true);
    let lies = [
        Liar { place: Some(Light::SETS), values: vec![red, on] },
        Liar { place: Some(usize::MAX), values: vec![] },
        Liar { place: None, values: vec![LabelRef::Str("purple"), on] },
        Liar { place: None, values: vec![red, LabelRef::I64(1)] },
        Liar { place: None, values: vec![LabelRef::Absent, on] },
        Liar { place: None, values: vec![LabelRef::Bool(true), on] },
        Liar { place: None, values: vec![] },
    ];
    for lie in &lies {
        lights.with(lie).increment();
        assert!(!lights.remove(lie), "an impossible set removes nothing");
    }
    let expected = [(Light::all()[3].text(), 100.0), (OVERFLOW.to_owned(), lies.len() as f64)];
    assert_eq!(series(&registry, LIGHTS), expected);
    Ok(())
}

#[test]
fn values_that_are_missing_at_the_end_are_absent_and_further_ones_ignored()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let lights = meter.counter_group::<Light, u64>("lights").build()?;
    let (red, on) = (LabelRef::Static("red"), LabelRef::Bool(true));
    lights.with(Liar { place: None, values: vec![red, on] }).increment();
    let long = vec![red, on, LabelRef::Absent, LabelRef::I64(7), red];
    lights.with(Liar { place: None, values: long }).increment();
    assert_eq!(series(&registry, LIGHTS), [("color=red,is_on=true".to_owned(), 2.0)]);
    Ok(())
}

/// Passes another color at each visit.
struct Fickle(AtomicU64);

impl Labels for Fickle {
    type Set = Light;
    const KEYS: &'static [LabelKey] = Light::KEYS;

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        let at = self.0.fetch_add(1, Relaxed) as usize;
        visitor.visit(LabelRef::Static(["red", "none", "green", "", "blue"][at % 5]));
        visitor.visit(LabelRef::Bool(at % 2 == 0));
    }
}

#[test]
fn labels_that_change_while_they_are_looked_up_lose_nothing() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let closed = meter.counter_group::<Light, u64>("lights").build()?;
    let open = meter.counter_group::<Light, u64>("open").cardinality_limit(3).build()?;
    let fickle = Fickle(AtomicU64::new(0));
    for _ in 0..1000 {
        closed.with(&fickle).increment();
        open.with(&fickle).increment();
    }
    assert_eq!(total(&registry, LIGHTS), 1000.0);
    assert_eq!(total(&registry, "backstage.plugin.catalog.open"), 1000.0);
    assert!(live(&registry, "backstage.plugin.catalog.open") <= 3);
    Ok(())
}

/// Claims to have no values.
struct Void;

impl LabelValue for Void {
    const CARDINALITY: Option<usize> = Some(0);

    fn label(&self) -> LabelRef<'_> {
        LabelRef::Static("void")
    }
}

struct Nothing;

impl Labels for Nothing {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::of::<Void>("void")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(Void.label());
    }
}

#[test]
fn a_type_that_claims_to_have_no_values_overflows() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let group = meter.counter_group::<Nothing, u64>("nothing").zero_initialized().build()?;
    group.with(Nothing).increment();
    let read = series(&registry, "backstage.plugin.catalog.nothing");
    assert_eq!(read, [(OVERFLOW.to_owned(), 1.0)]);
    Ok(())
}

#[test]
fn if_there_are_more_sets_than_the_limit_sets_are_found_by_their_values()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let lights = meter.counter_group::<Light, u64>("lights").cardinality_limit(5).build()?;
    for _ in 0..2 {
        for light in Light::all() {
            lights.with(light).increment();
            lights.with(ByHand(light)).increment();
        }
    }
    let series = series(&registry, LIGHTS);
    assert_eq!(series.len(), 6);
    for light in &Light::all()[..5] {
        assert!(series.contains(&(light.text(), 4.0)), "{light:?} in {series:?}");
    }
    let overflow = (4 * (Light::SETS - 5)) as f64;
    assert_eq!(series.last(), Some(&(OVERFLOW.to_owned(), overflow)));
    Ok(())
}

#[test]
fn open_sets_are_found_with_borrowed_strings() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let tenants = meter.counter_group::<Tenant<'static>, u64>("tenants").build()?;
    let owned = String::from("acme");
    tenants.with(Tenant(&owned)).increment();
    tenants.with(&Tenant(owned.as_str())).increment();
    tenants.with(Tenant("acme")).increment();
    drop(owned);
    let read = series(&registry, "backstage.plugin.catalog.tenants");
    assert_eq!(read, [("tenant=acme".to_owned(), 3.0)]);
    Ok(())
}

#[test]
fn zero_initialized_counters_and_gauges_are_read_as_zero_at_once() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let _counters = meter.counter_group::<Light, u64>("lights").zero_initialized().build()?;
    let _floats = meter.counter_group::<Light, f64>("floats").zero_initialized().build()?;
    let _sums = meter.up_down_counter_group::<Light, i64>("sums").zero_initialized().build()?;
    let _gauges = meter.gauge_group::<Light, u64>("gauges").zero_initialized().build()?;
    for (name, zero) in [
        ("lights", Value::U64(0)),
        ("floats", Value::F64(0.0)),
        ("sums", Value::I64(0)),
        ("gauges", Value::U64(0)),
    ] {
        let points = points(&registry, &format!("backstage.plugin.catalog.{name}"));
        assert_eq!(points.len(), Light::SETS, "{name}");
        assert!(points.iter().all(|point| point.value == zero), "{points:?}");
        let texts: Vec<_> = points.iter().map(labels).collect();
        assert!(Light::all().iter().all(|light| texts.contains(&light.text())), "{texts:?}");
    }
    Ok(())
}

#[test]
fn zero_initialized_histograms_have_no_values_and_no_extremes() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let sizes = meter.histogram_group::<Light, f64>("sizes").buckets([1.0, 2.0]);
    let sizes = sizes.zero_initialized().build()?;
    let (bounds, points) = histogram(&registry, "backstage.plugin.catalog.sizes");
    assert_eq!(bounds, [1.0, 2.0]);
    assert_eq!(points.len(), Light::SETS);
    for point in &points {
        assert_eq!((point.count, point.sum), (0, 0.0));
        assert_eq!((point.min, point.max), (None, None));
        assert_eq!(*point.buckets, [0, 0, 0]);
    }
    sizes.with(Light::all()[0]).record(1.5);
    let (_, points) = histogram(&registry, "backstage.plugin.catalog.sizes");
    assert_eq!(points.iter().map(|point| point.count).sum::<u64>(), 1);
    assert_eq!(points.iter().find_map(|point| point.min), Some(1.5));
    Ok(())
}

#[test]
fn by_default_a_series_appears_with_its_first_look_up() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let lights = meter.counter_group::<Light, u64>("lights").build()?;
    assert!(metric(&registry, LIGHTS).is_none());
    let _looked_up = lights.with(Light::all()[5]);
    assert_eq!(series(&registry, LIGHTS), [(Light::all()[5].text(), 0.0)]);
    Ok(())
}

#[test]
fn more_sets_than_the_limit_is_an_error_that_names_both_numbers() {
    let (registry, meter) = catalog();
    let few = meter.counter_group::<Light, u64>("lights").cardinality_limit(17);
    let error = few.zero_initialized().build().expect_err("18 sets");
    let text = error.to_string();
    assert!(matches!(error, InstrumentError::TooManySets { sets: 18, limit: 17, .. }), "{text}");
    for part in ["`lights`", "18", "17", "`cardinality_limit`", "`zero_initialized`"] {
        assert!(text.contains(part), "{text}");
    }

    assert!(registry.read().is_empty(), "nothing was created");
    let own = meter.counter_group::<Light, u64>("lights").cardinality_limit(18);
    assert!(own.zero_initialized().build().is_ok());
}

#[test]
fn an_operators_limit_leaves_fewer_series_but_a_program_that_runs() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    registry.set_cardinality_limit(3);
    let lights = meter.counter_group::<Light, u64>("lights").zero_initialized().build()?;
    assert_eq!(series(&registry, LIGHTS).len(), 3);
    for light in Light::all() {
        lights.with(light).increment();
    }
    assert_eq!(series(&registry, LIGHTS).len(), 4, "with the overflow series");
    assert_eq!(total(&registry, LIGHTS), Light::SETS as f64);
    Ok(())
}

#[test]
fn a_second_request_returns_the_same_group_with_its_values() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let plain = meter.gauge_group::<Light, i64>("gauges").build()?;
    let light = Light::all()[4];
    plain.with(light).set(7);
    let name = "backstage.plugin.catalog.gauges";
    for _ in 0..2 {
        let zeroed = meter.gauge_group::<Light, i64>("gauges").zero_initialized().build()?;
        let series = series(&registry, name);
        assert_eq!(series.len(), Light::SETS);
        assert!(series.contains(&(light.text(), 7.0)), "{series:?}");
        assert_eq!(zeroed.with(light).value(), 7);
    }
    let again = meter.gauge_group::<Light, i64>("gauges").build()?;
    again.with(light).add(1);
    assert_eq!(total(&registry, name), 8.0);
    Ok(())
}

#[test]
fn a_second_request_that_cannot_have_all_series_is_an_error() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let few = meter.counter_group::<Light, u64>("lights").cardinality_limit(2).build()?;
    few.with(Light::all()[0]).increment();
    let more = meter.counter_group::<Light, u64>("lights").cardinality_limit(100);
    for zeroed in [meter.counter_group::<Light, u64>("lights"), more] {
        let text = zeroed.zero_initialized().build().expect_err("2 of 18").to_string();
        assert!(text.contains("18") && text.contains("limit is 2"), "{text}");
    }
    assert_eq!(live(&registry, LIGHTS), 1, "the first group is unchanged");
    Ok(())
}

#[test]
fn a_second_request_that_may_have_all_series_has_them() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    registry.set_cardinality_limit(5);
    let few = meter.gauge_group::<Light, i64>("lights").build()?;
    for (at, light) in Light::all().into_iter().enumerate().take(4) {
        few.with(light).set(at as i64 + 1);
        few.remove(Light::all()[0]);
    }
    registry.set_cardinality_limit(2000);
    let all = meter.gauge_group::<Light, i64>("lights").zero_initialized().build()?;
    assert_eq!(live(&registry, LIGHTS), Light::SETS);
    assert_eq!(total(&registry, LIGHTS), 9.0, "three were set before, the others to zero");
    for light in Light::all() {
        all.with(light).set(1);
        few.with(ByHand(light)).add(1);
    }
    assert_eq!(total(&registry, LIGHTS), 36.0);
    assert_eq!(live(&registry, LIGHTS), Light::SETS);
    Ok(())
}

/// The only label set without labels.
struct Unlabeled;

impl Labels for Unlabeled {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[];

    fn visit(&self, _: &mut impl LabelVisitor) {}
}

#[test]
fn the_only_series_without_labels_is_read_as_zero_too() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let _lights = meter.gauge_group::<Unlabeled, u64>("lights").zero_initialized().build()?;
    let _sizes = meter.histogram_group::<Unlabeled, f64>("sizes").zero_initialized().build()?;
    assert_eq!(series(&registry, LIGHTS), [(String::new(), 0.0)]);
    let (_, points) = histogram(&registry, "backstage.plugin.catalog.sizes");
    assert_eq!(points.iter().map(|point| point.count).collect::<Vec<_>>(), [0]);
    Ok(())
}

#[test]
fn removed_series_return_with_a_second_request() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let lights = || meter.counter_group::<Light, u64>("lights").zero_initialized().build();
    let first = lights()?;
    first.with(Light::all()[0]).add(5);
    first.clear();
    assert!(metric(&registry, LIGHTS).is_none());
    let _second = lights()?;
    assert_eq!(live(&registry, LIGHTS), Light::SETS);
    assert_eq!(total(&registry, LIGHTS), 0.0);
    Ok(())
}

#[test]
fn an_outcome_is_created_from_a_result() {
    let fine: Result<u8, String> = Ok(1);
    let bad: Result<u8, String> = Err("no".to_owned());
    assert_eq!(Outcome::from(&fine), Outcome::Ok);
    assert_eq!(Outcome::from(&bad), Outcome::Error);
    assert_eq!(Outcome::CARDINALITY, Some(2));
    for (outcome, text) in [(Outcome::Ok, "ok"), (Outcome::Error, "error")] {
        assert_eq!(outcome.label(), LabelRef::Static(text));
        assert_eq!(Outcome::nth(outcome.index()), outcome.label());
    }
}

#[test]
fn a_label_key_knows_its_values() {
    let values = Light::KEYS[0].closed_values().expect("closed");
    let texts: Vec<_> = values.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(texts, ["red", "green", "blue"]);
    let dimmed = Light::KEYS[2].closed_values().expect("closed");
    assert_eq!(dimmed.first(), Some(&None), "absent is a value of an `Option`");
    assert_eq!(Tenant::KEYS[0].closed_values(), None);
    assert_eq!(Color::nth(Color::Blue.index()), Color::Blue.label());
}
