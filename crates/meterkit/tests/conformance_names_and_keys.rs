//! Conformance, cases 17 to 30: names of metrics, scopes and labels, and values of labels, in the systems that meterkit
//! learns from, expressed in meterkit's API. Where meterkit follows another rule, the test explains why.

use meterkit::data::AttributeRef;
use meterkit::settings::{Naming, NamingPolicy};
use meterkit::testing::{TestKit, assert_metric, assert_no_metric};
use meterkit::{
    Counter, InstrumentError, LabelKey, LabelRef, LabelValue, LabelVisitor, Labels, Registry,
};

type Result<T = (), E = Box<dyn std::error::Error>> = std::result::Result<T, E>;

/// Creates a counter in a scope of the house style.
fn named(name: &str) -> Result<Counter, InstrumentError> {
    Registry::new().scoped("plugin", "catalog").counter(name.to_owned()).build()
}

fn keys<L: Labels>() -> Vec<&'static str> {
    L::KEYS.iter().map(LabelKey::name).collect()
}

#[test]
fn case_17_names_are_lower_case_words() {
    for name in ["a", "request_count", "metric2"] {
        assert!(named(name).is_ok(), "{name}");
    }
    for (name, remedy) in [
        ("", "write for example"),
        ("my-metric", "write `my_metric`"),
        ("My_metric", "write `my_metric`"),
        ("_count", "write `count`"),
        ("count_", "write `count`"),
    ] {
        let error = named(name).expect_err(name).to_string();
        assert!(error.contains(&format!("`{name}`")) && error.contains(remedy), "{error}");
    }
}

/// In the original, a name may have at most 63 characters, and `e_` is reserved for the system's own metrics. meterkit
/// applies OpenTelemetry's limit of 255 to the name including its scope; its own metrics have their own scope, so no
/// prefix is needed.
#[test]
fn case_17_names_are_as_long_as_opentelemetry_allows_and_none_is_reserved() {
    for name in ["a".repeat(63), "a".repeat(64), "e_count".to_owned()] {
        assert!(named(&name).is_ok(), "{name}");
    }
    let longest = 255 - "backstage.plugin.catalog.".len();
    assert!(named(&"a".repeat(longest)).is_ok());
    let error = named(&"a".repeat(longest + 1)).expect_err("256").to_string();
    assert!(error.contains("256 characters") && error.contains("by 1"), "{error}");
}

/// `EncoreResource-123abc` is not a valid field name in Rust, but it is with `_` in place of `-`.
#[test]
fn case_18_keys_and_values_are_the_rust_names_in_snake_case() {
    #[derive(Labels)]
    #[expect(non_snake_case, reason = "names as they are written elsewhere")]
    struct Keys {
        Hello: bool,
        HelloWorld: bool,
        getVersion2: bool,
        GetAPIDocs: bool,
        EncoreResource_123abc: bool,
        ID: bool,
        RenderHTML: bool,
        jobType: bool,
    }
    const EXPECTED: [&str; 8] = [
        "hello",
        "hello_world",
        "get_version2",
        "get_api_docs",
        "encore_resource_123abc",
        "id",
        "render_html",
        "job_type",
    ];
    assert_eq!(keys::<Keys>(), EXPECTED);

    #[derive(LabelValue)]
    #[expect(non_camel_case_types, reason = "names as they are written elsewhere")]
    enum Values {
        Hello,
        HelloWorld,
        getVersion2,
        GetAPIDocs,
        EncoreResource_123abc,
        ID,
        RenderHTML,
        jobType,
    }
    use Values::*;
    let values = [
        Hello,
        HelloWorld,
        getVersion2,
        GetAPIDocs,
        EncoreResource_123abc,
        ID,
        RenderHTML,
        jobType,
    ];
    for (value, expected) in values.iter().zip(EXPECTED) {
        assert_eq!(value.label(), LabelRef::Static(expected));
    }
}

/// The second text cannot be a Rust name, but somebody may give it to a metric; the error then suggests a valid name.
/// The suggestion has the expected words; its dots stay, because metric names have levels.
#[test]
fn case_19_words_are_found_whatever_stands_between_them() {
    #[derive(Labels)]
    #[expect(non_snake_case, reason = "a name as it is written elsewhere")]
    struct Key {
        _Hello___World__: bool,
    }
    assert_eq!(keys::<Key>(), ["hello_world"]);

    let text = r#"This is a full sentence... with "random! bits-and_pieces123 blah"#;
    let error = named(text).expect_err("a sentence").to_string();
    let words = "this_is_a_full_sentence.with_random_bits_and_pieces123_blah";
    assert!(error.ends_with(&format!("write `{words}`")), "{error}");
    assert_eq!(words.split(['.', '_']).count(), 11);
    assert!(named(words).is_ok());
}

/// The original rejects `service`, because the system puts it on every series. In meterkit, as in OpenTelemetry, the
/// service is in the resource, so the label is free; keys that Prometheus and the exporters need are rejected instead.
/// `derive(Labels)` rejects them at compile time, which the tests of meterkit-macros cover.
#[test]
fn case_20_keys_that_targets_need_are_refused_and_service_is_not() -> Result<(), InstrumentError> {
    #[derive(Labels)]
    struct Service {
        service: &'static str,
    }
    let kit = TestKit::new();
    let requests = kit.semconv("test").counter_group::<Service, u64>("requests").build()?;
    requests.with(Service { service: "svc1" }).increment();
    assert_metric!(kit, "requests" { service = "svc1" } == 1);

    fn refused<L: Labels>() -> String {
        let group = Registry::new().semconv("test").counter_group::<L, u64>("requests").build();
        group.expect_err("reserved").to_string()
    }
    macro_rules! by_hand {
        ($name:ident, $key:literal) => {
            struct $name;
            impl Labels for $name {
                type Set = Self;
                const KEYS: &'static [LabelKey] = &[LabelKey::new($key)];
                fn visit(&self, _: &mut impl LabelVisitor) {}
            }
            let error = refused::<$name>();
            assert!(error.contains(concat!("label key `", $key, "`")), "{error}");
        };
    }
    by_hand!(Bucket, "le");
    by_hand!(Quantile, "quantile");
    by_hand!(Internal, "__name__");
    by_hand!(Scope, "otel_scope_name");
    Ok(())
}

/// In the original, 3.7 becomes "3". In meterkit, a float cannot be a label: each value would be a separate series, and
/// silently dropping digits helps nobody. It does not compile, which the tests of meterkit-macros cover; code that
/// wants "3" converts the value explicitly.
#[test]
fn case_21_values_of_labels_are_written_as_rust_writes_them() -> Result<(), InstrumentError> {
    #[derive(Labels)]
    struct Values {
        truth: bool,
        whole: u8,
        floor: i64,
    }
    let kit = TestKit::new();
    let requests = kit.semconv("test").counter_group::<Values, u64>("requests").build()?;
    requests.with(Values { truth: true, whole: 7, floor: 3.7_f64.floor() as i64 }).increment();
    assert_eq!(
        kit.collect().without_self_metrics().to_string(),
        "# test\nrequests{floor=\"3\",truth=\"true\",whole=\"7\"} 1\n"
    );
    Ok(())
}

/// Text, integers and booleans keep their types on the way to targets that distinguish them. The derive turns an enum's
/// values into text, so a label has one type; arrays and objects do not compile. The original rejects optional labels;
/// in meterkit, `Option` means that a key may be absent.
#[test]
fn case_22_labels_keep_their_type() -> Result<(), InstrumentError> {
    #[derive(LabelValue)]
    enum Letter {
        A,
        B,
    }
    /// `1 | 2`: an enum of integers is implemented by hand.
    enum Version {
        One,
        Two,
    }
    impl LabelValue for Version {
        fn label(&self) -> LabelRef<'_> {
            LabelRef::I64(match self {
                Self::One => 1,
                Self::Two => 2,
            })
        }
    }
    #[derive(Labels)]
    struct Typed {
        letter: Letter,
        version: Version,
        truth: bool,
        absent: Option<bool>,
    }
    let kit = TestKit::new();
    let requests = kit.semconv("test").counter_group::<Typed, u64>("requests").build()?;
    let one = Typed { letter: Letter::A, version: Version::One, truth: true, absent: None };
    let two = Typed { letter: Letter::B, version: Version::Two, truth: false, absent: Some(true) };
    requests.with(one).increment();
    requests.with(two).increment();

    let seen = kit.collect();
    let series = seen.get("requests", [("letter", "a"), ("version", "1"), ("truth", "true")]);
    let series = series.expect("the key of `None` is left out");
    assert_eq!(series.label("letter"), Some(AttributeRef::Str("a")));
    assert_eq!(series.label("version"), Some(AttributeRef::I64(1)));
    assert_eq!(series.label("truth"), Some(AttributeRef::Bool(true)));
    assert_eq!(series.label("absent"), None);
    assert_metric!(seen, "requests" { letter = Letter::B, version = Version::Two, truth = false, absent = true } == 1);
    Ok(())
}

/// Returns the full name of a counter that is created in a scope.
fn full_name(kit: &TestKit, kind: &str, scope: &str, metric: &str) -> Result<String> {
    let counter = kit.scoped(kind, scope).counter::<u64>(metric.to_owned()).build()?;
    counter.increment();
    let seen = kit.collect();
    let [name] = seen.names()[..] else { return Err(format!("{:?}", seen.names()).into()) };
    Ok(name.to_owned())
}

#[test]
fn cases_23_to_25_metrics_are_called_after_their_scope() -> Result {
    for (kind, scope, metric, expected) in [
        (
            "plugin",
            "catalog",
            "entities.operations.total",
            "backstage.plugin.catalog.entities.operations.total",
        ),
        ("plugin", "scaffolder", "tasks.total", "backstage.plugin.scaffolder.tasks.total"),
        ("plugin", "techdocs", "builds.duration", "backstage.plugin.techdocs.builds.duration"),
        ("core", "database", "connections.active", "backstage.core.database.connections.active"),
        ("core", "scheduler", "tasks.total", "backstage.core.scheduler.tasks.total"),
        (
            "core",
            "httpRouter",
            "middleware.duration",
            "backstage.core.httpRouter.middleware.duration",
        ),
        (
            "plugin",
            "mcp-actions",
            "actions.duration",
            "backstage.plugin.mcp_actions.actions.duration",
        ),
    ] {
        assert_eq!(full_name(&TestKit::new(), kind, scope, metric)?, expected);
    }
    Ok(())
}

/// The original's manual writes `httpRouter`, and its code turns the name into `httprouter`. meterkit keeps the
/// spelling, and rejects a second spelling.
#[test]
fn case_24_camel_case_is_kept_and_has_one_spelling() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let name = "httpRouter.middleware.duration";
    kit.core().histogram::<f64>(name).unit("seconds").build()?.record(0.2);
    let seen = kit.collect();
    assert_metric!(seen, "backstage.core.httpRouter.middleware.duration" count == 1);
    let series = &seen.series("backstage.core.httpRouter.middleware.duration")[0];
    assert_eq!(series.scope().name(), "backstage.core");
    let catalog = kit.registry().catalog();
    let expected = "backstage_core_httpRouter_middleware_duration_seconds";
    assert_eq!(catalog.entries[0].prometheus_name, expected);

    let other = kit.core().histogram::<f64>("http_router.middleware.duration").build();
    let error = other.expect_err("another spelling").to_string();
    assert!(
        error.contains("only in case") && error.contains(&format!("write `{name}`")),
        "{error}"
    );
    Ok(())
}

#[test]
fn case_26_a_prefix_is_put_before_a_name_exactly_once() -> Result {
    for (scope, metric) in [
        ("x", "y"),
        ("backstage.plugin.x", "y"),
        ("x", "backstage.plugin.x.y"),
        ("backstage.plugin.x", "backstage.plugin.x.y"),
    ] {
        let kit = TestKit::new();
        assert_eq!(full_name(&kit, "plugin", scope, metric)?, "backstage.plugin.x.y");
        assert_eq!(
            kit.collect().series("backstage.plugin.x.y")[0].scope().name(),
            "backstage.plugin.x"
        );
        // Both spellings refer to one instrument.
        assert_eq!(full_name(&kit, "plugin", "x", "y")?, "backstage.plugin.x.y");
        assert_metric!(kit, "backstage.plugin.x.y" == 2);
    }
    Ok(())
}

/// In the original, the scope is `backstage-plugin-catalog`. In meterkit, it is `backstage.plugin.catalog` with either
/// policy, so that a part of the program is always found under one name.
#[test]
fn case_27_the_policy_scope_only_leaves_names_untouched() -> Result {
    let kit = TestKit::new();
    kit.registry().set_naming(Naming::new("backstage", NamingPolicy::ScopeOnly)?)?;
    let meter = kit.scoped("plugin", "catalog");
    meter.histogram::<f64>("mcp.server.operation.duration").unit("s").build()?.record(0.5);
    let seen = kit.collect();
    assert_metric!(seen, "mcp.server.operation.duration" count == 1);
    let series = &seen.series("mcp.server.operation.duration")[0];
    assert_eq!(series.scope().name(), "backstage.plugin.catalog");

    // With the default policy, names can be fixed for one scope at a time, as a convention may require.
    let kit = TestKit::new();
    let meter = kit.semconv("backstage-plugin-catalog");
    meter.histogram::<f64>("mcp.server.operation.duration").unit("s").build()?.record(0.5);
    assert_metric!(kit, "mcp.server.operation.duration" count == 1);
    Ok(())
}

/// The original's regular expression rejects dots, although every name in its manual has one. In meterkit, dots
/// separate levels.
#[test]
fn case_28_names_are_snake_case_and_may_have_levels() {
    for name in ["request_count", "api_response_time", "http_errors", "a.b"] {
        assert!(named(name).is_ok(), "{name}");
    }
    for name in ["", "My-Metric", "a__b"] {
        assert!(named(name).is_err(), "{name}");
    }
    // The expression accepts names that begin with a digit, which OpenTelemetry does not.
    assert!(named("5xx").is_err());
}

#[test]
fn case_29_version_and_schema_of_a_scope_are_passed_on() -> Result<(), InstrumentError> {
    const SCHEMA: &str = "https://example.com/schema";
    let kit = TestKit::new();
    kit.scoped("plugin", "plain").counter::<u64>("requests").build()?.increment();
    let meter = kit.scoped("plugin", "versioned").version("1.2.3").schema_url(SCHEMA);
    meter.counter::<u64>("requests").build()?.increment();

    let seen = kit.collect();
    let plain = seen.series("backstage.plugin.plain.requests")[0].scope();
    assert_eq!(
        (plain.name(), plain.version(), plain.schema_url()),
        ("backstage.plugin.plain", None, None)
    );
    let scope = seen.series("backstage.plugin.versioned.requests")[0].scope();
    assert_eq!((scope.version(), scope.schema_url()), (Some("1.2.3"), Some(SCHEMA)));
    Ok(())
}

/// In the original, configuration can rename the scope of each plugin. In meterkit, an operator sets the namespace of
/// all scopes (`METERKIT_NAMESPACE`), so that dashboards made for one plugin fit the others; the code that creates a
/// meter sets its version and schema, and the last value set applies.
#[test]
fn case_29_what_is_set_wins_over_the_default() -> Result {
    let kit = TestKit::new();
    let meter = kit.scoped("plugin", "catalog").version("1.0.0").version("1.2.3");
    meter.counter::<u64>("requests").build()?.increment();
    kit.registry().set_naming(Naming::new("acme", NamingPolicy::Prefixed)?)?;

    let seen = kit.collect();
    assert_metric!(seen, "acme.plugin.catalog.requests" == 1);
    assert_no_metric!(seen, "backstage.plugin.catalog.requests");
    let scope = seen.series("acme.plugin.catalog.requests")[0].scope();
    assert_eq!((scope.name(), scope.version()), ("acme.plugin.catalog", Some("1.2.3")));
    Ok(())
}

/// `observe` adds a callback, and dropping its return value removes the callback.
#[test]
fn case_30_each_kind_of_instrument_can_be_made_and_used() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let meter = kit.semconv("test");
    meter.counter::<u64>("counter").build()?.increment();
    meter.up_down_counter::<i64>("up_down_counter").build()?.decrement();
    meter.gauge::<f64>("gauge").build()?.set(0.5);
    meter.histogram::<u64>("histogram").build()?.record(7);
    let counter = meter.observable_counter::<u64>("observable_counter").build()?;
    let up_down = meter.observable_up_down_counter::<i64>("observable_up_down").build()?;
    let gauge = meter.observable_gauge::<u64>("observable_gauge").build()?;
    let callbacks = [counter.observe(|| 3), up_down.observe(|| -4), gauge.observe(|| 5)];

    let seen = kit.collect();
    assert_metric!(seen, "counter" == 1);
    assert_metric!(seen, "up_down_counter" == -1);
    assert_metric!(seen, "gauge" == 0.5);
    assert_metric!(seen, "histogram" count == 1, sum == 7);
    assert_metric!(seen, "observable_counter" == 3);
    assert_metric!(seen, "observable_up_down" == -4);
    assert_metric!(seen, "observable_gauge" == 5);
    drop(callbacks);
    let seen = kit.collect();
    assert_no_metric!(seen, "observable_counter");
    assert_no_metric!(seen, "observable_up_down");
    assert_no_metric!(seen, "observable_gauge");
    Ok(())
}
