//! Bad input is an error whose text names the offender, the rule and what to write instead.

use meterkit_core::{
    InstrumentError, LabelKey, LabelRef, LabelVisitor, Labels, Meter, Naming, NamingError,
    NamingPolicy, Registry,
};

/// Checks that the text of `error` contains all of `words`.
#[track_caller]
fn says(error: &impl ToString, words: &[&str]) {
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "`{word}` is missing from: {text}");
    }
}

fn counter_error(meter: &Meter, name: &str) -> InstrumentError {
    meter.counter::<u64>(name.to_owned()).build().expect_err(name)
}

#[test]
fn each_bad_name_is_named_with_the_rule_and_a_better_one() {
    let too_long = "a".repeat(256);
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    for (name, rule, suggestion) in [
        ("", "is empty", "write for example `queue.length`"),
        (&*too_long, "is longer than 255 characters", "write for example `queue.length`"),
        ("2xx.responses", "must begin with a letter", "write `n_2xx.responses`"),
        ("größe", "outside ASCII", "write `gr_e`"),
        ("Queue.Length", "upper-case letter", "write `queue.length`"),
        ("HttpRequests", "upper-case letter", "write `http_requests`"),
        ("open files", "white space", "write `open_files`"),
        ("open-files", "holds `-` or `/`", "write `open_files`"),
        ("a..b", "empty level", "write `a.b`"),
        ("a__b", "does not join two words", "write `a_b`"),
        ("a{b}", "may only hold letters", "write `a_b`"),
    ] {
        says(&counter_error(&meter, name), &[&format!("`{name}`"), rule, suggestion]);
    }
    assert!(registry.read().is_empty(), "nothing is registered by what failed");
}

#[test]
fn a_name_that_is_too_long_with_its_prefix_says_by_how_much() {
    let meter = Registry::new().scoped("plugin", "catalog");
    let prefix = "backstage.plugin.catalog.".len();
    let longest = "a".repeat(255 - prefix);
    assert!(meter.counter::<u64>(longest.clone()).build().is_ok());

    let name = longest + "bcd";
    let full_name = format!("`backstage.plugin.catalog.{name}`");
    let shorten = format!("shorten `{name}` by 3");
    says(&counter_error(&meter, &name), &[&full_name, "255 are allowed", &shorten]);
}

#[test]
fn names_of_a_convention_need_only_satisfy_the_grammar() {
    let meter = Registry::new().semconv("http-server");
    assert!(meter.counter::<u64>("Http.Server-requests/2xx").build().is_ok());
    says(&counter_error(&meter, "2xx"), &["`2xx`", "begin with a letter", "write `n_2xx`"]);
}

#[test]
fn each_bad_unit_is_named_with_the_rule_and_a_better_one() {
    let long = "x".repeat(64);
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "catalog");
    for (unit, rule, suggestion) in [
        ("second", "is not a UCUM symbol", "write `s`"),
        ("byte", "is not a UCUM symbol", "write `By`"),
        ("requests", "is a word", "write an annotation such as `{request}`"),
        (
            "open files",
            "must not contain white space",
            "write an annotation such as `{open_files}`",
        ),
        ("{request", "unmatched braces", "write for example `{request}`"),
        ("{{request}}", "unmatched braces", "write for example `{request}`"),
        ("µs", "must be ASCII", "such as `us`"),
        (&*long, "64 characters, but at most 63 are allowed", "use a UCUM symbol"),
    ] {
        let error = meter.gauge::<i64>("size").unit(unit.to_owned()).build().expect_err(unit);
        says(&error, &["`size`", &format!("`{unit}`"), rule, suggestion]);
    }
    assert!(registry.read().is_empty());
}

#[test]
fn each_bad_bucket_list_is_named_with_the_rule_and_a_better_one() {
    let meter = Registry::new().scoped("plugin", "catalog");
    for (bounds, rule, suggestion) in [
        (&[][..], "is empty", "at least one boundary"),
        (&[5.0, 1.0, 10.0], "has 5 before 1", "[1.0, 5.0, 10.0]"),
        (&[1.0, 1.0], "has 1 before 1", "[1.0]"),
        (&[1.0, f64::NAN], "contains NaN", "boundaries must be numbers"),
        (&[1.0, f64::INFINITY], "contains infinity", "leave it out"),
    ] {
        let plain = meter.histogram::<f64>("size").buckets(bounds).build().unwrap_err();
        says(&plain, &["histogram `size`", rule, suggestion]);
        let group = meter.histogram_group::<Key<0>, u64>("size").buckets(bounds).build();
        assert_eq!(group.unwrap_err(), plain);
    }
}

/// Label keys: valid ones first, then one invalid key in each list.
const KEYS: [&[LabelKey]; 9] = [
    &[LabelKey::new("kind")],
    &[LabelKey::new("kind"), LabelKey::new("le")],
    &[LabelKey::new("kind"), LabelKey::new("quantile")],
    &[LabelKey::new("kind"), LabelKey::new("__name__")],
    &[LabelKey::new("kind"), LabelKey::new("otel_scope_name")],
    &[LabelKey::new("kind"), LabelKey::new("")],
    &[LabelKey::new("kind"), LabelKey::new("1st")],
    &[LabelKey::new("kind"), LabelKey::new("is-new")],
    &[LabelKey::new("kind"), LabelKey::new("kind")],
];

/// Labels with the keys at index `N`.
struct Key<const N: usize>;

impl<const N: usize> Labels for Key<N> {
    type Set = Self;
    const KEYS: &'static [LabelKey] = KEYS[N];

    fn visit(&self, visitor: &mut impl LabelVisitor) {
        visitor.visit(LabelRef::Absent);
        visitor.visit(LabelRef::Absent);
    }
}

#[test]
fn each_bad_label_key_is_named_with_the_rule() {
    #[track_caller]
    fn refuses<const N: usize>(key: &str, rule: &str) {
        let meter = Registry::new().scoped("plugin", "catalog");
        let error = meter.counter_group::<Key<N>, u64>("requests").build().unwrap_err();
        says(&error, &["`requests`", &format!("label key `{key}`"), rule]);
    }
    refuses::<1>("le", "reserved");
    refuses::<2>("quantile", "reserved");
    refuses::<3>("__name__", "begins with `__`");
    refuses::<4>("otel_scope_name", "reserved");
    refuses::<5>("", "is empty");
    refuses::<6>("1st", "begin with a letter");
    refuses::<7>("is-new", "may only hold");
    refuses::<8>("kind", "twice");
}

#[test]
fn a_cardinality_limit_of_zero_is_refused() {
    let meter = Registry::new().scoped("plugin", "catalog");
    let group = meter.counter_group::<Key<0>, u64>("requests").cardinality_limit(0).build();
    says(&group.unwrap_err(), &["`requests`", "is 0", "at least 1"]);
}

#[test]
fn a_bad_scope_is_an_error_of_each_of_its_instruments() {
    let registry = Registry::new();
    for (kind, name, part, rule, suggestion) in [
        ("plugin", "", "scope name ``", "is empty", "write for example"),
        ("", "catalog", "scope kind ``", "is empty", "write for example"),
        ("plugin", "Catalog", "scope name `Catalog`", "upper-case", "write `catalog`"),
        ("plugin", "my plugin", "scope name `my plugin`", "white space", "write `my_plugin`"),
    ] {
        let meter = registry.scoped(kind, name).version("1").attribute("team", "a");
        let words = [part, rule, suggestion];
        says(&counter_error(&meter, "requests"), &words);
        says(&meter.gauge::<f64>("load").build().unwrap_err(), &words);
        says(&meter.histogram::<f64>("size").build().unwrap_err(), &words);
        says(&meter.observable_gauge::<u64>("rows").observe(|| 1).unwrap_err(), &words);
    }
    let semconv = registry.semconv("2xx");
    says(&counter_error(&semconv, "requests"), &["scope name `2xx`", "begin with a letter"]);
    registry.refresh();
    assert!(registry.read().is_empty());
}

#[test]
fn a_bad_namespace_or_policy_is_named_with_what_is_accepted() {
    let namespace = Naming::new("AcmeCorp", NamingPolicy::Prefixed).unwrap_err();
    says(&namespace, &["namespace `AcmeCorp`", "upper-case", "write `acme_corp`"]);
    let policy: Result<NamingPolicy, NamingError> = "flat".parse();
    says(&policy.unwrap_err(), &["`flat`", "unknown", "`prefixed`, `scope` or `plain`"]);
}

#[test]
fn names_that_differ_only_in_case_or_underscores_are_refused() -> Result<(), InstrumentError> {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "mcp-actions");
    let _requests = meter.counter::<u64>("http_requests").build()?;
    for name in ["httpRequests", "httprequests", "hTTPRequests"] {
        says(&counter_error(&meter, name), &["only in case, `-` or `_`", "write `http_requests`"]);
    }
    // A dot separates levels, but becomes `_` in Prometheus.
    says(&counter_error(&meter, "http.requests"), &["collides", "_http_requests_total`"]);
    assert!(meter.up_down_counter::<i64>("http.requests").build().is_ok(), "no `_total`");

    let alike = counter_error(&registry.scoped("plugin", "mcpActions"), "requests");
    let words = ["scope name `mcpActions`", "only in case, `-` or `_`", "write `mcp_actions`"];
    says(&alike, &words);
    assert!(registry.scoped("core", "mcpActions").counter::<u64>("requests").build().is_ok());
    assert!(registry.scoped("plugin", "mcp_actions").counter::<u64>("requests").build().is_ok());

    assert!(registry.scoped("plugin", "mcp-actions").unload());
    assert!(registry.scoped("plugin", "mcpActions").counter::<u64>("requests").build().is_ok());
    Ok(())
}

#[test]
fn each_type_of_instrument_works_whether_or_not_it_can_be_created() {
    let meter = Registry::new().scoped("plugin", "catalog");
    for name in ["things", "not a name"] {
        let name =
            |kind: &str| if name == "things" { format!("{name}.{kind}") } else { name.into() };
        meter.counter::<u64>(name("counter.u64")).register().add(1);
        meter.counter::<f64>(name("counter.f64")).register().add(1.0);
        meter.up_down_counter::<i64>(name("sum.i64")).register().add(1);
        meter.up_down_counter::<f64>(name("sum.f64")).register().add(1.0);
        meter.gauge::<u64>(name("gauge.u64")).register().set(1);
        meter.gauge::<i64>(name("gauge.i64")).register().set(1);
        meter.gauge::<f64>(name("gauge.f64")).register().set(1.0);
        meter.histogram::<u64>(name("histogram.u64")).register().record(1);
        meter.histogram::<f64>(name("histogram.f64")).register().record(1.0);
        let _ = meter.observable_counter::<u64>(name("observed.u64")).register();
        let _ = meter.observable_up_down_counter::<i64>(name("observed.i64")).register();
        let _ = meter.observable_gauge::<f64>(name("observed.f64")).register();
    }
}
