//! Combinations of variables: which variable takes precedence, and what is reported of several.

use super::*;

#[test]
fn documented_defaults_match_an_empty_environment() {
    let settings = settings(&[
        ("OTEL_METRIC_EXPORT_INTERVAL", "60000"),
        ("OTEL_METRIC_EXPORT_TIMEOUT", "30000"),
        ("METERKIT_NAMESPACE", "backstage"),
        ("METERKIT_NAMING", "prefixed"),
    ]);
    let default = |name| declared(name).map(|variable| variable.default);
    assert_eq!(default("OTEL_METRIC_EXPORT_INTERVAL"), Some("`60000`"));
    assert_eq!(default("OTEL_METRIC_EXPORT_TIMEOUT"), Some("`30000`"));
    assert_eq!(default("METERKIT_NAMESPACE"), Some("`backstage`"));
    assert_eq!(default("METERKIT_NAMING"), Some("`prefixed`"));
    assert_eq!(settings.schedule, Schedule::default());
    assert_eq!(settings.naming, Some(Naming::default()));
}

#[test]
fn the_service_name_wins_over_the_attributes() {
    let settings = settings(&[
        ("OTEL_SERVICE_NAME", "shop"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other, team=a%2Cb%20c ,,zone=é"),
    ]);
    let resource = resource(settings.resource);
    let value = |key| resource.get(key).map(|value| value.to_string());
    assert_eq!(value("service.name").as_deref(), Some("shop"));
    assert_eq!(value("team").as_deref(), Some("a,b c"));
    assert_eq!(value("zone").as_deref(), Some("é"));
    assert_eq!(value("telemetry.distro.name").as_deref(), Some("meterkit"));
    assert_eq!(value("telemetry.sdk.language").as_deref(), Some("rust"));
}

#[test]
fn an_empty_service_name_does_not_override_the_attributes() {
    let named = [("OTEL_SERVICE_NAME", " "), ("OTEL_RESOURCE_ATTRIBUTES", "service.name=other")];
    let name =
        resource(settings(&named).resource).get("service.name").map(|value| value.to_string());
    assert_eq!(name.as_deref(), Some("other"));
}

#[test]
fn an_unnamed_service_is_called_after_its_program() {
    let name = resource(Vec::new()).get("service.name").map(|value| value.to_string());
    assert!(name.is_some_and(|name| name.starts_with("unknown_service:")));
}

#[test]
fn namespace_and_naming_go_together() {
    let both = [("METERKIT_NAMESPACE", "acme"), ("METERKIT_NAMING", "Scope")];
    let naming = |namespace, policy| Naming::new(namespace, policy).ok();
    use meterkit_core::NamingPolicy::{Prefixed, ScopeOnly};
    assert_eq!(settings(&both).naming, naming("acme", ScopeOnly));
    assert_eq!(settings(&both[..1]).naming, naming("acme", Prefixed));
    assert_eq!(settings(&both[1..]).naming, naming("backstage", ScopeOnly));

    let with_scope = [both[0], ("METERKIT_SCOPE_OPTIONS", "plugin.catalog.version=1.2")];
    let options = ScopeOptions { version: Some("1.2".to_owned()), ..ScopeOptions::default() };
    let expected =
        naming("acme", Prefixed).and_then(|it| it.with_scope("plugin.catalog", options).ok());
    assert_eq!(settings(&with_scope).naming, expected);
}

#[test]
fn the_interval_of_one_target_leaves_the_others_alone() {
    let settings =
        settings(&[("OTEL_METRIC_EXPORT_INTERVAL", "1500"), ("METERKIT_CONSOLE_INTERVAL", "20")]);
    assert_eq!(settings.schedule.interval, Duration::from_millis(1500));
    assert_eq!(settings.intervals, BTreeMap::from([("console", Duration::from_millis(20))]));
}

#[test]
fn all_problems_are_reported_at_once() {
    let error = read(&[
        ("OTEL_METRICS_EXPORTER", "carbon,grafit"),
        ("METERKIT_SNAPSHOT_MAX_AGE", "-5"),
        ("METERKIT_NAMESPACE", "Acme"),
        ("METERKIT_SERIES_LIMIT", "7"),
    ])
    .unwrap_err();
    let variables: Vec<_> = error.problems().iter().map(|problem| &*problem.variable).collect();
    assert_eq!(
        variables,
        [
            "OTEL_METRICS_EXPORTER",
            "OTEL_METRICS_EXPORTER",
            "METERKIT_NAMESPACE",
            "METERKIT_SNAPSHOT_MAX_AGE"
        ]
    );
    assert!(error.to_string().starts_with("4 problems in the environment:\n  OTEL_METRICS"));
}

#[test]
fn every_problem_of_every_setting_is_in_one_report() {
    // Settings of other targets are read only when these are selected, and most settings do not count beside a file.
    let is_read = |it: &&Declaration| {
        it.target.is_none_or(|it| it == "console") && it.name != "OTEL_CONFIG_FILE"
    };
    let bad = declarations().filter(is_read).filter(|it| it.value_type != ValueType::Text);
    let bad: Vec<_> = bad.map(|it| it.name).filter(|name| *name != "METERKIT_STRICT").collect();
    let strict = ("METERKIT_STRICT", "true");
    let values: Vec<_> = bad.iter().map(|name| (*name, "!? :")).chain([strict]).collect();
    let error = read(&values).expect_err("nothing of it can be used");
    let mut told: Vec<_> = error.problems().iter().map(|problem| &*problem.variable).collect();
    let mut expected = bad.clone();
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected, "{error}");
}
