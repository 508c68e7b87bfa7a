//! Attributes that many series share: those of all metrics, of a scope, and of an instrument.

use meterkit_core::{
    AttributeValue, InstrumentError, LabelKey, LabelValue, LabelVisitor, Labels, Registry,
};
use meterkit_fakes::catalog;
use meterkit_fakes::label_sets::{Id, Light};
use meterkit_fakes::readings::{histogram, labels, points, series};

const REQUESTS: &str = "backstage.plugin.catalog.requests";

fn set(registry: &Registry, pairs: &[(&'static str, &'static str)]) {
    let pairs = pairs.iter().map(|(key, value)| ((*key).into(), AttributeValue::from(*value)));
    registry.set_attributes(pairs).expect("good keys");
}

/// Returns the labels of all series of the instrument `requests`.
fn all(registry: &Registry) -> Vec<String> {
    points(registry, REQUESTS).iter().map(labels).collect()
}

/// One label for each level that can set the same key.
struct Levels {
    d: Option<&'static str>,
}

impl Labels for Levels {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("d")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.d.label());
    }
}

#[test]
fn labels_override_the_instrument_which_overrides_the_scope_which_overrides_all_metrics()
-> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    set(&registry, &[("a", "global"), ("b", "global"), ("c", "global"), ("d", "global")]);
    let meter = meter.attribute("b", "scope").attribute("c", "scope").attribute("d", "scope");
    let requests = meter.counter_group::<Levels, u64>("requests");
    let requests = requests.attribute("c", "instrument").attribute("d", "instrument").build()?;
    requests.with(Levels { d: Some("label") }).increment();
    requests.with(Levels { d: None }).increment();
    let expected = ["a=global,b=scope,c=instrument", "a=global,b=scope,c=instrument,d=label"];
    assert_eq!(all(&registry), expected, "a label owns its key even when its value is absent");
    Ok(())
}

#[test]
fn attributes_that_are_set_later_apply_to_existing_series() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let plain = meter.counter::<u64>("requests").build()?;
    let lights = meter.counter_group::<Light, u64>("lights").build()?;
    let ids = meter.counter_group::<Id, u64>("ids").cardinality_limit(1).build()?;
    let sizes = meter.histogram::<f64>("sizes").build()?;
    plain.increment();
    lights.with(Light::all()[0]).increment();
    for id in 0..3 {
        ids.with(Id(id)).increment();
    }
    sizes.record(1.0);
    let _ = registry.read();

    for (pairs, text) in [
        (&[("zone", "eu"), ("area", "north")][..], "area=north,zone=eu"),
        (&[("zone", "us")], "zone=us"),
        (&[("zone", "one"), ("zone", "two")], "zone=two"),
        (&[], ""),
    ] {
        set(&registry, pairs);
        let with = |labels: &str| match text {
            "" => labels.to_owned(),
            text if labels.is_empty() => text.to_owned(),
            "area=north,zone=eu" => format!("area=north,{labels},zone=eu"),
            text => format!("{labels},{text}"),
        };
        assert_eq!(series(&registry, REQUESTS), [(with(""), 1.0)]);
        let light = &series(&registry, "backstage.plugin.catalog.lights")[0].0;
        assert_eq!(*light, with(&Light::all()[0].text()));
        let ids = series(&registry, "backstage.plugin.catalog.ids");
        let expected = [(with("id=0"), 1.0), (with("otel.metric.overflow=true"), 2.0)];
        assert_eq!(ids, expected, "the overflow series has the attributes, too, but no labels");
        let (_, sizes) = histogram(&registry, "backstage.plugin.catalog.sizes");
        let sizes: Vec<_> = sizes[0].attributes.iter().map(|(key, _)| key.to_owned()).collect();
        assert_eq!(sizes.len(), text.split(',').filter(|pair| !pair.is_empty()).count());
    }
    assert_eq!(plain.value(), 1, "existing values are kept");
    Ok(())
}

#[test]
fn no_two_series_get_the_same_attributes() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter_group::<Levels, u64>("requests").attribute("d", "k").build()?;
    set(&registry, &[("d", "k")]);
    for d in [Some("x"), None, Some("k")] {
        requests.with(Levels { d }).increment();
    }
    assert_eq!(all(&registry), ["", "d=k", "d=x"]);
    Ok(())
}

#[test]
fn attributes_keep_their_types() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let requests = meter.counter::<u64>("requests");
    let requests = requests.attribute("ratio", 0.5).attribute("count", 3).attribute("on", true);
    requests.attribute("text", String::from("x")).build()?.increment();
    let points = points(&registry, REQUESTS);
    let of = |key| points[0].attributes.get(key).map(AttributeValue::from);
    assert_eq!(of("ratio"), Some(AttributeValue::F64(0.5)));
    assert_eq!(of("count"), Some(AttributeValue::I64(3)));
    assert_eq!(of("on"), Some(AttributeValue::Bool(true)));
    assert_eq!(of("text"), Some(AttributeValue::Str("x".into())));
    assert_eq!(points[0].attributes.to_key_values().len(), 4);
    Ok(())
}

#[test]
fn keys_that_no_label_may_have_are_refused_by_name() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    set(&registry, &[("zone", "eu")]);
    for key in ["", "1st", "le", "quantile", "__name__", "otel_scope_name", "a b"] {
        let good = ("good".into(), AttributeValue::from(1));
        let error = registry.set_attributes([good, (key.into(), AttributeValue::from(1))]);
        let text = error.expect_err("a bad key").to_string();
        assert!(text.contains(&format!("`{key}`")), "{text}");
        let error = meter.counter::<u64>("requests").attribute(key, 1).build();
        let text = error.expect_err("a bad key").to_string();
        assert!(text.contains(&format!("`{key}`")) && text.contains("`requests`"), "{text}");
        let error = meter.clone().attribute(key, 1).counter::<u64>("requests").build();
        let text = error.expect_err("a bad key").to_string();
        assert!(text.contains(&format!("`{key}`")), "{text}");
    }
    assert!(registry.read().is_empty(), "nothing was created");
    meter.counter::<u64>("requests").build()?.increment();
    assert_eq!(all(&registry), ["zone=eu"], "nothing was changed");
    Ok(())
}

#[test]
fn the_same_instrument_with_other_attributes_is_a_clash() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let with = |key, value: &'static str| meter.counter::<u64>("requests").attribute(key, value);
    let first = with("tier", "gold").attribute("zone", "eu").build()?;
    let again = with("zone", "eu").attribute("tier", "tin").attribute("tier", "gold").build()?;
    first.increment();
    assert_eq!(again.value(), 1, "the order of attributes does not matter");
    for other in [with("tier", "tin").attribute("zone", "eu"), with("tier", "gold")] {
        let text = other.build().expect_err("the attributes differ").to_string();
        assert!(text.contains(REQUESTS) && text.contains("attributes {\"tier\""), "{text}");
    }
    let text =
        meter.counter::<u64>("requests").build().expect_err("the attributes differ").to_string();
    assert!(text.contains("\"tier\": \"gold\"") && text.contains("\"zone\": \"eu\""), "{text}");
    Ok(())
}

#[test]
fn scopes_with_different_attributes_are_different_scopes() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let one = meter.clone().attribute("zone", "eu").counter::<u64>("requests").build()?;
    let two = meter.clone().attribute("zone", "us").counter::<u64>("requests").build()?;
    one.add(1);
    two.add(2);
    let scopes = registry.read();
    assert_eq!(scopes.len(), 2);
    let zones = scopes.iter().map(|scope| scope.scope.attributes().count());
    assert_eq!(zones.collect::<Vec<_>>(), [1, 1]);
    assert!(meter.attribute("zone", "eu").unload());
    assert_eq!(series(&registry, REQUESTS), [("zone=us".to_owned(), 2.0)]);
    Ok(())
}
