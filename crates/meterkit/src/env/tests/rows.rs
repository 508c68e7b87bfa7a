//! A row for each variable that is served: unset, empty, valid, invalid, lists, duplicates, upper case.

use super::*;

/// What one variable does by itself.
struct Row {
    variable: &'static str,
    /// What it sets, as text.
    set: fn(&Settings) -> String,
    unset: &'static str,
    valid: &'static [(&'static str, &'static str)],
    /// Values, and a part of what is said of them.
    invalid: &'static [(&'static str, &'static str)],
}

const DEFAULT_TARGETS: &str = if cfg!(feature = "prometheus") { "[Prometheus]" } else { "[]" };

const TARGETS: &[(&str, &str)] = if cfg!(feature = "prometheus") {
    &[
        ("prometheus", "[Prometheus]"),
        ("console", "[Console]"),
        ("console,Prometheus", "[Console, Prometheus]"),
        ("prometheus , ,CONSOLE,prometheus,", "[Prometheus, Console]"),
        ("none", "[]"),
        ("None,NONE", "[]"),
    ]
} else {
    &[("console", "[Console]"), ("CONSOLE,,console", "[Console]"), ("None,none", "[]")]
};

const BAD_TARGETS: &[(&str, &str)] = if cfg!(feature = "prometheus") {
    &[
        (
            "carbon",
            "`carbon` is unknown; accepted: a comma list of `prometheus`, `otlp`, `datadog`, `grafana` and `console`, or",
        ),
        ("console,none", "`none` stands alone: remove it"),
        ("prometheus console", "`prometheus console` is unknown"),
    ]
} else {
    &[("prometheus", "`prometheus` is not compiled in: switch on the feature `prometheus` of")]
};

const RUNTIME_METRICS: &[(&str, &str)] = if cfg!(all(feature = "process", feature = "tokio")) {
    &[
        ("process", "[Process]"),
        ("tokio,Process", "[Tokio, Process]"),
        ("PROCESS , ,tokio,process,", "[Process, Tokio]"),
        (",", "[]"),
        ("none", "[]"),
        ("None,NONE", "[]"),
    ]
} else {
    &[("None,NONE", "[]")]
};

const BAD_RUNTIME_METRICS: &[(&str, &str)] = if cfg!(all(feature = "process", feature = "tokio")) {
    &[
        ("jvm", "`jvm` is unknown; accepted: a comma list of `process` and `tokio`, or `none`"),
        ("process,none", "`none` stands alone"),
        ("all", "`all` is unknown"),
    ]
} else if cfg!(feature = "process") {
    &[("tokio", "`tokio` is not compiled in: switch on the feature `tokio` of meterkit")]
} else {
    &[("process", "`process` is not compiled in: switch on the feature `process` of meterkit")]
};

const BAD_INTERVALS: &[(&str, &str)] = &[
    ("-5", "write a whole number of milliseconds, 1 or more"),
    ("0", "1 or more"),
    ("1s", "milliseconds"),
    ("1.5", "whole number"),
    ("99999999999999999999", "whole number"),
];

const BAD_COUNTS: &[(&str, &str)] =
    &[("0", "write a whole number, 1 or more"), ("-1", "1 or more"), ("many", "1 or more")];

/// Says nothing but its version.
#[cfg(feature = "config")]
const QUIET_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/env/config_file/quiet.yaml");

const ROWS: &[Row] = &[
    Row {
        variable: "OTEL_METRICS_EXPORTER",
        set: |settings| format!("{:?}", settings.selection.targets),
        unset: DEFAULT_TARGETS,
        valid: TARGETS,
        invalid: BAD_TARGETS,
    },
    #[cfg(feature = "config")]
    Row {
        variable: "OTEL_CONFIG_FILE",
        set: |settings| settings.configured.is_some().to_string(),
        unset: "false",
        valid: &[(QUIET_FILE, "true")],
        invalid: &[("/nowhere.yaml", "cannot be read ("), (env!("CARGO_MANIFEST_DIR"), "read (")],
    },
    Row {
        variable: "OTEL_SDK_DISABLED",
        set: |settings| settings.is_disabled.to_string(),
        unset: "false",
        valid: &[("true", "true"), ("TRUE", "true"), ("False", "false")],
        invalid: &[("yes", "write `true` or `false`"), ("1", "`true`"), ("tru e", "`true`")],
    },
    Row {
        variable: "OTEL_SERVICE_NAME",
        set: resource_text,
        unset: "",
        valid: &[("shop", "service.name=shop"), ("My Shop, Ä%20", "service.name=My Shop, Ä%20")],
        invalid: &[],
    },
    Row {
        variable: "OTEL_RESOURCE_ATTRIBUTES",
        set: resource_text,
        unset: "",
        valid: &[
            ("team=a", "team=a"),
            ("team=a%2Cb%20c ,,zone=é", "team=a,b c;zone=é"),
            ("a=1,b=x=y,a=2", "a=2;b=x=y"),
            ("A=1,a=2", "A=1;a=2"),
            ("empty=", "empty="),
        ],
        invalid: &[
            ("a", "`a` is no `key=value`; commas in values are `%2C`"),
            ("a=1,=2", "`=2` is no `key=value`"),
            ("a=%ff", "not UTF-8 when percent-decoded"),
        ],
    },
    Row {
        variable: "METERKIT_RESOURCE_DETECTORS",
        set: |settings| format!("{:?}", settings.resource_detectors),
        unset: "[Container, Host, Kubernetes, Os]",
        valid: &[
            ("host", "[Host]"),
            ("container,Container", "[Container]"),
            ("OS , ,process,os,", "[Os, Process]"),
            ("service_instance,kubernetes", "[ServiceInstance, Kubernetes]"),
            ("all", "[Container, Host, Kubernetes, Os, Process, ServiceInstance]"),
            ("none", "[]"),
        ],
        invalid: &[
            ("cloud", "`cloud` is unknown; accepted: a comma list of `container`, `host`, "),
            ("host,none", "`none` stands alone"),
        ],
    },
    Row {
        variable: "OTEL_METRIC_EXPORT_INTERVAL",
        set: |settings| format!("{:?}", settings.schedule.interval),
        unset: "60s",
        valid: &[("1500", "1.5s"), ("1", "1ms"), ("60000", "60s")],
        invalid: BAD_INTERVALS,
    },
    Row {
        variable: "OTEL_METRIC_EXPORT_TIMEOUT",
        set: |settings| match settings.schedule.timeout {
            Duration::MAX => "no limit".to_owned(),
            timeout => format!("{timeout:?}"),
        },
        unset: "30s",
        valid: &[("2500", "2.5s"), ("0", "no limit"), ("30000", "30s")],
        invalid: &[
            ("-1", "write a whole number of milliseconds, 0 for no limit"),
            ("forever", "0 for no limit"),
        ],
    },
    Row {
        variable: "METERKIT_NAMESPACE",
        set: |settings| settings.naming.as_ref().map_or("", Naming::namespace).to_owned(),
        unset: "",
        valid: &[("acme", "acme"), ("acme_shop", "acme_shop"), ("backstage", "backstage")],
        invalid: &[("Acme", "write `acme`"), ("my co", "write `my_co`"), ("9", "namespace `9`")],
    },
    Row {
        variable: "METERKIT_NAMING",
        set: |settings| format!("{:?}", settings.naming.as_ref().map(Naming::policy)),
        unset: "None",
        valid: &[
            ("prefixed", "Some(Prefixed)"),
            ("scope", "Some(ScopeOnly)"),
            ("SCOPE", "Some(ScopeOnly)"),
        ],
        invalid: &[("flat", "write `prefixed` or `scope`"), ("scope,scope", "unknown")],
    },
    Row {
        variable: "METERKIT_CARDINALITY_LIMIT",
        set: |settings| format!("{:?}", settings.cardinality_limit),
        unset: "None",
        valid: &[("1", "Some(1)"), ("2000", "Some(2000)")],
        invalid: BAD_COUNTS,
    },
    Row {
        variable: "METERKIT_SERIES_LIMIT",
        set: |settings| format!("{:?}", settings.series_limit),
        unset: "None",
        valid: &[("1", "Some(1)"), ("1000000", "Some(1000000)")],
        invalid: BAD_COUNTS,
    },
    Row {
        variable: "METERKIT_DISABLED_SCOPES",
        set: |settings| {
            settings.disabled_scopes.as_ref().map(ToString::to_string).unwrap_or_default()
        },
        unset: "",
        valid: &[
            ("plugin.techdocs", "plugin.techdocs"),
            ("plugin.techdocs, core.* ,", "plugin.techdocs,core.*"),
            ("Plugin.MCP-Actions", "plugin.mcp_actions"),
        ],
        invalid: &[("plugin:x", "write `plugin.techdocs`, or `core.*`"), ("core.*,a b", "`a b`")],
    },
    Row {
        variable: "METERKIT_SNAPSHOT_MAX_AGE",
        set: |settings| format!("{:?}", settings.snapshot_max_age),
        unset: "None",
        valid: &[("0", "Some(0ns)"), ("1000", "Some(1s)")],
        invalid: &[("soon", "write a whole number of milliseconds"), ("-1", "milliseconds")],
    },
    Row {
        variable: "METERKIT_CALLBACK_BUDGET",
        set: |settings| format!("{:?}", settings.callback_budget),
        unset: "None",
        valid: &[("250", "Some(250ms)"), ("1", "Some(1ms)")],
        invalid: BAD_INTERVALS,
    },
    Row {
        variable: "METERKIT_RUNTIME_METRICS",
        set: |settings| format!("{:?}", settings.runtime_metrics),
        unset: "[]",
        valid: RUNTIME_METRICS,
        invalid: BAD_RUNTIME_METRICS,
    },
    Row {
        variable: "OTEL_EXPORTER_PROMETHEUS_HOST",
        set: |settings| settings.prometheus_host.clone().unwrap_or_default(),
        unset: "",
        valid: &[
            ("0.0.0.0", "0.0.0.0"),
            ("Metrics.example.com", "Metrics.example.com"),
            ("[::1]", "::1"),
            ("fe80::1%eth0", "fe80::1%eth0"),
        ],
        invalid: &[
            ("http://x", "write a host name or an address, without scheme"),
            ("a b", "host name"),
            ("localhost:9464", "write `localhost` alone; the port goes into OTEL_EXPORTER_PROME"),
        ],
    },
    Row {
        variable: "OTEL_EXPORTER_PROMETHEUS_PORT",
        set: |settings| format!("{:?}", settings.prometheus_port),
        unset: "None",
        valid: &[("0", "Some(0)"), ("9464", "Some(9464)"), ("65535", "Some(65535)")],
        invalid: &[("65536", "write a port from 0 to 65535"), ("-1", "0 for any"), ("x", "port")],
    },
    Row {
        variable: "METERKIT_PROMETHEUS_TRANSLATION",
        set: |settings| format!("{:?}", settings.prometheus_translation),
        unset: "None",
        valid: &[
            ("underscore_escaping_with_suffixes", "Some(UnderscoreEscapingWithSuffixes)"),
            ("underscore_escaping_without_suffixes", "Some(UnderscoreEscapingWithoutSuffixes)"),
            ("no_utf8_escaping_with_suffixes", "Some(NoUtf8EscapingWithSuffixes)"),
            ("no_translation", "Some(NoTranslation)"),
            ("NO_Translation", "Some(NoTranslation)"),
            ("UnderscoreEscapingWithSuffixes", "Some(UnderscoreEscapingWithSuffixes)"),
            ("UnderscoreEscapingWithoutSuffixes", "Some(UnderscoreEscapingWithoutSuffixes)"),
            ("NoUTF8EscapingWithSuffixes", "Some(NoUtf8EscapingWithSuffixes)"),
            ("NoTranslation", "Some(NoTranslation)"),
            ("notranslation", "Some(NoTranslation)"),
        ],
        invalid: &[
            ("none", "write `underscore_escaping_with_suffixes`, `underscore_escaping_without_"),
            ("no translation", "`no_utf8_escaping_with_suffixes` or `no_translation`"),
            ("no_translation,no_translation", "or `no_translation`"),
            ("no_translation/development", "or `no_translation`"),
        ],
    },
    Row {
        variable: "METERKIT_CONSOLE_INTERVAL",
        set: |settings| format!("{:?}", settings.intervals.get("console")),
        unset: "None",
        valid: &[("20", "Some(20ms)"), ("60000", "Some(60s)")],
        invalid: BAD_INTERVALS,
    },
    Row {
        variable: "METERKIT_DATADOG_INTERVAL",
        set: |settings| format!("{:?}", settings.intervals.get("datadog")),
        unset: "None",
        valid: &[("20", "Some(20ms)"), ("60000", "Some(60s)")],
        invalid: BAD_INTERVALS,
    },
    Row {
        variable: "METERKIT_GRAFANA_INTERVAL",
        set: |settings| format!("{:?}", settings.intervals.get("grafana")),
        unset: "None",
        valid: &[("20", "Some(20ms)"), ("60000", "Some(60s)")],
        invalid: BAD_INTERVALS,
    },
    Row {
        variable: "METERKIT_OTLP_INTERVAL",
        set: |settings| format!("{:?}", settings.intervals.get("otlp")),
        unset: "None",
        valid: &[("20", "Some(20ms)"), ("60000", "Some(60s)")],
        invalid: BAD_INTERVALS,
    },
];

fn resource_text(settings: &Settings) -> String {
    let mut attributes = BTreeMap::new();
    for (key, value) in &settings.resource {
        attributes.insert(key, value.to_string());
    }
    let attributes = attributes.into_iter().map(|(key, value)| format!("{key}={value}"));
    attributes.collect::<Vec<_>>().join(";")
}

fn variable(row: &Row) -> &'static Variable {
    let variable = declared::variable(row.variable);
    variable.unwrap_or_else(|| panic!("{} is not declared", row.variable))
}

fn value_type(row: &Row) -> ValueType {
    variable(row).value_type
}

/// The variable alone, or with what selects its target.
fn set_to<'a>(row: &Row, value: &'a str) -> Vec<(&'static str, &'a str)> {
    let target = variable(row).target.filter(|target| select::target(target).is_ok());
    let selected = target.map(|target| ("OTEL_METRICS_EXPORTER", target));
    // Some are of no use without a destination.
    let has = |name| target == Some(name) || value == name;
    let key = has("datadog").then_some(("DD_API_KEY", "0123456789abcdef"));
    let url = has("grafana").then_some(("GRAFANA_REMOTE_WRITE_URL", "http://mimir/push"));
    selected.into_iter().chain(key).chain(url).chain([(row.variable, value)]).collect()
}

/// Whether a target reads it by itself: it has rows of its own.
fn is_read_by_target(variable: &Variable) -> bool {
    let has_rows = ["datadog", "grafana"].map(Some).contains(&variable.target);
    (has_rows && !variable.name.ends_with("_INTERVAL"))
        || is_read_by_otlp(variable)
        || prometheus::PROTECTION.contains(&variable.name)
}

/// Whether the OTLP target does: `otlp_rows` has the cases.
pub(super) fn is_read_by_otlp(variable: &Variable) -> bool {
    variable.name.starts_with("OTEL_EXPORTER_OTLP_")
}

#[test]
fn every_variable_has_one_row() {
    let is_here = |it: &&Variable| cfg!(feature = "config") || it.name != "OTEL_CONFIG_FILE";
    let declared = variables().filter(|it| !is_read_by_target(it));
    let mut declared: Vec<_> = declared.filter(is_here).map(|it| it.name).collect();
    let mut rows: Vec<_> = ROWS.iter().map(|row| row.variable).collect();
    declared.sort_unstable();
    rows.sort_unstable();
    assert_eq!(rows, declared);
}

#[test]
fn every_row_has_the_cases_that_its_type_asks_for() {
    let has_all_features =
        cfg!(all(feature = "prometheus", feature = "process", feature = "tokio"));
    for row in ROWS {
        let has = |is_so: fn(&str) -> bool| row.valid.iter().any(|(value, _)| is_so(value));
        let in_capitals = |value: &str| value.chars().any(char::is_uppercase);
        let (is_list, is_in_any_case) = match value_type(row) {
            ValueType::Words(_) => (has_all_features, true),
            ValueType::Scopes | ValueType::Pairs => (true, true),
            ValueType::Boolean | ValueType::Word(_) => (false, true),
            _ => (false, false),
        };
        assert!(!row.valid.is_empty(), "{}: no valid value", row.variable);
        assert!(!is_in_any_case || has(in_capitals), "{}: no capitals", row.variable);
        assert!(!is_list || has(|value| value.contains(',')), "{}: no list", row.variable);
        if let (ValueType::Words([word, ..]), true) = (value_type(row), has_all_features) {
            let repeats =
                |(value, _): &(&str, &str)| value.to_ascii_lowercase().matches(word).count() > 1;
            assert!(row.valid.iter().any(repeats), "{}: no duplicates", row.variable);
        }
        let takes_anything = value_type(row) == ValueType::Text;
        assert!(takes_anything || !row.invalid.is_empty(), "{}: none invalid", row.variable);
    }
}

#[test]
fn unset_and_empty_are_the_same() {
    for row in ROWS {
        assert_eq!((row.set)(&settings(&[])), row.unset, "{}", row.variable);
        for empty in ["", " ", "\t\r\n"] {
            let set = (row.set)(&settings(&set_to(row, empty)));
            assert_eq!(set, row.unset, "{}=`{empty}`", row.variable);
        }
    }
}

#[test]
fn valid_values_are_read_with_or_without_white_space_around() {
    for row in ROWS {
        for (value, expected) in row.valid {
            for value in [(*value).to_owned(), format!(" {value}\t"), format!("{value}\n")] {
                let set = (row.set)(&settings(&set_to(row, &value)));
                assert_eq!(set, *expected, "{}=`{value}`", row.variable);
            }
        }
    }
}

#[test]
fn invalid_values_are_told_with_variable_and_remedy() {
    for row in ROWS {
        for (value, remedy) in row.invalid {
            let text = problem(&set_to(row, value));
            assert!(text.starts_with(&format!("{}=`{value}`: ", row.variable)), "{text}");
            assert!(text.contains(remedy), "{text}");
        }
    }
}

#[test]
fn words_are_those_that_are_declared() {
    for row in ROWS {
        if let ValueType::Word(words) | ValueType::Words(words) = value_type(row) {
            for word in words {
                match read(&set_to(row, word)) {
                    Ok(_) => {}
                    Err(error) => assert!(error.to_string().contains("not compiled in"), "{error}"),
                }
            }
            let text = problem(&set_to(row, "nonsense"));
            assert!(text.contains(&value_type(row).to_string()), "{text}");
        }
    }
}

#[test]
fn documented_defaults_are_accepted() {
    for variable in variables() {
        let default = variable.default.strip_prefix('`').and_then(|it| it.strip_suffix('`'));
        // One value alone.
        let default = default.filter(|it| cfg!(feature = "prometheus") && !it.contains('`'));
        if let Some(default) = default {
            settings(&[(variable.name, default)]);
        }
    }
}

#[test]
#[cfg(unix)]
fn what_is_not_utf_8_is_a_problem() {
    use std::os::unix::ffi::OsStringExt;
    for row in ROWS {
        let value = OsString::from_vec(b"a\xff".to_vec());
        let error = Settings::read([(row.variable.into(), value)]).expect_err(row.variable);
        assert_eq!(error.to_string(), format!("{}=`a\u{fffd}`: is not UTF-8", row.variable));
    }
}
