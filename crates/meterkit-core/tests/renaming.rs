//! Names are composed when metrics are read, so a naming that is set later renames existing metrics.

use meterkit_core::{
    InstrumentError, Naming, NamingError, NamingPolicy, Registry, ScopeOptions, Value,
};
use meterkit_fakes::readings::{metric, value};

fn naming(namespace: &str, policy: NamingPolicy) -> Naming {
    Naming::new(namespace, policy).expect("a good namespace")
}

#[test]
fn a_namespace_that_is_set_later_renames_scopes_and_metrics() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog").version("1.2.3");
    let requests = meter.counter::<u64>("requests").unit("{request}").build()?;
    requests.add(2);
    assert!(value(&registry, "backstage.plugin.catalog.requests").is_some());

    registry.set_naming(naming("acme", NamingPolicy::Prefixed)).expect("short names");
    requests.increment();

    let read = registry.read();
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].scope.name(), "acme.plugin.catalog");
    assert_eq!(read[0].scope.version(), Some("1.2.3"));
    assert!(value(&registry, "backstage.plugin.catalog.requests").is_none());
    assert_eq!(value(&registry, "acme.plugin.catalog.requests"), Some(Value::U64(3)));
    let renamed = metric(&registry, "acme.plugin.catalog.requests").expect("just read");
    assert_eq!(renamed.descriptor.unit, "{request}");
    let again = meter.counter::<u64>("requests").unit("{request}").build()?;
    assert_eq!(again.value(), 3, "it is still the same instrument");
    Ok(())
}

#[test]
fn the_policy_can_take_the_scope_out_of_names_and_put_it_back() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    registry.scoped("plugin", "catalog").counter::<u64>("requests").build()?.increment();
    registry.set_naming(naming("backstage", NamingPolicy::ScopeOnly)).expect("short names");
    assert_eq!(value(&registry, "requests"), Some(Value::U64(1)));
    assert_eq!(registry.read()[0].scope.name(), "backstage.plugin.catalog");

    registry.set_naming(Naming::default()).expect("short names");
    assert_eq!(value(&registry, "backstage.plugin.catalog.requests"), Some(Value::U64(1)));
    assert_eq!(registry.naming(), Naming::default());
    Ok(())
}

#[test]
fn names_of_a_convention_are_never_renamed() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let meter = registry.semconv("http.server");
    meter.histogram::<f64>("http.server.request.duration").unit("s").build()?.record(0.1);
    registry.set_naming(naming("acme", NamingPolicy::Prefixed)).expect("short names");
    assert_eq!(registry.read()[0].scope.name(), "http.server");
    assert!(metric(&registry, "http.server.request.duration").is_some());
    Ok(())
}

#[test]
fn a_name_that_has_its_prefix_already_is_not_prefixed_twice() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "backstage.plugin.catalog");
    meter.counter::<u64>("backstage.plugin.catalog.requests").build()?.increment();
    assert_eq!(registry.read()[0].scope.name(), "backstage.plugin.catalog");
    assert_eq!(value(&registry, "backstage.plugin.catalog.requests"), Some(Value::U64(1)));
    Ok(())
}

#[test]
fn a_namespace_that_makes_a_name_too_long_changes_nothing() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    let long = "a".repeat(255 - "backstage.plugin.catalog.".len());
    meter.counter::<u64>("a_first").build()?.increment();
    meter.counter::<u64>(long.clone()).build()?.increment();

    let error = registry.set_naming(naming("backstages", NamingPolicy::Prefixed)).unwrap_err();
    assert!(matches!(error, NamingError::TooLong { .. }));
    let text = error.to_string();
    for part in ["namespace `backstages`", &long, "256 characters", "shorten the namespace"] {
        assert!(text.contains(part), "{text}");
    }
    assert_eq!(registry.naming(), Naming::default());
    assert_eq!(value(&registry, "backstage.plugin.catalog.a_first"), Some(Value::U64(1)));
    Ok(())
}

#[test]
fn instruments_that_are_created_later_have_the_new_name() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    registry.set_naming(naming("acme.shop", NamingPolicy::Prefixed)).expect("short names");
    meter.counter::<u64>("requests").build()?.increment();
    assert_eq!(value(&registry, "acme.shop.plugin.catalog.requests"), Some(Value::U64(1)));
    Ok(())
}

#[test]
fn a_metric_is_the_same_however_much_of_its_prefix_is_written() {
    let registry = Registry::new();
    let count = |scope: &str, name: &str| {
        let meter = registry.scoped("plugin", scope);
        meter.counter::<u64>(name.to_owned()).build().unwrap().increment();
    };
    count("x", "y");
    count("backstage.plugin.x", "y");
    count("x", "backstage.plugin.x.y");
    let scopes = registry.read();
    assert_eq!(scopes.len(), 1, "{scopes:?}");
    assert_eq!(scopes[0].metrics.len(), 1, "{scopes:?}");
    let text = format!("{:?}", scopes[0].metrics[0].data);
    assert!(text.contains("U64(3)"), "{text}");
}

#[test]
fn an_operator_sets_name_version_and_schema_of_a_scope() -> Result<(), Box<dyn std::error::Error>> {
    let registry = Registry::new();
    let early = registry.scoped("plugin", "mcp-actions").version("0.9").schema_url("https://a.b/1");
    early.counter::<u64>("requests").build()?.increment();
    let options = |name: &str, version: &str| ScopeOptions {
        name: Some(name.to_owned()),
        version: Some(version.to_owned()),
        schema_url: None,
    };
    let naming = Naming::new("acme", NamingPolicy::Prefixed)?
        .with_scope("plugin.mcp-actions", options("acme.actions", "1.2"))?
        .with_scope("core", options("acme", "3"))?
        .with_scope("http-server", options("acme.http", "4"))?;
    registry.set_naming(naming)?;
    registry.core().counter::<u64>("starts").build()?.increment();
    registry.semconv("http-server").counter::<u64>("http.requests").build()?.increment();
    registry.scoped("plugin", "catalog").counter::<u64>("rows").build()?.increment();

    let scopes = registry.read();
    let shown = scopes.iter().map(|it| {
        let scope = &it.scope;
        let name = &*it.metrics[0].descriptor.name;
        (scope.name(), scope.version(), scope.schema_url(), name)
    });
    let expected = [
        ("acme", Some("3"), None, "acme.core.starts"),
        ("acme.actions", Some("1.2"), Some("https://a.b/1"), "acme.plugin.mcp_actions.requests"),
        ("acme.http", Some("4"), None, "http.requests"),
        ("acme.plugin.catalog", None, None, "acme.plugin.catalog.rows"),
    ];
    assert_eq!(shown.collect::<Vec<_>>(), expected);

    let error = Naming::default().with_scope("core", options("1a", "1")).unwrap_err().to_string();
    assert!(error.contains("name `1a` of scope `core` must begin with a letter"), "{error}");
    Ok(())
}
