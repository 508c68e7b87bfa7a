//! Requesting the same instrument twice returns one instrument; a different one is refused with an error that names
//! both.

use meterkit_core::{
    Counter, InstrumentError, LabelKey, LabelValue, LabelVisitor, Labels, Registry, Value,
};
use meterkit_fakes::catalog;
use meterkit_fakes::readings::{points, value};

struct Kind(&'static str);

impl Labels for Kind {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("kind")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

struct Method(&'static str);

impl Labels for Method {
    type Set = Self;
    const KEYS: &'static [LabelKey] = &[LabelKey::new("method")];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(self.0.label());
    }
}

/// Checks that the error names `full_name`, the property that differs, the existing value and the requested one.
#[track_caller]
fn refused<T>(
    asked: Result<T, InstrumentError>,
    full_name: &str,
    aspect: &str,
    existing: &str,
    requested: &str,
) {
    let Err(error) = asked else { panic!("`{full_name}` was created twice") };
    let text = error.to_string();
    let says = format!(
        "instrument `{full_name}` already exists with {aspect} {existing} and is requested with {aspect} {requested}"
    );
    assert!(text.contains(&says), "{text}");
    assert!(text.contains("use the same in both places, or another name"), "{text}");
}

#[test]
fn an_instrument_of_another_type_is_refused() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let name = "backstage.plugin.catalog.requests";
    let first = meter.counter::<u64>("requests").build()?;
    let of = |kind: &str| format!("`{kind}`");
    let refused_as = |asked: Result<(), InstrumentError>, kind: &str| {
        refused(asked, name, "type", "`counter of u64`", &of(kind));
    };
    refused_as(meter.counter::<f64>("requests").build().map(drop), "counter of f64");
    refused_as(
        meter.up_down_counter::<i64>("requests").build().map(drop),
        "up-down counter of i64",
    );
    refused_as(meter.gauge::<u64>("requests").build().map(drop), "gauge of u64");
    refused_as(meter.histogram::<f64>("requests").build().map(drop), "histogram of f64");
    refused_as(
        meter.observable_gauge::<u64>("requests").observe(|| 1).map(drop),
        "observable gauge of u64",
    );
    first.increment();
    assert_eq!(
        meter.counter::<u64>("requests").build()?.value(),
        1,
        "the first instrument keeps working"
    );
    Ok(())
}

#[test]
fn another_unit_or_description_is_refused() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let name = "backstage.plugin.catalog.traffic";
    let build = |unit: &'static str, description: &'static str| {
        meter.counter::<u64>("traffic").unit(unit).description(description).build()
    };
    let _first = build("By", "Bytes sent.")?;
    refused(build("", "Bytes sent."), name, "unit", "`By`", "(none)");
    refused(build("By", "Bytes."), name, "description", "`Bytes sent.`", "`Bytes.`");
    Ok(())
}

#[test]
fn other_labels_or_none_are_refused() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let name = "backstage.plugin.catalog.requests";
    let _first = meter.counter_group::<Kind, u64>("requests").build()?;
    let other = meter.counter_group::<Method, u64>("requests").build();
    refused(other, name, "label keys", r#"["kind"]"#, r#"["method"]"#);
    let none = meter.counter::<u64>("requests").build();
    refused(none, name, "label keys", r#"["kind"]"#, "[]");
    Ok(())
}

#[test]
fn other_buckets_are_refused_and_the_default_is_a_bucket_list_too() -> Result<(), InstrumentError> {
    let (_, meter) = catalog();
    let name = "backstage.plugin.catalog.size";
    let _first = meter.histogram::<f64>("size").buckets([1.0, 2.0]).build()?;
    let other = meter.histogram::<f64>("size").buckets([1.0, 3.0]).build();
    refused(other, name, "buckets", "[1.0, 2.0]", "[1.0, 3.0]");
    let default = meter.histogram::<f64>("size").build();
    refused(default, name, "buckets", "[1.0, 2.0]", "[0.0, 5.0");

    let _by_default = meter.histogram::<f64>("weight").unit("s").build()?;
    let mut bounds = vec![0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75];
    bounds.extend([1.0, 2.5, 5.0, 7.5, 10.0]);
    assert!(meter.histogram::<f64>("weight").unit("s").buckets(bounds).build().is_ok());
    Ok(())
}

#[test]
fn requesting_the_same_instrument_twice_returns_the_same_one() -> Result<(), InstrumentError> {
    let (registry, meter) = catalog();
    let ask = || meter.counter::<u64>("requests").unit("{request}").description("All.").build();
    let (one, other): (Counter, Counter) = (ask()?, ask()?);
    one.add(2);
    other.add(3);
    assert_eq!((one.value(), other.value()), (5, 5));

    let group = || meter.counter_group::<Kind, u64>("operations").build();
    group()?.with(Kind("create")).add(2);
    group()?.with(Kind("create")).add(3);
    let points = points(&registry, "backstage.plugin.catalog.operations");
    let values: Vec<_> = points.iter().map(|point| point.value).collect();
    assert_eq!(values, [Value::U64(5)]);
    Ok(())
}

#[test]
fn two_meters_of_one_scope_are_the_same() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let meters = [
        registry.scoped("plugin", "mcp-actions").attribute("a", "1").attribute("b", "2"),
        registry.scoped("plugin", "mcp_actions").attribute("b", "0").attribute("a", "1"),
    ];
    for meter in meters {
        meter.attribute("b", "2").counter::<u64>("calls").build()?.increment();
    }
    assert_eq!(registry.read().len(), 1);
    let calls = value(&registry, "backstage.plugin.mcp_actions.calls");
    assert_eq!(calls, Some(Value::U64(2)));
    Ok(())
}

#[test]
fn names_that_differ_in_case_only_are_one_instrument() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let meter = registry.semconv("http");
    meter.counter::<u64>("Http.Requests").build()?.increment();
    meter.counter::<u64>("http.requests").build()?.increment();
    assert_eq!(value(&registry, "Http.Requests"), Some(Value::U64(2)));
    let other_type = meter.gauge::<u64>("HTTP.requests").build();
    assert!(matches!(other_type, Err(InstrumentError::Clash { aspect: "type", .. })));
    Ok(())
}

#[test]
fn the_same_name_in_another_scope_or_version_is_another_instrument() -> Result<(), InstrumentError>
{
    let registry = Registry::new();
    let scopes = [
        registry.scoped("plugin", "catalog"),
        registry.scoped("plugin", "catalog").version("2.0.0"),
        registry.scoped("plugin", "catalog").schema_url("https://example.com/1"),
        registry.scoped("plugin", "catalog").attribute("team", "a"),
        registry.scoped("core", "catalog"),
    ];
    for (at, meter) in scopes.iter().enumerate() {
        meter.counter::<u64>("requests").build()?.add(at as u64 + 1);
    }
    // In another scope, the name may belong to an instrument of another type.
    let _gauge = registry.scoped("core", "database").gauge::<i64>("requests").build()?;

    let read = registry.read();
    assert_eq!(read.len(), scopes.len());
    assert_eq!(read[0].scope.name(), "backstage.core.catalog", "scopes are ordered by name");
    let versions: Vec<_> = read.iter().filter_map(|scope| scope.scope.version()).collect();
    assert_eq!(versions, ["2.0.0"]);
    Ok(())
}
