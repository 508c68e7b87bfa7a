//! Conformance, cases 42 to 48: attributes that many series share.
//!
//! In the original, rules assign attributes: to all metrics, to one scope by name and version, and to scopes whose
//! names match a pattern. A rule for a scope replaces the rules for all. In meterkit, attributes are set where things
//! are created: for all metrics in the registry, for a scope by the code that creates its meter, for an instrument by
//! its builder. They add up; if a key is set more than once, the nearest attribute applies: global, then scope, then
//! instrument, then label. Rules by pattern would have to be matched against every series of every scope, and a reader
//! of a scope's code could not see their effect. So [`meter`] stands for the code of a program that decides which
//! attributes its scopes get.

use meterkit::testing::{Seen, TestKit, assert_metric};
use meterkit::{InstrumentError, Labels, Meter};

/// Creates the meter of a scope with the attributes that the rules of the cases assign: `a` for `ins_a` in v1.0, `b`
/// and `c` for `ins_bb` in v1.1, `d` for names that begin with `ins` in v1.0, `e` and `f` for names that begin with
/// `ins_b` in v1.0 and v1.1. meterkit rejects a scope without a name, so the nameless scope of case 42 has a name that
/// no rule matches.
fn meter(kit: &TestKit, name: &str, version: &'static str) -> Meter {
    let meter = kit.semconv(if name.is_empty() { "unnamed" } else { name });
    let meter = if version.is_empty() { meter } else { meter.version(version) };
    let rules: [(&str, bool); 6] = [
        ("a", (name, version) == ("ins_a", "v1.0")),
        ("b", (name, version) == ("ins_bb", "v1.1")),
        ("c", (name, version) == ("ins_bb", "v1.1")),
        ("d", name.starts_with("ins") && version == "v1.0"),
        ("e", name.starts_with("ins_b") && version == "v1.0"),
        ("f", name.starts_with("ins_b") && version == "v1.1"),
    ];
    let given = rules.into_iter().filter(|(_, is_given)| *is_given);
    given.fold(meter, |meter, (key, _)| meter.attribute(key.to_owned(), "1"))
}

/// Returns the label keys of a series in the scope, when `global` is set for all metrics.
fn keys(name: &str, version: &'static str) -> Vec<String> {
    let kit = TestKit::new();
    kit.registry().set_attributes([("global".into(), "1".into())]).expect("a good key");
    let counter = meter(&kit, name, version).counter::<u64>("requests").build();
    counter.expect("a good name").increment();
    let seen = kit.collect();
    let keys = seen.series("requests")[0].labels().iter().map(|(key, _)| key.to_owned());
    keys.collect()
}

#[test]
fn case_42_what_is_set_for_all_is_on_a_scope_without_attributes() {
    assert_eq!(keys("", ""), ["global"]);
}

/// In the original, a scope that any rule names loses the attributes set for all, even if no rule matches its version.
/// In meterkit, they always apply: nobody expects `deployment.environment.name` to disappear when a scope has its own
/// attributes.
#[test]
fn cases_43_and_44_attributes_of_one_version_are_not_on_another() {
    assert_eq!(keys("ins_a", ""), ["global"]);
    assert_eq!(keys("ins_a", "1.1"), ["global"]);
    assert_eq!(keys("ins_a", "v1.0"), ["a", "d", "global"]);
}

/// The original lacks `global`; see above.
#[test]
fn cases_45_and_46_attributes_of_a_scope_add_up() {
    assert_eq!(keys("ins_bb", "v1.0"), ["d", "e", "global"]);
    assert_eq!(keys("ins_bb", "v1.1"), ["b", "c", "f", "global"]);
}

/// The original lacks `global`; see above.
#[test]
fn case_47_attributes_of_one_scope_are_not_on_another() {
    assert_eq!(keys("ins_cc", "v1.1"), ["global"]);
}

#[derive(Labels)]
struct Dynamic {
    dynamic: Option<&'static str>,
}

/// Returns the number of series of a metric, after checking that all have `key`, or neither key if it is `None`.
fn count(seen: &Seen, name: &str, key: Option<&str>) -> usize {
    let series = seen.series(name);
    for series in &series {
        for known in ["g1", "g2"] {
            assert_eq!(series.label(known).is_some(), key == Some(known), "{series}");
        }
    }
    series.len()
}

#[test]
fn case_48_each_version_of_a_scope_has_attributes_of_its_own() -> Result<(), InstrumentError> {
    let kit = TestKit::new();
    let scope = |version| kit.semconv("scope").version(version);
    let counter = scope("v1.1").attribute("g1", "1").counter_group::<Dynamic, u64>("counter");
    let counter = counter.build()?;
    counter.with(Dynamic { dynamic: None }).increment();
    counter.with(Dynamic { dynamic: Some("1") }).add(10);
    scope("v1.2").histogram::<f64>("histogram").build()?.record(1.0);
    let observed = scope("v1.3").attribute("g2", "2");
    let _observed = [
        observed.observable_counter::<u64>("observable.counter").observe(|| 10)?,
        observed.observable_up_down_counter::<i64>("observable.up_down").observe(|| 20)?,
        observed.observable_gauge::<i64>("observable.gauge").observe(|| 30)?,
    ];

    let seen = kit.collect().without_self_metrics();
    assert_eq!(count(&seen, "counter", Some("g1")), 2);
    assert_eq!(count(&seen, "histogram", None), 1);
    assert_eq!(count(&seen, "observable.counter", Some("g2")), 1);
    assert_eq!(count(&seen, "observable.up_down", Some("g2")), 1);
    assert_eq!(count(&seen, "observable.gauge", Some("g2")), 1);
    assert_eq!(seen.snapshot().scopes.len(), 3);
    Ok(())
}

/// In the original, the order depends on the instrument. In meterkit, it is the same for all instruments.
#[test]
fn case_48_of_one_key_the_nearest_attribute_counts() -> Result<(), Box<dyn std::error::Error>> {
    #[derive(Labels)]
    struct Label {
        d: Option<&'static str>,
    }
    let kit = TestKit::new();
    let all = ["a", "b", "c", "d"].map(|key| (key.into(), "global".into()));
    kit.registry().set_attributes(all)?;
    let meter = kit.semconv("scope");
    let meter = ["b", "c", "d"].into_iter().fold(meter, |meter, key| meter.attribute(key, "scope"));

    let own = "instrument";
    let counter = meter.counter_group::<Label, u64>("counter");
    let counter = counter.attribute("c", own).attribute("d", own).build()?;
    let gauge = meter.gauge_group::<Label, i64>("gauge");
    let gauge = gauge.attribute("c", own).attribute("d", own).build()?;
    let histogram = meter.histogram_group::<Label, u64>("histogram");
    let histogram = histogram.attribute("c", own).attribute("d", own).build()?;
    for d in [None, Some("label")] {
        counter.with(Label { d }).increment();
        gauge.with(Label { d }).set(1);
        histogram.with(Label { d }).record(1);
    }
    let observed = meter.observable_gauge::<i64>("observed").attribute("c", own);
    let _observed = observed.attribute("d", own).observe(|| 1)?;

    let seen = kit.collect();
    // A label owns its key even if it is absent; otherwise two series could look the same.
    assert_metric!(seen, "counter" { a = "global", b = "scope", c = own } == 1);
    assert_metric!(seen, "gauge" { a = "global", b = "scope", c = own } == 1);
    assert_metric!(seen, "histogram" { a = "global", b = "scope", c = own } count == 1);
    let d = "label";
    assert_metric!(seen, "counter" { a = "global", b = "scope", c = own, d = d } == 1);
    assert_metric!(seen, "gauge" { a = "global", b = "scope", c = own, d = d } == 1);
    assert_metric!(seen, "histogram" { a = "global", b = "scope", c = own, d = d } count == 1);
    assert_metric!(seen, "observed" { a = "global", b = "scope", c = own, d = own } == 1);
    Ok(())
}
