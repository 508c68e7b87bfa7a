//! Names that collide in Prometheus: an error within a scope, one warning elsewhere, and the older instrument keeps its
//! name.

use meterkit_core::{InstrumentError, Meter, Naming, NamingPolicy, Registry, ScopePatterns};
use meterkit_fakes::log_lines;
use meterkit_fakes::readings::points;
use meterkit_rules::prometheus_name::{FamilyType, Translation};

type Made = Result<(), InstrumentError>;
type Make = fn(&Meter) -> Made;

/// Creates a counter, gauge or histogram.
fn counter(meter: &Meter, name: &'static str, unit: &'static str) -> Made {
    meter.counter::<u64>(name).unit(unit).build().map(drop)
}

fn gauge(meter: &Meter, name: &'static str, unit: &'static str) -> Made {
    meter.gauge::<u64>(name).unit(unit).build().map(|it| it.set(1))
}

fn histogram(meter: &Meter, name: &'static str, unit: &'static str) -> Made {
    meter.histogram::<f64>(name).unit(unit).build().map(drop)
}

/// Returns a registry that does not change metric names.
fn unprefixed() -> Registry {
    let registry = Registry::new();
    let naming = Naming::new("backstage", NamingPolicy::ScopeOnly).unwrap();
    registry.set_naming(naming).unwrap();
    registry
}

/// Returns whether an older instrument has the Prometheus name of this family, with default names.
fn is_hidden(registry: &Registry, name: &str, of: FamilyType) -> bool {
    registry.prometheus_names().meetings(Translation::default().escaped()).hide(name, of)
}

#[test]
fn names_of_one_scope_that_meet_are_an_error_that_names_both() {
    let pairs: [(Make, Make, &str, &str, &str); 14] = [
        (|m| counter(m, "t", ""), |m| counter(m, "t.total", ""), "t", "t.total", "t_total"),
        (|m| counter(m, "x.y", ""), |m| counter(m, "x_y", ""), "x.y", "x_y", "x_y_total"),
        (|m| gauge(m, "x.y", ""), |m| gauge(m, "x_y", ""), "x.y", "x_y", "x_y"),
        (|m| gauge(m, "x.y", ""), |m| histogram(m, "x_y", ""), "x.y", "x_y", "x_y"),
        (
            |m| histogram(m, "z", "s"),
            |m| histogram(m, "z.seconds", ""),
            "z",
            "z.seconds",
            "z_seconds",
        ),
        (|m| gauge(m, "z", "s"), |m| histogram(m, "z.seconds", "s"), "z", "z.seconds", "z_seconds"),
        (|m| gauge(m, "u", "1"), |m| gauge(m, "u.ratio", "1"), "u", "u.ratio", "u_ratio"),
        (|m| gauge(m, "n.total", ""), |m| counter(m, "n", ""), "n.total", "n", "n_total"),
        (|m| histogram(m, "h", ""), |m| gauge(m, "h.count", ""), "h", "h.count", "h_count"),
        (
            |m| histogram(m, "h", "By"),
            |m| gauge(m, "h.bytes.sum", ""),
            "h",
            "h.bytes.sum",
            "h_bytes_sum",
        ),
        (|m| histogram(m, "h", ""), |m| histogram(m, "h.bucket", ""), "h", "h.bucket", "h_bucket"),
        (|m| gauge(m, "h_sum", ""), |m| histogram(m, "h", ""), "h_sum", "h", "h_sum"),
        (|m| counter(m, "b", "By"), |m| counter(m, "b_bytes", ""), "b", "b_bytes", "b_bytes_total"),
        (
            |m| m.observable_counter::<u64>("o").observe(|| 1).map(drop),
            |m| {
                m.counter_group::<meterkit_fakes::label_sets::Route, u64>("o.total")
                    .build()
                    .map(drop)
            },
            "o",
            "o.total",
            "o_total",
        ),
    ];
    for (first, second, known, asked, both) in pairs {
        for (first, second, known, asked) in
            [(first, second, known, asked), (second, first, asked, known)]
        {
            let registry = Registry::new();
            let meter = registry.scoped("plugin", "shop");
            first(&meter).unwrap();
            let error = second(&meter).unwrap_err();
            assert!(matches!(error, InstrumentError::Meeting { .. }), "{error}");
            let expected = format!(
                "instrument `backstage.plugin.shop.{asked}` collides with `backstage.plugin.shop.{known}` in \
                 Prometheus: both would be named `backstage_plugin_shop_{both}`; rename one of them"
            );
            assert_eq!(error.to_string(), expected);
            assert_eq!(registry.catalog().entries.len(), 1, "nothing is registered");
            assert!(first(&meter).is_ok(), "the first instrument keeps working");
            assert!(
                second(&registry.scoped("plugin", "other")).is_ok(),
                "the name is available in another scope"
            );
        }
    }
}

#[test]
fn names_that_only_look_alike_do_not_collide() -> Made {
    let registry = Registry::new();
    let meter = registry.scoped("plugin", "shop");
    counter(&meter, "x", "")?;
    gauge(&meter, "x_y", "")?;
    counter(&meter, "x.y", "")?;
    histogram(&meter, "h", "")?;
    counter(&meter, "h.count", "")?;
    gauge(&meter, "h.max", "")?;
    gauge(&meter, "g", "")?;
    gauge(&meter, "g.count", "")?;
    histogram(&meter, "d", "s")?;
    histogram(&meter, "d", "s")?;
    gauge(&meter, "d.milliseconds", "ms")?;
    assert!(registry.store_health().name_meetings.is_empty());
    Ok(())
}

#[test]
fn no_instrument_may_have_the_name_of_the_resource() {
    let error = gauge(&unprefixed().scoped("plugin", "a"), "target.info", "").unwrap_err();
    let words = "instrument `target.info` collides with the resource's metric in Prometheus";
    assert!(error.to_string().starts_with(words), "{error}");
}

#[test]
fn of_two_types_in_two_scopes_the_older_is_exported_whichever_has_values() {
    let (registry, lines) = log_lines::of(|| {
        let registry = unprefixed();
        let older = registry.scoped("plugin", "z").counter::<u64>("jobs").build().unwrap();
        gauge(&registry.scoped("plugin", "a"), "jobs.total", "").unwrap();
        let is_stable = || {
            is_hidden(&registry, "jobs_total", FamilyType::Gauge)
                && !is_hidden(&registry, "jobs_total", FamilyType::Counter)
        };
        assert!(is_stable(), "the older instrument has no values yet");
        older.increment();
        assert!(is_stable());
        gauge(&registry.scoped("plugin", "b"), "jobs.total", "").unwrap();
        counter(&registry.scoped("plugin", "c"), "jobs", "").unwrap();
        assert!(is_stable());
        registry
    });
    let left_out = |scope: &str| lines.iter().filter(|it| it.contains(scope)).count();
    assert_eq!(lines.len(), 2, "one per instrument that is left out: {lines:?}");
    assert_eq!(left_out("instrument=jobs.total older=jobs"), 2, "{lines:?}");
    assert_eq!(registry.store_health().name_meetings, ["jobs.total"]);
    registry.refresh();
    let met = points(&registry, "meterkit.name_meetings");
    assert_eq!(met[0].attributes.get("instrument").unwrap().to_string(), "jobs.total");
}

#[test]
fn equal_types_in_two_scopes_share_a_name_without_a_warning() {
    let (registry, lines) = log_lines::of(|| {
        let registry = unprefixed();
        counter(&registry.scoped("plugin", "a"), "jobs", "").unwrap();
        counter(&registry.scoped("plugin", "b"), "jobs.total", "").unwrap();
        histogram(&registry.scoped("plugin", "a"), "took", "s").unwrap();
        histogram(&registry.scoped("plugin", "b"), "took.seconds", "").unwrap();
        registry
    });
    assert!(lines.is_empty(), "{lines:?}");
    assert!(registry.store_health().name_meetings.is_empty());
    assert!(!is_hidden(&registry, "jobs_total", FamilyType::Counter));
}

#[test]
fn when_the_older_instrument_is_removed_the_other_gets_the_name() {
    let registry = unprefixed();
    let older = registry.scoped("plugin", "z");
    counter(&older, "jobs", "").unwrap();
    gauge(&registry.scoped("plugin", "a"), "jobs.total", "").unwrap();
    let is_hidden = |of| is_hidden(&registry, "jobs_total", of);

    registry.set_disabled_scopes("plugin.z".parse().unwrap());
    assert!(!is_hidden(FamilyType::Gauge), "a disabled scope exports nothing");
    registry.set_disabled_scopes(ScopePatterns::default());
    assert!(is_hidden(FamilyType::Gauge));

    assert!(older.clone().unload());
    assert!(!is_hidden(FamilyType::Gauge));
    assert!(registry.store_health().name_meetings.is_empty());
    registry.refresh();
    assert!(points(&registry, "meterkit.name_meetings").is_empty());

    counter(&older, "jobs", "").unwrap();
    assert!(is_hidden(FamilyType::Counter), "the counter is the younger one now");
    assert!(!is_hidden(FamilyType::Gauge));
}

#[test]
fn a_disabled_scope_reserves_no_name_and_is_not_logged() {
    let ((), lines) = log_lines::of(|| {
        let registry = unprefixed();
        registry.set_disabled_scopes("plugin.z".parse().unwrap());
        counter(&registry.scoped("plugin", "z"), "jobs", "").unwrap();
        gauge(&registry.scoped("plugin", "a"), "jobs.total", "").unwrap();
        counter(&registry.scoped("plugin", "z"), "jobs.total.bucket", "").unwrap();
        assert!(registry.store_health().name_meetings.is_empty());
        registry.set_disabled_scopes(ScopePatterns::default());
        assert_eq!(registry.store_health().name_meetings, ["jobs.total"]);
    });
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn names_that_collide_once_their_scope_prefix_is_removed_are_logged_once() {
    let registry = Registry::new();
    counter(&registry.scoped("plugin", "z"), "jobs", "").unwrap();
    gauge(&registry.scoped("plugin", "a"), "jobs.total", "").unwrap();
    assert!(registry.store_health().name_meetings.is_empty());
    let naming = |policy| Naming::new("backstage", policy).unwrap();
    let ((), lines) = log_lines::of(|| {
        for policy in [NamingPolicy::ScopeOnly, NamingPolicy::Prefixed, NamingPolicy::ScopeOnly] {
            registry.set_naming(naming(policy)).unwrap();
        }
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("instrument=jobs.total older=jobs"), "{lines:?}");
    assert!(is_hidden(&registry, "jobs_total", FamilyType::Gauge), "the counter is older");
    assert_eq!(registry.store_health().name_meetings, ["jobs.total"]);
}

#[test]
fn each_translation_has_collisions_of_its_own() {
    let registry = unprefixed();
    counter(&registry.scoped("plugin", "a"), "jobs", "").unwrap();
    gauge(&registry.scoped("plugin", "b"), "jobs", "").unwrap();
    histogram(&registry.scoped("plugin", "c"), "took", "s").unwrap();
    gauge(&registry.scoped("plugin", "d"), "took.count", "").unwrap();
    let hidden = |translation: Translation, name: &str| {
        registry.prometheus_names().meetings(translation.escaped()).hide(name, FamilyType::Gauge)
    };
    assert!(!hidden(Translation::default(), "jobs"));
    assert!(hidden(Translation::UnderscoreEscapingWithoutSuffixes, "jobs"));
    assert!(!hidden(Translation::default(), "took_count"));
    assert!(hidden(Translation::UnderscoreEscapingWithoutSuffixes, "took_count"));
    assert!(hidden(Translation::NoTranslation, "took_count"));
    assert_eq!(registry.store_health().name_meetings, ["jobs", "took.count"]);
    gauge(&registry.scoped("plugin", "e"), "took.sum", "").unwrap();
    assert!(hidden(Translation::NoTranslation, "took_sum"), "later instruments count, too");
}

#[test]
fn collisions_only_in_open_metrics_are_legal_and_counters_lose_their_type_there() {
    let pairs: [(Make, Make, &str); 8] = [
        (|m| gauge(m, "o.requests", ""), |m| counter(m, "o.requests.total", ""), "o_requests"),
        (|m| histogram(m, "hh", ""), |m| counter(m, "hh.count", ""), "hh_count"),
        (|m| histogram(m, "hh", ""), |m| counter(m, "hh.total", ""), "hh"),
        (|m| gauge(m, "c.created", ""), |m| counter(m, "c", ""), "c"),
        (|m| counter(m, "c.created", ""), |m| counter(m, "c", ""), "c"),
        (|_| Ok(()), |m| counter(m, "target.info", ""), "target_info"),
        (|_| Ok(()), |m| counter(m, "target", ""), "target"),
        (|m| gauge(m, "total", ""), |m| counter(m, "total.total", ""), "total"),
    ];
    let names = Translation::default().escaped();
    for (one, other, base) in pairs {
        for turned in [false, true] {
            let registry = unprefixed();
            let meter = registry.scoped("plugin", "a");
            let (first, second) = if turned { (other, one) } else { (one, other) };
            first(&meter).unwrap();
            second(&meter).unwrap();
            let family = format!("{base}_total");
            let counter = FamilyType::Counter;
            assert!(!is_hidden(&registry, &family, counter), "{base}");
            let meetings = registry.prometheus_names().meetings(names);
            assert!(!meetings.take_type(&family, counter), "{base}: only in OpenMetrics");
            let meetings = registry.prometheus_names().meetings(names.open_metrics());
            assert!(meetings.take_type(&family, counter), "{base}");
            for of in [counter, FamilyType::Gauge, FamilyType::Histogram] {
                assert!(!meetings.hide(base, of) && !meetings.hide(&family, of), "{base}");
            }
        }
    }
}

#[test]
fn a_younger_instrument_that_is_not_a_counter_is_left_out_of_open_metrics() {
    let names = Translation::default().escaped();
    for turned in [false, true] {
        let registry = unprefixed();
        let meter = registry.scoped("plugin", "a");
        let makes: [Make; 2] = [|m| histogram(m, "hh", ""), |m| gauge(m, "hh.created", "")];
        let order = if turned { [1, 0] } else { [0, 1] };
        for at in order {
            makes[at](&meter).unwrap();
        }
        let meetings = registry.prometheus_names().meetings(names.open_metrics());
        assert_eq!(meetings.hide("hh", FamilyType::Histogram), turned);
        assert_eq!(meetings.hide("hh_created", FamilyType::Gauge), !turned);
        let in_text = registry.prometheus_names().meetings(names);
        for (name, of) in [("hh", FamilyType::Histogram), ("hh_created", FamilyType::Gauge)] {
            assert!(!in_text.hide(name, of), "{name}");
        }
    }
}

#[test]
fn a_disabled_instrument_does_not_change_the_type_of_a_counter() {
    let registry = unprefixed();
    counter(&registry.scoped("plugin", "a"), "o.requests", "").unwrap();
    gauge(&registry.scoped("plugin", "b"), "o.requests", "").unwrap();
    let takes_type = || {
        let names = Translation::default().escaped().open_metrics();
        let meetings = registry.prometheus_names().meetings(names);
        meetings.take_type("o_requests_total", FamilyType::Counter)
    };
    assert!(takes_type());
    registry.set_disabled_scopes("plugin.b".parse().unwrap());
    assert!(!takes_type());
}
