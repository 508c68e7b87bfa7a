//! The behavior of every general setting.

use meterkit_fakes::settings_table::{Row, Table};

use super::*;
use crate::settings::filters::FilterSettings;

/// A file that sets nothing but its version.
#[cfg(feature = "config")]
const QUIET_FILE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/src/settings/config_file/quiet.yaml");

const ROWS: &[Row] = &[
    Row::new("OTEL_METRICS_EXPORTER")
        .valid(&[
            ("prometheus", "targets: [prometheus]"),
            ("console", "targets: [console]"),
            ("console,Prometheus", "targets: [console, prometheus]"),
            ("prometheus , ,CONSOLE,prometheus,", "targets: [prometheus, console]"),
            ("none", "targets: []"),
            ("None,NONE", "targets: []"),
        ])
        .invalid(&[
            (
                "carbon",
                "`carbon` is unknown; accepted: a comma-separated list of `prometheus`, `console`, `otlp`, `datadog`, `grafana`, `pushgateway`, `cloudwatch` and `gcp`",
            ),
            ("console,none", "`none` cannot be combined with other values; remove it"),
            ("prometheus console", "`prometheus console` is unknown"),
        ]),
    #[cfg(feature = "config")]
    Row::new("OTEL_CONFIG_FILE")
        .valid(&[(QUIET_FILE, "configured: Some(")])
        .invalid(&[
            ("/nowhere.yaml", "cannot be read ("),
            (env!("CARGO_MANIFEST_DIR"), "cannot be read (it is a directory"),
        ]),
    Row::new("OTEL_SERVICE_NAME").valid(&[
        ("shop", "(\"service.name\", Str(\"shop\"))"),
        ("My Shop, Ä%20", "(\"service.name\", Str(\"My Shop, Ä%20\"))"),
    ]),
    Row::new("OTEL_RESOURCE_ATTRIBUTES")
        .valid(&[
            ("team=a%2Cb%20c ,,zone=é", "[(\"team\", Str(\"a,b c\")), (\"zone\", Str(\"é\"))]"),
            ("A=1,b=x=y", "[(\"A\", Str(\"1\")), (\"b\", Str(\"x=y\"))]"),
            ("k%3D=%C3%A9", "[(\"k=\", Str(\"é\"))]"),
            ("empty=", "[(\"empty\", Str(\"\"))]"),
        ])
        .invalid(&[
            ("a", "entry 1 is not `key=value`; write a comma in a value as `%2C`"),
            ("a=1,=2", "entry 2 is not `key=value`"),
            ("a=%ff", "entry 1 is not UTF-8 when percent-decoded"),
            ("a=5%", "entry 1 has a `%` without two digits; write `%25`"),
        ]),
    Row::new("METERKIT_RESOURCE_DETECTORS")
        .valid(&[
            ("host", "resource_detectors: [Host]"),
            ("container,Container", "resource_detectors: [Container]"),
            ("OS , ,process,os,", "resource_detectors: [Os, Process]"),
            ("service_instance,kubernetes", "resource_detectors: [ServiceInstance, Kubernetes]"),
            ("cloud", "resource_detectors: [Cloud]"),
            ("all", "[Cloud, Container, Host, Kubernetes, Os, Process, ServiceInstance]"),
            ("none", "resource_detectors: []"),
        ])
        .invalid(&[
            ("weather", "`weather` is unknown; accepted: a comma-separated list of `cloud`, `container`, `host`, "),
            ("host,none", "`none` cannot be combined with other values"),
        ]),
    Row::new("METERKIT_NAMESPACE")
        .valid(&[("acme", "acme"), ("acme_shop", "acme_shop"), ("backstage", "backstage")])
        .invalid(&[("Acme", "write `acme`"), ("my co", "write `my_co`"), ("9", "namespace `9`")]),
    Row::new("METERKIT_SCOPE_OPTIONS")
        .valid(&[
            ("plugin.catalog.name=acme.catalog", "name: Some(\"acme.catalog\"), version: None"),
            ("core.version=1.2,core.schema_url=https://a.b/c", "version: Some(\"1.2\"), schema_url: Some("),
        ])
        .invalid(&[
            ("plugin.catalog=acme", "entry 1 names no option; write a scope followed by `.name`"),
            ("core.version=1,name=acme", "entry 2 names no option"),
            (".name=acme", "entry 1 names no option"),
            ("core.name=1a", "entry 1 gives a scope a name that OpenTelemetry does not allow"),
            ("core.name", "entry 1 is not `key=value`"),
        ]),
    Row::new("METERKIT_NAMING").valid(&[("prefixed", "Prefixed"), ("scope", "ScopeOnly"), ("plain", "Plain")]),
    Row::new("METERKIT_DISABLED_SCOPES")
        .valid(&[
            ("plugin.techdocs", "techdocs"),
            ("plugin.techdocs, core.* ,", "techdocs"),
            ("Plugin.MCP-Actions", "mcp_actions"),
        ])
        .invalid(&[("plugin:x", "write `plugin.techdocs`, or `core.*`"), ("core.*,a b", "`a b`")]),
    Row::new("METERKIT_RUNTIME_METRICS")
        .valid(&[
            ("process", "runtime_metrics: [Process]"),
            ("tokio,Process", "runtime_metrics: [Tokio, Process]"),
            ("PROCESS , ,tokio,process,", "runtime_metrics: [Process, Tokio]"),
            ("none", "runtime_metrics: []"),
        ])
        .invalid(&[
            ("jvm", "`jvm` is unknown; accepted: a comma-separated list of `process` and `tokio`, or `none`"),
            ("process,none", "`none` cannot be combined with other values"),
        ]),
    Row::new("OTEL_METRIC_EXPORT_TIMEOUT")
        .valid(&[("2500", "timeout: 2.5s"), ("0", "timeout: 18446744073709551615")])
        .beside(STRICT),
    Row::new("OTEL_METRICS_EXEMPLAR_FILTER")
        .valid(&[
            ("always_off", "exemplar_filter: AlwaysOff"),
            ("always_on", "exemplar_filter: AlwaysOn"),
            ("trace_based", "exemplar_filter: TraceBased"),
        ])
        .invalid(&[("traces", "`traces` is unknown; accepted: ")])
        .beside(STRICT),
    Row::new("OTEL_METRIC_EXPORT_INTERVAL").valid(&[("1500", "interval: 1.5s")]).beside(STRICT),
    Row::new("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION")
        .valid(&[("base2_exponential_bucket_histogram", "histograms: Some(Exponential)")])
        .beside(STRICT),
    Row::new("METERKIT_CONSOLE_INTERVAL").valid(&[("20", "{\"console\": 20ms}")]),
    Row::new("METERKIT_CONSOLE_INSTRUMENTS")
        .valid(&[
            ("http.*,!http.debug.*", "{\"console\": TargetFilter { instruments: KeyFilter { included: Some([NamePattern(\"http.*\")"),
            ("! a ,", "included: None, excluded: [NamePattern(\"a\")] }, labels: KeyFilter { included: None"),
        ])
        .invalid(&[("a,!", "names after `!` are left out"), ("a b", "names after `!` are left out")]),
    Row::new("METERKIT_CONSOLE_LABELS").valid(&[
        ("!user.*", "labels: KeyFilter { included: None, excluded: [NamePattern(\"user.*\")] } }"),
    ]),
];

/// Makes warnings errors, so that they are visible.
const STRICT: &[(&str, &str)] = &[("METERKIT_STRICT", "true")];

#[test]
fn every_setting_behaves_like_all_others() {
    let is_here = |it: &&Declaration| {
        // `METERKIT_STRICT` affects only invalid values.
        it.name != "METERKIT_STRICT" && (cfg!(feature = "config") || it.name != "OTEL_CONFIG_FILE")
    };
    let own = table::SETTINGS.iter().filter(is_here);
    let intervals = Known::all().filter_map(|target| Some(&**target.declaration?.interval));
    let filters = Known::all().filter_map(|it| it.filter).flat_map(FilterSettings::declarations);
    let settings: Vec<_> = own.chain(intervals).chain(filters).copied().collect();
    let directory = tempfile::tempdir().expect("a temporary directory");
    Table {
        settings: &settings,
        rows: ROWS,
        beside: STRICT,
        read: &|environment| Settings::read(environment).map(|settings| format!("{settings:?}")),
        read_section: None,
        has_defaults: false,
        directory: directory.path().to_str().expect("a path of letters"),
    }
    .check();
}

#[test]
fn a_harmless_variable_of_opentelemetry_with_a_wrong_value_is_a_warning() {
    for (name, value, fix) in [
        ("OTEL_METRIC_EXPORT_INTERVAL", "soon", "write a whole number of milliseconds, 1 or more"),
        (
            "OTEL_METRIC_EXPORT_TIMEOUT",
            "-1",
            "write a whole number of milliseconds, 0 for no limit",
        ),
    ] {
        let settings = settings(&[(name, value)]);
        assert_eq!(settings.schedule, Schedule::default());
        let warnings: Vec<_> = settings.warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warnings, [format!("{name}=`{value}`: {fix}; until then, the default applies")]);
        let text = problem(&[(name, value), ("METERKIT_STRICT", "TRUE")]);
        assert_eq!(text, format!("{name}=`{value}`: {fix}"));
    }
    let text = problem(&[("METERKIT_STRICT", "yes")]);
    assert_eq!(text, "METERKIT_STRICT=`yes`: write `true` or `false`");
}
